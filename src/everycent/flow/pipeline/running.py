"""What a window's records move of running totals and stocks: their own part, and what refunds take back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.money.span import span_labels
from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing.contract import ORIGINAL, RefundState
from everycent.flow.intake.contract import RECORD
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.rating import stage as rating
from everycent.flow.rating.contract import RUNNING

_PLAIN = [name for name in RECORD.columns.names if name != RECORD.body]
#: RUNNING rows without number and generation.
MOVED = pa.schema([each for each in RUNNING.columns if each.name not in ("sequence_no", "generation")])


@dataclass(frozen=True)
class Totals:
    """What was added up before a window. `standing`: STANDING rows by factor. `before`: MOVED rows of the originals
    that the window's refunds refer to, and of earlier refunds of these."""

    standing: Mapping[str, pa.Table] = field(default_factory=dict)
    before: pa.Table = field(default_factory=MOVED.empty_table)


def moved_by(
    plan: ModelPlan,
    sequence: pa.Table,
    records: Mapping[str, pa.Table],
    state: RefundState,
    totals: Totals,
    engine: LocalEngine,
) -> tuple[pa.Table, Totals]:
    """MOVED rows of a window, by factor, then in order; and the totals after it. Raises BeyondInt64.

    `sequence`: SEQUENCE rows; `records`: RECORD rows by kind; `state`: what is known of originals from before.
    """
    if not plan.running:
        return MOVED.empty_table(), totals
    own = _own(plan, records, engine)
    events = pa.concat_tables([own, _taken_back(plan, own, sequence, records, state, totals.before, engine)])
    events = engine.query(
        "SELECT events.*, sequence_no FROM events JOIN turns USING (record_id) ORDER BY sequence_no",
        events=events,
        turns=sequence.select(["record_id", "sequence_no"]),
    )
    standing, moved = {}, [MOVED.empty_table()]
    for running in plan.running:
        mine = events.filter(pc.equal(events.column("factor"), running.name))
        before = totals.standing.get(running.name, rating.STANDING.empty_table())
        rows, standing[running.name] = rating.run(running, mine.select(rating.MOVES.names).cast(rating.MOVES), before)
        moved.append(_named(running.name, rows).select(MOVED.names).cast(MOVED))
    return pa.concat_tables(moved), Totals(standing)


def _named(factor: str, rows: pa.Table) -> pa.Table:
    return rows.append_column("factor", pa.array([factor] * rows.num_rows, pa.string()))


def _own(plan: ModelPlan, records: Mapping[str, pa.Table], engine: LocalEngine) -> pa.Table:
    """MOVES rows with their factor, of what records move by themselves."""
    parts = [
        _named(running.name, rating.moves(running, kind, records[kind], engine))
        for running in plan.running
        for kind in running.kinds
        if kind in records and records[kind].num_rows
    ]
    return pa.concat_tables([_named("", rating.MOVES.empty_table()), *parts])


def _taken_back(
    plan: ModelPlan,
    own: pa.Table,
    sequence: pa.Table,
    records: Mapping[str, pa.Table],
    state: RefundState,
    before: pa.Table,
    engine: LocalEngine,
) -> pa.Table:
    """MOVES rows with their factor, of what refunds take back of what their originals moved."""
    names = [running.name for running in plan.running if running.takes_back]
    refunds = refunds_in_order(sequence, records, engine)
    if not names or refunds.num_rows == 0:
        return own.slice(0, 0)
    among = ", ".join(map(literal, names))
    added = engine.query(
        f"""
        SELECT record_id, factor AS name, amount, pot, period FROM (
            SELECT record_id, factor, amount, pot, period FROM own
            UNION ALL SELECT record_id, factor, amount, pot, period FROM before WHERE refund_of IS NULL
        ) WHERE factor IN ({among}) AND amount IS NOT NULL
            AND record_id IN (SELECT refund_of FROM refunds) ORDER BY record_id, name
        """,
        own=own,
        before=before,
        refunds=refunds.select(["refund_of"]),
    )
    taken = engine.query(
        """
        SELECT refund_of, factor AS name, CAST(-sum(amount) AS BIGINT) AS amount FROM before
        WHERE refund_of IS NOT NULL GROUP BY ALL ORDER BY ALL
        """,
        before=before,
    )
    originals = originals_of(refunds, state.originals, records)
    back = clearing.take_back(names, plan.model.currency, refunds, originals, added, taken, engine)
    codes, labels = zip(*(span_labels(running.period, _days(refunds)) for running in plan.running), strict=True)
    periods = pa.table(
        {"record_id": refunds.column("record_id")}
        | {f"p{at}": pa.array(np.asarray(text, dtype=object)[code], pa.string())
           for at, (code, text) in enumerate(zip(codes, labels, strict=True))}
    )  # fmt: skip
    own_period = " ".join(
        f"WHEN {literal(running.name)} THEN p{at}" for at, running in enumerate(plan.running) if running.in_own_period
    )
    period = f"CASE back.name {own_period} ELSE added.period END" if own_period else "added.period"
    found = engine.query(
        f"""
        SELECT back.record_id, pot, {period} AS period, refund_of, back.amount, NULL::BIGINT AS quantity,
            back.name AS factor
        FROM back JOIN added ON added.record_id = back.refund_of AND added.name = back.name JOIN periods
            ON periods.record_id = back.record_id ORDER BY back.record_id, factor
        """,
        back=back,
        added=added,
        periods=periods,
    )
    return found.cast(own.schema)


def _days(refunds: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.datetime64]]:
    days: np.ndarray[tuple[int], np.dtype[np.datetime64]] = refunds.column("business_date").to_numpy()
    return days


def refunds_in_order(sequence: pa.Table, records: Mapping[str, pa.Table], engine: LocalEngine) -> pa.Table:
    """RECORD rows of the window's refunds, without their bodies' fields, in order."""
    rows = pa.concat_tables([table.select(_PLAIN) for table in records.values()])
    rows = rows.filter(pc.is_valid(rows.column("refund_of")))
    if rows.num_rows == 0:
        return RECORD.empty(pa.struct([]))
    found = engine.query(
        f"SELECT {', '.join(_PLAIN)} FROM refunds JOIN turns USING (record_id) ORDER BY turns.sequence_no",
        refunds=rows,
        turns=sequence.select(["record_id", "sequence_no"]),
    )
    at = RECORD.columns.get_field_index(str(RECORD.body))
    nothing = pa.array([{}] * found.num_rows, pa.struct([]))
    field = pa.field(str(RECORD.body), nothing.type, nullable=False)
    return found.cast(rows.schema).add_column(at, field, nothing)


def originals_of(refunds: pa.Table, before: pa.Table, records: Mapping[str, pa.Table]) -> pa.Table:
    """ORIGINAL rows of the records that these refund: from before the window, and in it."""
    wanted = refunds.column("refund_of").cast(pa.binary(16)).combine_chunks()
    columns = ["record_id", "amount_minor"]
    rows = pa.concat_tables([table.select(columns) for table in records.values()])
    rows = rows.filter(pc.is_in(_ids(rows), wanted))
    fresh = rows.append_column("refunded_minor", pa.array(np.zeros(rows.num_rows, dtype=np.int64))).cast(ORIGINAL)
    return pa.concat_tables([before.select(ORIGINAL.names), fresh])


def _ids(rows: pa.Table) -> pa.Array:
    return rows.column("record_id").cast(pa.binary(16)).combine_chunks()
