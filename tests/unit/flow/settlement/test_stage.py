"""Obligations in, statements out."""

from collections.abc import Callable
from datetime import date, timedelta

import duckdb
import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.parties.contract import PartySpec
from everycent.flow.settlement.contract import ACCRUAL, StatementSpec
from everycent.flow.settlement.stage import SettlementPlan, accrue, plan_settlement

Read = Callable[[str], pa.Table]

ROLES = {
    "platform": PartySpec(operator="shanghai"),
    "merchant": PartySpec(key=("merchant", "store")),
    "brand": PartySpec(key=("brand",)),
}


def plan(merchant: str = "weekly", brand: str = "monthly", **more: object) -> SettlementPlan:
    statements = {"merchant": StatementSpec(cycle=merchant, **more), "brand": StatementSpec(cycle=brand, mode="gross")}
    return plan_settlement(statements, ROLES, "market")


def sums(accruals: pa.Table) -> list[tuple[str, int, int, int]]:
    ACCRUAL.check(accruals)
    return [
        (row["statement_id"], int(row["payable_minor"]), int(row["receivable_minor"]), row["obligations"])
        for row in accruals.to_pylist()
    ]


def test_an_obligation_stands_on_both_ends_statements(engine: LocalEngine, obligations: Read) -> None:
    given = obligations("""
        record charge      debtor            creditor          amount booked_on
        A1     goods       platform          merchant:m-7/s-1   89.99  2026-03-02
        A1     commission  merchant:m-7/s-1  platform            5.00  2026-03-02
        A1     coupon      brand:b-2         merchant:m-7/s-1    2.80  2026-03-02
        A2     goods       platform          merchant:m-7/s-1   10.00  2026-03-08
        R1     goods       platform          merchant:m-7/s-1   -9.99  2026-03-09
    """)
    accrued = accrue(plan(), given, engine)
    week10, week11 = (f"market/merchant:m-7/s-1/2026-W{week}/CNY/shanghai" for week in (10, 11))
    march = "market/brand:b-2/2026-03/CNY/shanghai"
    assert sums(accrued.accruals) == [(march, 0, 280, 1), (week10, 10279, 500, 4), (week11, -999, 0, 1)]
    assert accrued.obligations["creditor_statement"].to_pylist() == [week10, None, week10, week10, week11]
    assert accrued.obligations["debtor_statement"].to_pylist() == [None, week10, march, None, None]
    assert accrued.obligations.drop_columns(["debtor_statement", "creditor_statement"]).equals(
        given.drop_columns(["debtor_statement", "creditor_statement"])
    )
    assert accrued.accruals["booked_from"].to_pylist() == [date(2026, 3, day) for day in (2, 2, 9)]
    assert accrued.accruals["mode"].to_pylist() == ["gross", "net", "net"]


@pytest.mark.parametrize(
    ("cycle", "booked_on", "period", "first", "last", "closes_on"),
    [
        ("daily", "2026-03-01", "2026-03-01", "2026-03-01", "2026-03-01", "2026-03-02"),
        ("T+0", "2026-03-01", "2026-03-01", "2026-03-01", "2026-03-01", "2026-03-02"),
        ("T+3", "2026-02-27", "2026-02-27", "2026-02-27", "2026-02-27", "2026-03-02"),
        ("weekly", "2027-01-01", "2026-W53", "2026-12-28", "2027-01-03", "2027-01-04"),
        ("weekly", "2024-12-30", "2025-W01", "2024-12-30", "2025-01-05", "2025-01-06"),
        ("monthly", "2024-02-29", "2024-02", "2024-02-01", "2024-02-29", "2024-03-01"),
        ("monthly", "2026-12-31", "2026-12", "2026-12-01", "2026-12-31", "2027-01-01"),
    ],
)
def test_periods(
    engine: LocalEngine,
    obligations: Read,
    cycle: str,
    booked_on: str,
    period: str,
    first: str,
    last: str,
    closes_on: str,
) -> None:
    given = obligations(f"record debtor creditor amount booked_on\nA1 platform merchant:m/s 1.00 {booked_on}")
    row = accrue(plan(merchant=cycle), given, engine).accruals.to_pylist()[0]
    assert row["statement_id"] == f"market/merchant:m/s/{period}/CNY/shanghai"
    found = [str(row[name]) for name in ("period", "period_first", "period_last", "closes_on")]
    assert found == [period, first, last, closes_on]


@pytest.mark.parametrize(
    ("ready_after", "closes_on"),
    [(timedelta(0), "2026-03-09"), (timedelta(minutes=10), "2026-03-10"), (timedelta(days=7), "2026-03-16")],
)
def test_a_statement_stays_open_for_whole_days(
    engine: LocalEngine, obligations: Read, ready_after: timedelta, closes_on: str
) -> None:
    given = obligations("record debtor creditor amount booked_on\nA1 platform merchant:m/s 1.00 2026-03-02")
    accruals = accrue(plan(ready_after=ready_after), given, engine).accruals
    assert str(accruals["closes_on"][0]) == closes_on


def test_currencies_and_legal_entities_have_their_own_statements(engine: LocalEngine, obligations: Read) -> None:
    given = obligations("""
        record debtor    creditor      amount currency legal_entity booked_on
        A1     platform  merchant:m/s  1.00   CNY      shanghai     2026-03-02
        A2     platform  merchant:m/s  100    JPY      shanghai     2026-03-02
        A3     platform  merchant:m/s  1.000  KWD      a/b          2026-03-02
    """)
    assert sums(accrue(plan(merchant="daily"), given, engine).accruals) == [
        ("market/merchant:m/s/2026-03-02/CNY/shanghai", 100, 0, 1),
        ("market/merchant:m/s/2026-03-02/JPY/shanghai", 100, 0, 1),
        (r"market/merchant:m/s/2026-03-02/KWD/a\/b", 1000, 0, 1),
    ]


def test_sums_are_wider_than_amounts(engine: LocalEngine, obligations: Read) -> None:
    rows = "\n".join(f"A{at} platform merchant:m/s {2**62} JPY 2026-03-02" for at in range(4))
    given = obligations(f"record debtor creditor amount currency booked_on\n{rows}")
    assert sums(accrue(plan(merchant="daily"), given, engine).accruals)[0][1] == 2**64


def test_nothing_in_nothing_out(engine: LocalEngine) -> None:
    accrued = accrue(plan(), OBLIGATION.empty(), engine)
    assert (accrued.obligations.num_rows, accrued.accruals.num_rows) == (0, 0)


def test_a_party_of_no_planned_role_is_a_bug(engine: LocalEngine, obligations: Read) -> None:
    given = obligations("record debtor creditor amount booked_on\nA1 platform courier:c 1.00 2026-03-02")
    with pytest.raises(duckdb.Error, match="no statement is planned for party courier:c"):
        accrue(plan(), given, engine)
