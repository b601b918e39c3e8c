"""How far a job is: shards and rows done, how fast, and how long it still takes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from everycent.base.platform.database import Connection
from everycent.proof.recon.jobs import store
from everycent.proof.recon.jobs.store import Job, JobState, Stage, Step


@dataclass(frozen=True)
class Progress:
    """A job with its steps, looked at `now`. Rows are of both sides."""

    job: Job
    steps: tuple[Step, ...]
    now: datetime

    @property
    def shards(self) -> tuple[Step, ...]:
        """The steps that compare; none before the sides are loaded."""
        return tuple(step for step in self.steps if step.stage is Stage.COMPARE)

    @property
    def done(self) -> tuple[Step, ...]:
        """The shards that are compared."""
        return tuple(step for step in self.shards if step.result is not None)

    @property
    def busy(self) -> tuple[Step, ...]:
        """Steps that somebody began and that are not done; where a worker died nobody has them any more."""
        ended = (JobState.DONE, JobState.CANCELLED)
        return tuple(s for s in self.steps if s.begun and s.result is None and self.job.state not in ended)

    @property
    def rows(self) -> int:
        """Rows that are compared."""
        return sum(step.rows for step in self.done)

    @property
    def rows_in_all(self) -> int:
        """Rows of both sides; 0 before they are loaded."""
        return sum(step.rows for step in self.shards)

    @property
    def rows_per_s(self) -> float | None:
        """Since the first shard was begun, up to the last that is done; None where none is."""
        begun = [step.begun_at for step in self.done if step.begun_at is not None]
        ended = [step.done_at for step in self.done if step.done_at is not None]
        if not begun or not ended or max(ended) <= min(begun):
            return None
        return self.rows / ((max(ended) - min(begun)) / timedelta(seconds=1))

    @property
    def left_s(self) -> float | None:
        """How long the other shards take at this rate; None where nothing tells."""
        if self.job.state is not JobState.OPEN or not self.rows_per_s:
            return None
        return (self.rows_in_all - self.rows) / self.rows_per_s

    @property
    def told(self) -> tuple[str, ...]:
        """What was found worth telling: files that contradict themselves, handlers that failed."""
        return tuple(line for step in self.steps for line in (step.result or {}).get("told", ()))

    @property
    def said(self) -> str:
        """In a line."""
        if self.job.state is JobState.DONE and not self.shards:
            return "the same sides had been compared before"
        if not self.shards:
            return "not loaded yet"
        line = f"{len(self.done)} of {len(self.shards)} shards, {self.rows:,} of {self.rows_in_all:,} rows"
        if self.rows_per_s is not None:
            line += f", {self.rows_per_s:,.0f} rows/s"
        return line if self.left_s is None else f"{line}, {timedelta(seconds=round(self.left_s))} left"

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        job = self.job
        return {
            "job": job.number,
            "model": job.asked.model,
            "scenario": job.asked.scenario,
            "occasion": job.asked.occasion,
            "day": None if job.asked.day is None else job.asked.day.isoformat(),
            "state": str(job.state),
            "shards": len(self.shards),
            "shards_done": len(self.done),
            "rows": self.rows_in_all,
            "rows_done": self.rows,
            "rows_per_s": self.rows_per_s,
            "left_s": self.left_s,
            "told": list(self.told),
            "error": job.error,
            "run_id": None if job.run_id is None else str(job.run_id),
            "run_no": job.run_no,
            "changed": job.changed,
            "asked_at": job.asked_at.isoformat(),
            "finished_at": None if job.finished_at is None else job.finished_at.isoformat(),
        }


def progress_of(connection: Connection, tenant: str, number: int, now: datetime) -> Progress:
    """Raises JobRefused."""
    found = store.job(connection, tenant, number)
    return Progress(found, tuple(store.steps(connection, tenant, number)), now)
