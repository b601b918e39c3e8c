"""When a scenario is due: times on the wall, daylight saving, days without business, and the day that is reconciled."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from everycent.base.money.calendar import BusinessCalendar
from everycent.proof.recon.core.due import Due, due_between, is_business_day, next_due
from everycent.proof.recon.timing import ScheduleSpec

SHANGHAI, BERLIN = BusinessCalendar("Asia/Shanghai"), BusinessCalendar("Europe/Berlin")
#: National Day of 2026 in China: a week, and a Saturday that is worked instead.
GOLDEN_WEEK = {"holidays": ["2026-10-01/2026-10-07"], "workdays": ["2026-10-10"]}


def schedule(**words: Any) -> ScheduleSpec:
    return ScheduleSpec.model_validate({"daily": "02:30"} | words)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def between(spec: ScheduleSpec, calendar: BusinessCalendar, first: str, last: str) -> list[tuple[str, str]]:
    """Moments by the calendar's wall, and the days that they reconcile."""
    zone = ZoneInfo(calendar.time_zone)
    return [
        (due.at.astimezone(zone).strftime("%m-%d %H:%M"), f"{due.day:%m-%d}")
        for due in due_between(spec, calendar, at(first), at(last))
    ]


def test_t_plus_one_every_night() -> None:
    found = between(schedule(after="1 day"), SHANGHAI, "2026-03-01T00:00+08:00", "2026-03-03T02:30+08:00")
    assert found == [("03-01 02:30", "02-28"), ("03-02 02:30", "03-01"), ("03-03 02:30", "03-02")]


def test_before_the_day_cut_the_day_before_goes_on() -> None:
    calendar = BusinessCalendar("Asia/Shanghai", time(6))
    found = between(
        schedule(daily=["02:30", "07:00"], after="1 day"), calendar, "2026-03-02T00:00+08:00", "2026-03-02T12:00+08:00"
    )
    assert found == [("03-02 02:30", "02-28"), ("03-02 07:00", "03-01")]


def test_a_time_that_the_clock_skips_is_moved_on_and_one_that_it_shows_twice_is_due_once() -> None:
    spring = between(schedule(), BERLIN, "2026-03-28T12:00+01:00", "2026-03-30T12:00+02:00")
    assert spring == [("03-29 03:30", "03-29"), ("03-30 02:30", "03-30")]
    autumn = between(schedule(), BERLIN, "2026-10-24T12:00+02:00", "2026-10-26T12:00+01:00")
    assert autumn == [("10-25 02:30", "10-25"), ("10-26 02:30", "10-26")]


def test_days_without_business_are_skipped_and_business_days_are_counted_back() -> None:
    spec = schedule(after="1 day", closed="skip", **GOLDEN_WEEK)
    found = between(spec, SHANGHAI, "2026-09-30T00:00+08:00", "2026-10-13T00:00+08:00")
    assert found == [
        ("09-30 02:30", "09-29"),
        ("10-08 02:30", "09-30"),
        ("10-09 02:30", "10-08"),
        ("10-10 02:30", "10-09"),  # a Saturday that is worked
        ("10-12 02:30", "10-10"),
    ]


def test_a_day_of_the_month_that_is_closed_moves_to_the_next_business_day_once() -> None:
    spec = schedule(on=[1, 3, 15, "last"], closed="next", **GOLDEN_WEEK)
    found = between(spec, SHANGHAI, "2026-09-30T12:00+08:00", "2026-11-03T00:00+08:00")
    assert [moment for moment, _ in found] == ["10-08 02:30", "10-15 02:30", "11-02 02:30"]


def test_weekdays_and_the_last_of_the_month() -> None:
    found = between(schedule(on=["monday", "last"]), SHANGHAI, "2026-02-20T00:00+08:00", "2026-03-03T00:00+08:00")
    assert [moment for moment, _ in found] == ["02-23 02:30", "02-28 02:30", "03-02 02:30"]


def test_every_so_often_whatever_the_clock_shows() -> None:
    spec = ScheduleSpec.model_validate({"every": "15 minutes"})
    found = [due.at for due in due_between(spec, BERLIN, at("2026-10-25T00:00Z"), at("2026-10-25T03:00Z"))]
    assert [now - before for before, now in pairwise(found)] == [timedelta(minutes=15)] * 11


def test_the_next_time_and_a_schedule_that_never_is_due() -> None:
    leap = schedule(on=29)
    assert next_due(leap, SHANGHAI, at("2026-01-30T00:00+08:00")) == Due(at("2026-03-28T18:30Z"), date(2026, 3, 29))
    never = schedule(
        closed="skip", weekend=["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
    )
    assert next_due(never, SHANGHAI, at("2026-01-30T00:00Z")) is None


@settings(max_examples=60, deadline=None)
@given(
    first=st.datetimes(datetime(2025, 1, 1), datetime(2027, 12, 1)),
    length=st.timedeltas(timedelta(0), timedelta(days=20)),
    cut=st.floats(0, 1),
    words=st.fixed_dictionaries(
        {
            "daily": st.lists(st.sampled_from(["00:00", "02:30", "03:15", "23:59"]), min_size=1, unique=True),
            "on": st.sampled_from([(), ("monday", "sunday"), (1, 15, "last")]),
            "closed": st.sampled_from(["run", "skip", "next"]),
        }
    ),
)
def test_whenever_one_looks_the_same_is_due(
    first: datetime, length: timedelta, cut: float, words: dict[str, Any]
) -> None:
    """Cut anywhere, nothing is due twice or never; what is due is what a clock by zoneinfo shows."""
    spec, begin = ScheduleSpec.model_validate({**words, **GOLDEN_WEEK}), first.replace(tzinfo=UTC)
    end, middle = begin + length, begin + length * cut
    whole = list(due_between(spec, BERLIN, begin, end))
    assert whole == [*due_between(spec, BERLIN, begin, middle), *due_between(spec, BERLIN, middle, end)]
    assert [due.at for due in whole] == sorted({due.at for due in whole})
    zone = ZoneInfo("Europe/Berlin")
    if words["closed"] == "run" and not words["on"]:
        days = [(begin - timedelta(days=1) + timedelta(days=n)).date() for n in range(length.days + 4)]
        moments = {
            datetime.combine(day, time.fromisoformat(text), zone).astimezone(UTC) for day in days for text in spec.daily
        }
        assert {due.at for due in whole} == {moment for moment in moments if begin < moment <= end}
    if words["closed"] != "run":
        assert all(is_business_day(spec, due.at.astimezone(zone).date()) for due in whole)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({}, "either 'daily' or 'every'"),
        ({"daily": "02:30", "every": "1 hour"}, "either 'daily' or 'every'"),
        ({"daily": "2:30"}, "'2:30' is not a time of day; write for example '02:30'"),
        ({"daily": "24:00"}, "not a time of day"),
        ({"every": "0 minutes"}, "no time between two runs"),
        ({"daily": "02:30", "on": "32"}, "'32' is no day"),
        ({"daily": "02:30", "on": "Monday"}, "'Monday' is no day"),
        ({"daily": "02:30", "after": "90 minutes"}, "counted in days"),
        ({"daily": "02:30", "holidays": "2026-02-30"}, "'2026-02-30' is no day"),
        ({"daily": "02:30", "holidays": "2026-02-10/2026-02-01"}, "no span of days"),
        ({"daily": "02:30", "weekend": ["sun"]}, "'sun' is no weekday"),
    ],
)
def test_what_is_no_schedule_is_refused(words: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ScheduleSpec.model_validate(words)
