"""Payout accounts without a database: states and moves, numbers, keys, days, signatures."""

import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.base.money.calendar import BusinessCalendar
from everycent.base.platform.settings import SettingsError
from everycent.base.platform.signatures import BadSignature, bad_signature, signed
from everycent.flow.parties.account_keys import VARIABLE, AccountKeys, NumberAltered, new_key
from everycent.flow.parties.core.account_moves import DONE, MOVES, AccountMove, AccountState, NotMoved, moved
from everycent.flow.parties.core.account_number import Method, masked, plain_number, usable_on

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


def test_only_the_moves_of_the_table_lead_anywhere() -> None:
    for state in AccountState:
        for move in AccountMove:
            reached = moved(state, move)
            if (state, move) in MOVES:
                assert reached is MOVES[state, move]
            elif DONE.get(move) is state:
                assert reached is state, "done before"
            else:
                assert isinstance(reached, NotMoved) and f"cannot {move}" in reached.message


def test_nobody_is_paid_on_an_account_that_no_service_accepted() -> None:
    into = {(state, move) for (state, move), reached in MOVES.items() if reached is AccountState.VERIFIED}
    assert into == {(AccountState.VERIFYING, AccountMove.ACCEPT)}


@pytest.mark.parametrize(
    ("method", "text", "number"),
    [
        (Method.BANK_CARD, " 6222 0200\u00a01234 5678 ", "6222020012345678"),
        (Method.BANK_CARD, "de89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        (Method.ALIPAY, "shop@example.com", "shop@example.com"),
        (Method.ALIPAY, "138 0000 0000", "13800000000"),
        (Method.WECHAT, "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o", "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"),
    ],
)
def test_a_number_is_kept_without_blanks(method: Method, text: str, number: str) -> None:
    assert plain_number(method, text) == number


@pytest.mark.parametrize(
    ("method", "text"),
    [(Method.BANK_CARD, "123"), (Method.BANK_CARD, "6222-0200"), (Method.ALIPAY, "shop"), (Method.WECHAT, "a b\n"),
     (Method.BANK_CARD, "=1+1")],
)  # fmt: skip
def test_what_is_no_number_is_refused_without_showing_it(method: Method, text: str) -> None:
    refused = plain_number(method, text)
    assert isinstance(refused, NotMoved) and refused.name == "number_malformed" and text not in refused.message


@given(st.text("0123456789", min_size=1, max_size=34))
def test_of_a_number_four_characters_are_seen_at_most(number: str) -> None:
    seen = masked(number)
    assert len(seen) <= 8 and (len(number) >= 8) == seen.endswith(number[-4:])


SHANGHAI = BusinessCalendar.parse("Asia/Shanghai", "00:00")
DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("verified", "confirmed", "cooling", "day"),
    [
        ("2026-03-01T09:00", None, DAY, date(2026, 3, 1)),
        ("2026-03-01T17:00", None, DAY, date(2026, 3, 2)),  # midnight in Shanghai is over
        ("2026-03-01T09:00", "2026-03-01T08:00", DAY, date(2026, 3, 3)),  # cooled on the 2nd at 16:00
        ("2026-03-01T09:00", "2026-02-28T16:00", DAY, date(2026, 3, 2)),  # cooled as the 2nd begins
        ("2026-03-09T09:00", "2026-03-01T08:00", DAY, date(2026, 3, 9)),  # the service was slower
        ("2026-03-01T09:00", "2026-03-01T08:00", timedelta(0), date(2026, 3, 2)),
    ],
)
def test_a_change_is_used_from_the_first_whole_day_after_it_has_cooled(
    verified: str, confirmed: str | None, cooling: timedelta, day: date
) -> None:
    at = [None if text is None else datetime.fromisoformat(f"{text}+00:00") for text in (verified, confirmed)]
    assert at[0] is not None
    assert usable_on(at[0], at[1], cooling, SHANGHAI) == day


def keys(*parts: str) -> AccountKeys:
    return AccountKeys.load({VARIABLE: ",".join(parts)})


def test_a_number_is_opened_at_its_place_alone() -> None:
    key = keys(new_key("k1"))
    sealed = key.seal("6222020012345678", "account a")
    assert b"6222" not in sealed.content
    assert key.open("k1", sealed.content, "account a") == "6222020012345678"
    flipped = bytes([sealed.content[0] ^ 1]) + sealed.content[1:]
    for content, place in ((sealed.content, "account b"), (flipped, "account a"), (b"", "account a")):
        with pytest.raises(NumberAltered, match="is not used"):
            key.open("k1", content, place)


def test_equal_numbers_are_found_and_look_different() -> None:
    key = keys(new_key("k1"))
    one, other = key.seal("6222020012345678", "a"), key.seal("6222020012345678", "b")
    assert one.digest == other.digest and one.content != other.content
    assert keys(new_key("k1")).digest("6222020012345678", "k1") != one.digest


def test_a_new_key_seals_and_the_old_one_still_opens() -> None:
    old, new = new_key("k1"), new_key("k2")
    sealed = keys(old).seal("6222020012345678", "a")
    rotated = keys(new, old)
    assert rotated.sealing == "k2" and rotated.open("k1", sealed.content, "a") == "6222020012345678"
    with pytest.raises(SettingsError, match="has no key 'k1'"):
        keys(new).open("k1", sealed.content, "a")


A_KEY = "A" * 43 + "="


@pytest.mark.parametrize("text", ["", "k1", "k1:!", "k1:AAAA", f"a b:{A_KEY}", f"k1:{A_KEY},k1:{A_KEY}"])
def test_keys_that_cannot_be_used_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises(SettingsError, match=VARIABLE) as refused:
        keys(text)
    assert "AAAA" not in str(refused.value)


ID = uuid.UUID(int=7)


def test_a_signed_message_is_believed_for_five_minutes() -> None:
    headers = signed(ID, b"said", b"secret", NOW)
    assert bad_signature(headers, b"said", b"secret", NOW + timedelta(minutes=5)) is None
    twice = {name.upper(): value for name, value in headers.items()}
    twice["WEBHOOK-SIGNATURE"] = f"v1,AAAA {headers['webhook-signature']}"
    assert bad_signature(twice, b"said", b"secret", NOW) is None
    assert bad_signature(headers, b"said", b"secret", NOW + timedelta(minutes=6)) is BadSignature.STALE
    assert bad_signature(headers, b"Said", b"secret", NOW) is BadSignature.WRONG
    assert bad_signature(headers, b"said", b"another", NOW) is BadSignature.WRONG
    later = {**headers, "webhook-timestamp": str(int(NOW.timestamp()) + 1)}
    assert bad_signature(later, b"said", b"secret", NOW) is BadSignature.WRONG
    for name in headers:
        assert bad_signature({**headers, name: "?"}, b"said", b"secret", NOW) is not None
        assert bad_signature({key: headers[key] for key in headers if key != name}, b"said", b"secret", NOW) is not None
