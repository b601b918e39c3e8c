"""In-line: whether a step may go on, from what both sides have said until now; and always in time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Event
from time import monotonic
from typing import Any
from urllib.request import urlopen

import pytest
from live_scene import NOON, Scene, happened
from served import Answering, served

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import connect
from everycent.proof.recon.contract import REFUSED, InlineSpec, LiveSpec
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.service import run
from everycent.proof.recon.watching.inline import Answer, Breaker, Decision, InTime, declared, may_go_on

HOLD = InlineSpec(otherwise="hold")
GO_ON = InlineSpec(otherwise="go_on")


@pytest.fixture
def scene(database: Any, engine: LocalEngine) -> Scene:
    return Scene(database.connection, engine, LiveSpec(delay=timedelta(minutes=10)))


def asked(scene: Scene, *keys: str, at: int = 60, words: InlineSpec = HOLD) -> Answer:
    now = NOON + timedelta(minutes=at)
    return may_go_on(scene.connection, scene.engine, scene.plan, scene.watched, words, keys, now)


EVENTS = """
    left A 100 paid @0
    right A 100 paid @1
    left B 100 paid @0
    right B 101 paid @1
    left C 100 paid @0
"""


@pytest.mark.parametrize("checked", [True, False])
def test_it_is_told_whether_both_sides_agree(scene: Scene, checked: bool) -> None:
    scene.put(happened(EVENTS))
    if checked:
        scene.check_all(NOON + timedelta(minutes=60))
    answer = asked(scene, "A")
    assert (answer.decision, answer.told, answer.reason) == (Decision.GO_ON, True, "both sides agree")
    answer = asked(scene, "A", "B", words=GO_ON)
    assert (answer.decision, answer.told, answer.reason) == (Decision.HOLD, True, "B: the amounts differ")
    assert answer.breaks == scene.offline(happened(EVENTS)).breaks.slice(0, 1)
    assert asked(scene, "C").reason == "C: the left side has it, the right side does not"


def test_before_a_key_is_due_a_difference_says_nothing_but_agreement_does(scene: Scene) -> None:
    scene.put(happened(EVENTS))
    assert asked(scene, "A", at=2).told
    answer = asked(scene, "C", at=2)
    assert (answer.decision, answer.told) == (Decision.HOLD, False)
    assert answer.reason == "C: the sides differ, but it is not due before 2026-03-01 12:10:00 UTC"
    assert asked(scene, "C", at=2, words=GO_ON).decision == Decision.GO_ON


def test_of_a_key_without_an_event_nothing_can_be_told(scene: Scene) -> None:
    scene.put(happened(EVENTS))
    answer = asked(scene, "A", "Z")
    assert (answer.decision, answer.told, answer.reason) == (Decision.HOLD, False, "Z: no event of it has come")
    assert asked(scene, "B", "Z").told, "a break holds, whatever else is not known"


def test_a_later_event_takes_the_place_of_the_verdict(scene: Scene) -> None:
    events = happened(EVENTS)
    scene.put(events[:5])
    scene.check_all(NOON + timedelta(minutes=60))
    assert asked(scene, "C").decision == Decision.HOLD
    scene.put(happened("right C 100 paid @0"), NOON + timedelta(minutes=60))
    assert asked(scene, "C", at=61).decision == Decision.GO_ON


def test_a_break_that_was_closed_holds_nothing_any_more(scene: Scene) -> None:
    events = happened(EVENTS)
    scene.put(events)
    scene.check_all(NOON + timedelta(minutes=60))
    who, plan = scene.watched, scene.plan
    left, right = (SideRows(scene.side(events, side), REFUSED.empty_table(), 0) for side in ("left", "right"))
    named = replace(plan, scenario=who.scenario)
    run(scene.connection, scene.engine, who.tenant, who.model, "CNY", named, left, right)
    assert asked(scene, "B").decision == Decision.HOLD
    scene.connection.execute("UPDATE recon.standing_break SET state = 'closed', reason = 'written_off' WHERE key = 'B'")
    assert asked(scene, "B").decision == Decision.GO_ON
    assert asked(scene, "C").decision == Decision.HOLD


class Hanging(Answering):
    """A look-up that answers when the test is over."""

    over = Event()

    def do_GET(self) -> None:
        self.over.wait(30)
        self.say(204)


@pytest.fixture
def hanging_look_up() -> Iterator[str]:
    Hanging.over = Event()
    with served(Hanging) as address:
        yield f"{address}/"
        Hanging.over.set()


def test_a_look_up_that_hangs_makes_nobody_wait(hanging_look_up: str) -> None:
    in_time = InTime()

    def work() -> Answer:
        with urlopen(hanging_look_up) as response:
            return Answer(Decision.GO_ON, told=True, reason=str(response.status))

    begun = monotonic()
    answer = in_time.ask(timedelta(milliseconds=200), work, lambda reason: declared(HOLD, reason))
    assert (answer.decision, answer.told, answer.reason) == (Decision.HOLD, False, "there was no answer within 200 ms")
    answer = in_time.ask(timedelta(milliseconds=200), work, lambda reason: declared(GO_ON, reason))
    assert (answer.decision, answer.reason) == (Decision.GO_ON, "an earlier question is still being worked on")
    assert monotonic() - begun < 10, "the look-up takes 30 s"
    Hanging.over.set()
    assert in_time.rest(timedelta(seconds=20))


def test_a_table_that_is_locked_makes_nobody_wait(scene: Scene, database: Any) -> None:
    scene.put(happened(EVENTS))
    in_time, words = InTime(), InlineSpec(otherwise="hold")
    with connect(database.settings) as locking:
        with locking.transaction():
            locking.execute("LOCK TABLE recon.pending")
            scene.connection.execute("SET lock_timeout = 200")
            answer = in_time.ask(words.within, lambda: asked(scene, "A"), lambda reason: declared(words, reason))
            assert (answer.decision, answer.told) == (Decision.HOLD, False)
            assert in_time.rest(timedelta(seconds=20)), "what nobody waits for any more ends too"
        assert asked(scene, "A").decision == Decision.GO_ON


def test_what_fails_is_told_as_the_reason() -> None:
    def work() -> Answer:
        raise ConnectionError("the database does not answer")

    answer = InTime().ask(timedelta(seconds=20), work, lambda reason: declared(HOLD, reason))
    assert answer.reason == "it failed: the database does not answer"


def test_what_does_not_answer_is_left_alone_for_a_while_and_then_tried_again() -> None:
    now, tried, works = [0.0], [0], [False]
    in_time = InTime(Breaker(failures=2, rests=timedelta(seconds=5), clock=lambda: now[0]))

    def work() -> Answer:
        tried[0] += 1
        if not works[0]:
            raise ConnectionError("the database does not answer")
        return Answer(Decision.GO_ON, told=True, reason="both sides agree")

    def ask() -> str:
        return in_time.ask(timedelta(seconds=20), work, lambda reason: declared(HOLD, reason)).reason

    fails, rests = "it failed: the database does not answer", "it failed several times in a row, and is not tried again"
    assert [ask() for _ in range(3)] == [fails, fails, f"{rests} at once"]
    now[0] = 4.9
    assert (ask(), tried[0]) == (f"{rests} at once", 2), "nobody waits for what is known not to answer"
    now[0] = 5.0
    assert (ask(), ask(), tried[0]) == (fails, f"{rests} at once", 3), "one question tries"
    now[0], works[0] = 10.0, True
    assert (ask(), ask(), tried[0]) == ("both sides agree", "both sides agree", 5)
