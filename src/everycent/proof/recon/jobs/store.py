"""All SQL of jobs: asking for one, claiming a step of it, and what became of it.

A step is claimed by a lock that goes with the connection, so that a worker that dies has none; it is done in the
transaction that keeps its result, once.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum, StrEnum
from typing import Any
from uuid import UUID

from everycent.base.platform.database import Connection

#: A step that was begun so often without an end has taken its workers with it.
DEATHS_MAX = 5
_CANDIDATES = 1_000


class JobState(StrEnum):
    """`open`: workers take its steps. `paused`: none begins another. `failed`: `resume` opens it again where it
    stopped."""

    OPEN = "open"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Stage(IntEnum):
    """A job's steps in their order; those of one stage are done side by side."""

    LOAD = 0
    COMPARE = 1
    GATHER = 2


class JobRefused(Exception):
    """There is no such job, or its state does not allow what was asked."""


@dataclass(frozen=True)
class Asked:
    """A job as somebody asked for it. `occasion`: why, the same one only once. `asks`: what its loader has to know."""

    model: str
    scenario: str
    occasion: str
    asks: Mapping[str, Any] = field(default_factory=dict)
    day: date | None = None
    shards: int | None = None


@dataclass(frozen=True)
class Job:
    """A job as it stands."""

    number: int
    asked: Asked
    state: JobState
    compares: str | None
    run_id: UUID | None
    run_no: int | None
    changed: bool | None
    error: str | None
    asked_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class Step:
    """A step. `rows`: of both sides. `given`, `result`: see working.py; no result: it is not done."""

    number: int
    stage: Stage
    rows: int
    given: Any = None
    begun: int = 0
    begun_at: datetime | None = None
    worker: str | None = None
    result: Any = None
    done_at: datetime | None = None


_JOB = """job_no, model, scenario, occasion, asks, day, shards, state, compares, run_id, run_no, changed, error,
    asked_at, finished_at"""
_STEP = "step_no, stage, rows, given, begun, begun_at, worker, result, done_at"


def ask(connection: Connection, tenant: str, asked: Asked) -> int | None:
    """Keeps a job with its first step; its number, or None where the occasion has its job. In a transaction."""
    row = connection.execute(
        """INSERT INTO recon.job (tenant, model, scenario, occasion, day, asks, shards)
        VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (tenant, model, scenario, occasion) DO NOTHING
        RETURNING job_no""",
        (tenant, asked.model, asked.scenario, asked.occasion, asked.day, json.dumps(dict(asked.asks)), asked.shards),
    ).fetchone()
    if row is None:
        return None
    connection.execute(
        "INSERT INTO recon.job_step (tenant, job_no, step_no, stage) VALUES (%s, %s, 0, %s)",
        (tenant, row[0], int(Stage.LOAD)),
    )
    return int(row[0])


def jobs(connection: Connection, tenant: str, limit: int = 50) -> list[Job]:
    """The newest jobs, newest first."""
    rows = connection.execute(
        f"SELECT {_JOB} FROM recon.job WHERE tenant = %s ORDER BY job_no DESC LIMIT %s", (tenant, limit)
    )
    return [_job(row) for row in rows]


def job(connection: Connection, tenant: str, number: int) -> Job:
    """Raises JobRefused."""
    row = connection.execute(
        f"SELECT {_JOB} FROM recon.job WHERE tenant = %s AND job_no = %s", (tenant, number)
    ).fetchone()
    if row is None:
        raise JobRefused(f"there is no job {number}; `everycent recon jobs list` names them")
    return _job(row)


def steps(connection: Connection, tenant: str, number: int) -> list[Step]:
    """A job's steps, in order."""
    rows = connection.execute(
        f"SELECT {_STEP} FROM recon.job_step WHERE tenant = %s AND job_no = %s ORDER BY step_no", (tenant, number)
    )
    return [_step(row) for row in rows]


def _job(row: Sequence[Any]) -> Job:
    number, model, scenario, occasion, asks, day, shards, state, *rest = row
    return Job(number, Asked(model, scenario, occasion, asks, day, shards), JobState(state), *rest)


def _step(row: Sequence[Any]) -> Step:
    number, stage, *rest = row
    return Step(number, Stage(stage), *rest)


#: A step whose turn it is: its job is open, and no earlier stage has a step that is not done.
_READY = """s.tenant = %(tenant)s AND s.result IS NULL
    AND EXISTS (FROM_JOB AND j.state = 'open')
    AND NOT EXISTS (SELECT FROM recon.job_step b WHERE (b.tenant, b.job_no) = (s.tenant, s.job_no)
        AND b.result IS NULL AND b.stage < s.stage)""".replace(
    "FROM_JOB", "SELECT FROM recon.job j WHERE (j.tenant, j.job_no) = (s.tenant, s.job_no)"
)


@contextmanager
def claimed(connection: Connection, tenant: str, worker: str) -> Iterator[tuple[Job, Step] | None]:
    """The first step that is ready and that nobody else has, for as long as the context lasts; None where there is
    none. Outside of a transaction: others see who has it."""
    found = _claim(connection, tenant, worker)
    try:
        yield found
    finally:
        if found is not None and not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (_lock(tenant, found),))


def _claim(connection: Connection, tenant: str, worker: str) -> tuple[Job, Step] | None:
    given = {"tenant": tenant, "worker": worker, "most": _CANDIDATES}
    candidates = connection.execute(
        f"SELECT s.job_no, s.step_no FROM recon.job_step s WHERE {_READY} ORDER BY s.job_no, s.step_no LIMIT %(most)s",
        given,
    ).fetchall()
    for job_no, step_no in candidates:
        name = _lock_name(tenant, job_no, step_no)
        if connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,)).fetchone() != (True,):
            continue
        row = connection.execute(
            f"""UPDATE recon.job_step s SET begun = begun + 1, begun_at = clock_timestamp(), worker = %(worker)s
            WHERE job_no = %(job)s AND step_no = %(step)s AND {_READY} RETURNING {_STEP}""",
            {**given, "job": job_no, "step": step_no},
        ).fetchone()
        if row is not None:
            return job(connection, tenant, job_no), _step(row)
        connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))
    return None


def _lock(tenant: str, found: tuple[Job, Step]) -> str:
    return _lock_name(tenant, found[0].number, found[1].number)


def _lock_name(tenant: str, job_no: int, step_no: int) -> str:
    return f"recon job step\x1f{tenant}\x1f{job_no}\x1f{step_no}"


def step_done(connection: Connection, tenant: str, number: int, step: Step, result: Mapping[str, Any]) -> None:
    """Inside the transaction that holds the step's work; a second time is a bug."""
    done = connection.execute(
        """UPDATE recon.job_step SET result = %s, done_at = clock_timestamp()
        WHERE tenant = %s AND job_no = %s AND step_no = %s AND result IS NULL""",
        (json.dumps(dict(result)), tenant, number, step.number),
    )
    assert done.rowcount == 1, f"step {step.number} of job {number} was done already"


def loaded(connection: Connection, tenant: str, number: int, compares: str, compare: Sequence[Step]) -> None:
    """Adds the steps of a job whose sides are loaded. Raises JobRefused where it was cancelled."""
    _update(connection, tenant, number, "shards = %(shards)s, compares = %(compares)s",
            {"shards": len(compare), "compares": compares})  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO recon.job_step (tenant, job_no, step_no, stage, rows, given) VALUES (%s, %s, %s, %s, %s, %s)",
            [(tenant, number, step.number, int(step.stage), step.rows, json.dumps(step.given)) for step in compare]
            + [(tenant, number, len(compare) + 1, int(Stage.GATHER), 0, None)],
        )


def finished(connection: Connection, tenant: str, number: int, run_id: UUID, run_no: int, *, changed: bool) -> None:
    """In the transaction of the job's last step. Raises JobRefused where it was cancelled."""
    what = (
        "state = 'done', run_id = %(run_id)s, run_no = %(run_no)s, changed = %(changed)s,"
        " finished_at = clock_timestamp()"
    )
    _update(connection, tenant, number, what, {"run_id": run_id, "run_no": run_no, "changed": changed})


def _update(connection: Connection, tenant: str, number: int, what: str, given: Mapping[str, Any]) -> None:
    done = connection.execute(
        f"UPDATE recon.job SET {what} WHERE tenant = %(tenant)s AND job_no = %(job)s AND state IN ('open', 'paused')",
        {**given, "tenant": tenant, "job": number},
    )
    if done.rowcount != 1:
        raise JobRefused(f"job {number} was cancelled meanwhile")


def failed(connection: Connection, tenant: str, number: int, error: str) -> None:
    """The job stops where it is, with its reason."""
    connection.execute(
        "UPDATE recon.job SET state = 'failed', error = %s"
        " WHERE tenant = %s AND job_no = %s AND state IN ('open', 'paused')",
        (error, tenant, number),
    )


_TURNS = {
    JobState.PAUSED: (JobState.OPEN,),
    JobState.OPEN: (JobState.PAUSED, JobState.FAILED),
    JobState.CANCELLED: (JobState.OPEN, JobState.PAUSED, JobState.FAILED),
}


def turn(connection: Connection, tenant: str, number: int, state: JobState) -> Job:
    """Pauses, resumes (OPEN) or cancels a job. Raises JobRefused where its state does not allow it."""
    with connection.transaction():
        done = connection.execute(
            """UPDATE recon.job SET state = %s, error = NULL,
                finished_at = CASE WHEN %s THEN clock_timestamp() END
            WHERE tenant = %s AND job_no = %s AND state = ANY(%s)""",
            (state, state is JobState.CANCELLED, tenant, number, [str(each) for each in _TURNS[state]]),
        )
        found = job(connection, tenant, number)
        if done.rowcount == 0 and found.state is not state:
            can = " or ".join(_TURNS[state])
            raise JobRefused(f"job {number} is {found.state}; only one that is {can} can become {state}")
        if state is JobState.OPEN:
            connection.execute(
                "UPDATE recon.job_step SET begun = 0 WHERE tenant = %s AND job_no = %s AND result IS NULL",
                (tenant, number),
            )
    return found
