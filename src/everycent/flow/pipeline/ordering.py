"""Which records wait for their turn, and in which order: a table of the engine, and questions to it.

Records stand in the order of business time, an original before what refunds it, then by the columns that break ties,
then by record id. A refund never stands before its original, whatever its own time says. A record with a parked charge
that would draw on a budget has no place until that is released, nor have its refunds; one that has its number keeps its
place, whatever a later version of the model makes of it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.sql import identifier, literal
from everycent.flow.clearing import store as clearing_store
from everycent.flow.clearing.contract import SEQUENCED_RECORD, Late, OrderSpec
from everycent.flow.intake.contract import RECORD
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session
from everycent.flow.rating import store as rating_store
from everycent.flow.rating.contract import RETRY, WHOLE_RECORD, RetryOutcome

#: What a record is cleared with: its number, and the day that it is booked on.
TURN = pa.schema(
    [SEQUENCED_RECORD.columns.field(name) for name in ("record_id", "kind", "occurred_at", "booked_on", "sequence_no")]
)


@dataclass(frozen=True)
class Reach:
    """What part of history is read: batches after `after_batch`, records with a place at the time `since` or later."""

    after_batch: int = 0
    since: datetime | None = None


@dataclass(frozen=True)
class Placed:
    """How the model's ordered records stand. `last_no`: the highest number given, 0 for none; `cleared_to`: the latest
    business time that was cleared. `late`: how many wait that come before cleared ones, and `late_from`, the number of
    the first cleared record that they come before. `due`: how many others wait whose time has come; `waiting`: how many
    wait for stragglers. `reach`: where all of these are.
    """

    last_no: int
    cleared_to: datetime | None
    late: int
    late_from: int | None
    due: int
    waiting: int
    reach: Reach


def order_of(plan: ModelPlan) -> OrderSpec:
    """The model's order."""
    assert plan.model.spec.order is not None, "budgets and running totals need an order; the model's check refuses this"
    return plan.model.spec.order


def in_order_sql(plan: ModelPlan, views: Mapping[str, str], parked: str) -> str:
    """SQL: record_id, kind, occurred_at, business_date, booked_on and place of records in their strict order.

    `views`: by kind, what gives its RECORD rows, as it stands behind FROM. `parked`: what gives the records (record_id)
    that have no place.
    """
    ties = order_of(plan).by[1:]
    columns = "record_id, refund_of, kind, occurred_at, business_date, booked_on"
    named = "".join(f", body.{identifier(tie)} AS t{n}" for n, tie in enumerate(ties))
    known = " UNION ALL ".join(f"SELECT {columns}{named} FROM {view}" for view in views.values())
    by = ", ".join(
        ["occurred_at", "refund_of IS NOT NULL", *(f"t{n} NULLS FIRST" for n in range(len(ties))), "record_id"]
    )
    return f"""
        WITH known AS ({known}), parked AS (SELECT record_id FROM {parked}),
        moved AS (
            SELECT own.* REPLACE (
                greatest(own.occurred_at, original.occurred_at) AS occurred_at,
                greatest(own.business_date, original.business_date) AS business_date)
            FROM known AS own LEFT JOIN known AS original ON original.record_id = own.refund_of
            WHERE own.record_id NOT IN (FROM parked)
                AND (own.refund_of IS NULL OR own.refund_of NOT IN (FROM parked))
        )
        SELECT record_id, kind, occurred_at, business_date, booked_on, row_number() OVER (ORDER BY {by}) AS place
        FROM moved
    """


def place(
    session: Session, plan: ModelPlan, as_of: date | None, through_batch: int, starts_at: int | None = None
) -> Placed:
    """Makes the engine's table `placed`: ordered records of batches up to `through_batch`, their place in the strict
    order, and the number of those that have one. What comes before `as_of`, or `wait` before the newest record, is due.

    Those without a number are all there. Of the others, and of what is stored altogether, only what came since the
    last pass is read where the open ones come after all that was cleared; else what happened since the first of them,
    and since the records from number `starts_at` on.

    Whatever was committed since that batch, the same is placed: a rewind that broke off goes on as it began.
    """
    reach = Reach(_kept(session, plan).through_batch)
    _attach(session, plan, reach)
    if reach.after_batch and _released_earlier(session, plan):
        reach = Reach()
        _attach(session, plan, reach)
    standing = _standing(session, plan)
    _lay_out(session, plan, as_of, through_batch, reach, standing)
    since = _disturbed_since(session, plan, standing, starts_at)
    if reach.after_batch and since is not None:
        reach = Reach(since=since)
        _attach(session, plan, reach)
        _lay_out(session, plan, as_of, through_batch, reach, standing)
    return _placed(session, standing, reach)


def keep_frontier(session: Session, plan: ModelPlan, placed: Placed, through_batch: int, turns: pa.Table) -> None:
    """Keeps how far a pass came that cleared `turns`, all of `placed` (made of batches up to `through_batch`) that was
    due: records of the batches before the first that still waits are not read again.
    """
    through = through_batch
    if placed.waiting:
        views = " UNION ALL ".join(
            f"SELECT record_id, batch_no FROM {_view(at)}" for at in range(len(plan.model.spec.ordered_kinds))
        )
        [(first,)] = session.engine.connection.sql(
            f"SELECT min(batch_no) FROM ({views}) JOIN placed USING (record_id)"
            " WHERE sequence_no IS NULL AND NOT is_due"
        ).fetchall()
        through = max(_kept(session, plan).through_batch, int(first) - 1)
    cleared_to = _latest(placed.cleared_to, pc.max(turns.column("occurred_at")).as_py())
    reached = clearing_store.Frontier(through, placed.last_no + turns.num_rows, cleared_to)
    clearing_store.keep_frontier(session.connection, session.tenant, plan.model.name, _reads(plan), reached)


def attach_records(session: Session, plan: ModelPlan, reach: Reach, view: str, kind: str, columns: list[str]) -> None:
    """Makes `view`: the kind's RECORD rows within reach, with their body where `columns` name it."""
    body = plan.intake[kind].body_type if RECORD.body in columns else None
    only = "true"
    if reach.since is not None and plan.model.spec.records[kind].refunds is None:
        only = f"occurred_at >= {_time(reach.since)}"  # a refund's own time may be before its place in the order
    session.details.attach(
        session.engine,
        view,
        RECORD,
        plan.model.name,
        kind=kind,
        body_type=body,
        columns=columns,
        after_batch=reach.after_batch,
        only=only,
    )


def _attach(session: Session, plan: ModelPlan, reach: Reach) -> None:
    """The views of ordered records, by kind, and of their numbers (`numbered`), within reach."""
    columns = ["record_id", "refund_of", "kind", "occurred_at", "business_date", "booked_on"]
    if order_of(plan).by[1:]:
        columns.append(str(RECORD.body))
    for at, kind in enumerate(plan.model.spec.ordered_kinds):
        attach_records(session, plan, reach, _view(at), kind, columns)
    model = plan.model.name
    only = "true" if reach.since is None else f"occurred_at >= {_time(reach.since)}"
    session.details.attach(
        session.engine, "sequenced", SEQUENCED_RECORD, model, after_batch=reach.after_batch, only=only
    )
    session.engine.connection.execute(
        f"CREATE OR REPLACE VIEW numbered AS FROM sequenced WHERE {session.details.effective(model)}"
    )


def _released_earlier(session: Session, plan: ModelPlan) -> bool:
    """Whether a record that arrived before what is attached was parked and is not any more: its turn has come."""
    after = _kept(session, plan).through_batch
    session.details.attach(session.engine, "released", RETRY, plan.model.name, after_batch=after)
    outcomes = ", ".join(literal(outcome) for outcome in (RetryOutcome.CHARGED, RetryOutcome.NOT_CHARGED))
    views = " UNION ALL ".join(f"SELECT record_id FROM {_view(at)}" for at in range(len(plan.model.spec.ordered_kinds)))
    [(found,)] = session.engine.connection.sql(
        f"SELECT count(*) FROM released WHERE outcome IN ({outcomes}) AND charge IN ({_drawing(plan)})"
        f" AND record_id NOT IN ({views})"
    ).fetchall()
    return bool(found)


def _standing(session: Session, plan: ModelPlan) -> clearing_store.Frontier:
    """The highest number and the latest time that were cleared until now."""
    kept = _kept(session, plan)
    query = "SELECT max(sequence_no) AS last_no, max(occurred_at) AS cleared_to FROM numbered"
    [found] = session.engine.query(query).to_pylist()
    last_no = max(kept.last_no, found["last_no"] or 0)
    cleared_to = _latest(kept.cleared_to, found["cleared_to"])
    return clearing_store.Frontier(kept.through_batch, last_no, cleared_to)


def _disturbed_since(
    session: Session, plan: ModelPlan, standing: clearing_store.Frontier, starts_at: int | None
) -> datetime | None:
    """The first time from which cleared records have to be looked at, too: None where none has to."""
    engine = session.engine
    open_from = "SELECT min(occurred_at) AS first FROM placed WHERE sequence_no IS NULL"
    [first] = engine.query(open_from).column("first").to_pylist()
    times = [first] if first is not None and standing.cleared_to is not None and first <= standing.cleared_to else []
    if starts_at is not None:
        columns = ["occurred_at", "sequence_no", "generation"]
        only, model = f"sequence_no >= {starts_at}", plan.model.name
        session.details.attach(engine, "again", SEQUENCED_RECORD, model, columns=columns, only=only)
        query = f"SELECT min(occurred_at) AS first FROM again WHERE {session.details.effective(model)}"
        times += [time for time in engine.query(query).column("first").to_pylist() if time is not None]
    return min(times, default=None)


def _lay_out(
    session: Session,
    plan: ModelPlan,
    as_of: date | None,
    through_batch: int,
    reach: Reach,
    standing: clearing_store.Frontier,
) -> None:
    """The table `placed` of what is attached."""
    engine = session.engine
    rating_store.attach_parked(session.details, engine, plan.model.name, "ordered_parked", through_batch)
    parked = f"ordered_parked WHERE charge IN ({_drawing(plan)}) AND record_id NOT IN (SELECT record_id FROM numbered)"
    wait = f"INTERVAL {int(order_of(plan).wait.total_seconds())} SECOND"
    cut = "false" if as_of is None else f"business_date < DATE {literal(as_of.isoformat())}"
    newest = "max(occurred_at) OVER ()"
    if standing.cleared_to is not None:
        newest = f"greatest({newest}, {_time(standing.cleared_to)})"
    views = {
        kind: f"{_view(at)} WHERE batch_no <= {through_batch}" for at, kind in enumerate(plan.model.spec.ordered_kinds)
    }
    ordered = in_order_sql(plan, views, parked)
    since = "true" if reach.since is None else f"occurred_at >= {_time(reach.since)}"
    engine.connection.execute(
        f"""
        CREATE OR REPLACE TABLE placed AS
        WITH standing AS (SELECT record_id, sequence_no, booked_on AS numbered_on FROM numbered),
        ordered AS (FROM ({ordered}) WHERE {since})
        SELECT record_id, kind, occurred_at, booked_on, sequence_no, numbered_on, place,
            {cut} OR occurred_at <= {newest} - {wait} AS is_due
        FROM ordered LEFT JOIN standing USING (record_id)
        """
    )


def _placed(session: Session, standing: clearing_store.Frontier, reach: Reach) -> Placed:
    """What the table `placed` tells."""
    duck = session.engine.connection
    [(last_place,)] = duck.sql("SELECT coalesce(max(place) FILTER (sequence_no IS NOT NULL), 0) FROM placed").fetchall()
    [(late, first, due, waiting)] = duck.sql(
        f"""
        SELECT count(*) FILTER (place < {last_place}), min(place) FILTER (place < {last_place}),
            count(*) FILTER (place > {last_place} AND is_due), count(*) FILTER (place > {last_place} AND NOT is_due)
        FROM placed WHERE sequence_no IS NULL
        """
    ).fetchall()
    late_from = None
    if late:
        [(late_from,)] = duck.sql(f"SELECT min(sequence_no) FROM placed WHERE place > {first}").fetchall()
    return Placed(standing.last_no, standing.cleared_to, late, late_from, due, waiting, reach)


def _kept(session: Session, plan: ModelPlan) -> clearing_store.Frontier:
    return clearing_store.frontier(session.connection, session.tenant, plan.model.name, _reads(plan))


def _reads(plan: ModelPlan) -> str:
    """What decides which records are ordered, and how."""
    return json.dumps([plan.model.spec.ordered_kinds, plan.placing, order_of(plan).by])


def _drawing(plan: ModelPlan) -> str:
    """The charges whose parking takes a record's place away, as a list in SQL."""
    return ", ".join(literal(name) for name in (WHOLE_RECORD, *plan.placing))


def _latest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time is not None), default=None)


def _view(at: int) -> str:
    return f"ordered_kind_{at}"


def _time(time: datetime) -> str:
    return f"TIMESTAMPTZ {literal(time.isoformat())}"


def refunded_by_waiting(session: Session, plan: ModelPlan, kind: str) -> pa.ChunkedArray:
    """The records of a kind that have refunds without a number among the `placed`."""
    views = [
        f"SELECT record_id, refund_of FROM {_view(at)}"
        for at, name in enumerate(plan.model.spec.ordered_kinds)
        if plan.model.spec.records[name].refunds == kind
    ]
    if not views:
        return pa.chunked_array([], pa.uuid())
    found = session.engine.query(
        f"SELECT DISTINCT refund_of FROM ({' UNION ALL '.join(views)}) JOIN placed USING (record_id)"
        " WHERE sequence_no IS NULL ORDER BY refund_of"
    )
    return found.column("refund_of")


def turns(session: Session, open_on: date, placed: Placed) -> pa.Table:
    """TURN rows of the records that wait and whose time has come, late ones among them, numbered on from the last."""
    return _numbered(session, "sequence_no IS NULL AND (is_due OR place < last_place)", placed.last_no + 1, open_on)


def turns_again(session: Session, plan: ModelPlan, open_on: date, starts_at: int) -> pa.Table:
    """TURN rows of the records with numbers from `starts_at` on, numbered anew: with late ones in their places, or,
    where these join the present, as they stand.
    """
    numbered = f"sequence_no >= {starts_at}"
    if order_of(plan).late is Late.JOIN:
        return _numbered(session, numbered, starts_at, open_on, by="sequence_no")
    return _numbered(session, f"{numbered} OR (sequence_no IS NULL AND place < last_place)", starts_at, open_on)


def _numbered(session: Session, chosen: str, first_no: int, open_on: date, by: str = "place") -> pa.Table:
    first_day = f"DATE {literal(open_on.isoformat())}" if open_on > date.min else "booked_on"
    return session.engine.query(
        f"""
        WITH ends AS (SELECT coalesce(max(place) FILTER (sequence_no IS NOT NULL), 0) AS last_place FROM placed)
        SELECT record_id, kind, occurred_at, coalesce(numbered_on, greatest(booked_on, {first_day})) AS booked_on,
            {first_no} - 1 + row_number() OVER (ORDER BY placed.{by}) AS sequence_no
        FROM placed, ends WHERE {chosen} ORDER BY placed.{by}
        """
    ).cast(TURN)


def number_of(session: Session, plan: ModelPlan, start: str) -> int | None:
    """The number of the record `start` (its uuid, key or kind:key), or of the first at that time or later.
    None where there is none. Raises InputRefused where several records are called so."""
    details, engine, model = session.details, session.engine, plan.model.name
    details.attach(engine, "named_record", RECORD, model, columns=["record_id", "kind", "key"])
    details.attach(engine, "sequenced", SEQUENCED_RECORD, model)
    effective = details.effective(model)
    found = engine.connection.execute(
        f"""SELECT sequence_no, named_record.kind || ':' || key || ' (' || record_id || ')' AS name
        FROM sequenced JOIN named_record USING (record_id)
        WHERE (key = $1 OR named_record.kind || ':' || key = $1 OR record_id = TRY_CAST($1 AS UUID)) AND {effective}
        ORDER BY sequence_no LIMIT 5""",
        [start],
    ).fetchall()
    if len(found) > 1:
        names = ", ".join(name for _, name in found)
        raise InputRefused(f"several records are called {start}: {names}; name one of them as kind:key or by its id")
    if found:
        return int(found[0][0])
    since = f"SELECT min(sequence_no) FROM sequenced WHERE occurred_at >= TRY_CAST($1 AS TIMESTAMPTZ) AND {effective}"
    [(number,)] = engine.connection.execute(since, [start]).fetchall()
    return None if number is None else int(number)
