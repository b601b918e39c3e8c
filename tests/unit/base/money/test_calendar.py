from datetime import UTC, date, datetime, time, timedelta, timezone
from importlib.resources import files
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.base.money.calendar import BusinessCalendar, NotADayCut, UnknownTimeZone

ZONES = [
    "Asia/Shanghai",
    "America/New_York",
    "Europe/Dublin",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Africa/Casablanca",
    "UTC",
]
MICROSECOND = timedelta(microseconds=1)


def instant_us(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND


def wall_us(text: str) -> int:
    return (datetime.fromisoformat(text).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND


def business_date(calendar: BusinessCalendar, text: str) -> str:
    return str(calendar.business_dates(np.array([instant_us(text)]))[0])


def pinned(name: str) -> ZoneInfo:
    with files("tzdata.zoneinfo").joinpath(*name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file)


@pytest.mark.parametrize(
    ("zone", "wall", "instant"),
    [
        ("Asia/Shanghai", "2026-03-01 10:00", "2026-03-01 02:00+00:00"),
        ("America/New_York", "2026-03-08 01:59:59.999999", "2026-03-08 06:59:59.999999+00:00"),
        ("America/New_York", "2026-03-08 02:30", "2026-03-08 07:30+00:00"),  # skipped: 03:30 on the wall
        ("America/New_York", "2026-03-08 03:00", "2026-03-08 07:00+00:00"),
        ("America/New_York", "2026-11-01 01:30", "2026-11-01 05:30+00:00"),  # shown twice: the first
        ("America/New_York", "2026-11-01 02:00", "2026-11-01 07:00+00:00"),
    ],
)
def test_times_on_the_wall_become_instants(zone: str, wall: str, instant: str) -> None:
    found = BusinessCalendar(zone).to_utc_us(np.array([wall_us(wall)]))
    assert found.tolist() == [instant_us(instant)]


@pytest.mark.parametrize(
    ("zone", "cut", "instant", "day"),
    [
        ("Asia/Shanghai", "00:00", "2026-03-01 23:59:59.999999+08:00", "2026-03-01"),
        ("Asia/Shanghai", "00:00", "2026-03-02 00:00+08:00", "2026-03-02"),
        ("Asia/Shanghai", "06:00", "2026-03-02 05:59:59+08:00", "2026-03-01"),
        ("Asia/Shanghai", "06:00", "2026-03-02 06:00+08:00", "2026-03-02"),
        # Clocks go from 02:00 to 03:00: a cut at 02:30 is over the change, the day ends at the change.
        ("America/New_York", "02:30", "2026-03-08 06:59:59+00:00", "2026-03-07"),
        ("America/New_York", "02:30", "2026-03-08 07:00:00+00:00", "2026-03-08"),
        # Clocks go from 02:00 back to 01:00: the day ended when the wall first showed 01:30, and does not begin again.
        ("America/New_York", "01:30", "2026-11-01 05:29:59+00:00", "2026-10-31"),
        ("America/New_York", "01:30", "2026-11-01 05:30:00+00:00", "2026-11-01"),
        ("America/New_York", "01:30", "2026-11-01 06:10:00+00:00", "2026-11-01"),
        # Midnight itself did not exist in Brazil on 4 November 2018; on 18 February 2018 23:00 came twice.
        ("America/Sao_Paulo", "00:00", "2018-11-04 02:59:59+00:00", "2018-11-03"),
        ("America/Sao_Paulo", "00:00", "2018-11-04 03:00:00+00:00", "2018-11-04"),
        ("America/Sao_Paulo", "00:00", "2018-02-18 02:30:00+00:00", "2018-02-17"),
    ],
)
def test_the_business_day_of_an_instant(zone: str, cut: str, instant: str, day: str) -> None:
    assert business_date(BusinessCalendar.parse(zone, cut), instant) == day


@pytest.mark.parametrize("zone", ZONES)
def test_offsets_agree_with_zoneinfo_for_sixty_years(zone: str) -> None:
    start = datetime(1990, 1, 1, tzinfo=UTC)
    instants = [start + timedelta(hours=53) * step for step in range(9_900)]
    expected = [at.astimezone(pinned(zone)).replace(tzinfo=UTC) for at in instants]
    utc_us = np.array([at.replace(tzinfo=None) for at in instants], dtype="datetime64[us]")
    local_us = np.array([at.replace(tzinfo=None) for at in expected], dtype="datetime64[us]")
    assert np.array_equal(BusinessCalendar(zone).to_local_us(utc_us.astype(np.int64)), local_us.astype(np.int64))


@given(st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)), st.sampled_from(ZONES))
def test_instants_of_wall_times_agree_with_zoneinfo(wall: datetime, zone: str) -> None:
    expected = wall.replace(tzinfo=pinned(zone), fold=0).astimezone(UTC)
    found = BusinessCalendar(zone).to_utc_us(np.array([(wall - datetime(1970, 1, 1)) // MICROSECOND]))
    assert found.tolist() == [(expected - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND]


@given(
    st.lists(st.datetimes(datetime(2018, 1, 1), datetime(2027, 1, 1)), min_size=2, max_size=30),
    st.sampled_from(ZONES),
    st.times().map(lambda cut: cut.replace(microsecond=0)),
)
def test_the_business_date_never_goes_back(instants: list[datetime], zone: str, cut: time) -> None:
    utc_us = np.sort(np.array(instants, dtype="datetime64[us]")).astype(np.int64)
    calendar = BusinessCalendar(zone, cut)
    days = calendar.business_dates(utc_us)
    assert np.all(np.diff(days.astype(np.int64)) >= 0)
    wall_days = calendar.to_local_us(utc_us).astype("datetime64[us]").astype("datetime64[D]")
    assert np.all(np.isin((wall_days - days).astype(np.int64), [-1, 0, 1]))


def test_every_business_day_of_two_years_begins_exactly_once() -> None:
    hours_us = np.arange(instant_us("2025-01-01 12:00+00:00"), instant_us("2027-01-01 12:00+00:00"), 900_000_000)
    days = BusinessCalendar("America/New_York", time(1, 30)).business_dates(hours_us).astype(np.int64)
    steps = np.diff(days)
    assert set(steps.tolist()) == {0, 1}
    assert int(steps.sum()) == 730


def test_today_is_the_business_day_of_now() -> None:
    calendar = BusinessCalendar.parse("Asia/Shanghai", "06:00")
    assert calendar.today(datetime(2026, 3, 1, 21, 59, tzinfo=UTC)) == date(2026, 3, 1)
    assert calendar.today(datetime(2026, 3, 2, 6, 0, tzinfo=timezone(timedelta(hours=8)))) == date(2026, 3, 2)


def test_dates_outside_all_calendars_do_not_stop_a_batch() -> None:
    far_us = np.array(["0001-01-01", "9999-12-31T12:00"], dtype="datetime64[us]").astype(np.int64)
    assert BusinessCalendar("America/New_York").business_dates(far_us).astype(str).tolist() == [
        "0000-12-31",
        "9999-12-31",
    ]


def test_unknown_names_are_refused_with_what_would_be_right() -> None:
    with pytest.raises(UnknownTimeZone, match="did you mean Asia/Shanghai"):
        BusinessCalendar("Asia/Shangai")
    with pytest.raises(UnknownTimeZone):
        BusinessCalendar("../../etc/passwd")
    with pytest.raises(NotADayCut, match="write for example '00:00'"):
        BusinessCalendar.parse("UTC", "24:00")
