"""Checks scenarios while things happen: takes events and new records in, and checks what is due."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event as Signal
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.sql import identifier
from everycent.flow.intake.contract import MALFORMED, RECORD, RawRows
from everycent.flow.intake.service import (
    columns_to_read,
    declared_fields,
    typed_rows,
)
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.service import Session
from everycent.proof.recon.contract import LiveSpec
from everycent.proof.recon.service import (
    ENVELOPE,
    OUTCOMES,
    EventSource,
    Put,
    QueueFull,
    SideRows,
    Watched,
    arriving,
    batch_seen,
    put_events,
    refuse_full,
    see_batch,
    side_from_rows,
)
from everycent.serve.arrived import Arrived, Place
from everycent.serve.event_lines import Routes, read_events
from everycent.serve.reconciling import Kinds, PlannedScenario, Scope, Side

#: Events that are read, kept and acknowledged together.
EVENTS_AT_ONCE = 20_000
_VIEW, _NAMED = "recon_new_records", "recon_new_named"


class Told(Protocol):
    """Told of an event that is not compared: its line, the outcome, and why."""

    def __call__(self, line: int, outcome: str, reason: str) -> None: ...


@dataclass(frozen=True)
class Live:
    """The scenarios of a model, or of a file of them, that are checked while things happen, ready to be used."""

    model: Scope
    plan: Kinds
    scenarios: Sequence[PlannedScenario]

    def named(self, name: str | None) -> "Live":
        """With this scenario alone. Raises InputRefused where there is none."""
        found = [one for one in self.scenarios if name in (None, one.name)]
        if not found:
            there = ", ".join(one.name for one in self.scenarios) or "none"
            raise InputRefused(
                f"{self.model.path}: no scenario '{name or ''}' with the word `live`; those that have it: {there}"
            )
        return Live(self.model, self.plan, found)


def asked_of(model: Scope, plan: Kinds, planned: Sequence[PlannedScenario]) -> Live:
    """The scenarios that in-line questions may be about. Raises InputRefused where there is none."""
    return Live(model, plan, [one for one in planned if one.spec.live or one.spec.inline]).named(None)


def live_of(model: Scope, plan: Kinds, planned: Sequence[PlannedScenario]) -> Live:
    """The scenarios with the word `live`. Raises InputRefused where there is none."""
    return Live(model, plan, [one for one in planned if one.spec.live is not None]).named(None)


def live_words(scenario: PlannedScenario) -> LiveSpec:
    """The scenario's `live`."""
    assert scenario.spec.live is not None, f"{scenario.name} is checked while things happen"
    return scenario.spec.live


def watched(session: Session, live: Live, scenario: PlannedScenario) -> Watched:
    """The scenario's name in the database."""
    return Watched(session.tenant, live.model.name, scenario.name)


@dataclass
class Taken:
    """What became of all events of a source."""

    counts: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(OUTCOMES, 0)))

    @property
    def lines(self) -> int:
        """Events, counted once for each scenario that took them."""
        return self.counts.total()


def put(
    session: Session,
    live: Live,
    source: EventSource,
    told: Told,
    on_full: Callable[[QueueFull], None],
    clock: Callable[[], datetime],
) -> Taken:
    """Takes all events of the source in. What is acknowledged to the source is committed.

    `on_full` is called where too many keys wait; when it returns, the events are tried again. Where it raises, those
    that were not acknowledged have to be put again, which does no harm to the others.
    """
    routes, done, stopped = _routes(live), Taken(), Signal()

    def keep(coming: Sequence[Coming], lines: int) -> None:
        for one in coming:
            found = _keep(session, live, one, on_full, clock, stopped)
            done.counts.update(found.counts)
            for row_no, outcome, reason in found.told:
                told(one.lines[row_no], outcome, reason)
        source.done(lines)

    with ThreadPoolExecutor(1) as keeper:  # the server keeps a batch while the next one is read
        keeping: Future[None] | None = None
        try:
            while lines := source.take(EVENTS_AT_ONCE):
                events, malformed = read_events(lines, routes)
                coming = [one for scenario in live.scenarios if (one := _coming(session, live, scenario, events))]
                if keeping is not None:
                    keeping.result()
                done.counts["malformed"] += len(malformed)
                for line, reason in malformed:
                    told(line, "malformed", reason)
                keeping = keeper.submit(keep, coming, len(lines))
            if keeping is not None:
                keeping.result()
        finally:
            stopped.set()
    return done


@dataclass(frozen=True)
class Coming:
    """ARRIVING events of a scenario, both sides', and by row_no the line of each."""

    scenario: PlannedScenario
    events: pa.Table
    lines: Sequence[int]


def _coming(session: Session, live: Live, scenario: PlannedScenario, events: Arrived) -> Coming | None:
    """None where none of the events is the scenario's."""
    parts: list[pa.Table] = []
    lines: list[int] = []
    for name in ("left", "right"):
        mine = events.of((scenario.name, name))
        if mine is not None:
            read = _read(session, live, scenario, name, getattr(scenario, name), mine)
            came = arriving(scenario.name, name, live_words(scenario), mine.envelope(), read, session.engine)
            parts.append(came.set_column(0, "row_no", pc.add(came["row_no"], len(lines))))
            lines += mine.lines
    return Coming(scenario, pa.concat_tables(parts), lines) if parts else None


def _keep(
    session: Session,
    live: Live,
    coming: Coming,
    on_full: Callable[[QueueFull], None],
    clock: Callable[[], datetime],
    stopped: Signal,
) -> Put:
    who, words, again = watched(session, live, coming.scenario), live_words(coming.scenario), False
    while True:
        try:
            refuse_full(session.connection, who, words)
            return put_events(session.connection, who, words, coming.events, clock(), again=again)
        except QueueFull as full:
            if stopped.is_set():  # nobody waits for it any more
                raise
            on_full(full)
            again = True


def _read(session: Session, live: Live, scenario: PlannedScenario, name: str, side: Side, events: Arrived) -> SideRows:
    """The events as rows of their side; a row's source_line is the event's place among these."""
    word = ("recon", scenario.name, name, "columns")
    fields = declared_fields(word, side.columns, side.currency, live.model.calendar)
    wanted = (*columns_to_read(fields, required=True), *columns_to_read(fields, required=False))
    cells = {column: events.cells(column) for column in wanted}
    lines = pa.array(range(len(events.lines)), pa.int64())
    shard = RawRows(0, pa.table(cells), lines, MALFORMED.empty_table(), "events")
    typed = typed_rows(word, fields, shard, session.engine)
    compared = side_from_rows(side.plan, typed.rows, session.engine)
    refused = pa.concat_tables([compared.refused, typed.refused])
    return SideRows(compared.rows, refused, compared.left_out)


def _routes(live: Live) -> Routes:
    topics: dict[str, list[Place]] = {}
    for scenario in live.scenarios:
        for name, topic in (("left", live_words(scenario).left), ("right", live_words(scenario).right)):
            if topic is not None:
                topics.setdefault(topic, []).append((scenario.name, name))
    named = [(one.name, name) for one in live.scenarios for name in ("left", "right")]
    stored = [(one.name, name) for one in live.scenarios for name in ("left", "right") if records_of(one, name)]
    return Routes(topics, named, stored)


def records_of(scenario: PlannedScenario, name: str) -> str | None:
    """The kind of record that this side is; None where it is none."""
    side: Side = getattr(scenario, name)
    return side.plan.spec.records


def put_records(session: Session, live: Live, scenario: PlannedScenario, now: datetime) -> int:
    """The records that were stored since the last time become events of their sides; how many. Each once."""
    came = 0
    for name in ("left", "right"):
        if (kind := records_of(scenario, name)) is not None:
            came += _put_records(session, live, scenario, name, kind, now)
    return came


def _put_records(session: Session, live: Live, scenario: PlannedScenario, name: str, kind: str, now: datetime) -> int:
    who, side = watched(session, live, scenario), getattr(scenario, name)
    with session.connection.transaction():
        after = batch_seen(session.connection, who, name)
        parts = session.details.parts(RECORD, live.model.name, after)
        if not parts:
            return 0
        envelope, read = new_records(session, live, side, kind, after)
        came = arriving(scenario.name, name, live_words(scenario), envelope, read, session.engine)
        put_events(session.connection, who, live_words(scenario), came, now)
        see_batch(session.connection, who, name, max(part.batch_no for part in parts))
    return int(envelope.num_rows)


def new_records(session: Session, live: Live, side: Side, kind: str, after: int) -> tuple[pa.Table, SideRows]:
    """ENVELOPE of the records of batches after this one, and the same as rows of their side."""
    body = live.plan.intake[kind].body_type
    columns = ["record_id", "occurred_at", "source_file", "source_line", "content_hash", "kind", "body"]
    session.details.attach(
        session.engine, _VIEW, RECORD, live.model.name, kind=kind, body_type=body, columns=columns, after_batch=after
    )
    run = session.engine.connection.execute
    run(
        f"CREATE OR REPLACE TABLE {_NAMED} AS"
        f" SELECT *, row_number() OVER (ORDER BY record_id) - 1 AS row_no FROM {_VIEW}"
    )
    placed = f"{_NAMED}_placed"
    run(
        f"CREATE OR REPLACE VIEW {identifier(placed)} AS"
        f" SELECT * REPLACE ('records' AS source_file, row_no AS source_line) FROM {_NAMED} ORDER BY row_no"
    )
    read = side_from_rows(
        side.plan, session.engine.query(f"SELECT source_file, source_line, body FROM {placed}"), session.engine
    )
    envelope = session.engine.query(
        f"""SELECT row_no, record_id::VARCHAR AS event_id, occurred_at, source_file, source_line, record_id,
            NULL::VARCHAR AS columns, content_hash FROM {_NAMED} ORDER BY row_no"""
    ).cast(ENVELOPE)
    run(f"DROP VIEW {identifier(placed)}")
    run(f"DROP TABLE {_NAMED}")
    return envelope, read
