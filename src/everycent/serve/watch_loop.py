"""The watcher: as long as it runs, keys are checked when they are due."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from everycent.flow.pipeline.service import Session
from everycent.proof.recon.service import (
    ReconRun,
    Watch,
    check_due,
    clear_away,
    events_as_sides,
    give_back_turn,
    next_due,
    run,
    take_turn,
    watch_of,
)
from everycent.serve.reconciling import PlannedScenario
from everycent.serve.watch_alerts import tell_of_breaks
from everycent.serve.watching import Live, live_words, put_records, watched

#: How often a watcher with nothing to do looks whether events came.
_LOOKS_EVERY_S = 0.5
#: How often it tells of breaks and clears away what is old, and once more when it ends by itself.
_TENDS_EVERY = timedelta(minutes=1)


class Until(StrEnum):
    """When a watcher ends by itself."""

    ONCE = "once"  # all that is due now is checked
    EMPTY = "empty"  # no key waits any more
    NEVER = "never"


class Reporter(Protocol):
    """Told how many keys were checked."""

    def __call__(self, stage: str, done: int, total: int | None) -> None: ...


def _clock() -> datetime:
    return datetime.now(UTC)


def watch(
    session: Session,
    live: Live,
    until: Until,
    report: Reporter,
    tell: Callable[[str], None],
    clock: Callable[[], datetime] = _clock,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Watch]:
    """Checks what is due, of all scenarios in turn; how they stand when it ends. Others may watch at the same time.
    `tell` hears of messages that did not arrive."""
    checked, tended_at = 0, clock()
    while True:
        this_time = 0
        for scenario in live.scenarios:
            put_records(session, live, scenario, clock())
            this_time += _check(session, live, scenario, clock, sleep)
        checked += this_time
        report("checking", checked, None)
        due = [next_due(session.connection, watched(session, live, one)) for one in live.scenarios]
        ends = not this_time and (until == Until.ONCE or (until == Until.EMPTY and due == [None] * len(due)))
        if ends or clock() - tended_at >= _TENDS_EVERY:
            tended_at = clock()
            tell_of_breaks(session, live, tended_at, tell)
            _clear(session, live, tended_at)
        if ends:
            break
        if not this_time:
            sleep(_LOOKS_EVERY_S)
    now = clock()
    return {one.name: watch_of(session.connection, watched(session, live, one), now) for one in live.scenarios}


def _clear(session: Session, live: Live, now: datetime) -> None:
    """Clears away all that is settled and older than its scenario keeps."""
    for scenario in live.scenarios:
        while clear_away(session.connection, watched(session, live, scenario), live_words(scenario), now).more:
            pass


def store_runs(session: Session, live: Live) -> dict[str, ReconRun]:
    """What was checked, as a run of each scenario: its breaks stand, and are handled as those of any run. The same
    again changes nothing."""
    runs = {}
    for scenario in live.scenarios:
        who, connection, engine = watched(session, live, scenario), session.connection, session.engine
        left, right = events_as_sides(connection, engine, who)
        how = (who.tenant, who.model, scenario.currency.code, scenario.plan)
        runs[scenario.name] = run(connection, engine, *how, left, right, scenario.spec.breaks)
        for side in (left, right):
            engine.connection.execute(f"DROP TABLE {side.rows}")
    return runs


def _check(
    session: Session,
    live: Live,
    scenario: PlannedScenario,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
) -> int:
    """One batch of a scenario's keys, where there is a limit as soon as that allows it; how many there were."""
    words, who, connection = live_words(scenario), watched(session, live, scenario), session.connection
    per_second, most = words.keys_per_second, words.batch
    due = next_due(connection, who)
    if due is None or due > clock():
        return 0
    if per_second is not None:
        most = min(most, per_second)
        wait = take_turn(connection, who, most, per_second, clock()) - clock()
        sleep(max(0.0, wait.total_seconds()))
    checked = check_due(connection, session.engine, scenario.plan, who, most, clock())
    if per_second is not None and checked.keys < most:
        give_back_turn(connection, who, most - checked.keys, per_second)
    return checked.keys
