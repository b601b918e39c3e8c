"""What statements hand on: balances below 0, and parts that are held back; nothing of it is made or lost."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from everycent.base.engine.local import LocalEngine
from everycent.flow.parties.contract import PartySpec
from everycent.flow.settlement import service
from everycent.flow.settlement.contract import LINE, RATIO_ONE, STATEMENT, ReserveSpec, StatementSpec
from everycent.flow.settlement.core.handing_on import HandedOn, hand_on
from everycent.flow.settlement.stage import plan_settlement
from everycent.proof.verify import service as verifying
from everycent.proof.verify.core import ledger, lines, payments, statements

HEAD = "record debtor creditor amount booked_on\n"
OPEN_ON = date(2026, 3, 9)


def closing(*own: int, party: str = "merchant:m") -> pa.Table:
    """Statements of a merchant, one a day up to the open day, with what their own obligations give."""
    days = [OPEN_ON - timedelta(days=len(own) - at) for at in range(len(own))]
    rows = [
        {
            "statement_id": f"market/{party}/{day}/CNY/sh", "party_id": party, "role": "merchant",
            "period": str(day), "period_first": day, "period_last": day, "closes_on": day + timedelta(days=1),
            "currency": "CNY", "legal_entity": "sh", "charge_group": "", "mode": "net", "agreed": None,
            "payable_minor": max(amount, 0) + 7,
            "receivable_minor": max(-amount, 0) + 7, "obligations": 2, "net_minor": amount, "lines_minor": 0,
            "state": "open", "closed_as_of": None,
        }
        for day, amount in zip(days, own, strict=True)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=STATEMENT.columns)


def handed(engine: LocalEngine, given: pa.Table, **words: Any) -> HandedOn:
    spec = StatementSpec.model_validate({"cycle": "daily", **words})
    roles = {"platform": PartySpec(operator="sh"), "merchant": PartySpec(key=("m",))}
    return hand_on(plan_settlement({"merchant": spec}, roles, "market"), "t", given, LINE.empty(), OPEN_ON, engine)


def said(table: pa.Table) -> list[tuple[Any, ...]]:
    """Lines as (day of the statement, kind, amount, day of the other one), in their order."""
    rows = [
        (row["statement_id"][-16:-7], row["kind"], int(row["amount_minor"]), (row["other_statement"] or "")[-16:-7])
        for row in table.to_pylist()
    ]
    return sorted((day[-2:], kind, amount, other[-2:]) for day, kind, amount, other in rows)


def test_what_ends_below_0_is_taken_from_the_next_until_it_is_made_up(engine: LocalEngine) -> None:
    lines = handed(engine, closing(-500, 200, 400, -50), negative="carry").lines
    assert said(lines) == [
        ("05", "carried_out", 500, "06"),
        ("06", "carried_in", -500, "05"),
        ("06", "carried_out", 300, "07"),
        ("07", "carried_in", -300, "06"),
        ("08", "carried_out", 50, "09"),
        ("09", "carried_in", -50, "08"),
    ]


def test_where_it_is_collected_nothing_is_carried(engine: LocalEngine) -> None:
    result = handed(engine, closing(-500, 200))
    assert (result.lines.num_rows, result.opened.num_rows) == (0, 0)


def test_a_part_is_held_back_rounded_half_up_and_never_more_than_is_there(engine: LocalEngine) -> None:
    words = {"negative": "carry", "reserve": {"ratio": "0.05", "release_after": "30 days"}}
    lines = handed(engine, closing(1010, -990, 1000), **words).lines
    assert [line for line in said(lines) if "reserve" in line[1]] == [
        ("06", "reserve_held", -51, ""),  # 50.5
        ("08", "reserve_held", -10, ""),  # 50, but 990 of the 1000 make up for the day before
    ]


def test_what_is_held_back_for_no_day_goes_to_the_statement_that_is_open(engine: LocalEngine) -> None:
    result = handed(engine, closing(1000), reserve={"ratio": "0.1", "release_after": "0 days"})
    assert said(result.lines) == [("08", "reserve_held", -100, ""), ("09", "reserve_released", 100, "08")]
    (opened,) = result.opened.to_pylist()
    assert (opened["statement_id"], opened["obligations"]) == ("market/merchant:m/2026-03-09/CNY/sh", 0)


@pytest.mark.parametrize("ratio", ["0", "1.01", "-0.1", "0.123456789"])
def test_a_reserve_is_a_part(ratio: str) -> None:
    with pytest.raises(ValidationError, match="more than 0 and at most 1"):
        ReserveSpec.model_validate({"ratio": ratio, "release_after": "1 day"})


def by_hand(own: list[int], carries: bool, ratio: Decimal) -> tuple[list[int], list[int], int]:
    """What each statement ends with, what each holds back, and what goes on to the open one; one after another."""
    ends, held, coming = [], [], 0
    for amount in own:
        there, coming = amount + coming, 0
        if carries and there < 0:
            there, coming = 0, there
        base = max(amount, 0) * int(ratio * RATIO_ONE)
        kept = min((base + RATIO_ONE // 2) // RATIO_ONE, max(there, 0))
        ends.append(there - kept)
        held.append(kept)
    return ends, held, coming


amounts = st.lists(st.one_of(st.integers(-300, 300), st.integers(-(10**17), 10**17)), min_size=1, max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=8, deadline=None)
@given(st.lists(amounts, min_size=1, max_size=10), st.booleans(), st.sampled_from(["1", "0.05", "0.33333333"]))
def test_ended_and_held_and_carried_are_what_obligations_gave(
    engine: LocalEngine, merchants: list[list[int]], carries: bool, ratio: str
) -> None:
    parties = [(f"merchant:{at}", own) for at, own in enumerate(merchants)]
    given_ = pa.concat_tables([closing(*own, party=party) for party, own in parties])
    words = {"negative": "carry" if carries else "collect", "reserve": {"ratio": ratio, "release_after": "1 day"}}
    rows = handed(engine, given_, **words).lines.to_pylist()
    for party, own in parties:
        on_each: dict[str, int] = {}
        for row in (row for row in rows if row["party_id"] == party):
            on_each[row["statement_id"]] = on_each.get(row["statement_id"], 0) + int(row["amount_minor"])
        ids = [name for name in given_["statement_id"].to_pylist() if name.startswith(f"market/{party}/")]
        ends = [amount + on_each.get(name, 0) for name, amount in zip(ids, own, strict=True)]
        held = [-int(row["amount_minor"]) for row in rows if (row["party_id"], row["kind"]) == (party, "reserve_held")]
        coming = sum(amount for name, amount in on_each.items() if name not in ids)
        expected_ends, expected_held, expected_coming = by_hand(own, carries, Decimal(ratio))
        assert (ends, coming, sorted(held)) == (expected_ends, expected_coming, sorted(filter(None, expected_held)))
        assert sum(ends) + sum(held) + coming == sum(own), "nothing is lost"
        assert not carries or min(ends) >= 0


RULES = (
    *lines.RULES, payments.SIDE_OUTCOME, ledger.PARTY_BALANCES, ledger.TRIAL_BALANCE, statements.STATEMENT_SUMS,
    statements.STATEMENT_PERIOD,
)  # fmt: skip


def wrong(books: Any) -> set[str]:
    """The names of those of RULES that do not hold."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verifying, "RULES", RULES)
        verdict = verifying.verify(books.connection, books.database.details, books.engine, books.tenant, "market")
    return {check.name for check in verdict.findings} & {rule.name for rule in RULES}


def balance(books: Any, account: str) -> int:
    (row,) = books.connection.execute(
        "SELECT coalesce(sum(credits_minor - debits_minor), 0) FROM ledger.account WHERE account = %s", (account,)
    )
    return int(row[0])


@pytest.fixture
def keeping(books: Any) -> Any:
    """Books whose merchants' balances below 0 are carried, and a tenth is held back for 2 days."""
    books.statements["merchant"] = StatementSpec.model_validate(
        {"cycle": "daily", "negative": "carry", "reserve": {"ratio": "0.1", "release_after": "2 days"}}
    )
    return books


def cut(books: Any, as_of: str) -> list[tuple[str, int]]:
    books.close(as_of)
    return [(row["direction"], int(row["amount_minor"])) for row in books.instruct(as_of).to_pylist()]


def test_days_of_a_merchant_who_sold_and_took_back(keeping: Any) -> None:
    keeping.book(HEAD + "A1 platform merchant:m 100.00 2026-03-01")
    assert cut(keeping, "2026-03-02") == [("pay", 9000)]
    assert balance(keeping, "reserve/merchant:m") == 1000
    keeping.book(HEAD + "B1 merchant:m platform 30.00 2026-03-02")
    assert cut(keeping, "2026-03-03") == [], "it is carried on, nobody is asked to pay it"
    keeping.book(HEAD + "C1 platform merchant:m 50.00 2026-03-03")
    assert cut(keeping, "2026-03-04") == [("pay", 1500)], "50 - 30 carried in - 5 held back"
    assert balance(keeping, "reserve/merchant:m") == 500, "the first day's was released onto the 4th"
    assert cut(keeping, "2026-03-05") == [("pay", 1000)], "a statement without obligations pays it"
    assert cut(keeping, "2026-03-09") == []
    assert cut(keeping, "2026-03-10") == [("pay", 500)]
    assert (balance(keeping, "reserve/merchant:m"), balance(keeping, "party/merchant:m")) == (0, 0)
    assert wrong(keeping) == set()
    told = service.lines(keeping.connection, keeping.tenant, "market/merchant:m/2026-03-03/CNY/shanghai")
    assert [(line["kind"], int(line["amount_minor"])) for line in told] == [
        ("carried_in", -3000),
        ("reserve_held", -500),
    ]


def test_cutting_a_day_again_hands_nothing_on_again(keeping: Any) -> None:
    keeping.book(HEAD + "A1 platform merchant:m 100.00 2026-03-01\nB1 merchant:m platform 30.00 2026-03-02")
    keeping.close("2026-03-04")
    before = keeping.connection.execute("SELECT * FROM settlement.statement_line ORDER BY line_id").fetchall()
    keeping.close("2026-03-04")
    keeping.close("2026-03-03")
    assert keeping.connection.execute("SELECT * FROM settlement.statement_line ORDER BY line_id").fetchall() == before
    keeping.close("2026-03-06", dry_run=True)
    assert keeping.connection.execute("SELECT * FROM settlement.statement_line ORDER BY line_id").fetchall() == before


TAMPERED = [
    ("UPDATE settlement.statement_line SET amount_minor = amount_minor - 1 WHERE kind = 'reserve_held'",
     {lines.LINE_SUMS, lines.HANDED_ON, lines.POSTED}),
    ("UPDATE settlement.statement_line SET amount_minor = amount_minor + 1 WHERE kind = 'carried_out'",
     {lines.LINE_SUMS, lines.CARRIED, lines.HANDED_ON}),
    ("DELETE FROM settlement.statement_line WHERE kind = 'reserve_released'",
     {lines.LINE_SUMS, lines.RELEASED, lines.POSTED}),
    ("UPDATE settlement.statement_line SET release_on = '2027-01-01' WHERE kind = 'reserve_held'", {lines.RELEASED}),
    ("UPDATE settlement.statement SET lines_minor = lines_minor + 1", {lines.LINE_SUMS}),
    ("UPDATE settlement.statement SET reserve_ratio = 0.2", {lines.HANDED_ON}),
    ("UPDATE ledger.transfer SET amount_minor = amount_minor + 1 WHERE cause = 'statement line'", {lines.POSTED}),
]  # fmt: skip


def test_whatever_is_changed_in_lines_is_found(keeping: Any) -> None:
    keeping.book(HEAD + "A1 platform merchant:m 100.00 2026-03-01\nB1 merchant:m platform 30.00 2026-03-02")
    cut(keeping, "2026-03-04")
    cut(keeping, "2026-03-06")
    assert wrong(keeping) == set()
    for tamper, rules in TAMPERED:
        with keeping.connection.transaction(force_rollback=True):
            assert keeping.connection.execute(tamper).rowcount > 0
            assert {rule.name for rule in rules} <= wrong(keeping), tamper
