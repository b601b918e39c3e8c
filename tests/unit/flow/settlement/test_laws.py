"""Laws of statements, over any obligations."""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.base.money.cycle import Cycle
from everycent.flow.parties.contract import PartySpec
from everycent.flow.settlement.contract import StatementSpec
from everycent.flow.settlement.stage import accrue, plan_settlement

Read = Callable[[str], pa.Table]

PLAN = plan_settlement(
    {"merchant": StatementSpec(cycle="weekly"), "brand": StatementSpec(cycle="T+3")},
    {"platform": PartySpec(operator="sh"), "merchant": PartySpec(key=("m",)), "brand": PartySpec(key=("b",))},
    "market",
)

party = st.sampled_from(["platform", "merchant:a", "merchant:b/c", "brand:d"])
obligation = st.tuples(
    party,
    party,
    st.integers(-(10**15), 10**15),
    st.sampled_from(["JPY", "KRW"]),
    st.dates(date(2025, 12, 20), date(2026, 1, 10)),
)
cycles = st.one_of(st.sampled_from(["daily", "weekly", "monthly"]), st.integers(0, 999).map(lambda n: f"T+{n}"))


def table(obligations: Read, rows: list[tuple[str, str, int, str, date]], first: int = 0) -> pa.Table:
    lines = [f"A{first + at} {' '.join(str(cell) for cell in row)}" for at, row in enumerate(rows)]
    return obligations("record debtor creditor amount currency booked_on\n" + "\n".join(lines))


def added(*accruals: pa.Table) -> dict[str, tuple[int, int, int]]:
    total: dict[str, tuple[int, int, int]] = {}
    for row in pa.concat_tables(accruals).to_pylist():
        payable, receivable, count = total.get(row["statement_id"], (0, 0, 0))
        total[row["statement_id"]] = (
            payable + int(row["payable_minor"]),
            receivable + int(row["receivable_minor"]),
            count + row["obligations"],
        )
    return total


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(obligation, min_size=1, max_size=15))
def test_statements_and_the_operators_side_add_up_to_nothing(
    engine: LocalEngine, obligations: Read, rows: list[tuple[str, str, int, str, date]]
) -> None:
    accruals = accrue(PLAN, table(obligations, rows), engine).accruals
    net: Counter[str] = Counter()
    for row in accruals.to_pylist():
        net[row["currency"]] += int(row["payable_minor"] - row["receivable_minor"])
    for debtor, creditor, amount, code, _ in rows:
        net[code] += amount * ((creditor == "platform") - (debtor == "platform"))
    assert not any(net.values())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(obligation, min_size=1, max_size=15), st.data())
def test_any_cut_into_batches_gives_the_same_statements(
    engine: LocalEngine, obligations: Read, rows: list[tuple[str, str, int, str, date]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(rows)))
    whole = accrue(PLAN, table(obligations, rows), engine)
    parts = [accrue(PLAN, table(obligations, part, first), engine) for part, first in ((rows[:at], 0), (rows[at:], at))]
    assert added(*(part.accruals for part in parts)) == added(whole.accruals)
    assert pa.concat_tables([part.obligations for part in parts]).equals(whole.obligations)


@given(cycles, st.timedeltas(timedelta(0), timedelta(days=40)), st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.data())
def test_what_closes_lies_wholly_before_the_open_day(
    cycle: str, ready_after: timedelta, booked_on: date, data: st.DataObject
) -> None:
    """The reason why nothing can accrue on a closed statement: closing at `as_of` opens `as_of`, and no earlier day."""
    parsed = Cycle.parse(cycle)
    period = parsed.period(booked_on)
    closes_on = parsed.closes_on(period, ready_after)
    as_of = closes_on + timedelta(days=data.draw(st.integers(0, 400)))
    late_on = as_of + timedelta(days=data.draw(st.integers(0, 400)))
    assert period.last < as_of <= late_on
    late = parsed.period(late_on)
    assert late.label != period.label
    assert parsed.closes_on(late, ready_after) > as_of
