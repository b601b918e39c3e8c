"""A golden case's facts in strict order: all of them as one window, in memory."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.flow.clearing.contract import ACCUMULATOR, ORDERED_OBLIGATION, ORIGINAL, REFUNDED, SEQUENCE, RefundState
from everycent.flow.pipeline.compute import Batch
from everycent.flow.pipeline.ordering import in_order_sql
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.running import Totals
from everycent.flow.pipeline.sharing import kept_factors
from everycent.flow.pipeline.turn import Known, Turned, take_turn
from everycent.flow.rating import stage as rating
from everycent.flow.rating.contract import CHARGE, WHOLE_RECORD


def in_order(plan: ModelPlan, done: Sequence[Batch], engine: LocalEngine) -> Turned | None:
    """What the ordered pass makes of a case's batches; None where nothing is cleared in order."""
    if plan.model.spec.order is None:
        return None
    records: dict[str, pa.Table] = {}
    for batch in done:
        rows = batch.intake.records
        kind = rows.column("kind")[0].as_py() if rows.num_rows else ""
        if kind in plan.model.spec.ordered_kinds:
            records[kind] = pa.concat_tables([records[kind], rows]) if kind in records else rows
    if not records:
        return None
    held = pa.concat_tables([batch.held for batch in done])
    placing = pa.array([WHOLE_RECORD, *plan.placing], pa.string())
    tables = {f"facts_{at}": table for at, table in enumerate(records.values())}
    ordered = in_order_sql(plan, dict(zip(records, tables, strict=True)), "golden_parked")
    sequence = engine.query(
        f"SELECT record_id, kind, place AS sequence_no FROM ({ordered}) ORDER BY place",
        golden_parked=held.filter(pc.is_in(held.column("charge"), placing)).select(["record_id"]),
        **tables,
    )
    columns = ["record_id", "charge", "amount_minor"]
    waiting = pa.concat_tables([batch.waiting for batch in done])
    charged = pa.concat_tables([batch.charges.select(columns).cast(waiting.select(columns).schema) for batch in done])
    known = Known(
        sequence.cast(SEQUENCE),
        records,
        waiting,
        pa.concat_tables([charged, waiting.select(columns).filter(pc.is_valid(waiting.column("amount_minor")))]),
        {kind: _snapshots(turn.frozen, kind, done, engine) for kind, turn in plan.turns.items()},
        RefundState(ORIGINAL.empty_table(), CHARGE.empty(), ORDERED_OBLIGATION.empty(), REFUNDED.empty_table(), held),
        ACCUMULATOR.empty(),
        Totals(),
        {kind: _snapshots(factors, kind, done, engine) for kind, factors in kept_factors(plan).items()},
    )
    return take_turn(plan, known, engine)


def _snapshots(factors: Sequence[rating.Factor], kind: str, done: Sequence[Batch], engine: LocalEngine) -> pa.Table:
    """record_id and a column for each factor that was looked up when the facts of a kind arrived."""
    values = "".join(f", body.{identifier(factor.name)} AS {identifier(factor.name)}" for factor in factors)
    rows = [
        batch.snapshots
        for batch in done
        if batch.snapshots.num_rows and batch.intake.records.column("kind")[0].as_py() == kind
    ]
    if not rows or not factors:
        fields = [pa.field(factor.name, factor.type.arrow) for factor in factors]
        return pa.schema([CHARGE.columns.field("record_id"), *fields]).empty_table()
    return engine.query(f"SELECT record_id{values} FROM snapshots", snapshots=pa.concat_tables(rows))
