"""Calendars of a business's own: what a table may say, and that each of its days is in one period."""

from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.base.money.cycle import Cycle, PastTheCalendar
from everycent.flow.parties.contract import PartySpec
from everycent.flow.settlement.contract import StatementSpec
from everycent.flow.settlement.core.table_of_periods import COLUMNS, CalendarRefused, read_periods
from everycent.flow.settlement.stage import SettlementPlan, accrue, plan_settlement

DAY = timedelta(days=1)
RETAIL = """\
2026-P01,2026-02-01,2026-02-28
2026-P02,2026-03-01,2026-03-28
2026-P03,2026-03-29,2026-05-02
"""


def rows(text: str) -> list[tuple[int, list[str]]]:
    return [(line, each.split(",")) for line, each in enumerate(text.splitlines(), 2)]


def retail() -> dict[str, tuple[object, ...]]:
    return {"retail": read_periods("retail.csv", COLUMNS, rows(RETAIL))}


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.lists(st.integers(1, 60), min_size=1, max_size=30), st.data())
def test_each_day_is_in_one_period_whatever_order_lines_have(
    begin: date, lengths: list[int], data: st.DataObject
) -> None:
    firsts = [begin + sum(lengths[:at]) * DAY for at in range(len(lengths))]
    said = [[f"P{at}", str(first), str(first + (days - 1) * DAY)]
            for at, (first, days) in enumerate(zip(firsts, lengths, strict=True))]  # fmt: skip
    shuffled = list(enumerate(data.draw(st.permutations(said)), 2))
    cycle = Cycle.parse("calendar own", {"own": read_periods("own.csv", COLUMNS, shuffled)})
    days = [begin + at * DAY for at in range(sum(lengths))]
    held = [cycle.period(day) for day in days]
    assert all(period.first <= day <= period.last for day, period in zip(days, held, strict=True))
    assert [period.label for period in dict.fromkeys(held)] == [name for name, _, _ in said]
    for outside in (begin - DAY, days[-1] + DAY):
        with pytest.raises(PastTheCalendar, match=f"holds {outside}"):
            cycle.period(outside)


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ("2026-P02,", "a/b,", "line 3: 'a/b' names no period"),
        ("2026-P02,", ",", "line 3: '' names no period"),
        ("2026-P02,", "2026-03,", "line 3: periods of other cycles are called such as '2026-03'"),
        ("2026-P02,", "E1,", "line 3: periods of other cycles are called such as 'E1'"),
        ("2026-P02,", "2026-P01,", "line 3: period '2026-P01' is in line 2 already"),
        ("2026-03-28", "28 March", "line 3: '28 March' is not a date"),
        ("2026-03-28", "2026-02-28", "line 3: '2026-P02' ends on 2026-02-28, before it begins"),
        ("2026-03-28", "2026-03-27", "line 4: '2026-P03' leaves days out after '2026-P02', which ends on 2026-03-27"),
        ("2026-03-28", "2026-03-29", "line 4: '2026-P03' overlaps '2026-P02', which ends on 2026-03-29"),
        (RETAIL, "", "has no period"),
    ],
)
def test_what_is_no_calendar_is_refused_with_its_line(right: str, wrong: str, says: str) -> None:
    with pytest.raises(CalendarRefused, match=rf"retail.csv.*{says}"):
        read_periods("retail.csv", COLUMNS, rows(RETAIL.replace(right, wrong, 1)))


def test_a_table_with_other_columns_is_refused() -> None:
    with pytest.raises(CalendarRefused, match="has the columns name, last; a calendar has period, first, last"):
        read_periods("retail.csv", ("name", "last"), [])


def plan(cycle: str) -> SettlementPlan:
    roles = {"platform": PartySpec(operator="sh"), "merchant": PartySpec(key=("m",)), "brand": PartySpec(key=("b",))}
    statements = {"merchant": StatementSpec(cycle=cycle), "brand": StatementSpec(cycle="monthly")}
    return plan_settlement(statements, roles, "market", retail())  # type: ignore[arg-type]


def test_a_calendar_in_its_last_period_is_told_before_a_day_is_past_it() -> None:
    ends = {
        day: plan("calendar retail").ending_calendars(date.fromisoformat(day)) for day in ("2026-03-28", "2026-03-29")
    }
    assert ends == {"2026-03-28": {}, "2026-03-29": {"retail": date(2026, 5, 2)}}


@pytest.mark.parametrize("day", ["2026-01-31", "2026-05-03"])
def test_what_is_past_the_table_is_placed_nowhere(engine: LocalEngine, obligations: object, day: str) -> None:
    head = "record debtor creditor amount booked_on\n"
    within = obligations(f"{head}A1 platform merchant:m 10.00 2026-05-02\nA2 platform brand:b 1.00 {day}")  # type: ignore[operator]
    accrued = accrue(plan("calendar retail"), within, engine).accruals
    assert dict(zip(accrued["party_id"].to_pylist(), accrued["period"].to_pylist(), strict=True)) == {
        "brand:b": day[:7], "merchant:m": "2026-P03",
    }  # fmt: skip
    assert isinstance(accrued, pa.Table)
    beyond = obligations(f"{head}A1 platform merchant:m 10.00 2026-05-02\nA2 platform merchant:m 1.00 {day}")  # type: ignore[operator]
    with pytest.raises(
        PastTheCalendar, match=f"no period of calendar 'retail' holds {day}: its table has periods from"
    ):
        accrue(plan("calendar retail"), beyond, engine)
