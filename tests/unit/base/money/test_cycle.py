from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.base.money.cycle import Cycle, NotACycle, turn

CYCLES = ["daily", "weekly", "half_monthly", "monthly", "T+0", "T+3", "to 10, 20, 31", "to 5", "to 28,30", "to 1, 31"]


@pytest.mark.parametrize(
    ("cycle", "day", "label", "first", "last"),
    [
        ("daily", "2026-03-01", "2026-03-01", "2026-03-01", "2026-03-01"),
        ("T+3", "2026-03-01", "2026-03-01", "2026-03-01", "2026-03-01"),
        ("weekly", "2026-03-01", "2026-W09", "2026-02-23", "2026-03-01"),
        ("weekly", "2027-01-02", "2026-W53", "2026-12-28", "2027-01-03"),  # the ISO year, not the calendar's
        ("half_monthly", "2026-03-15", "2026-03-H1", "2026-03-01", "2026-03-15"),
        ("half_monthly", "2026-03-16", "2026-03-H2", "2026-03-16", "2026-03-31"),
        ("half_monthly", "2024-02-29", "2024-02-H2", "2024-02-16", "2024-02-29"),
        ("monthly", "2026-03-31", "2026-03", "2026-03-01", "2026-03-31"),
        ("monthly", "2024-02-29", "2024-02", "2024-02-01", "2024-02-29"),
        ("monthly", "2026-12-01", "2026-12", "2026-12-01", "2026-12-31"),
        ("to 10, 20, 31", "2026-03-10", "2026-03-D10", "2026-03-01", "2026-03-10"),
        ("to 10, 20, 31", "2026-03-11", "2026-03-D20", "2026-03-11", "2026-03-20"),
        ("to 10, 20, 31", "2026-02-21", "2026-02-D31", "2026-02-21", "2026-02-28"),  # to the last day there is
        ("to 5, 25", "2026-12-26", "2027-01-D05", "2026-12-26", "2027-01-05"),  # named after the month it ends in
        ("to 28, 30", "2026-02-28", "2026-02-D28", "2026-01-31", "2026-02-28"),  # no day is left to the 30th
    ],
)
def test_the_period_of_a_day(cycle: str, day: str, label: str, first: str, last: str) -> None:
    period = Cycle.parse(cycle).period(date.fromisoformat(day))
    assert (period.label, str(period.first), str(period.last)) == (label, first, last)


@pytest.mark.parametrize(
    ("cycle", "ready_after", "closes_on"),
    [
        ("daily", timedelta(0), "2026-03-02"),
        ("T+0", timedelta(0), "2026-03-02"),  # no day closes before it is over
        ("T+1", timedelta(0), "2026-03-02"),
        ("T+3", timedelta(0), "2026-03-04"),
        ("T+3", timedelta(days=2), "2026-03-06"),
        ("weekly", timedelta(days=7), "2026-03-09"),
        ("half_monthly", timedelta(0), "2026-03-16"),
        ("monthly", timedelta(minutes=10), "2026-04-02"),
    ],
)
def test_when_the_period_of_sunday_1_march_may_close(cycle: str, ready_after: timedelta, closes_on: str) -> None:
    turn = Cycle.parse(cycle)
    assert str(turn.closes_on(turn.period(date(2026, 3, 1)), ready_after)) == closes_on


@pytest.mark.parametrize("text", ["", "yearly", "T+", "T+1000", "t+1", "T-1", "Weekly", "to", "to 10 20", "to 100"])
def test_other_words_are_no_cycle(text: str) -> None:
    with pytest.raises(
        NotACycle, match=r"write daily, weekly, half_monthly, monthly, T\+n such as T\+3, to 10, 20, 31"
    ):
        Cycle.parse(text)


@pytest.mark.parametrize("text", ["to 0", "to 32", "to 20, 10", "to 10, 10"])
def test_days_of_a_month_ascend(text: str) -> None:
    with pytest.raises(NotACycle, match="name days from 1 to 31, ascending, each once"):
        Cycle.parse(text)


@pytest.mark.parametrize("text", CYCLES)
def test_how_a_cycle_gathers_days_can_be_read_again(text: str) -> None:
    cycle = Cycle.parse(text)
    assert Cycle.parse(cycle.gathers) == Cycle(cycle.length, ends=cycle.ends)


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)), st.sampled_from(CYCLES))
def test_periods_follow_each_other_without_gap_or_overlap(day: date, text: str) -> None:
    cycle = Cycle.parse(text)
    period = cycle.period(day)
    assert period.first <= day <= period.last
    assert cycle.period(period.first) == cycle.period(period.last) == period
    assert cycle.period(period.last + timedelta(days=1)).first == period.last + timedelta(days=1)
    assert cycle.closes_on(period) > period.last


@given(st.lists(st.dates(date(2024, 1, 1), date(2028, 1, 1)), max_size=20), st.sampled_from(CYCLES))
def test_labels_of_many_days_are_those_of_each(days: list[date], text: str) -> None:
    cycle = Cycle.parse(text)
    labels = cycle.period_labels(np.array(days, dtype="datetime64[D]"))
    assert labels.tolist() == [cycle.period(day).label for day in days]


def test_a_cycle_by_event_goes_on_until_the_event() -> None:
    cycle = Cycle.parse("until season_end")
    assert (cycle.event, cycle.gathers) == ("season_end", "until season_end")
    period = cycle.period(date(2026, 3, 1))
    assert (period, cycle.closes_on(period)) == (turn(1, None, None), date(9999, 12, 31))
    ended = turn(2, date(2026, 3, 10), date(2026, 4, 2))
    assert (ended.label, ended.first, cycle.closes_on(ended)) == ("E2", date(2026, 3, 11), date(2026, 4, 3))
