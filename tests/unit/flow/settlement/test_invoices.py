"""Invoices of statements: what is on them, their numbers and states, and statements that wait for them."""

import hashlib
import json
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from everycent.base.engine.local import LocalEngine
from everycent.base.money.rounding import Rounding, round_fraction
from everycent.flow.approvals import service as approvals
from everycent.flow.parties.contract import CONTRACT_PERIOD, PartySpec
from everycent.flow.settlement import service
from everycent.flow.settlement.contract import STATEMENT, InvoiceSearch, Search, StatementSpec, TaxSpec
from everycent.flow.settlement.core.invoicing import Invoiced, invoice
from everycent.flow.settlement.service import Asking, Desk, InvoiceGiven
from everycent.flow.settlement.stage import plan_settlement
from everycent.proof.verify import service as verifying
from everycent.proof.verify.core import invoices, ledger, lines, lives, payments, statements
from everycent.proof.verify.core.rule import Rule

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
STATEMENT_ID = "market/merchant:m/2026-03-01/CNY/shanghai"
OURS, THEIRS = f"{STATEMENT_ID}/receivable/1", f"{STATEMENT_ID}/payable/1"
HEAD = "record debtor creditor amount booked_on charge\n"
SOLD = (
    HEAD + "A1 platform merchant:m 100.00 2026-03-01 goods\n"
    "A1 merchant:m platform 10.05 2026-03-01 commission\n"
    "A1 merchant:m platform 1.00 2026-03-01 postage"
)


def a_statement(currency: str = "CNY", agreed: str | None = None) -> pa.Table:
    day = date(2026, 3, 1)
    row = {
        "statement_id": "s", "party_id": "merchant:m", "role": "merchant", "period": str(day), "period_first": day,
        "period_last": day, "closes_on": day, "currency": currency, "legal_entity": "sh", "charge_group": "",
        "mode": "net", "agreed": agreed, "payable_minor": 0, "receivable_minor": 0, "obligations": 1, "net_minor": 0,
        "lines_minor": 0, "state": "open", "closed_as_of": None,
    }  # fmt: skip
    return pa.Table.from_pylist([row], schema=STATEMENT.columns)


def invoiced(engine: LocalEngine, owed: dict[str, int], words: dict[str, Any] | None, closing: pa.Table) -> Invoiced:
    """`owed`: by charge, minor units that the merchant owes; below 0, that it is owed."""
    spec = StatementSpec.model_validate({"cycle": "daily", **({} if words is None else {"invoice": words})})
    roles = {"platform": PartySpec(operator="sh"), "merchant": PartySpec(key=("m",))}
    plan = plan_settlement({"merchant": spec}, roles, "market")
    rows = [
        {"amount_minor": abs(minor), "charge": charge, "debtor_statement": "s" if minor > 0 else None,
         "creditor_statement": None if minor > 0 else "s"} for charge, minor in owed.items()
    ]  # fmt: skip
    shape = pa.schema([("amount_minor", pa.int64()), ("charge", pa.string()), ("debtor_statement", pa.string()),
                       ("creditor_statement", pa.string())])  # fmt: skip
    engine.connection.register("owed", pa.Table.from_pylist(rows, schema=shape))
    return invoice(plan, "t", closing, "owed", date(2026, 3, 2), engine)


def said(made: Invoiced) -> list[tuple[Any, ...]]:
    rows = made.lines.to_pylist()
    return [(row["side"], row["charge"], int(row["net_minor"]), int(row["tax_minor"])) for row in rows]


GOLDEN = [
    # currency, rate, included, round: of 10005 minor units, what is without tax, and the tax
    ("CNY", "0.06", "yes", "half_up", 9439, 566),  # 566.32
    ("CNY", "0.06", "no", "half_up", 10005, 600),  # 600.30
    ("CNY", "0.13", "yes", "half_up", 8854, 1151),  # 1151.02
    ("CNY", "0.13", "no", "half_up", 10005, 1301),  # 1300.65
    ("CNY", "0.13", "no", "down", 10005, 1300),
    ("JPY", "0.10", "yes", "half_up", 9095, 910),  # 909.55: a yen has no parts
    ("JPY", "0.10", "no", "half_up", 10005, 1001),  # 1000.50
    ("JPY", "0.10", "no", "half_even", 10005, 1000),
    ("JPY", "0.10", "no", "up", 10005, 1001),
]


@pytest.mark.parametrize(("code", "rate", "included", "rounding", "net", "tax"), GOLDEN)
def test_tax_is_in_the_amount_or_added_to_it_and_rounded_once(
    engine: LocalEngine, code: str, rate: str, included: str, rounding: str, net: int, tax: int
) -> None:
    """10005 is 100.05 CNY and 10,005 JPY."""
    words = {"charges": {"commission": {"rate": rate, "included": included, "round": rounding}}}
    made = invoiced(engine, {"commission": 10005, "postage": 100}, words, a_statement(code))
    assert said(made) == [("receivable", "commission", net, tax)], "postage is not invoiced"
    assert [int(line["amount_minor"]) for line in made.added.to_pylist()] == ([] if included == "yes" else [-tax])


def test_without_charges_and_by_contract_alone_all_are_invoiced_without_tax(engine: LocalEngine) -> None:
    owed = {"goods": -100, "postage": 7}
    expected = [("payable", "goods", 100, 0), ("receivable", "postage", 7, 0)]
    assert said(invoiced(engine, owed, {}, a_statement())) == expected
    assert said(invoiced(engine, owed, None, a_statement(agreed='{"invoice":"before_payment"}'))) == expected
    assert said(invoiced(engine, owed, None, a_statement())) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.integers(-(10**17), 10**17).filter(bool), st.integers(0, 10**9), st.booleans(), st.sampled_from(Rounding))
def test_a_tax_is_the_exact_fraction_rounded_as_money_is(
    engine: LocalEngine, owed: int, rate: int, included: bool, rounding: Rounding
) -> None:
    text = f"{rate // 10**8}.{rate % 10**8:08d}"
    words = {"charges": {"fee": {"rate": text, "included": "yes" if included else "no", "round": rounding.value}}}
    ((_, _, net, tax),) = said(invoiced(engine, {"fee": owed}, words, a_statement()))
    share = Fraction(rate, 10**8) / (1 + Fraction(rate, 10**8) if included else 1)
    assert tax == round_fraction(abs(owed) * share, rounding)
    assert net == abs(owed) - (tax if included else 0)


@pytest.mark.parametrize("rate", ["-0.01", "10.1", "0.123456789"])
def test_a_rate_is_a_rate(rate: str) -> None:
    with pytest.raises(ValidationError, match="write 0 to 10"):
        TaxSpec.model_validate({"rate": rate})


@pytest.fixture
def trading(books: Any) -> Any:
    """Books of a merchant that invoices its goods, 13 % included, and is invoiced commission, 6 % added, first."""
    charges = {"goods": {"rate": "0.13"}, "commission": {"rate": "0.06", "included": "no"}}
    words = {"before_payment": "yes", "charges": charges}
    books.statements["merchant"] = StatementSpec.model_validate({"cycle": "daily", "invoice": words})
    books.book(SOLD)
    cut(books, "2026-03-02")
    return books


def cut(books: Any, as_of: str) -> list[int]:
    """Cuts the day under a version of the model that is kept."""
    spec = books.statements["merchant"].model_dump(mode="json", include={"invoice"})
    text = json.dumps({"statements": {"merchant": spec}})
    books.version = f"version {hashlib.sha256(text.encode()).hexdigest()[:8]}"
    books.connection.execute(
        """INSERT INTO platform.model_version (tenant, model, model_version, source, files, decision_tables,
            recorded_at, seal) VALUES (%s, 'market', %s, %s, '{}', '{}', now(), gen_random_uuid())
        ON CONFLICT DO NOTHING""",
        (books.tenant, books.version, text),
    )
    books.close(as_of, asking=Asking(books.plan.needs, approvals, NOON))
    return [int(row["amount_minor"]) for row in books.instruct(as_of).to_pylist()]


def desk(books: Any, by: str = "ann") -> Desk:
    return Desk(books.connection, books.tenant, approvals, by, NOON)


def waits_for(books: Any) -> Any:
    (life,) = service.lives(books.connection, books.tenant, Search(ids=(STATEMENT_ID,)))
    return life["waits_for"]


def listed(books: Any) -> list[tuple[Any, ...]]:
    found = service.invoices(books.connection, books.tenant, InvoiceSearch())
    return [(row["side"], row["state"], int(row["total_minor"]), row["number"]) for row in found]


RULES = (
    *invoices.RULES, *lines.RULES, *lives.RULES, payments.SIDE_OUTCOME, ledger.PARTY_BALANCES, ledger.TRIAL_BALANCE,
    statements.STATEMENT_SUMS,
)  # fmt: skip


def wrong(books: Any) -> set[str]:
    """The names of those of RULES that do not hold."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verifying, "RULES", RULES)
        verdict = verifying.verify(books.connection, books.database.details, books.engine, books.tenant, "market")
    return {check.name for check in verdict.findings} & {rule.name for rule in RULES}


def test_a_statement_is_paid_once_its_invoices_are_there(trading: Any) -> None:
    """Goods of 100.00 less commission of 10.05 and its tax of 0.60, and postage of 1.00 that nobody invoices."""
    assert listed(trading) == [("payable", "due", 10000, None), ("receivable", "due", 1065, None)]
    assert waits_for(trading) == "invoice" and wrong(trading) == set()
    issued = service.issue_invoice(desk(trading), OURS, InvoiceGiven())
    assert (issued.outcome, issued.waits_for) == ("done", "invoice")
    theirs = InvoiceGiven("M-17", date(2026, 3, 2), 10000)
    assert service.receive_invoice(desk(trading), THEIRS, theirs).outcome == "done"
    assert waits_for(trading) == "invoice" and cut(trading, "2026-03-03") == []
    confirmed = service.confirm_invoice(desk(trading), THEIRS)
    assert (confirmed.outcome, confirmed.waits_for) == ("done", "release") and waits_for(trading) == "payment"
    assert cut(trading, "2026-03-04") == [8835]
    assert listed(trading) == [
        ("payable", "confirmed", 10000, "M-17"), ("receivable", "issued", 1065, "shanghai-2026-000001"),
    ]  # fmt: skip
    row = trading.connection.execute("SELECT credits_minor FROM ledger.account WHERE account = 'tax/shanghai'")
    assert row.fetchall() == [(60,)] and wrong(trading) == set()


def test_a_voided_invoice_is_due_again_under_another_number(trading: Any) -> None:
    service.issue_invoice(desk(trading), OURS, InvoiceGiven())
    service.receive_invoice(desk(trading), THEIRS, InvoiceGiven("M-17", date(2026, 3, 2), 10000))
    assert service.void_invoice(desk(trading), OURS, "wrong name").outcome == "done"
    assert service.confirm_invoice(desk(trading), THEIRS).waits_for == "invoice"
    assert service.void_invoice(desk(trading), THEIRS, "wrong day").outcome == "done"
    assert waits_for(trading) == "invoice" and wrong(trading) == set()
    again = f"{STATEMENT_ID}/payable/2"
    said = service.receive_invoice(desk(trading), again, InvoiceGiven("M-17", date(2026, 3, 3), 10000))
    assert said.refused is not None and said.refused.refusal == "number_taken"
    service.receive_invoice(desk(trading), again, InvoiceGiven("M-18", date(2026, 3, 3), 10000))
    service.confirm_invoice(desk(trading), again)
    service.issue_invoice(desk(trading), f"{STATEMENT_ID}/receivable/2", InvoiceGiven(issued_on=date(2027, 1, 1)))
    assert waits_for(trading) == "payment"
    service.void_invoice(desk(trading), again, "after payment")
    assert waits_for(trading) == "payment", "what is released stays so"
    assert [each[3] for each in listed(trading)] == [
        "M-17", "M-18", None, "shanghai-2026-000001", "shanghai-2027-000001",
    ]  # fmt: skip
    assert wrong(trading) == set()


def test_what_is_not_allowed_is_refused_by_name_and_said_again_changes_nothing(trading: Any) -> None:
    def refused(act: Any, *told: Any, by: str = "ann") -> str:
        answer = act(desk(trading, by), *told)
        assert answer.refused is not None and answer.refused.message
        return str(answer.refused.refusal)

    day = date(2026, 3, 2)
    assert refused(service.issue_invoice, "market/x/payable/1", InvoiceGiven()) == "unknown_invoice"
    assert refused(service.issue_invoice, "nonsense", InvoiceGiven()) == "unknown_invoice"
    assert refused(service.issue_invoice, OURS, InvoiceGiven(), by="everycent") == "unnamed"
    assert refused(service.issue_invoice, THEIRS, InvoiceGiven("M-17")) == "wrong_side"
    assert refused(service.confirm_invoice, THEIRS) == "wrong_state"
    assert refused(service.receive_invoice, THEIRS, InvoiceGiven(" ", day, 10000)) == "number_missing"
    assert refused(service.receive_invoice, THEIRS, InvoiceGiven("M-17", day, 9999)) == "other_total"
    assert refused(service.void_invoice, OURS, "early") == "wrong_state"
    for expected in ("done", "unchanged"):
        given = InvoiceGiven("M-17", day, 10000)
        assert service.receive_invoice(desk(trading), THEIRS, given).outcome == expected
        assert service.issue_invoice(desk(trading), OURS, InvoiceGiven()).outcome == expected
    assert refused(service.void_invoice, OURS, " ") == "reason_missing"
    assert wrong(trading) == set()


def test_its_party_is_asked_first_and_where_nothing_waits_invoices_come_later(books: Any) -> None:
    words = {"charges": {"goods": {"rate": "0.13"}}}
    books.statements["merchant"] = StatementSpec.model_validate({"cycle": "daily", "invoice": words, "confirm": {}})
    books.book(SOLD)
    assert cut(books, "2026-03-02") == []
    assert service.confirm(desk(books), STATEMENT_ID).waits_for == "release"
    assert cut(books, "2026-03-03") == [8895] and listed(books) == [("payable", "due", 10000, None)]
    books.statements["merchant"] = StatementSpec.model_validate(
        {"cycle": "daily", "invoice": {**words, "before_payment": "yes"}, "confirm": {}}
    )
    books.book(SOLD.replace("A1", "B1").replace("03-01", "03-03"))
    cut(books, "2026-03-04")
    later = STATEMENT_ID.replace("03-01", "03-03")
    given = InvoiceGiven("M-1", date(2026, 3, 4), 10000)
    assert service.receive_invoice(desk(books), f"{later}/payable/1", given).waits_for == "confirm"
    assert service.confirm_invoice(desk(books), f"{later}/payable/1").waits_for == "confirm"
    assert service.confirm(desk(books), later).waits_for == "release", "its invoice was there before"
    assert wrong(books) == set()


@pytest.mark.parametrize(("agreed", "paid"), [("none", [8895]), ("before_payment", []), (None, [])])
def test_a_contract_says_whether_invoices_are_waited_for(books: Any, agreed: str | None, paid: list[int]) -> None:
    words = {"before_payment": "yes", "charges": {"goods": {"rate": "0.13"}}}
    books.statements["merchant"] = StatementSpec.model_validate({"cycle": "daily", "invoice": words})
    known = {"party_id": "merchant:m", "role": "merchant", "contract_no": "K-1", "revision": 1, "cycle": "daily",
             "since": date(2026, 1, 1), "mode": "net", "minimum_payout_minor": "{}", "invoice": agreed}  # fmt: skip
    books.contracts = pa.Table.from_pylist([known], schema=CONTRACT_PERIOD.columns)
    books.book(SOLD)
    assert cut(books, "2026-03-02") == paid and len(listed(books)) == 1


#: Each is one look: what is changed together is found apart.
TAMPERED: list[tuple[list[str], set[Rule]]] = [
    (["UPDATE settlement.invoice_line SET tax_minor = tax_minor + 1, net_minor = net_minor - 1 WHERE charge = 'goods'",
      "UPDATE settlement.invoice_move SET to_state = 'received' WHERE move = 'issue'"],
     {invoices.LINES, invoices.SUMS, invoices.STANDS, invoices.ALLOWED}),
    (["UPDATE settlement.invoice_line SET rate = 5000000 WHERE charge = 'commission'",
      "UPDATE settlement.invoice SET number = 'X-1' WHERE side = 'receivable'",
      "UPDATE settlement.statement_line SET amount_minor = -61 WHERE kind = 'tax_added'"],
     {invoices.LINES, invoices.STANDS, invoices.ADDED, lines.LINE_SUMS, lines.POSTED}),
    (["DELETE FROM settlement.invoice_line WHERE charge = 'commission'",
      "DELETE FROM settlement.invoice_move WHERE move = 'confirm'"],
     {invoices.SUMS, invoices.ADDED, invoices.STANDS, invoices.WAITED}),
    (["UPDATE settlement.invoice SET issuer = 'merchant:n' WHERE side = 'payable'"], {invoices.SUMS}),
    (["UPDATE settlement.statement SET invoice_first = false, invoice_sides = 1"], {invoices.SUMS}),
    # 13 % of 100.00 comes to the same either way; postage is not invoiced, and without tax it would add up
    (["UPDATE settlement.invoice_line SET rounding = 'down' WHERE charge = 'goods'"], {invoices.RATED}),
    (["UPDATE settlement.invoice_line SET rounding = 'down' WHERE charge = 'goods'",
      "UPDATE settlement.statement SET closed_under = NULL"], {invoices.RATED}),
    (["UPDATE settlement.statement SET closed_under = 'another'"], {invoices.RATED}),
    (["INSERT INTO settlement.invoice_line SELECT tenant, model, statement_id, side, 'postage', 0, true, 'half_up',"
      " 100, 0 FROM settlement.invoice_line WHERE side = 'receivable'",
      "UPDATE settlement.invoice SET net_minor = net_minor + 100 WHERE side = 'receivable'"], {invoices.RATED}),
]  # fmt: skip


def test_whatever_is_changed_in_invoices_is_found(trading: Any) -> None:
    service.issue_invoice(desk(trading), OURS, InvoiceGiven())
    service.receive_invoice(desk(trading), THEIRS, InvoiceGiven("M-17", date(2026, 3, 2), 10000))
    service.confirm_invoice(desk(trading), THEIRS)
    cut(trading, "2026-03-03")
    assert wrong(trading) == set()
    for tamper, rules in TAMPERED:
        with trading.connection.transaction(force_rollback=True):
            assert all(trading.connection.execute(each).rowcount > 0 for each in tamper)
            found = wrong(trading)
            assert {rule.name for rule in rules} <= found, tamper
            assert rules != {invoices.RATED} or found == {invoices.RATED.name}, tamper


def test_each_statement_is_held_against_the_version_under_which_it_closed(trading: Any) -> None:
    """At 13 %, then at 9 % and with postage; what closed under neither, or says so of the other, is found."""
    charges = {"goods": {"rate": "0.09"}, "postage": {"rate": "0"}}
    trading.statements["merchant"] = StatementSpec.model_validate({"cycle": "daily", "invoice": {"charges": charges}})
    trading.book(SOLD.replace("A1", "B1").replace("03-01", "03-03"))
    cut(trading, "2026-03-04")
    assert wrong(trading) == set()
    with trading.connection.transaction(force_rollback=True):
        trading.connection.execute("UPDATE settlement.statement SET closed_under = NULL")
        assert wrong(trading) == set(), "closed before that was written down: any version will do"
    with trading.connection.transaction(force_rollback=True):
        trading.connection.execute("UPDATE settlement.statement SET closed_under = %s", (trading.version,))
        assert wrong(trading) == {invoices.RATED.name}
    with trading.connection.transaction(force_rollback=True):
        for each in ("invoice_line", "invoice"):
            sides = "statement_id LIKE '%%03-03%%' AND side = 'receivable'"
            trading.connection.execute(f"DELETE FROM settlement.{each} WHERE {sides}")
        trading.connection.execute("UPDATE settlement.statement SET invoice_sides = 1 WHERE period = '2026-03-03'")
        assert wrong(trading) == {invoices.RATED.name}, "postage is not invoiced"
