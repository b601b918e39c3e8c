"""A job in shards stores what one run of all stores, to the byte, however many shards there are."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from job_office import NOON, PLAN, Office, Row, many, side

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.proof.recon.core.matching.plan import plan_match
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.jobs import spool, store
from everycent.proof.recon.jobs.store import JobRefused, JobState
from everycent.proof.recon.rules import MatchRuleSpec
from everycent.proof.recon.service import run

TABLES = ("run", "total", "break", "write_off", "refused", "observation", "standing_break", "move", "match")
Sides = tuple[SideRows, SideRows]


def stored(connection: Any) -> dict[str, list[str]]:
    """All that runs left, as text, seals and digests among it."""
    return {
        table: [row for (row,) in connection.execute(f"SELECT to_jsonb(t)::text FROM recon.{table} t ORDER BY 1")]
        for table in TABLES
    }


def at_once(office: Office, engine: LocalEngine, sides: Sides, plan: ReconPlan) -> dict[str, list[str]]:
    """What one run of all stores; nothing of it stays."""
    with office.connection.transaction():
        run(office.connection, engine, "default", "market", "CNY", plan, *sides, now=NOON)
        found = stored(office.connection)
        raise psycopg.Rollback
    return found


rows = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "B/1", "键", "C", "D", "E"]),
        st.integers(-3, 3) | st.sampled_from([2**62, -(2**62)]),
        st.sampled_from(["paid", "", None]),
    ),
    max_size=12,
)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    left=rows,
    right=rows,
    shards=st.integers(1, 5),
    plan=st.builds(ReconPlan, st.just("bill"), st.integers(0, 1), st.booleans(), st.booleans(), st.booleans()),
)
def test_the_same_bytes_whatever_the_shards(
    office: Callable[..., Office], engine: LocalEngine, left: list[Row], right: list[Row], shards: int, plan: ReconPlan
) -> None:
    sides = side("ours.csv", *left, refused=1), side("bill.csv", *right, left_out=2)
    place = office(bill=sides)
    place.given.how = {"bill": plan}
    with place.connection.transaction():
        wanted = at_once(place, engine, sides, plan)
        number = place.asked(shards=shards)
        assert place.work() == shards + 2
        assert stored(place.connection) == wanted
        assert place.job(number).state is JobState.DONE
        raise psycopg.Rollback


def test_a_job_of_many_rows(office: Callable[..., Office], engine: LocalEngine) -> None:
    sides = many(3_000)
    place = office(bill=sides)
    wanted = at_once(place, engine, sides, PLAN)
    number = place.asked(shards=7)
    assert place.work() == 9
    assert stored(place.connection) == wanted
    assert len(wanted["break"]) > 500
    done = place.job(number)
    assert (done.state, done.run_no, done.changed) == (JobState.DONE, 1, True)
    assert done.asked.shards == 7
    assert place.given.loads == ["bill"]
    assert not list((place.worker.folder / "default").iterdir()), "its files are gone"


def test_rules_see_what_all_shards_left(office: Callable[..., Office], engine: LocalEngine) -> None:
    """Rows that explain each other have other keys, and so are in other shards."""
    left: list[Row] = [(f"A{n}", 100 + n, "paid") for n in range(40)]
    right: list[Row] = [(f"B{n}" if n % 3 else f"A{n}", 100 + n, "paid") for n in range(40)]
    rule = MatchRuleSpec.model_validate({"key": {"by": "amount", "may_differ": "key"}})
    rules = plan_match("bill", [rule], currency("CNY"), {})
    plan, sides = replace(PLAN, rules=rules, words="by amount"), (side("ours.csv", *left), side("bill.csv", *right))
    place = office(bill=sides)
    place.given.how = {"bill": plan}
    wanted = at_once(place, engine, sides, plan)
    place.asked(shards=5)
    assert place.work() == 7
    assert stored(place.connection) == wanted
    assert len(wanted["match"]) == 52


def test_the_same_sides_again_are_not_compared_again(office: Callable[..., Office]) -> None:
    place = office(bill=many(100))
    first, second = place.asked(shards=2), place.asked(shards=3)
    assert place.work() == 4 + 1
    done, again = place.job(first), place.job(second)
    assert (again.run_id, again.run_no, again.changed) == (done.run_id, 1, False)


def test_an_occasion_has_one_job(office: Callable[..., Office]) -> None:
    place = office(bill=many(10))
    assert place.ask(occasion="schedule 2026-03-02") is not None
    assert place.ask(occasion="schedule 2026-03-02") is None


def test_shards_are_worked_out_from_the_rows() -> None:
    assert [spool.shards_for(rows) for rows in (0, 1, 1_000_000, 1_000_001, 10**12)] == [1, 1, 1, 2, 1024]


def test_a_job_that_throws_stops_alone_and_goes_on_where_it_stopped(office: Callable[..., Office]) -> None:
    place = office(bill=many(100))
    bad, good = place.asked("nobody knows it"), place.asked(shards=2)
    assert place.work() == 1 + 4
    assert place.job(bad).state is JobState.FAILED
    assert place.job(bad).error == "KeyError: 'nobody knows it'"
    assert place.job(good).state is JobState.DONE
    place.given.sides = {"nobody knows it": many(50)}
    store.turn(place.connection, "default", bad, JobState.OPEN)
    place.work()
    assert place.job(bad).state is JobState.DONE


def test_paused_it_keeps_what_is_done(office: Callable[..., Office]) -> None:
    place = office(bill=many(100))
    number = place.asked(shards=3)
    place.worker.work()
    place.worker.work()
    store.turn(place.connection, "default", number, JobState.PAUSED)
    assert place.worker.work() is None
    store.turn(place.connection, "default", number, JobState.OPEN)
    assert place.work() == 3
    assert place.given.loads == ["bill"], "what was loaded is not loaded again"
    with pytest.raises(JobRefused, match="is done; only one that is open can become paused"):
        store.turn(place.connection, "default", number, JobState.PAUSED)


def test_who_dies_after_the_run_is_stored_is_followed_by_one_who_finds_it(office: Callable[..., Office]) -> None:
    place = office(bill=many(100))
    number = place.asked(shards=1)
    place.given.dies = True
    with pytest.raises(KeyboardInterrupt):
        place.work()
    assert len(stored(place.connection)["run"]) == 1
    assert place.job(number).state is JobState.OPEN
    place.given.dies = False
    assert place.work() == 1
    assert place.given.followed == [1, 1], "what follows a run is done again"
    done = place.job(number)
    assert (done.state, done.run_no, done.changed) == (JobState.DONE, 1, True)
    assert store.steps(place.connection, "default", number)[-1].result["told"] == ["somebody was told"]


def test_cancelled_it_leaves_nothing(office: Callable[..., Office]) -> None:
    place = office(bill=many(100))
    number = place.asked(shards=3)
    place.worker.work()
    store.turn(place.connection, "default", number, JobState.CANCELLED)
    assert place.work() == 0
    place.worker.sweep()
    assert not list((place.worker.folder / "default").iterdir())
    assert stored(place.connection)["run"] == []


def test_a_file_of_the_job_that_is_altered_is_noticed(office: Callable[..., Office]) -> None:
    place = office(bill=many(100))
    number = place.asked(shards=1)
    place.worker.work()
    for file in (place.worker.folder / "default" / str(number)).glob("*.parquet"):
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    place.work()
    assert "is not what was written" in str(place.job(number).error)


def test_a_scenario_that_changed_meanwhile_is_refused(office: Callable[..., Office]) -> None:
    place = office(bill=many(100))
    number = place.asked(shards=2)
    place.worker.work()
    place.given.how = {"bill": ReconPlan("bill", 5, False, False, False)}
    place.work()
    assert "compares in another way than when the sides of job" in str(place.job(number).error)


def test_a_step_that_kills_its_workers_is_given_up(office: Callable[..., Office]) -> None:
    place = office(bill=many(10))
    number = place.asked(shards=1)
    for _ in range(store.DEATHS_MAX):
        with store.claimed(place.connection, "default", "doomed") as found:
            assert found is not None and found[1].stage is store.Stage.LOAD
    place.work()
    assert "each time its worker died" in str(place.job(number).error)
    store.turn(place.connection, "default", number, JobState.OPEN)
    assert place.work() == 3
