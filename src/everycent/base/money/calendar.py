"""The business calendar: which business day an instant belongs to, by time zone and day cut.

Instants are int64 microseconds since 1970-01-01 UTC, wall-clock times are int64 microseconds since 1970-01-01 00:00 on
the wall. The time zones are those of the pinned `tzdata` package, never the machine's, so that the same input gives the
same dates everywhere.
"""

import difflib
import importlib.resources
import io
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

Microseconds = npt.NDArray[np.int64]
Dates = npt.NDArray[np.datetime64]

_DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND, _SECOND, _WEEK = timedelta(microseconds=1), timedelta(seconds=1), timedelta(weeks=1)

#: From here on, rules that change clocks each year are no longer followed: the offset stays as it is.
_LAST_YEAR = 2100

#: Changes before this (1 January 1800) are no human ones; tz files use them to say "since ever".
_LONG_AGO_S = -5_364_662_400


class UnknownTimeZone(ValueError):
    """The name is not one of the tz database."""


class NotADayCut(ValueError):
    """The text is not a time of day."""


class _Offsets(NamedTuple):
    """A time zone's history. `offset_us[i]` is in force from `since_us[i - 1]` to `since_us[i]`."""

    since_us: Microseconds
    offset_us: Microseconds
    wall_end_us: Microseconds  # up to here, on the wall clock, a time is read with the offset before the change
    wall_max_us: Microseconds  # the latest time the wall has shown before the offset came into force


@dataclass(frozen=True)
class BusinessCalendar:
    """A time zone, and the time on the wall at which a business day ends and the next begins.

    With a day cut of 06:00, what happens at 05:59 on 2 March still belongs to 1 March. The business date never goes
    back: where clocks are set back over the day cut, the day ended when the wall showed the cut first; where they are
    set forward over it, it ends at the change.
    """

    time_zone: str
    day_cut: time = time(0)
    _offsets: _Offsets = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        assert self.day_cut.tzinfo is None and self.day_cut.microsecond == 0, (
            "a day cut is a time on the wall, in seconds"
        )
        object.__setattr__(self, "_offsets", _offsets_of(self.time_zone))

    @classmethod
    def parse(cls, time_zone: str, day_cut: str) -> "BusinessCalendar":
        """From a model's text: `Asia/Shanghai`, `06:00`. Raises UnknownTimeZone, NotADayCut."""
        found = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", day_cut)
        if found is None:
            raise NotADayCut(f"'{day_cut}' is not a time of day; write for example '00:00' or '06:00'")
        return cls(time_zone, time(int(found[1]), int(found[2])))

    def to_utc_us(self, local_us: npt.NDArray[np.int64]) -> Microseconds:
        """Instants of wall-clock times: int64[n] to int64[n].

        A time that the wall shows twice is its first occurrence; one that it skips is moved forward by what was
        skipped (02:30 becomes 03:30).
        """
        zone = self._offsets
        return local_us - zone.offset_us[np.searchsorted(zone.wall_end_us, local_us, side="right")]

    def to_local_us(self, utc_us: npt.NDArray[np.int64]) -> Microseconds:
        """Wall-clock times of instants: int64[n] to int64[n]."""
        zone = self._offsets
        return utc_us + zone.offset_us[np.searchsorted(zone.since_us, utc_us, side="right")]

    def business_dates(self, utc_us: npt.NDArray[np.int64]) -> Dates:
        """The business day of each instant: int64[n] to datetime64[D][n]; never falls while instants rise."""
        zone = self._offsets
        era = np.searchsorted(zone.since_us, utc_us, side="right")
        latest_on_wall_us = np.maximum(utc_us + zone.offset_us[era], zone.wall_max_us[era])
        days: Dates = np.floor_divide(latest_on_wall_us - self._day_cut_us, _DAY_US).astype("datetime64[D]")
        return days

    def today(self, now: datetime) -> date:
        """The business day of one instant, which must carry its time zone."""
        assert now.tzinfo is not None, "an instant without a time zone has no business date"
        instant_us = np.array([(now - _EPOCH) // _MICROSECOND], dtype=np.int64)
        day: Any = self.business_dates(instant_us)[0]
        found: date = day.item()
        return found

    @property
    def _day_cut_us(self) -> int:
        cut = self.day_cut
        return timedelta(hours=cut.hour, minutes=cut.minute, seconds=cut.second) // _MICROSECOND


@lru_cache(maxsize=64)
def _offsets_of(time_zone: str) -> _Offsets:
    data = _read(time_zone)
    zone = ZoneInfo.from_file(io.BytesIO(data), key=time_zone)
    written_s, rule = _written_changes(data)
    end = _EPOCH + written_s[-1] * _SECOND if written_s else _EPOCH
    changes = [_EPOCH + at * _SECOND for at in written_s if at > _LONG_AGO_S]
    if "," in rule:  # the rule changes clocks each year, for ever
        changes += _later_changes(zone, end)
    since_us = np.array([(at - _EPOCH) // _MICROSECOND for at in changes], dtype=np.int64)
    offset_us = np.array(
        [_offset(zone, at) // _MICROSECOND for at in [_EPOCH + _LONG_AGO_S * _SECOND, *changes]], dtype=np.int64
    )
    before, after = offset_us[:-1], offset_us[1:]
    wall_end_us = since_us + np.maximum(before, after)
    assert np.all(np.diff(since_us) > 0), f"{time_zone}: changes out of order"
    assert np.all(np.diff(wall_end_us) > 0), f"{time_zone}: changes of the clock overlap"
    never = np.array([np.iinfo(np.int64).min], dtype=np.int64)
    return _Offsets(since_us, offset_us, wall_end_us, np.concatenate([never, since_us + before - 1]))


def _written_changes(data: bytes) -> tuple[list[int], str]:
    """The changes written out in a TZif file (RFC 8536), in seconds since 1970, and the rule for the time after."""
    header = struct.Struct(">4sc15x6l")
    assert data[:4] == b"TZif", "not a time zone file"
    _, version, *counts = header.unpack_from(data)
    assert version >= b"2", "a time zone file with 32-bit times only"
    first_block_bytes = _block_bytes(counts, time_bytes=4)
    at = header.size + first_block_bytes
    counts = list(header.unpack_from(data, at)[2:])
    changes = counts[3]
    written = struct.unpack_from(f">{changes}q", data, at + header.size)
    rule = data[at + header.size + _block_bytes(counts, time_bytes=8) :].strip().decode("ascii")
    return list(written), rule


def _block_bytes(counts: Sequence[int], time_bytes: int) -> int:
    """The length of a TZif data block, from the six counts of its header."""
    ut_marks, standard_marks, leap_seconds, changes, kinds, letters = counts
    return (
        changes * (time_bytes + 1) + kinds * 6 + letters + leap_seconds * (time_bytes + 4) + standard_marks + ut_marks
    )


def _later_changes(zone: tzinfo, low: datetime) -> list[datetime]:
    """The instants after `low` at which the zone's offset changes: looked at week by week, then halved."""
    found = []
    end = datetime(_LAST_YEAR, 1, 1, tzinfo=UTC)
    offset = _offset(zone, low)
    while low < end:
        high = low + _WEEK
        offset_then = _offset(zone, high)
        if offset_then != offset:
            found.append(_halve(zone, low, high))
            offset = offset_then
        low = high
    return found


def _halve(zone: tzinfo, low: datetime, high: datetime) -> datetime:
    """The second after `low`, up to `high`, from which the offset is another than at `low`."""
    offset = _offset(zone, low)
    while high - low > _SECOND:
        middle = (low + (high - low) // 2).replace(microsecond=0)
        if _offset(zone, middle) == offset:
            low = middle
        else:
            high = middle
    return high


def _offset(zone: tzinfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None, "a zone of the tz database always has an offset"
    return offset


def _read(time_zone: str) -> bytes:
    """The zone's TZif file. Raises UnknownTimeZone."""
    names = importlib.resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").splitlines()
    if time_zone not in names:
        near = difflib.get_close_matches(time_zone, names, n=3)
        advice = f"; did you mean {' or '.join(near)}?" if near else "; write a name like Asia/Shanghai or UTC"
        raise UnknownTimeZone(f"'{time_zone}' is not a time zone of the tz database{advice}")
    return importlib.resources.files("tzdata.zoneinfo").joinpath(*time_zone.split("/")).read_bytes()
