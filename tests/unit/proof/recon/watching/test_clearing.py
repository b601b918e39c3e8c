"""What is settled and old goes; what is open, waits or is young stays; what was counted stays counted."""

from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from live_scene import NOON, Happened, Scene, happened

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import connect
from everycent.proof.recon.contract import LiveSpec
from everycent.proof.recon.watching.checking import watch_of

DAY = timedelta(days=1)
EVENTS = """
    left equal 100 paid @0
    right equal 100 paid @1
    left broken 100 paid @0
    right broken 101 paid @1
    left young 100 paid @0
    right young 100 paid @1000
"""


@pytest.fixture
def scene(database: Any, engine: LocalEngine) -> Scene:
    return Scene(database.connection, engine, LiveSpec(delay=timedelta(0), keep=DAY))


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_what_is_settled_and_old_goes(scene: Scene) -> None:
    scene.put(happened(EVENTS)[:5], at(2))
    scene.put(happened(EVENTS)[5:], at(1_000))
    scene.check_all(at(1_001))
    before = watch_of(scene.connection, scene.watched, at(1_001))
    cleared = scene.clear(at(1_500))
    assert (cleared.keys, cleared.events) == (1, 2)
    assert scene.events() == ["left broken", "left young", "right broken", "right young"]
    after = watch_of(scene.connection, scene.watched, at(1_500))
    assert after.verdicts == before.verdicts == {"break": 1, "equal": 2}
    assert after.counts == {**before.counts, "cleared": 2, "cleared_equal": 1}
    assert (scene.clear(at(3_000)).keys, scene.events()) == (1, ["left broken", "right broken"])


def test_without_the_word_all_stays(database: Any, engine: LocalEngine) -> None:
    scene = Scene(database.connection, engine)
    scene.put(happened(EVENTS))
    scene.check_all(NOON + 365 * DAY)
    assert scene.clear(NOON + 3_650 * DAY).keys == 0 and len(scene.events()) == 6


def test_an_event_of_a_key_that_is_gone_is_too_late(scene: Scene) -> None:
    events = happened(EVENTS)
    scene.put(events, at(2))
    scene.check_all(at(1_001))
    scene.clear(at(1_500))
    told = [row for put in scene.put([*events[:4], Happened(9, "right", "broken", -1)], at(1_500)) for row in put.told]
    why = "it is older than what is kept, and no other event of its key is kept"
    assert told == [(0, "too_late", why), (0, "too_late", why)], "again of what is kept is a duplicate"
    scene.check_all(at(1_501))
    counts = watch_of(scene.connection, scene.watched, at(1_501)).counts
    assert (counts["too_late"], counts["duplicate"], counts["taken"]) == (2, 2, 7)
    assert scene.waiting() == 0, "nobody asks about what is too late"


def test_a_break_that_a_person_closed_is_settled(scene: Scene) -> None:
    scene.put(happened(EVENTS)[2:4], at(2))
    scene.check_all(at(10))
    assert scene.clear(at(5_000)).keys == 0
    scene.stands("broken", "amount_differs", closed=True)
    assert scene.clear(at(5_000)).keys == 1 and scene.events() == []
    assert watch_of(scene.connection, scene.watched, at(5_000)).verdicts == {"break": 1}


def test_a_key_that_waits_stays(scene: Scene) -> None:
    scene.put(happened(EVENTS)[:2], at(2))
    assert scene.clear(at(5_000)).keys == 0 and len(scene.events()) == 2


def test_while_events_are_taken_nothing_is_cleared_away(scene: Scene, database: Any) -> None:
    scene.put(happened(EVENTS)[:2], at(2))
    scene.check_all(at(10))
    with connect(database.settings) as connection:
        other = scene.over(connection)
        clearing = Thread(target=lambda: other.clear(at(5_000)))
        with database.connection.transaction():
            scene.put([Happened(7, "right", "equal", 5)], at(4_000))
            clearing.start()
            _waits_for_a_lock(database)
        clearing.join(30)
    assert len(scene.events()) == 3, "the key has an event that is young"


def _waits_for_a_lock(database: Any) -> None:
    with connect(database.settings) as looking:
        while not looking.execute(
            "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        ).fetchone():
            pass


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    coming=st.lists(
        st.tuples(
            st.sampled_from(["left", "right"]), st.sampled_from("ABCDEF"), st.integers(0, 2), st.integers(0, 2_000)
        ),
        max_size=20,
    ),
    at_once=st.integers(1, 3),
)
def test_all_that_is_old_and_settled_goes_and_nothing_else(
    coming: list[tuple[str, str, int, int]], at_once: int, database: Any, engine: LocalEngine
) -> None:
    scene = Scene(database.connection, engine, LiveSpec(keep=DAY))
    events = [Happened(number, *row[:3], at=at(row[3])) for number, row in enumerate(coming)]
    scene.put(events, at(2_000))
    scene.check_all(at(2_001))
    now = at(2_000) + DAY + timedelta(minutes=1)
    while scene.clear(now, at_once).more:
        pass
    verdicts, broken = scene.verdicts(), scene.offline(events).breaks["key"].to_pylist()
    assert sorted(verdicts) == sorted(set(broken))
    assert scene.events() == sorted(f"{event.side} {event.key}" for event in events if event.key in broken)
