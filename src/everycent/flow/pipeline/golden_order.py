"""A golden case's facts in strict order: all of them as one window, in memory."""

from collections.abc import Sequence

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing.contract import ACCUMULATOR, ORDERED_OBLIGATION, ORIGINAL, REFUNDED, SEQUENCE, RefundState
from everycent.flow.pipeline.compute import Batch
from everycent.flow.pipeline.ordering import order_of
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.rating.contract import CHARGE


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
    ties = order_of(plan).by[1:]
    named = "".join(f", body.{identifier(tie)} AS t{at}" for at, tie in enumerate(ties))
    by = ", ".join(["occurred_at", *(f"t{at} NULLS FIRST" for at in range(len(ties))), "record_id"])
    tables = {f"facts_{at}": table for at, table in enumerate(records.values())}
    listed = " UNION ALL ".join(f"SELECT record_id, kind, occurred_at{named} FROM {name}" for name in tables)
    sequence = engine.query(
        f"SELECT record_id, kind, row_number() OVER (ORDER BY {by}) AS sequence_no FROM ({listed}) ORDER BY 3", **tables
    )
    nothing = RefundState(
        ORIGINAL.empty_table(),
        CHARGE.empty(),
        ORDERED_OBLIGATION.empty(),
        REFUNDED.empty_table(),
        pa.concat_tables([batch.held for batch in done]),
    )
    waiting = pa.concat_tables([batch.waiting for batch in done])
    return clearing.clear_in_order(
        plan.clearing, sequence.cast(SEQUENCE), records, waiting, nothing, ACCUMULATOR.empty(), engine
    )
