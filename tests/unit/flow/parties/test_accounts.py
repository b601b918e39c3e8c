"""Payout accounts in the database: given, confirmed by a second person, verified over HTTP, used from their day on."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from contract_messages import rule, said

from everycent.base.money.calendar import BusinessCalendar
from everycent.base.platform.signatures import signed
from everycent.flow.parties import service
from everycent.flow.parties.service import AccountKeys, AccountMove, AccountPolicy, Done, Given, Method, NotMoved
from everycent.serve.account_callbacks import receiving
from everycent.serve.demo.verification_service import Manner, VerificationSimulator, verification_simulator

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
AT = ("default", "market")
PARTY = "merchant:1001/0001"
SECRET = b"a shared secret of both"
POLICY = AccountPolicy(BusinessCalendar.parse("Asia/Shanghai", "00:00"), timedelta(days=1))
OLD, NEW = service.new_key("k1"), service.new_key("k2")
KEYS = AccountKeys.load({"EVERYCENT_ACCOUNT_KEYS": OLD})
CARD, OTHER = "6222020012345678", "6222020087654320"


@pytest.fixture
def connection(database: Any) -> Any:
    service.take_contracts(database.connection, *AT, rule(), [said()], NOW)
    return database.connection


def give(connection: Any, number: str = CARD, by: str = "ann", party: str = PARTY) -> Any:
    return service.give_account(connection, *AT, KEYS, Given(party, Method.BANK_CARD, number, "Tea House", by), NOW)


def act(connection: Any, account: Any, move: AccountMove, by: str, now: datetime = NOW) -> Any:
    return service.move_account(connection, "default", account.account_id, move, by, None, now)


def answer(connection: Any, said: Any, now: datetime = NOW, secret: bytes = SECRET) -> tuple[str, str | None]:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    headers = signed(uuid.uuid4(), body, secret, now)
    taken = service.take_answer(connection, *AT, POLICY, SECRET, headers, body, now)
    return taken.outcome, taken.refusal


def verified(connection: Any, account: Any, now: datetime = NOW, outcome: str = "verified") -> tuple[str, str | None]:
    service.ask_all(connection, *AT, lambda _: None, now)
    return answer(connection, {"reference": str(account.account_id), "outcome": outcome}, now)


def paid_to(connection: Any, day: date = date(2026, 3, 1)) -> list[str]:
    return service.usable_accounts(connection, *AT, day, KEYS)["number"].to_pylist()


def test_a_first_account_is_used_once_it_is_verified(connection: Any) -> None:
    given = give(connection)
    assert isinstance(given, Done) and given.account.state == "confirmed" and given.account.masked == "****5678"
    assert paid_to(connection) == []
    assert verified(connection, given.account) == ("taken", None)
    assert paid_to(connection) == [CARD] and paid_to(connection, date(2026, 2, 28)) == []
    told = [each["kind"] for each in service.events(connection, *AT, PARTY)]
    assert told == ["payout_account_wanted", "payout_account_given", "payout_account_verified"]


def test_the_number_is_nowhere_in_the_clear(connection: Any) -> None:
    give(connection)
    for name in ("payout_account", "account_move", "event"):
        rows = connection.execute(f"SELECT t::text FROM parties.{name} t").fetchall()
        assert rows and CARD not in str(rows) and CARD.encode().hex() not in str(rows)


def test_a_change_needs_a_second_person_and_cools(connection: Any) -> None:
    verified(connection, give(connection).account)
    changed = give(connection, OTHER).account
    assert changed.state == "given"
    refused = act(connection, changed, AccountMove.CONFIRM, "ann")
    assert isinstance(refused, NotMoved) and refused.name == "own_change"
    assert verified(connection, changed) == ("refused", "contradicts"), "nobody confirmed it"
    assert act(connection, changed, AccountMove.CONFIRM, "bob").changed
    assert not act(connection, changed, AccountMove.CONFIRM, "bob").changed, "done before"
    verified(connection, changed)
    assert [paid_to(connection, date(2026, 3, day)) for day in (1, 2, 3)] == [[CARD], [CARD], [OTHER]]


def test_who_withdraws_the_account_in_use_is_not_paid_on_the_one_before(connection: Any) -> None:
    verified(connection, give(connection).account)
    changed = give(connection, OTHER).account
    act(connection, changed, AccountMove.CONFIRM, "bob")
    verified(connection, changed)
    act(connection, changed, AccountMove.WITHDRAW, "ann", NOW + timedelta(days=5))
    assert paid_to(connection, date(2026, 3, 9)) == []
    assert paid_to(connection, date(2026, 3, 2)) == [CARD], "it was not in use yet"
    assert give(connection, CARD).changed is False, "the old one stands"


def test_the_same_account_given_again_is_the_one_that_was(connection: Any) -> None:
    first = give(connection).account
    again = give(connection, "6222 0200 1234 5678")
    assert (again.changed, again.account.account_id) == (False, first.account_id)
    other = give(connection, OTHER)
    assert isinstance(other, NotMoved) and other.name == "change_under_way"
    act(connection, first, AccountMove.WITHDRAW, "ann")
    assert give(connection, OTHER).changed


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (Given("merchant:9", Method.BANK_CARD, CARD, "Tea House", "ann"), "unknown_party"),
        (Given(PARTY, Method.BANK_CARD, "12", "Tea House", "ann"), "number_malformed"),
        (Given(PARTY, Method.BANK_CARD, CARD, " ", "ann"), "name_missing"),
        (Given(PARTY, Method.BANK_CARD, CARD, "长" * 141, "ann"), "name_too_long"),
    ],
)
def test_what_cannot_be_an_account_is_refused(connection: Any, given: Given, name: str) -> None:
    refused = service.give_account(connection, *AT, KEYS, given, NOW)
    assert isinstance(refused, NotMoved) and refused.name == name
    unknown = service.move_account(connection, "default", uuid.uuid4(), AccountMove.WITHDRAW, "ann", None, NOW)
    assert isinstance(unknown, NotMoved) and unknown.name == "unknown_account"


def test_answers_are_taken_once_and_kept_when_refused(connection: Any) -> None:
    account = give(connection).account
    yes = {"reference": str(account.account_id), "outcome": "verified"}
    assert answer(connection, yes) == ("refused", "contradicts"), "nobody has asked"
    service.ask_all(connection, *AT, lambda _: None, NOW)
    assert answer(connection, yes, secret=b"another") == ("refused", "signature_wrong")
    assert answer(connection, {**yes, "reference": str(uuid.uuid4())}) == ("refused", "unknown_account")
    assert answer(connection, b"{") == answer(connection, b"[]") == ("refused", "not_an_answer")
    assert answer(connection, {**yes, "outcome": "maybe"}) == ("refused", "not_an_answer")
    assert answer(connection, {**yes, "reason": "\ud800"}) == ("refused", "not_an_answer")
    twice = json.dumps(yes).encode()[:-1] + b', "outcome": "refused"}'
    assert answer(connection, twice) == ("refused", "not_an_answer")
    assert answer(connection, b" " * 20_000) == ("refused", "too_long")
    assert paid_to(connection) == []
    assert answer(connection, yes) == ("taken", None)
    assert answer(connection, yes) == ("duplicate", None)
    assert answer(connection, {**yes, "outcome": "refused"}) == ("refused", "contradicts")
    assert paid_to(connection) == [CARD], "a contradiction is for people"
    kept = [each["refusal"] for each in service.refused_answers(connection, "default")]
    assert kept == ["unknown_account", *["not_an_answer"] * 5, "too_long", "contradicts"]
    assert "payout_account_contradicted_by_refuse" in [each["kind"] for each in service.events(connection, *AT, PARTY)]


def test_numbers_are_found_and_sealed_anew(connection: Any) -> None:
    account = give(connection).account
    assert [each.account_id for each in service.found(connection, "default", KEYS, "6222 0200 1234 5678")] == [
        account.account_id
    ]
    rotated = AccountKeys.load({"EVERYCENT_ACCOUNT_KEYS": f"{NEW},{OLD}"})
    assert [service.rekey(connection, "default", rotated) for _ in range(2)] == [1, 0]
    alone = AccountKeys.load({"EVERYCENT_ACCOUNT_KEYS": NEW})
    assert [each.key_id for each in service.found(connection, "default", alone, CARD)] == ["k2"]
    assert service.found(connection, "default", KEYS, CARD) == []


@pytest.fixture
def simulated(connection: Any, database: Any) -> Iterator[VerificationSimulator]:
    """The service, whose call-backs come to us."""
    manners = {CARD: Manner.ACCEPTS}
    with (
        receiving(database.settings, "market", POLICY, SECRET) as address,
        verification_simulator(SECRET, address, manners) as simulator,
    ):
        yield simulator


def test_the_service_is_asked_over_http_and_answers_by_call_back(
    connection: Any, simulated: VerificationSimulator
) -> None:
    account = give(connection).account
    asked = service.VerificationService(simulated.url, SECRET)

    def states(manner: Manner) -> tuple[str, list[int]]:
        simulated.manners = {CARD: manner}
        simulated.told.clear()
        service.verify_accounts(connection, *AT, KEYS, asked, datetime.now(UTC))
        (now,) = service.accounts(connection, "default", None, PARTY)
        return now["state"], [status for status, _ in simulated.told]

    assert states(Manner.BROKEN) == ("verifying", [])
    assert states(Manner.UNKNOWN) == ("verifying", [422])
    assert states(Manner.WRONG_SIGNATURE) == ("verifying", [401])
    assert states(Manner.SLOW) == ("verifying", [])
    assert states(Manner.TWICE) == ("verified", [200, 200])
    simulated.deliver()
    assert [status for status, _ in simulated.told] == [200, 200, 200], "the late answer says the same"
    assert simulated.asked[0]["number"] == CARD and simulated.asked[0]["reference"] == str(account.account_id)
    liar = service.VerificationService(simulated.url, b"not the shared secret")
    second = service.take_contracts(connection, *AT, rule(), [said(contract="HT-2", store="0002")], NOW)[0].party_id
    give(connection, party=str(second))
    (told,) = service.verify_accounts(connection, *AT, KEYS, liar, datetime.now(UTC))
    assert told.not_reached == "the verification service answers 401"


def test_an_account_has_one_mandate_on_a_day_and_a_revocation_may_be_brought_forward(connection: Any) -> None:
    account = give(connection).account.account_id
    today = date(2026, 3, 20)

    def sign(day: int) -> Any:
        mandate = service.Signed(account, f"MANDATE-{day:02d}", date(2026, 3, day), "ann")
        return service.sign_mandate(connection, "default", KEYS, mandate, today, NOW)

    def revoke(day: int) -> Any:
        done = service.revoke_mandate(connection, "default", account, date(2026, 3, day), "ben", "by letter", NOW)
        return (done.mandate.revoked_on.day, done.changed) if isinstance(done, service.MandateDone) else done.name

    assert sign(2).changed and sign(5).name == "mandate_stands"
    assert [revoke(12), revoke(15), revoke(10), revoke(10)] == [(12, True), (12, False), (10, True), (10, False)]
    refused = {day: sign(day) for day in (1, 2, 9)}
    assert {each.name for each in refused.values()} == {"mandate_stands"}, "another one would have been on one day"
    assert "revoked on 2026-03-10; another one is signed on that day or later" in refused[9].message
    assert sign(10).changed
    assert revoke(9) == "not_allowed", "it is the last one that is revoked, and that was not signed yet"
    told = [each["content"] for each in service.events(connection, *AT, PARTY) if each["kind"].endswith("revoked")]
    assert [each["revoked_on"] for each in told] == ["2026-03-12", "2026-03-10"]
