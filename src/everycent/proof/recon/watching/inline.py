"""Answers at once whether a settlement step may go on: from what both sides have said until now, and in time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock, Thread
from time import monotonic
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection
from everycent.proof.recon.contract import BREAK, SIDE
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.in_modes import compare_in_modes
from everycent.proof.recon.live import InlineSpec
from everycent.proof.recon.stage import reconcile
from everycent.proof.recon.watching import store
from everycent.proof.recon.watching.checking import breaks_standing
from everycent.proof.recon.watching.store import Watched

T = TypeVar("T")


class Decision(StrEnum):
    """Whether a step may go on."""

    GO_ON = "go_on"
    HOLD = "hold"


@dataclass(frozen=True)
class Answer:
    """The decision and why. `told`: it is known; otherwise it is what the scenario declares for when it is not."""

    decision: Decision
    told: bool
    reason: str
    breaks: pa.Table = field(default_factory=BREAK.empty_table)


def declared(inline: InlineSpec, reason: str) -> Answer:
    """The answer where it cannot be told, and why it cannot."""
    return Answer(Decision(inline.otherwise), told=False, reason=reason)


def may_go_on(
    connection: Connection,
    engine: LocalEngine,
    plan: ReconPlan,
    watched: Watched,
    inline: InlineSpec,
    keys: Sequence[str],
    now: datetime,
) -> Answer:
    """Whether both sides agree on all of these keys, by the verdicts or, where events came since, by comparing now.

    A break holds; but before its key is due it is not one yet, and nothing can be told, as of a key without an event.
    """
    with connection.transaction():
        stands = store.standing_of(connection, watched, keys)
        checked = [key for key in keys if stands.get(key, now) is None]
        breaks, _ = breaks_standing(connection, engine, watched, checked, open_alone=True)
        waiting = [key for key in keys if stands.get(key) is not None]
        if waiting:
            store.mark(connection, waiting)
            sides = [store.events_of_marked(connection, watched, side).select(SIDE.names) for side in ("left", "right")]
            found, _ = compare_in_modes(plan, reconcile, sides[0], sides[1], engine)
            breaks = pa.concat_tables([breaks, found.breaks])
    early = [key for key in waiting if (due := stands[key]) is not None and due > now]
    open_yet = pc.is_in(breaks["key"], pa.array(early, pa.string()))
    breaks, too_early = breaks.filter(pc.invert(open_yet)), breaks.filter(open_yet)
    if breaks.num_rows:
        first = breaks.slice(0, 1).to_pylist()[0]
        return Answer(Decision.HOLD, told=True, reason=f"{first['key']}: {first['cause_en']}", breaks=breaks)
    if unknown := [key for key in keys if key not in stands]:
        return declared(inline, f"{unknown[0]}: no event of it has come")
    if too_early.num_rows:
        key = too_early["key"][0].as_py()
        due_at = f"{stands[key]:%Y-%m-%d %H:%M:%S} UTC"
        return declared(inline, f"{key}: the sides differ, but it is not due before {due_at}")
    return Answer(Decision.GO_ON, told=True, reason="both sides agree")


@dataclass
class Breaker:
    """Spares whoever asks the wait for what does not answer: after `failures` in a row nothing is tried for `rests`,
    then one question is, and if that fails too it rests again."""

    failures: int = 3
    rests: timedelta = timedelta(seconds=5)
    clock: Callable[[], float] = monotonic
    _in_a_row: int = 0
    _until: float = 0.0

    def rests_now(self) -> bool:
        """Whether nothing is to be tried."""
        return self._in_a_row >= self.failures and self.clock() < self._until

    def note(self, *, answered: bool) -> None:
        """How the last try ended."""
        self._in_a_row = 0 if answered else self._in_a_row + 1
        self._until = self.clock() + self.rests.total_seconds()


class InTime:
    """Does work that may take too long, one piece at a time, and never lets anybody wait longer than agreed."""

    def __init__(self, breaker: Breaker | None = None) -> None:
        self._free = Lock()
        self._breaker = breaker or Breaker()

    def ask(self, within: timedelta, work: Callable[[], T], otherwise: Callable[[str], T]) -> T:
        """What `work` gives, or what `otherwise` makes of the reason why that is not there in time."""
        if self._breaker.rests_now():
            return otherwise("it failed several times in a row, and is not tried again at once")
        until = monotonic() + within.total_seconds()
        if not self._free.acquire(timeout=within.total_seconds()):
            self._breaker.note(answered=False)
            return otherwise("an earlier question is still being worked on")
        done: list[T] = []
        failed: list[Exception] = []

        def run() -> None:
            try:
                done.append(work())
            except Exception as error:
                failed.append(error)
            finally:
                self._free.release()

        thread = Thread(target=run, daemon=True)
        thread.start()
        thread.join(max(0.0, until - monotonic()))
        self._breaker.note(answered=bool(done))
        if done:
            return done[0]
        if failed:
            return otherwise(f"it failed: {failed[0]}")
        return otherwise(f"there was no answer within {within // timedelta(milliseconds=1)} ms")

    def rest(self, most: timedelta) -> bool:
        """Waits until nothing is worked on any more; False where that takes longer. No question is answered after."""
        return self._free.acquire(timeout=most.total_seconds())
