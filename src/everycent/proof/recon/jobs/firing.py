"""What a scenario's trigger fires: a job for each firing, once, whoever looks and how often."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from everycent.base.platform.database import Connection
from everycent.base.platform.lake import file_digest
from everycent.proof.recon.chain import Arrived, Firing, Occasion, SeesFiles, Surroundings
from everycent.proof.recon.jobs import store
from everycent.proof.recon.jobs.arrivals import whole_files
from everycent.proof.recon.jobs.store import Asked
from everycent.proof.recon.loading import LimitsSpec
from everycent.proof.recon.plugged import Chosen, asked
from everycent.proof.recon.store import keep_fired, marks_fired


@dataclass(frozen=True)
class Triggered:
    """A scenario with a trigger. `sides`: of each side that is a file its names' patterns; `asks`: what its jobs'
    loader has to know."""

    model: str
    scenario: str
    trigger: Chosen
    limits: LimitsSpec
    sides: tuple[tuple[str, ...], ...] = ()
    asks: Mapping[str, Any] = field(default_factory=dict)
    shards: int | None = None

    def place(self, tenant: str) -> tuple[str, str, str]:
        """Tenant, model, scenario."""
        return tenant, self.model, self.scenario


def firings(
    connection: Connection,
    tenant: str,
    triggered: Triggered,
    around: Surroundings,
    now: datetime,
    events: pa.Table | None = None,
) -> Sequence[Firing]:
    """What is due now and was not fired before. Raises LinkFailed."""
    return _fired(triggered, around, _occasion(connection, tenant, triggered, around, now, events))


def ask_fired(
    connection: Connection, tenant: str, triggered: Triggered, around: Surroundings, now: datetime
) -> list[int]:
    """Asks for a job for each firing that is due; their numbers. A firing that says no day is for that of `around`.
    Raises LinkFailed."""
    place, occasion = triggered.place(tenant), _occasion(connection, tenant, triggered, around, now)
    due = _fired(triggered, around, occasion)
    if not due:
        return []
    numbers = []
    with connection.transaction():
        connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", ("recon fired\x1f" + "\x1f".join(place),)
        )
        done = marks_fired(connection, place)
        for firing in due:
            if not done.isdisjoint(firing.marks):
                continue  # somebody else looked in the same moment
            number = store.ask(connection, tenant, _asked(triggered, firing, around.as_of, occasion.files))
            assert number is not None, f"{firing.mark} was not fired before"
            keep_fired(connection, place, firing.marks, job_no=number)
            done |= firing.marks
            numbers.append(number)
    return numbers


def _occasion(
    connection: Connection,
    tenant: str,
    triggered: Triggered,
    around: Surroundings,
    now: datetime,
    events: pa.Table | None = None,
) -> Occasion:
    place, trigger, sides = triggered.place(tenant), triggered.trigger, triggered.sides
    done = marks_fired(connection, place)
    if not isinstance(trigger.offered, SeesFiles):
        return Occasion(now, events, done, sides=sides)
    awaited = asked(trigger, "awaits", (), triggered.limits)
    return Occasion(now, events, done, tuple(whole_files(connection, place, awaited, sides, around, now)), sides)


def _fired(triggered: Triggered, around: Surroundings, occasion: Occasion) -> Sequence[Firing]:
    return tuple(asked(triggered.trigger, "due", (around, occasion), triggered.limits))


def _asked(triggered: Triggered, firing: Firing, day: date, arrived: Sequence[Arrived]) -> Asked:
    asks, digests = dict(triggered.asks), {file.path: file.digest for file in arrived}
    if firing.files:
        asks["files"] = [{"path": str(path), "digest": digests.get(path) or file_digest(path)} for path in firing.files]
    if firing.keys is not None:
        asks["keys"] = list(firing.keys)
    return Asked(triggered.model, triggered.scenario, firing.mark, asks, firing.as_of or day, triggered.shards)
