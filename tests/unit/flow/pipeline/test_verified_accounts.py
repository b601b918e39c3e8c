"""Parties are paid to their verified accounts: nobody before, and a change only when it has cooled."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from contract_messages import said
from market_place import MarketPlace
from small_market import Fact, market

from everycent.base.money.calendar import BusinessCalendar
from everycent.base.platform.settings import SettingsError
from everycent.flow.parties import service
from everycent.flow.parties.accounts import answered
from everycent.flow.parties.core.account_number import masked
from everycent.flow.parties.service import AccountKeys, AccountMove, AccountPolicy, Done, Given, Method
from everycent.flow.payments import service as payments
from everycent.flow.pipeline.service import PAYMENT_OTHERS, plan_model
from everycent.proof.verify.service import verify

NOW = datetime(2026, 3, 1, 2, tzinfo=UTC)
MODEL = market("""\
onboarding: {sources: {mall: ["1"]}}
charges:
  goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
statements: {merchant: {cycle: daily, mode: net}, brand: {cycle: monthly, mode: net}}
payouts: {merchant: {account: {verified: yes}}, brand: {account: {}}}
""").replace("merchant: {key: [merchant]}", "merchant: {key: [merchant], onboard: {}}")
FACTS: list[Fact] = [
    ("sold", "A1", "A1,m/1,b-1,100.00,0.00,2026-03-01 10:00"),
    ("sold", "A2", "A2,m-2,b-1,50.00,0.00,2026-03-01 10:00"),
    ("sold", "A3", "A3,m/1,b-1,10.00,0.00,2026-03-02 10:00"),
    ("sold", "A4", "A4,m/1,b-1,20.00,0.00,2026-03-03 10:00"),
]
CARD, OTHER = "6222020012345678", "6222020087654320"
MASKED, OTHER_MASKED = masked(CARD), masked(OTHER)
POLICY = AccountPolicy(BusinessCalendar.parse("Asia/Shanghai", "00:00"), timedelta(days=1))


def verified(place: MarketPlace, keys: AccountKeys, number: str, *, accepted: bool = True) -> None:
    """The account of merchant m/1, given by ann, confirmed by bob, and what the service answers."""
    connection, at = place.session.connection, (place.session.tenant, place.model.name)
    given = Given("merchant:m\\/1", Method.BANK_CARD, number, "Tea House", "ann")
    done = service.give_account(connection, *at, keys, given, NOW)
    assert isinstance(done, Done), done
    service.move_account(connection, at[0], done.account.account_id, AccountMove.CONFIRM, "bob", None, NOW)
    service.ask_all(connection, *at, lambda _: None, NOW)
    reason = None if accepted else "the name is another"
    answered(connection, *at, done.account.account_id, accepted=accepted, reason=reason, policy=POLICY, now=NOW)


def paid(place: MarketPlace) -> list[tuple[str, int, str | None, str]]:
    return place.session.connection.execute(
        "SELECT party_id, amount_minor::bigint, account, state FROM payments.instruction ORDER BY as_of, party_id"
    ).fetchall()


def test_parties_are_paid_to_their_verified_accounts(place: MarketPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place.about(MODEL)
    monkeypatch.delenv("EVERYCENT_ACCOUNT_KEYS", raising=False)
    with pytest.raises(SettingsError, match="EVERYCENT_ACCOUNT_KEYS is not set"):
        place.deliver(FACTS)
    assert paid(place) == [], "nothing was taken in"
    monkeypatch.setenv("EVERYCENT_ACCOUNT_KEYS", service.new_key("k1"))
    keys, session = AccountKeys.load(), place.session
    plan = service.plan_onboarding(place.model.spec.onboarding, place.model.spec.parties)
    service.take_contracts(
        session.connection, session.tenant, place.model.name, plan, [said(merchant="m/1", cycle="daily")], NOW
    )
    verified(place, keys, CARD)
    verified(place, keys, OTHER)
    place.deliver(FACTS, date(2026, 3, 2))
    assert paid(place) == [
        ("merchant:m-2", 5000, None, "waiting"), ("merchant:m\\/1", 10000, MASKED, "created"),
    ]  # fmt: skip
    place.deliver([], date(2026, 3, 3))
    place.deliver([], date(2026, 3, 4))
    assert [account for party, _, account, _ in paid(place) if party != "merchant:m-2"] == [
        MASKED,
        OTHER_MASKED,
        OTHER_MASKED,
    ]
    place.proven()


def test_a_file_has_the_number_and_nothing_goes_to_an_account_that_is_verified_no_longer(
    place: MarketPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = place.about(MODEL)
    monkeypatch.setenv("EVERYCENT_ACCOUNT_KEYS", service.new_key("k1"))
    keys, session = AccountKeys.load(), place.session
    plan = service.plan_onboarding(place.model.spec.onboarding, place.model.spec.parties)
    service.take_contracts(
        session.connection, session.tenant, place.model.name, plan, [said(merchant="m/1", cycle="daily")], NOW
    )
    verified(place, keys, CARD)
    place.deliver(FACTS, date(2026, 3, 2))
    (account,) = [row["account_id"] for row in service.accounts(session.connection, session.tenant, None)]
    at = (session.connection, session.tenant, account, AccountMove.WITHDRAW, "ann", "stolen", NOW)

    def files(day: date) -> str:
        paths = payments.write_files(
            session.connection, session.engine, plan_model(place.model, session.tenant, place.model.files).payments,
            PAYMENT_OTHERS, session.tenant, place.model.name, day, tmp_path,
        )  # fmt: skip
        return "".join(path.read_text() for path in paths)

    with session.connection.transaction(force_rollback=True):
        assert CARD in files(date(2026, 3, 2)) and MASKED not in files(date(2026, 3, 2))
        service.move_account(*at)
        assert CARD in files(date(2026, 3, 2)), "what is with the bank is written again to the byte"
    assert not isinstance(service.move_account(*at), service.NotMoved)
    assert files(date(2026, 3, 2)) == "", "it is not filed"
    place.deliver([], date(2026, 3, 3))
    assert [(party, state) for party, _, _, state in paid(place)] == [
        ("merchant:m-2", "waiting"), ("merchant:m\\/1", "failed"), ("merchant:m\\/1", "waiting"),
    ]  # fmt: skip
    place.proven()


def test_an_account_whose_row_was_moved_to_another_party_is_paid_nothing(
    place: MarketPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = place.about(MODEL)
    monkeypatch.setenv("EVERYCENT_ACCOUNT_KEYS", service.new_key("k1"))
    session = place.session
    plan = service.plan_onboarding(place.model.spec.onboarding, place.model.spec.parties)
    where = (session.connection, session.tenant, place.model.name)
    service.take_contracts(*where, plan, [said(merchant="m/1", cycle="daily")], NOW)
    verified(place, AccountKeys.load(), CARD)
    session.connection.execute("UPDATE parties.payout_account SET party_id = 'merchant:m-2'")
    place.deliver(FACTS, date(2026, 3, 2))
    payouts = plan_model(place.model, session.tenant, place.model.files).payments
    with pytest.raises(service.NumberAltered, match="was not given to merchant:m-2"):
        payments.write_files(
            session.connection, session.engine, payouts, PAYMENT_OTHERS, *where[1:], date(2026, 3, 2), tmp_path
        )
    assert list(tmp_path.glob("*.xml")) == []


OWING = MODEL.replace("debtor: platform, creditor: merchant", "debtor: merchant, creditor: platform").replace(
    "{account: {verified: yes}}", "{account: {verified: yes}, direct_debit: {creditor_ids: {shanghai: CRED-1}},"
    " payer_accounts: {shanghai: DE89370400440532013000}}"
)  # fmt: skip


def test_what_a_party_owes_is_debited_under_the_mandate_of_its_verified_account_until_it_takes_it_back(
    place: MarketPlace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place = place.about(OWING)
    monkeypatch.setenv("EVERYCENT_ACCOUNT_KEYS", service.new_key("k1"))
    keys, session = AccountKeys.load(), place.session
    connection, tenant = session.connection, session.tenant
    plan = service.plan_onboarding(place.model.spec.onboarding, place.model.spec.parties)
    service.take_contracts(connection, tenant, place.model.name, plan, [said(merchant="m/1", cycle="daily")], NOW)
    verified(place, keys, CARD)
    (account,) = [row["account_id"] for row in service.accounts(connection, tenant, None)]
    day = date(2026, 3, 1)

    def sign(text: str, on: date = day, today: date = day) -> str:
        done = service.sign_mandate(connection, tenant, keys, service.Signed(account, text, on, "ann"), today, NOW)
        return done.name if isinstance(done, service.NotMoved) else f"{done.mandate.masked} {done.changed}"

    def files(on: date) -> dict[str, str]:
        paths = payments.write_files(
            connection, session.engine, plan_model(place.model, tenant, place.model.files).payments, PAYMENT_OTHERS,
            tenant, place.model.name, on, tmp_path,
        )  # fmt: skip
        return {path.name.partition("-")[0] + path.suffix: path.read_text() for path in paths}

    assert sign("x" * 36) == "mandate_malformed" and sign("M-1", date(2026, 3, 2)) == "mandate_to_come"
    assert sign("MANDATE-0001") == "****0001 True" and sign("MANDATE-0001") == "****0001 False"
    assert sign("MANDATE-0002") == "mandate_stands"
    place.deliver(FACTS, date(2026, 3, 2))
    first = files(date(2026, 3, 2))["direct_debits.xml"]
    assert "<MndtId>MANDATE-0001</MndtId>" in first and CARD in first
    stored = connection.execute("SELECT mandate FROM payments.instruction WHERE mandate IS NOT NULL").fetchall()
    assert stored == [("****0001",)], "in the clear it stands in the bank's file alone"

    place.deliver([], date(2026, 3, 3))
    revoked = service.revoke_mandate(connection, tenant, account, date(2026, 3, 2), "ben", "by letter", NOW)
    assert isinstance(revoked, service.MandateDone) and revoked.changed
    assert files(date(2026, 3, 3)) == {}, "a debit that is not sent is not filed any more"
    assert files(date(2026, 3, 2))["direct_debits.xml"] == first, "what is with the bank is written again to the byte"
    place.deliver([], date(2026, 3, 4))
    assert [*files(date(2026, 3, 4))] == ["collections.csv"], "its party is asked instead"
    reasons = connection.execute(
        "SELECT reason FROM payments.instruction WHERE party_id LIKE '%1' ORDER BY as_of, reason DESC"
    ).fetchall()
    told = "not debited: its mandate was revoked on 2026-03-02"
    assert reasons == [(None,), ("its mandate was revoked",), (told,)], "what came since with it"
    assert sign("MANDATE-0001") == "mandate_stands" == sign("MANDATE-0002", date(2026, 2, 28)), "it stood then"
    assert sign("MANDATE-0002", date(2026, 3, 2), date(2026, 3, 4)) == "****0002 True"
    monkeypatch.setenv("EVERYCENT_ACCOUNT_KEYS", f"{service.new_key('k2')},{service.new_key('k1')}")
    both = AccountKeys({**AccountKeys.load().by_id, "k1": keys.by_id["k1"]})
    assert service.rekey(connection, tenant, both) == 3, "the number and two mandates"
    assert service.mandate_ids(connection, tenant, both, [account])[account, day] == "MANDATE-0001"
    place.proven()
    with connection.transaction(force_rollback=True):
        connection.execute("DELETE FROM parties.mandate WHERE masked = '****0001'")
        named = [check.name for check in verify(connection, session.details, session.engine, tenant).findings]
        assert named == ["each direct debit of a verified account is under a mandate of that account"]


def test_what_is_owed_to_an_account_that_fails_verification_waits_by_name_for_another(
    place: MarketPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = place.about(MODEL)
    monkeypatch.setenv("EVERYCENT_ACCOUNT_KEYS", service.new_key("k1"))
    keys, session = AccountKeys.load(), place.session
    plan = service.plan_onboarding(place.model.spec.onboarding, place.model.spec.parties)
    service.take_contracts(
        session.connection, session.tenant, place.model.name, plan, [said(merchant="m/1", cycle="daily")], NOW
    )
    verified(place, keys, CARD, accepted=False)
    place.deliver(FACTS, date(2026, 3, 2))
    ((state, reason),) = session.connection.execute(
        "SELECT state, reason FROM payments.instruction WHERE party_id LIKE '%1'"
    ).fetchall()
    assert state == "waiting" and reason.startswith("merchant:m\\/1 has no verified account on ")
    verified(place, keys, OTHER)
    place.deliver([], date(2026, 3, 3))
    mine = [row for row in paid(place) if row[0] == "merchant:m\\/1"]
    assert mine[0] == ("merchant:m\\/1", 10000, OTHER_MASKED, "created"), "nothing of it is lost"
    place.proven()
