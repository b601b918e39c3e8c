"""When a schedule is due: times on the wall as instants, on business days, and which business day each reconciles.

A time that the wall skips when clocks are set forward is moved on by what was skipped; one that it shows twice is due
the first time only (`BusinessCalendar.to_utc_us`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from everycent.base.money.calendar import BusinessCalendar
from everycent.proof.recon.timing import LAST, WEEKDAYS, ScheduleSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND, _DAY = timedelta(microseconds=1), timedelta(days=1)
#: A schedule that is not due within so many days never is: 29 February comes within eight years.
_LOOKED_AHEAD_DAYS = 366 * 9


@dataclass(frozen=True)
class Due:
    """A moment at which a scenario is due, and the business day that it is due for."""

    at: datetime
    day: date


def due_between(schedule: ScheduleSpec, calendar: BusinessCalendar, after: datetime, until: datetime) -> Iterator[Due]:
    """All that is due later than `after` and not later than `until`, in order. Both carry their time zone."""
    assert after.tzinfo is not None and until.tzinfo is not None, "an instant carries its time zone"
    for at in _instants(schedule, calendar, after, until):
        if after < at <= until:
            yield Due(at, _reconciled_day(schedule, calendar, at))


def next_due(schedule: ScheduleSpec, calendar: BusinessCalendar, after: datetime) -> Due | None:
    """The first that is due later than `after`; None for a schedule that never is."""
    return next(due_between(schedule, calendar, after, after + _LOOKED_AHEAD_DAYS * _DAY), None)


def is_business_day(schedule: ScheduleSpec, day: date) -> bool:
    """Whether there is business on a day."""
    if day in schedule.workdays:
        return True
    return WEEKDAYS[day.weekday()] not in schedule.weekend and day not in schedule.holidays


def _instants(
    schedule: ScheduleSpec, calendar: BusinessCalendar, after: datetime, until: datetime
) -> Iterator[datetime]:
    """What may be due around that time, in order."""
    if schedule.every is not None:
        at = _EPOCH + (after - _EPOCH) // schedule.every * schedule.every
        while at <= until:
            if _runs_on(schedule, _wall_day(calendar, at)):
                yield at
            at += schedule.every
        return
    day, last = _wall_day(calendar, after) - _DAY, _wall_day(calendar, until) + _DAY
    while day <= last:
        if _runs_on(schedule, day):
            yield from sorted({_instant(calendar, day, text) for text in schedule.daily})
        day += _DAY


def _instant(calendar: BusinessCalendar, day: date, text: str) -> datetime:
    on_wall = datetime(day.year, day.month, day.day, int(text[:2]), int(text[3:]), tzinfo=UTC)
    local_us = np.array([(on_wall - _EPOCH) // _MICROSECOND], dtype=np.int64)
    return _EPOCH + int(calendar.to_utc_us(local_us)[0]) * _MICROSECOND


def _wall_day(calendar: BusinessCalendar, at: datetime) -> date:
    """The day that the wall shows; the business day may be another."""
    instant_us = np.array([(at - _EPOCH) // _MICROSECOND], dtype=np.int64)
    return (_EPOCH + int(calendar.to_local_us(instant_us)[0]) * _MICROSECOND).date()


def _runs_on(schedule: ScheduleSpec, day: date) -> bool:
    if schedule.closed == "run" or is_business_day(schedule, day):
        named = _is_named(schedule, day)
        if named or schedule.closed != "next":
            return named
        return any(_is_named(schedule, closed) for closed in _closed_before(schedule, day))
    return False


def _closed_before(schedule: ScheduleSpec, day: date) -> Iterator[date]:
    """The days without business between a day and the last business day before it."""
    day -= _DAY
    for _ in range(366):
        if is_business_day(schedule, day):
            return
        yield day
        day -= _DAY


def _is_named(schedule: ScheduleSpec, day: date) -> bool:
    if not schedule.on:
        return True
    is_last = (day + _DAY).month != day.month
    return (
        WEEKDAYS[day.weekday()] in schedule.on
        or any(word.isdigit() and int(word) == day.day for word in schedule.on)
        or (is_last and LAST in schedule.on)
    )


def _reconciled_day(schedule: ScheduleSpec, calendar: BusinessCalendar, at: datetime) -> date:
    """The business day of the moment, and so many (business) days before."""
    day = calendar.today(at)
    if schedule.closed == "run":
        return day - schedule.after
    for _ in range(schedule.after.days):
        day -= _DAY
        tried = 0
        while not is_business_day(schedule, day) and tried < 366:
            day, tried = day - _DAY, tried + 1
    return day
