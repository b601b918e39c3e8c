"""Jobs by the clock: each moment once, whoever looks; what was missed is caught up as the schedule says."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from job_office import Office, many

from everycent.base.money.calendar import BusinessCalendar
from everycent.base.platform.database import connect
from everycent.proof.recon.jobs import scheduling
from everycent.proof.recon.jobs.scheduling import Timed, ask_due
from everycent.proof.recon.timing import ScheduleSpec

NIGHTLY = {"daily": "02:30", "after": "1 day"}


def timed(**words: Any) -> Timed:
    spec = ScheduleSpec.model_validate({**NIGHTLY, **words})
    return Timed("market", "bill", spec, BusinessCalendar("Asia/Shanghai"), {"model": "m.yaml"}, 3)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-{text}+08:00")


@pytest.fixture
def due(office: Callable[..., Office]) -> Callable[..., list[tuple[str, str]]]:
    """Looks at a time: the occasions and days of the jobs that are asked for."""
    place = office(bill=many(3))

    def look(one: Timed, now: str) -> list[tuple[str, str]]:
        numbers = ask_due(place.connection, "default", one, at(now))
        jobs = [place.job(number).asked for number in numbers]
        assert all((job.asks, job.shards) == ({"model": "m.yaml"}, 3) for job in jobs)
        return [(job.occasion, f"{job.day:%m-%d}") for job in jobs]

    return look


def test_each_night_once(due: Any) -> None:
    assert due(timed(), "01T12:00") == [], "what was due before anybody looked for the first time is not caught up"
    assert due(timed(), "02T02:29") == []
    assert due(timed(), "02T02:30") == [("schedule 2026-03-01T18:30Z", "03-01")]
    assert due(timed(), "02T02:31") == []
    assert due(timed(), "03T02:45") == [("schedule 2026-03-02T18:30Z", "03-02")]


@pytest.mark.parametrize(
    ("missed", "days"), [("once", ["03-04"]), ("each", ["03-01", "03-02", "03-03", "03-04"]), ("skip", [])]
)
def test_what_was_missed(due: Any, missed: str, days: list[str]) -> None:
    one = timed(missed=missed)
    due(one, "01T12:00")
    assert [day for _, day in due(one, "05T09:00")] == days
    assert due(one, "05T09:01") == []
    assert [day for _, day in due(one, "06T02:31")] == ["03-05"], "and then it goes on"


def test_a_clock_that_goes_back_asks_for_nothing_twice(due: Any) -> None:
    due(timed(), "01T12:00")
    assert len(due(timed(), "02T03:00")) == 1
    assert due(timed(), "01T13:00") == []
    assert due(timed(), "02T03:00") == []


def test_years_of_missed_minutes_are_caught_up_in_parts(due: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "CAUGHT_UP_MAX", 10)
    spec = ScheduleSpec.model_validate({"every": "1 hour", "missed": "each"})
    one = Timed("market", "bill", spec, BusinessCalendar("UTC"), {"model": "m.yaml"}, 3)
    due(one, "01T12:30")
    assert [len(due(one, "02T12:30")) for _ in range(4)] == [10, 10, 4, 0]


def test_of_several_who_look_at_the_same_time_one_asks(database: Any, office: Callable[..., Office]) -> None:
    ask_due(database.connection, "default", timed(), at("01T12:00"))

    def look(_: int) -> int:
        with connect(database.settings) as connection:
            return len(ask_due(connection, "default", timed(), at("02T03:00")))

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(look, range(4))) == [0, 0, 0, 1]
