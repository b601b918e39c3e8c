"""Which records wait for their turn, and in which order: a table of the engine, and questions to it."""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import SEQUENCED_RECORD, OrderSpec
from everycent.flow.intake.contract import RECORD
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session

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


def place(session: Session, plan: ModelPlan, details: Details, as_of: date | None, through_batch: int) -> Placed:
    """Makes the engine's table `placed`: every ordered record of batches up to `through_batch`, its place in the strict
    order, and its number where it has one. What comes before `as_of`, or `wait` before the newest record, is due.
    """
    engine, order = session.engine, order_of(plan)
    ties = order.by[1:]
    selects = []
    for at, kind in enumerate(plan.model.spec.ordered_kinds):
        columns = ["record_id", "kind", "occurred_at", "business_date", "booked_on", str(RECORD.body)]
        body = plan.intake[kind].body_type
        details.attach(
            engine, f"ordered_kind_{at}", RECORD, plan.model.name, kind=kind, body_type=body, columns=columns
        )
        named = "".join(f", body.{identifier(tie)} AS t{n}" for n, tie in enumerate(ties))
        selects.append(
            f"SELECT record_id, kind, occurred_at, business_date, booked_on{named} FROM ordered_kind_{at}"
            f" WHERE batch_no <= {through_batch}"
        )
    details.attach(engine, "sequenced", SEQUENCED_RECORD, plan.model.name)
    by = ", ".join(["occurred_at", *(f"t{n} NULLS FIRST" for n in range(len(ties))), "record_id"])
    wait = f"INTERVAL {int(order.wait.total_seconds())} SECOND"
    cut = "false" if as_of is None else f"business_date < DATE {literal(as_of.isoformat())}"
    engine.connection.execute(
        f"""
        CREATE OR REPLACE TABLE placed AS
        WITH standing AS (
            SELECT record_id, sequence_no, booked_on AS numbered_on FROM sequenced
            WHERE {details.effective(plan.model.name)}
        ), ordered AS ({" UNION ALL ".join(selects)})
        SELECT ordered.record_id, kind, occurred_at, booked_on, sequence_no, numbered_on,
            {cut} OR occurred_at <= max(occurred_at) OVER () - {wait} AS is_due,
            row_number() OVER (ORDER BY {by.replace("record_id", "ordered.record_id")}) AS place
        FROM ordered LEFT JOIN standing ON standing.record_id = ordered.record_id
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
