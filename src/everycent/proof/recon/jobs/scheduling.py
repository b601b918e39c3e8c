"""Jobs because of the time: each moment at which a schedule was due has its job, once, whoever looks and how often."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from everycent.base.money.calendar import BusinessCalendar
from everycent.base.platform.database import Connection
from everycent.proof.recon.core.due import Due, due_between, next_due
from everycent.proof.recon.jobs import store
from everycent.proof.recon.jobs.store import Asked
from everycent.proof.recon.timing import ScheduleSpec

#: A worker that looks so long after a moment was not away.
ON_TIME = timedelta(minutes=15)
#: More moments than these are not caught up at one look; the next look goes on.
CAUGHT_UP_MAX = 1_000


@dataclass(frozen=True)
class Timed:
    """A scenario with a schedule. `asks`: what its jobs' loader has to know."""

    model: str
    scenario: str
    schedule: ScheduleSpec
    calendar: BusinessCalendar
    asks: Mapping[str, Any] = field(default_factory=dict)
    shards: int | None = None

    def next_due(self, now: datetime) -> Due | None:
        """When it is due next."""
        return next_due(self.schedule, self.calendar, now)


def ask_due(connection: Connection, tenant: str, timed: Timed, now: datetime) -> list[int]:
    """Asks for the jobs that are due by `now` and were not asked for; their numbers. A schedule that is seen for the
    first time is due later than now."""
    place = {"tenant": tenant, "model": timed.model, "scenario": timed.scenario}
    with connection.transaction():
        connection.execute(
            """INSERT INTO recon.schedule (tenant, model, scenario, reached)
            VALUES (%(tenant)s, %(model)s, %(scenario)s, %(now)s) ON CONFLICT DO NOTHING""",
            {**place, "now": now},
        )
        row = connection.execute(
            """SELECT reached FROM recon.schedule
            WHERE (tenant, model, scenario) = (%(tenant)s, %(model)s, %(scenario)s) FOR UPDATE""",
            place,
        ).fetchone()
        assert row is not None, "it was just put there"
        found = list(islice(due_between(timed.schedule, timed.calendar, row[0], now), CAUGHT_UP_MAX + 1))
        reached = now if len(found) <= CAUGHT_UP_MAX else found[CAUGHT_UP_MAX - 1].at
        numbers = [
            store.ask(connection, tenant, _asked(timed, due))
            for due in _wanted(timed.schedule, found[:CAUGHT_UP_MAX], now)
        ]
        connection.execute(
            """UPDATE recon.schedule SET reached = greatest(reached, %(reached)s)
            WHERE (tenant, model, scenario) = (%(tenant)s, %(model)s, %(scenario)s)""",
            {**place, "reached": reached},
        )
    return [number for number in numbers if number is not None]


def _wanted(schedule: ScheduleSpec, due: Sequence[Due], now: datetime) -> Sequence[Due]:
    if schedule.missed == "each":
        return due
    last = due[-1:]
    if schedule.missed == "skip":
        return [each for each in last if now - each.at <= ON_TIME]
    return last


def _asked(timed: Timed, due: Due) -> Asked:
    occasion = f"schedule {due.at:%Y-%m-%dT%H:%MZ}"
    return Asked(timed.model, timed.scenario, occasion, timed.asks, due.day, timed.shards)
