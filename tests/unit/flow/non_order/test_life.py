"""Charges on a real PostgreSQL, from being given to where their money is: deposits not below nothing, nothing twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as each
from hypothesis import strategies as st

from everycent.base.platform.database import connect
from everycent.flow.approvals import service as approvals
from everycent.flow.approvals.contract import Verdict
from everycent.flow.ledger import store as ledger_store
from everycent.flow.non_order import service
from everycent.flow.non_order.service import ChargeAltered, Counter
from everycent.flow.payments import charge_store
from everycent.flow.payments import service as payments
from everycent.flow.payments import store as payments_store
from everycent.flow.payments.contract import Move, PayoutSpec, Said
from everycent.flow.pipeline.paying import PAYMENT_OTHERS
from everycent.flow.pipeline.service import ChargeHouse
from everycent.proof.verify.core import ledger as ledger_rules
from everycent.proof.verify.core import non_order as rules
from everycent.proof.verify.core import payments as payment_rules
from everycent.proof.verify.tables import stored_tables

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
EXAMPLES: Iterator[int] = count()
SALE = """
    record debtor    creditor    amount booked_on
    A1     platform  merchant:m  500.00 2026-03-01
"""


class Desk:
    """Books of a market where charges are given; merchants m and n are known."""

    def __init__(self, books: Any, plan: Any, giving: Any) -> None:
        self.books, self.plan, self.giving = books, plan, giving
        books.payouts = {"merchant": PayoutSpec(minimum="1.00")}
        for party in ("merchant:m", "merchant:n"):
            books.connection.execute(
                "INSERT INTO parties.party (tenant, model, party_id, role, party_key, first_batch_no)"
                " VALUES (%s, %s, %s, 'merchant', %s, 1)", (books.tenant, books.model, party, party[-1]))  # fmt: skip

    def counter(self, by: str = "ann", connection: Any = None) -> Counter:
        return Counter(
            connection or self.books.connection, self.books.tenant, self.books.model, ChargeHouse(), by, NOON
        )

    def give(self, text: str, by: str = "ann") -> str:
        """What came of it: its state, unchanged, or the refusal."""
        answer = service.give(self.counter(by), self.plan, self.giving(text))
        if answer.refused is not None:
            return str(answer.refused.refusal)
        return "unchanged" if answer.outcome == "unchanged" else str(answer.state)

    def say(self, reference: str, by: str, *, yes: bool = True) -> str:
        """A person's word on the request of a charge, and where the charge stands then."""
        charge_id = service.charge_id(self.books.tenant, self.books.model, "operations", reference)
        where = (self.books.connection, self.books.tenant, self.books.model)
        (request,) = approvals.requests(*where, subject_id=str(charge_id))
        digest = service.content_now(*where, str(charge_id))
        answer = approvals.decide(*where, request.request_id, Verdict(by, yes, None if yes else "no", digest), NOON)
        assert answer.request is not None and answer.request.state != "pending", answer
        return str(service.decided(self.counter(by), answer.request))

    def instruct(self, day: str) -> list[tuple[str, str, int]]:
        """What was instructed: whose, which way, minor units."""
        rows = self.books.instruct(day).to_pylist()
        return sorted((row["party_id"], row["direction"], int(row["amount_minor"])) for row in rows)

    def result(self, move: Move, instruction_id: Any = None) -> None:
        """What the bank says of an instruction, or of all that were filed for `day`."""
        rows = payments_store.instructions(self.books.connection, self.books.tenant, self.books.model).to_pylist()
        said = [
            Said(row["instruction_id"], move, f"{move} {row['instruction_id']}", "bank")
            for row in rows if instruction_id in (None, row["instruction_id"])
        ]  # fmt: skip
        where = (self.books.connection, PAYMENT_OTHERS, self.books.tenant)
        payments.take_in(*where, said, NOON, date(2026, 3, 9))

    def file(self, day: str, folder: Any) -> None:
        self.books.write_files(day, folder)

    def deposit(self, party: str = "merchant:m") -> tuple[int, int, int]:
        """Asked of it, paid in, given back."""
        rows = charge_store.deposits(self.books.connection, self.books.tenant, self.books.model, ["deposit"], party)
        return (rows[0]["owed_minor"], rows[0]["paid_in_minor"], rows[0]["given_back_minor"]) if rows else (0, 0, 0)

    def balance(self, account: str) -> int:
        rows = ledger_store.balances(self.books.connection, self.books.tenant, self.books.model).to_pylist()
        return sum(int(row["credits_minor"] - row["debits_minor"]) for row in rows if row["account"] == account)

    def findings(self) -> list[str]:
        """What the verifier's rules of charges, instructions and the ledger find."""
        looked = (*rules.RULES, payment_rules.INSTRUCTION_SUMS, payment_rules.ZERO_GROUPS, payment_rules.REOPENED,
                  ledger_rules.INSTRUCTIONS_POSTED, ledger_rules.RESULTS_POSTED, ledger_rules.ACCOUNT_SUMS,
                  ledger_rules.TRIAL_BALANCE, ledger_rules.PARTY_BALANCES)  # fmt: skip
        engine = self.books.engine
        with stored_tables(self.books.connection, engine, self.books.tenant, self.books.model, []):
            found = [engine.connection.execute(rule.sql).fetchall()[0] for rule in looked]
        return [message for _, bad, message in found if bad]


@pytest.fixture
def desk(books: Any, plan: Any, giving: Any) -> Desk:
    return Desk(books, plan, giving)


def test_a_deposit_is_collected_by_itself_and_given_back(desk: Desk, tmp_path: Any) -> None:
    desk.books.book(SALE)
    assert desk.give("D-1 deposit merchant:m 300.00 CNY 2026-03-01") == "booked"
    assert desk.give("R-0 deposit_back merchant:m 1.00 CNY 2026-03-01") == "above_paid_in", "nothing has come in"
    desk.books.close("2026-03-02")
    both = [("merchant:m", "collect", 30000), ("merchant:m", "pay", 50000)]
    assert desk.instruct("2026-03-02") == both, "not netted"
    desk.file("2026-03-02", tmp_path)
    assert desk.deposit() == (30000, 0, 0)
    desk.result(Move.PAY)
    assert desk.deposit() == (30000, 30000, 0)
    assert desk.balance("operator/shanghai/deposit") == 30000 and desk.balance("party/merchant:m") == 0
    assert desk.give("R-1 deposit_back merchant:m 300.01 CNY 2026-03-02") == "above_paid_in"
    assert desk.give("R-2 deposit_back merchant:m 100.00 CNY 2026-03-02") == "booked"
    assert desk.give("R-3 deposit_back merchant:m 200.01 CNY 2026-03-02") == "above_paid_in"
    assert desk.instruct("2026-03-03") == [("merchant:m", "pay", 10000)]
    assert desk.balance("operator/shanghai/deposit") == 20000
    assert desk.findings() == []


def test_what_a_party_owes_is_taken_from_its_deposit(desk: Desk, tmp_path: Any) -> None:
    desk.give("D-1 deposit merchant:m 300.00 CNY 2026-03-01")
    desk.instruct("2026-03-01")
    desk.file("2026-03-01", tmp_path)
    desk.result(Move.PAY)
    desk.books.book("record debtor creditor amount booked_on\nA1 merchant:m platform 100.00 2026-03-02")
    assert desk.give("U-1 deposit_used merchant:m 300.01 CNY 2026-03-02") == "above_paid_in"
    assert desk.give("U-2 deposit_used merchant:m 100.00 CNY 2026-03-02") == "booked"
    desk.books.close("2026-03-03")
    assert desk.instruct("2026-03-03") == [], "what it owes is settled, and nothing is collected from its account"
    assert desk.deposit() == (30000, 30000, 10000)
    assert (desk.balance("operator/shanghai/deposit"), desk.balance("party/merchant:m")) == (20000, 0)
    assert desk.findings() == []


def test_a_fine_is_deducted_from_what_the_next_statement_pays(desk: Desk) -> None:
    assert desk.give("F-1 fine merchant:m 120.00 CNY 2026-03-01") == "booked"
    assert desk.give("B-1 bonus merchant:m 20.00 CNY 2026-03-01") == "booked"
    assert desk.instruct("2026-03-01") == [], "there is no statement yet"
    desk.books.book(SALE)
    desk.books.close("2026-03-02")
    assert desk.instruct("2026-03-02") == [("merchant:m", "pay", 40000)]
    assert desk.instruct("2026-03-03") == [], "once"
    assert (desk.balance("operator/shanghai/fine"), desk.balance("operator/shanghai/bonus")) == (12000, -2000)
    assert desk.balance("party/merchant:m") == 0 and desk.findings() == []


def test_a_fine_beside_gross_statements_takes_the_side_that_is_owed(desk: Desk) -> None:
    desk.books.statements["merchant"] = desk.books.statements["merchant"].model_copy(update={"mode": "gross"})
    desk.books.book(SALE + "    A2     merchant:m  platform   30.00 2026-03-01\n")
    desk.give("F-1 fine merchant:m 120.00 CNY 2026-03-01")
    desk.books.close("2026-03-02")
    assert desk.instruct("2026-03-02") == [("merchant:m", "collect", 15000), ("merchant:m", "pay", 50000)]


def test_a_statement_that_is_carried_draws_no_fine_out_of_a_bank_account(desk: Desk) -> None:
    desk.books.book("record debtor creditor amount booked_on\nA1 platform merchant:m 0.50 2026-03-01")
    desk.books.close("2026-03-02")
    assert desk.instruct("2026-03-02") == []
    assert desk.give("F-1 fine merchant:m 120.00 CNY 2026-03-02") == "booked"
    assert desk.instruct("2026-03-03") == []
    desk.books.book("record debtor creditor amount booked_on\nA2 platform merchant:m 200.00 2026-03-03")
    desk.books.close("2026-03-04")
    assert desk.instruct("2026-03-04") == [("merchant:m", "pay", 8050)]


def test_a_charge_below_the_minimum_is_instructed_all_the_same_where_it_is_alone(desk: Desk) -> None:
    desk.give("D-1 deposit merchant:m 0.50 CNY 2026-03-01")
    assert desk.instruct("2026-03-01") == [("merchant:m", "collect", 50)]


def test_what_is_owed_from_a_later_day_waits_for_it(desk: Desk) -> None:
    desk.give("D-1 deposit merchant:m 5.00 CNY 2026-03-05")
    assert desk.instruct("2026-03-04") == []
    assert desk.instruct("2026-03-05") == [("merchant:m", "collect", 500)]


def test_what_is_owed_from_a_closed_day_is_booked_on_the_open_one(desk: Desk) -> None:
    desk.books.close("2026-03-10")
    desk.give("D-1 deposit merchant:m 5.00 CNY 2026-03-05")
    rows = desk.books.connection.execute("SELECT occurred_on, booked_on FROM non_order.charge").fetchall()
    assert rows == [(date(2026, 3, 5), date(2026, 3, 10))]


def test_what_failed_or_came_back_is_instructed_anew(desk: Desk, tmp_path: Any) -> None:
    desk.books.book(SALE)
    desk.give("F-1 fine merchant:m 120.00 CNY 2026-03-01")
    desk.give("D-1 deposit merchant:n 50.00 CNY 2026-03-01")
    desk.books.close("2026-03-02")
    first = [("merchant:m", "pay", 38000), ("merchant:n", "collect", 5000)]
    assert desk.instruct("2026-03-02") == first
    desk.file("2026-03-02", tmp_path)
    desk.result(Move.PAY)
    assert desk.deposit("merchant:n") == (5000, 5000, 0)
    desk.result(Move.RETURN)
    assert desk.deposit("merchant:n") == (5000, 0, 0), "what came back is not paid in"
    assert desk.give("R-1 deposit_back merchant:n 1.00 CNY 2026-03-02") == "above_paid_in"
    assert desk.instruct("2026-03-09") == first and desk.findings() == []


def test_given_again_it_changes_nothing_and_with_other_content_it_is_refused(desk: Desk) -> None:
    text = "F-1 fine merchant:m 120.00 CNY 2026-03-01"
    assert [desk.give(text), desk.give(text, by="bob")] == ["booked", "unchanged"]
    for other in ("F-1 fine merchant:n 120.00 CNY 2026-03-01", "F-1 fine merchant:m 120.01 CNY 2026-03-01",
                  "F-1 bonus merchant:m 120.00 CNY 2026-03-01", "F-1 fine merchant:m 120.00 CNY 2026-03-02",
                  ):  # fmt: skip
        assert desk.give(other) == "other_content", other
    assert desk.balance("party/merchant:m") == -12000


def test_a_large_one_waits_for_a_yes_and_a_no_declines_it(desk: Desk, tmp_path: Any) -> None:
    approvals.set_member(desk.books.connection, desk.books.tenant, "finance", "dora", "chief", NOON, is_in=True)
    desk.give("D-1 deposit merchant:m 2000.00 CNY 2026-03-01")
    desk.instruct("2026-03-02")
    desk.file("2026-03-02", tmp_path)
    desk.result(Move.PAY)
    assert desk.give("R-1 deposit_back merchant:m 1500.00 CNY 2026-03-02") == "asked"
    assert desk.give("R-2 deposit_back merchant:m 500.01 CNY 2026-03-02") == "above_paid_in", "what is asked for counts"
    assert desk.instruct("2026-03-03") == [], "it is not booked"
    assert desk.say("R-1", "dora", yes=False) == "declined"
    assert desk.give("R-3 deposit_back merchant:m 2000.00 CNY 2026-03-02") == "asked"
    assert desk.say("R-3", "dora") == "booked"
    assert desk.instruct("2026-03-04") == [("merchant:m", "pay", 200000)] and desk.findings() == []
    assert desk.balance("operator/shanghai/deposit") == 0


def test_a_deposit_that_went_back_to_the_bank_meanwhile_is_not_given_back(desk: Desk, tmp_path: Any) -> None:
    approvals.set_member(desk.books.connection, desk.books.tenant, "finance", "dora", "chief", NOON, is_in=True)
    desk.give("D-1 deposit merchant:m 2000.00 CNY 2026-03-01")
    desk.instruct("2026-03-02")
    desk.file("2026-03-02", tmp_path)
    desk.result(Move.PAY)
    assert desk.give("R-1 deposit_back merchant:m 1500.00 CNY 2026-03-02") == "asked"
    desk.result(Move.RETURN)
    assert desk.say("R-1", "dora") == "declined"


def test_two_who_give_the_same_deposit_back_at_once_do_it_once(desk: Desk, tmp_path: Any) -> None:
    desk.give("D-1 deposit merchant:m 300.00 CNY 2026-03-01")
    desk.instruct("2026-03-02")
    desk.file("2026-03-02", tmp_path)
    desk.result(Move.PAY)

    def back(reference: str) -> str:
        with connect(desk.books.database.settings) as own:
            text = desk.giving(f"{reference} deposit_back merchant:m 300.00 CNY 2026-03-02")
            answer = service.give(desk.counter(connection=own), desk.plan, text)
        return str(answer.state if answer.refused is None else answer.refused.refusal)

    with ThreadPoolExecutor(4) as many:
        came = sorted(many.map(back, ["R-1", "R-2", "R-3", "R-4"]))
    assert came == ["above_paid_in"] * 3 + ["booked"] and desk.deposit() == (30000, 30000, 30000)


TAMPERINGS = [
    ("UPDATE non_order.charge SET amount_minor = amount_minor + 1 WHERE kind = 'fine'", "each booked non-order"),
    ("UPDATE non_order.charge SET party_id = 'merchant:n' WHERE kind = 'fine'", "each booked non-order"),
    ("UPDATE non_order.charge SET settled_by = 'instruction' WHERE kind = 'fine'", "settled at most once"),
    ("UPDATE non_order.charge SET approval_id = gen_random_uuid() WHERE kind = 'fine'", "stands where its request"),
    ("DELETE FROM non_order.charge WHERE kind = 'fine'", "each booked non-order"),
    ("UPDATE non_order.charge SET kind = 'deposit_back' WHERE kind = 'deposit'", "no more of a deposit"),
    ("UPDATE payments.instruction_statement SET amount_minor = amount_minor + 1 WHERE amount_minor < 0",
     "settled at most once"),
    ("DELETE FROM ledger.transfer WHERE cause LIKE 'charge %'", "each booked non-order"),
]  # fmt: skip


def test_whatever_is_altered_is_found(desk: Desk) -> None:
    desk.books.book(SALE)
    desk.give("F-1 fine merchant:m 120.00 CNY 2026-03-01")
    desk.give("D-1 deposit merchant:m 50.00 CNY 2026-03-01")
    desk.books.close("2026-03-02")
    desk.instruct("2026-03-02")
    assert desk.findings() == []
    engine = desk.books.engine
    for tamper, rule in TAMPERINGS:
        with desk.books.connection.transaction(force_rollback=True):
            desk.books.connection.execute(tamper)
            with stored_tables(desk.books.connection, engine, desk.books.tenant, desk.books.model, []):
                named = [each.name for each in rules.RULES if engine.connection.execute(each.sql).fetchall()[0][1]]
        assert any(rule in name for name in named), (tamper, named)


def test_an_altered_charge_is_not_changed(desk: Desk) -> None:
    desk.give("F-1 fine merchant:m 120.00 CNY 2026-03-01")
    desk.books.connection.execute("UPDATE non_order.charge SET amount_minor = 1")
    with pytest.raises(ChargeAltered, match="merchant:m was altered"):
        desk.give("F-1 fine merchant:m 120.00 CNY 2026-03-01")


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["deposit", "deposit_back", "fine", "bonus", "pay", "return", "refuse", "run"]),
        st.integers(1, 60_000),
    ),
    min_size=4,
    max_size=14,
)  # fmt: skip


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@each(steps=STEPS)
def test_no_deposit_is_below_nothing_and_no_cent_is_lost(
    books: Any, plan: Any, giving: Any, tmp_path: Any, steps: Any
) -> None:
    """Whatever is given and whatever the bank says of it, in any order; each example is a model of its own."""
    asks_nobody = {name: replace(kind, approve=()) for name, kind in plan.kinds.items()}
    market = type(books)(books.database, books.engine, f"market-{next(EXAMPLES)}")
    desk = Desk(market, replace(plan, kinds=asks_nobody), giving)
    moved = {"deposit": 0, "fine": 0, "bonus": 0}
    for at, (step, minor) in enumerate(steps):
        day = f"2026-03-{at + 2:02}"
        if step == "run":
            market.book(f"record debtor creditor amount booked_on\nA{at} platform merchant:m {minor / 100:.2f} {day}")
            market.close(f"2026-03-{at + 3:02}")
            desk.instruct(f"2026-03-{at + 3:02}")
            desk.file(f"2026-03-{at + 3:02}", tmp_path)
        elif step in ("pay", "return", "refuse"):
            desk.result(Move(step))
        else:
            came = desk.give(f"{at} {step} merchant:m {minor // 100}.{minor % 100:02} CNY {day}")
            owed, paid_in, given_back = desk.deposit()
            assert given_back <= owed, "never more than was ever asked of it"
            if came == "booked":
                account = "deposit" if step == "deposit_back" else step
                moved[account] += -minor if step in ("deposit_back", "bonus") else minor
                assert step != "deposit_back" or given_back <= paid_in
            else:
                assert came == ("not_positive" if minor == 0 else "above_paid_in")
        held = {kind: desk.balance(f"operator/shanghai/{kind}") for kind in moved}
        assert held == moved and held["deposit"] >= 0
    assert desk.findings() == []
