"""A golden case's facts in strict order: all of them as one window, in memory."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing.contract import ACCUMULATOR, ORDERED_OBLIGATION, ORIGINAL, REFUNDED, SEQUENCE, RefundState
from everycent.flow.pipeline.compute import Batch
from everycent.flow.pipeline.ordering import in_order_sql
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.rating.contract import CHARGE, WHOLE_RECORD


def in_order(plan: ModelPlan, done: Sequence[Batch], engine: LocalEngine) -> clearing.OrderedCleared | None:
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
    drawing = pa.array([WHOLE_RECORD, *plan.clearing.ordered], pa.string())
    tables = {f"facts_{at}": table for at, table in enumerate(records.values())}
    ordered = in_order_sql(plan, dict(zip(records, tables, strict=True)), "golden_parked")
    sequence = engine.query(
        f"SELECT record_id, kind, place AS sequence_no FROM ({ordered}) ORDER BY place",
        golden_parked=held.filter(pc.is_in(held.column("charge"), drawing)).select(["record_id"]),
        **tables,
    )
    nothing = RefundState(
        ORIGINAL.empty_table(),
        CHARGE.empty(),
        ORDERED_OBLIGATION.empty(),
        REFUNDED.empty_table(),
        held,
    )
    waiting = pa.concat_tables([batch.waiting for batch in done])
    return clearing.clear_in_order(
        plan.clearing, sequence.cast(SEQUENCE), records, waiting, nothing, ACCUMULATOR.empty(), engine
    )
