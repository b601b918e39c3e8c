"""Statement cycles: which period a day belongs to, and when the period may close. Pure arithmetic of dates."""

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

_DAY = timedelta(days=1)
#: The first and the last day of a period whose beginning, or whose end, no event has said.
BEGINNING, FOREVER = date(1970, 1, 1), date(9999, 12, 30)


class NotACycle(ValueError):
    """The text names no cycle."""


class PastTheCalendar(ValueError):
    """A day is in no period of a calendar that a table gives."""


class Length(StrEnum):
    """How long a cycle's periods are."""

    DAY = "day"
    WEEK = "week"
    HALF_MONTH = "half_month"
    MONTH = "month"
    TO_DAYS = "to_days"  # to each of some days of the month
    EVENT = "event"  # until something happens, of each party by itself
    CALENDAR = "calendar"  # those of a calendar that a table gives


@dataclass(frozen=True, slots=True)
class Period:
    """One turn of a cycle: its label, its first and its last day, both inside."""

    label: str
    first: date
    last: date

    def __post_init__(self) -> None:
        assert self.first <= self.last, f"{self.label}: {self.first} is after {self.last}"


@dataclass(frozen=True, slots=True)
class Cycle:
    """How a party's obligations are gathered: `length` of a period, and `days_after` its last day when it may close.
    `ends`: of TO_DAYS, the days of the month with which its periods end, ascending. `event`: of EVENT, what ends them.
    `calendar`: of CALENDAR, its name, and `periods` its periods by their days, without gap; none where only its name is
    known.
    """

    length: Length
    days_after: int = 1
    ends: tuple[int, ...] = ()
    event: str = ""
    calendar: str = ""
    periods: tuple[Period, ...] = ()

    @classmethod
    def parse(cls, text: str, calendars: Mapping[str, tuple[Period, ...]] | None = None) -> "Cycle":
        """From a model's text: daily, weekly, half_monthly, monthly, T+n (each day's, n days after it), `to 10, 20,
        31` (to each of these days of the month), `until NAME` (until an event of this kind), or `calendar NAME` (one of
        `calendars`).

        Raises NotACycle.
        """
        named = _NAMED.get(text)
        if named is not None:
            return cls(named)
        found = re.fullmatch(r"T\+(\d{1,3})", text)
        if found is not None:
            # A day is over only when the next has begun, so T+0 closes no earlier than T+1.
            return cls(Length.DAY, max(1, int(found[1])))
        until = re.fullmatch(r"until ([a-z][a-z0-9_]*)", text)
        if until is not None:
            return cls(Length.EVENT, event=until[1])
        named_calendar = re.fullmatch(r"calendar ([a-z][a-z0-9_]*)", text)
        if named_calendar is not None:
            name = named_calendar[1]
            return cls(Length.CALENDAR, calendar=name, periods=() if calendars is None else calendars[name])
        listed = re.fullmatch(r"to (\d{1,2}(?:, ?\d{1,2})*)", text)
        if listed is None:
            right = f"{', '.join(_NAMED)}, T+n such as T+3, to 10, 20, 31, until season_end, or calendar retail"
            raise NotACycle(f"'{text}' is not a cycle; write {right}")
        ends = tuple(int(day) for day in listed[1].split(","))
        if list(ends) != sorted({*ends} & {*range(1, 32)}):
            raise NotACycle(f"'{text}' is not a cycle; name days from 1 to 31, ascending, each once: to 10, 20, 31")
        return cls(Length.TO_DAYS, ends=ends)

    @property
    def gathers(self) -> str:
        """A text for how it gathers days, whenever it closes; `parse` reads it."""
        if self.length is Length.TO_DAYS:
            return f"to {', '.join(map(str, self.ends))}"
        if self.length is Length.EVENT:
            return f"until {self.event}"
        if self.length is Length.CALENDAR:
            return f"calendar {self.calendar}"
        return next(text for text, length in _NAMED.items() if length is self.length)

    def period(self, day: date) -> Period:
        """The period that holds `day`. Weeks are those of ISO 8601, Monday to Sunday. A day that a month does not have
        is its last. Of EVENT it is the first one, of a party that no event has come of. Raises PastTheCalendar."""
        if self.length is Length.EVENT:
            return turn(1, None, None)
        if self.length is Length.CALENDAR:
            return self._of_calendar(day)
        return self._to_days(day) if self.length is Length.TO_DAYS else _PERIOD[self.length](day)

    def has(self, day: date) -> bool:
        """Whether a day is in one of its periods."""
        return self.length is not Length.CALENDAR or self.periods[0].first <= day <= self.periods[-1].last

    def _of_calendar(self, day: date) -> Period:
        if not self.has(day):
            days = f"its table has periods from {self.periods[0].first} to {self.periods[-1].last}"
            raise PastTheCalendar(f"no period of calendar '{self.calendar}' holds {day}: {days}; add to it")
        return self.periods[bisect_left(self.periods, day, key=lambda period: period.last)]

    def _to_days(self, day: date) -> Period:
        month = _month_of(day).first
        months = [_month_of(month - _DAY), _month_of(month), _month_of(month + 31 * _DAY)]
        ends = [(turn.first.replace(day=min(end, turn.last.day)), turn, end) for turn in months for end in self.ends]
        last, turn, end = next(each for each in ends if each[0] >= day)
        before = max(each[0] for each in ends if each[0] < last)
        return Period(f"{turn.label}-D{end:02d}", before + _DAY, last)

    def closes_on(self, period: Period, ready_after: timedelta = timedelta(0)) -> date:
        """The first business day on which the period may close.

        A period is over on the day after its last; `ready_after` waits longer, a part of a day as a whole one. One that
        no event has ended closes on no day that comes.
        """
        assert ready_after >= timedelta(0), "a period cannot close before it is over"
        if period.last == FOREVER:
            return FOREVER + _DAY
        return period.last + self.closes_after(ready_after) * _DAY

    def closes_after(self, ready_after: timedelta) -> int:
        """How many days after its last one a period that is over may close."""
        return self.days_after - (-ready_after // _DAY)

    def period_labels(self, days: npt.NDArray[np.datetime64]) -> npt.NDArray[np.object_]:
        """The label of each day's period, None where it is in none: datetime64[D][n] to object (str)[n]. Each distinct
        day is computed once."""
        assert days.dtype == np.dtype("datetime64[D]"), f"days are datetime64[D], not {days.dtype}"
        if len(days) == 0:
            return np.empty(0, dtype=object)
        first: Any = days.min()
        places = (days - first).astype(np.int64)
        seen = np.zeros(int(places.max()) + 1, dtype=bool)
        seen[places] = True
        labels = np.empty(len(seen), dtype=object)
        start: date = first.item()
        for place in np.flatnonzero(seen):
            day = start + int(place) * _DAY
            labels[place] = self.period(day).label if self.has(day) else None
        spread: npt.NDArray[np.object_] = labels[places]
        return spread


def turn(number: int, ended_before: date | None, ends: date | None) -> Period:
    """A party's so manieth period of a cycle by event: from the day after the event before, to that of its own."""
    first = BEGINNING if ended_before is None else ended_before + _DAY
    return Period(f"E{number}", first, FOREVER if ends is None else ends)


def days_told(first: date, last: date) -> tuple[str, str]:
    """A period's first and last day, and those that no event has said as `…`."""
    return ("…" if first == BEGINNING else first.isoformat()), day_told(last)


def day_told(day: date) -> str:
    """The day on which a period ends or closes; `…` where no event has said it."""
    return "…" if day >= FOREVER else day.isoformat()


def _day_of(day: date) -> Period:
    return Period(day.isoformat(), day, day)


def _week_of(day: date) -> Period:
    year, week, weekday = day.isocalendar()
    monday = day - (weekday - 1) * _DAY
    return Period(f"{year:04d}-W{week:02d}", monday, monday + 6 * _DAY)


def _half_month_of(day: date) -> Period:
    month = _month_of(day)
    sixteenth = month.first + 15 * _DAY
    if day < sixteenth:
        return Period(f"{month.label}-H1", month.first, sixteenth - _DAY)
    return Period(f"{month.label}-H2", sixteenth, month.last)


def _month_of(day: date) -> Period:
    first = day.replace(day=1)
    next_first = (first + 31 * _DAY).replace(day=1)
    return Period(f"{first.year:04d}-{first.month:02d}", first, next_first - _DAY)


_PERIOD: dict[Length, Callable[[date], Period]] = {
    Length.DAY: _day_of,
    Length.WEEK: _week_of,
    Length.HALF_MONTH: _half_month_of,
    Length.MONTH: _month_of,
}
_NAMED = {"daily": Length.DAY, "weekly": Length.WEEK, "half_monthly": Length.HALF_MONTH, "monthly": Length.MONTH}
