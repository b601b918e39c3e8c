"""Stream = batch: however events arrive, once all is due the verdicts are those of a run over all of them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_scene import NOON, Happened, Scene

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import connect
from everycent.proof.recon.contract import LiveSpec
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.watching import store

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["left", "right"]),
        st.sampled_from(["A", "B", "C", "D"]),
        st.integers(-2, 3),
        st.sampled_from([None, "paid", "open"]),
        st.integers(0, 20),
    ),
    max_size=14,
).map(
    lambda rows: [
        Happened(number, side, key, amount, status, NOON + timedelta(minutes=minutes))
        for number, (side, key, amount, status, minutes) in enumerate(rows, 1)
    ]
)
LIVE = st.builds(
    LiveSpec,
    delay=st.sampled_from([timedelta(0), timedelta(minutes=5)]),
    counted_from=st.sampled_from(["occurred_at", "arrival"]),
    sample=st.sampled_from(["1", "1", "0.5"]),
)
PLANS = st.builds(
    ReconPlan,
    st.just("paid"),
    st.integers(0, 1),
    left_sums=st.booleans(),
    right_sums=st.booleans(),
    compares_status=st.booleans(),
    one_way=st.booleans(),
)
LATE = NOON + timedelta(days=1)
RARELY = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@RARELY
@given(events=EVENTS, live=LIVE, plan=PLANS, data=st.data())
def test_whatever_arrives_when_the_verdicts_are_those_of_a_run(
    events: list[Happened], live: LiveSpec, plan: ReconPlan, data: st.DataObject, database: Any, engine: LocalEngine
) -> None:
    scene = Scene(database.connection, engine, live, plan)
    coming = [*events, *data.draw(st.lists(st.sampled_from(events), max_size=5) if events else st.just([]), "again")]
    coming = data.draw(st.permutations(coming), "arrival")
    minute = 0
    while coming:
        some, minute = data.draw(st.integers(1, 5), "cut"), minute + data.draw(st.integers(0, 10), "wait")
        now = NOON + timedelta(minutes=minute)
        if data.draw(st.booleans(), "the first try dies"):
            with database.connection.transaction(force_rollback=True):
                scene.put(coming[:some], now)
                scene.check(now)
        scene.put(coming[:some], now)
        scene.put([replace(coming[0], amount=99)], now)  # an event with a known id changes nothing
        coming = coming[some:]
        if data.draw(st.booleans(), "check meanwhile"):
            scene.check(now, most=data.draw(st.integers(1, 3), "keys at once"))
        assert store.waiting(database.connection, scene.watched) == scene.waiting(), "what is counted waits"
    scene.check_all(LATE)
    expected = scene.offline(events)
    breaks, write_offs = scene.breaks()
    assert breaks == expected.breaks
    assert write_offs == expected.write_offs
    verdicts = scene.verdicts()
    assert {key for key, outcome in verdicts.items() if outcome == "break"} == set(breaks["key"].to_pylist())
    keys = sum(expected.totals["keys"].to_pylist())
    assert len(verdicts) <= keys and (live.sample != "1" or set(verdicts) == {event.key for event in events})


@RARELY
@given(events=EVENTS, data=st.data())
def test_a_watcher_that_dies_leaves_its_keys_to_the_others(
    events: list[Happened], data: st.DataObject, database: Any, engine: LocalEngine
) -> None:
    scene = Scene(database.connection, engine)
    scene.put(events)
    with connect(database.settings) as connection:
        dying = scene.over(connection)
        with connection.transaction(force_rollback=True):
            held = set(store.claim(connection, scene.watched, data.draw(st.integers(1, 3), "claims"), LATE))
            scene.check_all(LATE)
            assert set(scene.verdicts()) == {event.key for event in events} - held
            assert dying.check(LATE).keys == len(held)
    scene.check_all(LATE)
    assert scene.breaks()[0] == scene.offline(events).breaks
    counted = store.counters(database.connection, scene.watched)
    assert counted.get("checked", 0) == len({event.key for event in events})


def test_events_put_and_checked_by_many_at_once_give_the_same(
    database: Any, engine: LocalEngine, tmp_path: Path
) -> None:
    events = [
        Happened(number, ("left", "right")[number % 2], f"K{number * 7919 % 40}", number % 3)
        for number in range(1, 241)
    ]
    scene = Scene(database.connection, engine)

    def work(at: int) -> None:
        with (
            connect(database.settings) as connection,
            LocalEngine(threads=1, memory_mb=100, temp_dir=tmp_path / str(at)) as own,
        ):
            mine = replace(scene, connection=connection, engine=own)
            for start in range(0, len(events), 40):
                mine.put(events[start : start + 40])  # all of them put all events
                mine.check(LATE, most=7)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, range(3)))
    scene.check_all(LATE)
    assert scene.breaks()[0] == scene.offline(events).breaks
    assert store.counters(database.connection, scene.watched)["taken"] == len(events)
