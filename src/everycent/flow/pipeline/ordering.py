"""Which records wait for their turn, and in which order: a table of the engine, and questions to it.

Records stand in the order of business time, an original before what refunds it, then by the columns that break ties,
then by record id. A refund never stands before its original, whatever its own time says. A record with a parked charge
that would draw on a budget has no place until that is released, nor have its refunds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import SEQUENCED_RECORD, OrderSpec
from everycent.flow.intake.contract import RECORD
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session
from everycent.flow.rating import store as rating_store
from everycent.flow.rating.contract import WHOLE_RECORD

#: What a record is cleared with: its number, and the day that it is booked on.
TURN = pa.schema(
    [SEQUENCED_RECORD.columns.field(name) for name in ("record_id", "kind", "occurred_at", "booked_on", "sequence_no")]
)


@dataclass(frozen=True)
class Placed:
    """How the model's ordered records stand. `last_no`: the highest number given, 0 for none. `late`: how many wait
    that come before cleared ones, and `late_from`, the number of the first cleared record that they come before.
    `due`: how many others wait whose time has come; `waiting`: how many wait for stragglers.
    """

    last_no: int
    late: int
    late_from: int | None
    due: int
    waiting: int


def order_of(plan: ModelPlan) -> OrderSpec:
    """The model's order."""
    assert plan.model.spec.order is not None, "budgets need an order; the model's check refuses this"
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


def place(session: Session, plan: ModelPlan, details: Details, as_of: date | None, through_batch: int) -> Placed:
    """Makes the engine's table `placed`: every ordered record of batches up to `through_batch`, its place in the strict
    order, and its number where it has one. What comes before `as_of`, or `wait` before the newest record, is due.
    """
    engine, model = session.engine, plan.model.name
    ties = order_of(plan).by[1:]
    plain = ["record_id", "refund_of", "kind", "occurred_at", "business_date", "booked_on"]
    columns = [*plain, str(RECORD.body)] if ties else plain
    views = {}
    for at, kind in enumerate(plan.model.spec.ordered_kinds):
        body = plan.intake[kind].body_type if ties else None
        details.attach(engine, f"ordered_kind_{at}", RECORD, model, kind=kind, body_type=body, columns=columns)
        views[kind] = f"ordered_kind_{at} WHERE batch_no <= {through_batch}"
    rating_store.attach_parked(details, engine, model, "ordered_parked")
    drawing = ", ".join(literal(name) for name in (WHOLE_RECORD, *plan.clearing.ordered))
    details.attach(engine, "sequenced", SEQUENCED_RECORD, model)
    wait = f"INTERVAL {int(order_of(plan).wait.total_seconds())} SECOND"
    cut = "false" if as_of is None else f"business_date < DATE {literal(as_of.isoformat())}"
    engine.connection.execute(
        f"""
        CREATE OR REPLACE TABLE placed AS
        WITH standing AS (
            SELECT record_id, sequence_no, booked_on AS numbered_on FROM sequenced WHERE {details.effective(model)}
        ), ordered AS ({in_order_sql(plan, views, f"ordered_parked WHERE charge IN ({drawing})")})
        SELECT record_id, kind, occurred_at, booked_on, sequence_no, numbered_on, place,
            {cut} OR occurred_at <= max(occurred_at) OVER () - {wait} AS is_due
        FROM ordered LEFT JOIN standing USING (record_id)
        """
    )
    [(last_no, last_place)] = engine.connection.sql(
        "SELECT coalesce(max(sequence_no), 0), coalesce(max(place) FILTER (sequence_no IS NOT NULL), 0) FROM placed"
    ).fetchall()
    [(late, first, due, waiting)] = engine.connection.sql(
        f"""
        SELECT count(*) FILTER (place < {last_place}), min(place) FILTER (place < {last_place}),
            count(*) FILTER (place > {last_place} AND is_due), count(*) FILTER (place > {last_place} AND NOT is_due)
        FROM placed WHERE sequence_no IS NULL
        """
    ).fetchall()
    late_from = None
    if late:
        [(late_from,)] = engine.connection.sql(f"SELECT min(sequence_no) FROM placed WHERE place > {first}").fetchall()
    return Placed(last_no, late, late_from, due, waiting)


def turns(session: Session, open_on: date, placed: Placed) -> pa.Table:
    """TURN rows of the records that wait and whose time has come, late ones among them, numbered on from the last."""
    return _numbered(session, "sequence_no IS NULL AND (is_due OR place < last_place)", placed.last_no + 1, open_on)


def turns_again(session: Session, open_on: date, starts_at: int) -> pa.Table:
    """TURN rows of the records with numbers from `starts_at` on and of late ones, numbered anew."""
    again = f"sequence_no >= {starts_at} OR (sequence_no IS NULL AND place < last_place)"
    return _numbered(session, again, starts_at, open_on)


def _numbered(session: Session, chosen: str, first_no: int, open_on: date) -> pa.Table:
    first_day = f"DATE {literal(open_on.isoformat())}" if open_on > date.min else "booked_on"
    return session.engine.query(
        f"""
        WITH ends AS (SELECT coalesce(max(place) FILTER (sequence_no IS NOT NULL), 0) AS last_place FROM placed)
        SELECT record_id, kind, occurred_at, coalesce(numbered_on, greatest(booked_on, {first_day})) AS booked_on,
            {first_no} - 1 + row_number() OVER (ORDER BY place) AS sequence_no
        FROM placed, ends WHERE {chosen} ORDER BY place
        """
    ).cast(TURN)


def number_of(session: Session, plan: ModelPlan, start: str) -> int | None:
    """The number of the record `start` (its uuid or key), or of the first that occurred at that time or later; of
    `placed`. None where there is none."""
    columns = ["record_id", "key"]
    session.details.attach(session.engine, "named_record", RECORD, plan.model.name, columns=columns)
    named = "JOIN named_record USING (record_id) WHERE key = $1 OR record_id = TRY_CAST($1 AS UUID)"
    for chosen in (named, "WHERE occurred_at >= TRY_CAST($1 AS TIMESTAMPTZ)"):
        query = f"SELECT min(sequence_no) FROM placed {chosen}"
        [(number,)] = session.engine.connection.execute(query, [start]).fetchall()
        if number is not None:
            return int(number)
    return None
