"""Sharded tasks: a large input is split, each shard is done exactly once, then all results are merged once.

A shard's mark commits in the same transaction as its work, so a crash between two shards loses nothing and repeats
nothing: the next run goes on at the first shard that is not done.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from psycopg.pq import TransactionStatus

from everycent.base.platform.database import Connection

Input = TypeVar("Input", contravariant=True)
Shard = TypeVar("Shard")

#: A shard's or a task's result: whatever JSON can hold. Its key `rows`, where there is one, is shown as progress.
Result = dict[str, Any]
#: Gets the shards done, all shards, and the rows done.
Progress = Callable[[int, int, int], None]


class ShardedTask(Protocol[Input, Shard]):
    """What can be cut into shards. All three are deterministic: the same input gives the same shards."""

    def split(self, given: Input) -> Sequence[Shard]:
        """The shards, in order."""

    def do(self, shard: Shard, mark: "Mark") -> None:
        """Does a shard's work in one transaction, in which it calls `mark.done(connection, result)` once."""

    def merge(self, results: Sequence[Result]) -> Result:
        """The task's result from those of its shards, in their order. Called once for a task."""


class ShardNotMarked(Exception):
    """A shard's work ended without its mark: a bug in the task."""


@dataclass(frozen=True)
class Mark:
    """The place of one shard in its task, handed to whoever does it."""

    tenant: str
    task_id: str
    shard_no: int

    def done(self, connection: Connection, result: Result, batch_no: int | None = None) -> None:
        """Marks the shard inside the caller's transaction; the primary key refuses a second time."""
        mark_done(connection, self, result, batch_no)


def mark_done(connection: Connection, mark: Mark, result: Result, batch_no: int | None = None) -> None:
    """Records the shard's result. Call it inside the transaction that holds the shard's work."""
    assert connection.info.transaction_status != TransactionStatus.IDLE, (
        "a shard's mark belongs into the transaction of its work"
    )
    connection.execute(
        "INSERT INTO platform.shard (tenant, task_id, shard_no, result, batch_no) VALUES (%s, %s, %s, %s, %s)",
        (mark.tenant, mark.task_id, mark.shard_no, json.dumps(result), batch_no),
    )


def task_id(name: str, *content: str) -> str:
    """A task's id: the same name over the same content is the same task."""
    text = "\x1f".join([name, *content])
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def run_task(
    connection: Connection,
    tenant: str,
    identity: str,
    name: str,
    task: ShardedTask[Input, Shard],
    given: Input,
    progress: Progress = lambda _done, _total, _rows: None,
) -> Result:
    """Runs a task to its end, or goes on where it stopped, or gives the result it has; one run at a time."""
    before = finished(connection, tenant, identity)
    if before is not None:
        return before
    shards = task.split(given)
    _begin(connection, tenant, identity, name, len(shards))
    done = _done(connection, tenant, identity)
    progress(len(done), len(shards), _rows(done))
    for number, shard in enumerate(shards):
        if number in done:
            continue
        task.do(shard, Mark(tenant, identity, number))
        done |= _done(connection, tenant, identity, number)
        if number not in done:
            raise ShardNotMarked(f"shard {number} of task '{identity}' was done without mark.done in its transaction")
        progress(len(done), len(shards), _rows(done))
    assert sorted(done) == list(range(len(shards))), f"task '{identity}': shards {sorted(done)} of {len(shards)}"
    result = task.merge([done[number] for number in range(len(shards))])
    connection.execute(
        "UPDATE platform.task SET state = 'done', result = %s, finished_at = clock_timestamp()"
        " WHERE tenant = %s AND task_id = %s AND state = 'running'",
        (json.dumps(result), tenant, identity),
    )
    return result


class TaskChanged(Exception):
    """The input is split otherwise than when the task began."""


def _begin(connection: Connection, tenant: str, identity: str, name: str, shards: int) -> None:
    connection.execute(
        "INSERT INTO platform.task (tenant, task_id, name, state, shards) VALUES (%s, %s, %s, 'running', %s)"
        " ON CONFLICT DO NOTHING",
        (tenant, identity, name, shards),
    )
    begun = connection.execute(
        "SELECT shards FROM platform.task WHERE tenant = %s AND task_id = %s", (tenant, identity)
    ).fetchone()
    if begun != (shards,):
        raise TaskChanged(
            f"task '{identity}' began with {begun and begun[0]} shards and would now have {shards}; run it again with "
            "the EVERYCENT_BATCH_ROWS that it began with"
        )


def finished(connection: Connection, tenant: str, identity: str) -> Result | None:
    """The result of a task that came to its end; None where it did not, or never began."""
    row = connection.execute(
        "SELECT result FROM platform.task WHERE tenant = %s AND task_id = %s AND state = 'done'", (tenant, identity)
    ).fetchone()
    return None if row is None else row[0]


def _done(connection: Connection, tenant: str, identity: str, from_no: int = 0) -> dict[int, Result]:
    rows = connection.execute(
        "SELECT shard_no, result FROM platform.shard WHERE tenant = %s AND task_id = %s AND shard_no >= %s"
        " ORDER BY shard_no",
        (tenant, identity, from_no),
    )
    return dict(rows.fetchall())


def _rows(done: dict[int, Result]) -> int:
    return sum(int(result.get("rows", 0)) for result in done.values())
