"""Dates and times of reports in bulk, as ISO 8601 with the offset from UTC where their zone tells it."""

from dataclasses import dataclass
from typing import Final, Literal
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

#: What the first two of a date's three numbers are, where the year does not stand first.
Order = Literal["day first", "month first"]
_MOMENT: Final = (
    r"^(?P<a>\d{1,4})[/.\-](?P<b>\d{1,2})[/.\-](?P<c>\d{1,4})"
    r"(?:[ T](?P<time>(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?)(?:\.\d+)?(?: ?(?P<zone>[A-Za-z][A-Za-z0-9_/+\-]*))?)?$"
)
#: The abbreviations that providers write, in hours and minutes; where one has several meanings, the one of theirs.
_OFFSETS: Final = {
    **dict.fromkeys(("UTC", "GMT", "Z", "WET"), "+00:00"),
    **dict.fromkeys(("CET", "MEZ", "BST", "WEST"), "+01:00"),
    **dict.fromkeys(("CEST", "MESZ", "EET"), "+02:00"),
    **dict.fromkeys(("EEST", "MSK"), "+03:00"),
    **dict.fromkeys(("SGT", "HKT", "AWST"), "+08:00"),
    **dict.fromkeys(("JST", "KST"), "+09:00"),
    "AEST": "+10:00",
    "AEDT": "+11:00",
    "PST": "-08:00",
    **dict.fromkeys(("PDT", "MST"), "-07:00"),
    **dict.fromkeys(("MDT", "CST"), "-06:00"),
    **dict.fromkeys(("CDT", "EST"), "-05:00"),
    "EDT": "-04:00",
    "BRT": "-03:00",
}


@dataclass(frozen=True)
class Moments:
    """Texts in ISO 8601, null where there was none; `unreadable` is True where there was one that is no moment."""

    texts: pa.Array
    unreadable: npt.NDArray[np.bool_]


def numbers(
    texts: pa.Array,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], pa.StructArray]:
    """The three numbers of each date, 0 where there is none, and all that was found."""
    found = pc.extract_regex(texts, _MOMENT)
    a, b, c = (
        pc.fill_null(pc.cast(pc.struct_field(found, name), pa.int64()), 0).to_numpy(zero_copy_only=False)
        for name in ("a", "b", "c")
    )
    return a, b, c, found


def joined(texts: list[pa.Array]) -> pa.Array:
    """A date's, a time's and a zone's columns as one; null where none of them has a value."""
    found = pc.binary_join_element_wise(*texts, " ", null_handling="skip")
    return pc.if_else(pc.equal(found, ""), pa.scalar(None, pa.string()), found)


def moments(texts: pa.Array, order: Order) -> Moments:
    """Reads dates, with a time and a zone behind them where there are. Numbers between points are day first."""
    a, b, c, found = numbers(texts)
    day_first = np.full(len(texts), order == "day first") | _true(pc.match_substring_regex(texts, r"^\d{1,2}\."))
    year_first = a > 31
    year = np.where(year_first, a, np.where(c < 100, c + 2000, c))
    month = np.where(year_first | day_first, b, a)
    day = np.where(year_first, c, np.where(day_first, a, b))
    fits = (year >= 1900) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = ((np.where(fits, year, 2000) - 1970) * 12 + np.where(fits, month, 1) - 1).astype("M8[M]")
    days = months.astype("M8[D]") + (np.where(fits, day, 1) - 1)
    fits &= days.astype("M8[M]") == months  # there is no 30 February
    dates = pc.cast(pa.array(days), pa.string())
    time = pc.struct_field(found, "time")
    timed = _true(pc.greater(pc.utf8_length(time), 0))
    seconds = pc.if_else(pc.equal(pc.count_substring(time, ":"), 1), pc.binary_join_element_wise(time, "00", ":"), time)
    local = pc.binary_join_element_wise(dates, pc.utf8_lpad(seconds, 8, "0"), "T")
    stamps = pc.binary_join_element_wise(local, _offsets(local, pc.struct_field(found, "zone")), "")
    iso = pc.if_else(pa.array(timed), stamps, dates)
    there = _true(pc.is_valid(texts))
    return Moments(pc.if_else(pa.array(fits & there), iso, pa.scalar(None, pa.string())), there & ~fits)


def _offsets(local: pa.Array, zones: pa.Array) -> pa.Array:
    """The offset at each wall clock's time; none for a zone that is not known."""
    found = pa.array([""] * len(zones), pa.string())
    for zone in pc.unique(zones.drop_null()).to_pylist():
        if zone in _OFFSETS:
            offset = pa.scalar(_OFFSETS[zone])
        elif "/" in zone and _is_known(zone):
            clock = pc.strptime(local, format="%Y-%m-%dT%H:%M:%S", unit="s", error_is_null=True)
            placed = pc.assume_timezone(clock, zone, ambiguous="earliest", nonexistent="latest")
            offset = pc.replace_substring_regex(pc.strftime(placed, format="%z"), r"^(.\d\d)(\d\d)$", r"\1:\2")
        else:
            continue
        found = pc.if_else(pc.fill_null(pc.equal(zones, zone), False), offset, found)
    return pc.fill_null(found, "")


def _is_known(zone: str) -> bool:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):  # no such zone, no name of one, a folder of zones
        return False
    return True


def _true(flags: pa.Array) -> npt.NDArray[np.bool_]:
    chosen: npt.NDArray[np.bool_] = pc.fill_null(flags, False).to_numpy(zero_copy_only=False)
    return chosen
