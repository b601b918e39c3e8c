"""A sharded task does each shard once, whatever happens in between."""

from collections.abc import Sequence

import pytest

from everycent.base.platform.database import Connection
from everycent.base.platform.tasks import Mark, Result, ShardNotMarked, TaskChanged, run_task, task_id


class Crash(Exception):
    pass


class Adding:
    """Adds up numbers, three to a shard; crashes before or after the marks that it is told."""

    def __init__(self, connection: Connection, crash_before: int = -1, forget: int = -1) -> None:
        self.connection = connection
        self.crash_before = crash_before
        self.forget = forget
        self.did: list[int] = []
        self.merged = 0

    def split(self, given: Sequence[int]) -> list[Sequence[int]]:
        return [given[start : start + 3] for start in range(0, len(given), 3)]

    def do(self, shard: Sequence[int], mark: Mark) -> None:
        with self.connection.transaction():
            self.connection.execute("INSERT INTO work.done VALUES (%s)", (mark.shard_no,))
            if mark.shard_no == self.crash_before:
                raise Crash
            if mark.shard_no != self.forget:
                mark.done(self.connection, {"rows": len(shard), "sum": sum(shard)})
        self.did.append(mark.shard_no)

    def merge(self, results: Sequence[Result]) -> Result:
        self.merged += 1
        return {"sum": sum(result["sum"] for result in results), "sums": [result["sum"] for result in results]}


@pytest.fixture
def connection(database) -> Connection:
    database.connection.execute("create schema work; create table work.done (shard_no integer primary key)")
    return database.connection


def run(connection: Connection, task: Adding, numbers: range = range(10), **named: object) -> Result:
    return run_task(connection, "default", task_id("adding", "0-10"), "adding", task, list(numbers), **named)


def test_the_results_are_merged_in_the_order_of_the_shards(connection):
    seen: list[tuple[int, int, int]] = []
    task = Adding(connection)
    assert run(connection, task, progress=lambda *at: seen.append(at)) == {"sum": 45, "sums": [3, 12, 21, 9]}
    assert seen == [(0, 4, 0), (1, 4, 3), (2, 4, 6), (3, 4, 9), (4, 4, 10)]


def test_after_a_crash_it_goes_on_at_the_first_shard_that_is_not_done(connection):
    first, second = Adding(connection, crash_before=2), Adding(connection)
    with pytest.raises(Crash):
        run(connection, first)
    assert run(connection, second) == {"sum": 45, "sums": [3, 12, 21, 9]}
    assert (first.did, second.did) == ([0, 1], [2, 3])


def test_a_finished_task_gives_its_result_again_without_work(connection):
    run(connection, Adding(connection))
    again = Adding(connection)
    assert run(connection, again) == {"sum": 45, "sums": [3, 12, 21, 9]}
    assert (again.did, again.merged) == ([], 0)


def test_no_shards_are_a_task_too(connection):
    assert run(connection, Adding(connection), numbers=range(0)) == {"sum": 0, "sums": []}


def test_a_shard_without_its_mark_is_a_bug(connection):
    with pytest.raises(ShardNotMarked, match="shard 1 of task"):
        run(connection, Adding(connection, forget=1))


def test_another_split_of_the_same_input_is_refused(connection):
    with pytest.raises(Crash):
        run(connection, Adding(connection, crash_before=1))
    with pytest.raises(TaskChanged, match="began with 4 shards and would now have 7"):
        run(connection, Adding(connection), numbers=range(20))


def test_the_id_tells_apart_what_differs():
    assert task_id("load", "ab", "c") != task_id("load", "a", "bc") != task_id("move", "a", "bc")
    assert task_id("load", "a") == task_id("load", "a")
