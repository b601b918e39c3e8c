"""A window of records takes its turn: totals, then the charges that use them, then shares and caps. No database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing.contract import (
    OBLIGATION,
    ORDERED_CHARGE,
    ORDERED_OBLIGATION,
    REFUNDED,
    RefundState,
)
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.running import Totals, moved_by, originals_of, refunds_in_order
from everycent.flow.pipeline.sharing import Standing, in_turn
from everycent.flow.rating import stage as rating
from everycent.flow.rating.contract import CHARGE, HELD, WHOLE_RECORD


@dataclass(frozen=True)
class Known:
    """What is known when a window's turn comes.

    `sequence`: SEQUENCE rows of its records; `records`: their RECORD rows by kind; `waiting`: their WAITING_CHARGE
    rows. `standing`: record_id, charge, amount_minor of charges that arrival decided, NULL where held. `snapshots`: by
    kind, record_id and a column for each factor that was looked up. `refunds`: what is known of originals from before.
    `accumulators`, `totals`: what was carried and added up before. `frozen`: by kind, as `snapshots`, what charges per
    share take.
    """

    sequence: pa.Table
    records: Mapping[str, pa.Table]
    waiting: pa.Table
    standing: pa.Table
    snapshots: Mapping[str, pa.Table]
    refunds: RefundState
    accumulators: pa.Table
    totals: Totals
    frozen: Mapping[str, pa.Table] = field(default_factory=dict)


@dataclass(frozen=True)
class Turned:
    """What a window's turn made: ORDERED_CHARGE, ORDERED_OBLIGATION, HELD rows in order; `accumulators` that were
    touched; `moved`: record_id, factor and MOVED columns of each record that moved a total; `totals` after it."""

    charges: pa.Table
    obligations: pa.Table
    held: pa.Table
    accumulators: pa.Table
    moved: pa.Table
    totals: Totals


def take_turn(plan: ModelPlan, known: Known, engine: LocalEngine, threads: int = 1) -> Turned:
    """Clears a window; any cut of a sequence into windows gives the same rows. Raises BeyondInt64."""
    moved, totals = moved_by(plan, known.sequence, known.records, known.refunds, known.totals, engine)
    rated = _rated(plan, known, moved, engine)
    computed = pc.is_valid(known.waiting.column("amount_minor"))
    drawing = pa.array(plan.clearing.drawing, pa.string())
    draws = pc.is_in(rated.charges.column("charge"), drawing)
    drawn = pa.concat_tables(
        [known.waiting.filter(computed).cast(CHARGE.columns), rated.charges.filter(draws).cast(CHARGE.columns)]
    )
    state = known.refunds
    state = RefundState(
        state.originals,
        state.charges,
        state.obligations,
        state.refunded,
        pa.concat_tables([state.held, rated.held]),
    )
    found = clearing.clear_in_order(
        plan.clearing, known.sequence, known.records, drawn, state, known.accumulators, engine, threads
    )
    if not plan.running and not plan.shares_in_order:
        return Turned(found.charges, found.obligations, found.held, found.accumulators, moved, totals)
    plain = _plain(plan, known, rated.charges.filter(pc.invert(draws)), rated.held, _shared(plan, known, found, engine),
                   engine)  # fmt: skip
    sequence, names = known.sequence, plan.clearing.names
    return Turned(
        _merged([found.charges, _with_numbers(plain.charges, sequence, engine)], ORDERED_CHARGE.columns, names),
        _merged(
            [found.obligations, _out_of_pots(plain.obligations, sequence, engine)], ORDERED_OBLIGATION.columns, names
        ),
        _held([found.held, rated.held, plain.held], sequence, engine),
        found.accumulators,
        moved,
        totals,
    )


def _rated(plan: ModelPlan, known: Known, moved: pa.Table, engine: LocalEngine) -> rating.Rated:
    """The charges that waited without an amount, by kind, then in order."""
    marks = known.waiting.filter(pc.is_null(known.waiting.column("amount_minor"))).select(["record_id", "charge"])
    parts = [
        rating.rate_in_turn(turn, known.records[kind], marks, known.standing, known.snapshots[kind], moved, engine)
        for kind, turn in plan.turns.items()
        if kind in known.records and known.records[kind].num_rows
    ]
    return rating.Rated(
        pa.concat_tables([CHARGE.empty(), *(part.charges for part in parts)]),
        pa.concat_tables([HELD.empty(), *(part.held for part in parts)]),
        pa.table({}),
    )


def _shared(plan: ModelPlan, known: Known, found: clearing.OrderedCleared, engine: LocalEngine) -> clearing.Cleared:
    """The charges per share of what was cleared in order."""
    own = found.obligations.filter(pc.is_null(found.obligations.column("refund_of")))
    obligations = own.select(OBLIGATION.columns.names).cast(OBLIGATION.columns)
    standing = Standing(known.standing, obligations, found.held.cast(HELD.columns), pa.table({}))
    return in_turn(plan, known.records, known.waiting, standing, known.frozen, engine)


def _plain(
    plan: ModelPlan, known: Known, charges: pa.Table, held: pa.Table, shared: clearing.Cleared, engine: LocalEngine
) -> clearing.Cleared:
    """Charges of the window that draw on no budget, those per share among them, and what its refunds give back of such:
    they wait for nobody."""
    own = [
        clearing.clear(plan.clearing, records, mine, engine)
        for records in known.records.values()
        if (mine := charges.filter(pc.is_in(_ids(charges), _ids(records)))).num_rows
    ]
    cleared = clearing.Cleared(
        *(
            pa.concat_tables([schema.empty(), *(getattr(part, name).cast(schema.columns) for part in (*own, shared))])
            for name, schema in (("charges", CHARGE), ("obligations", OBLIGATION), ("held", HELD))
        )
    )
    refunds = refunds_in_order(known.sequence, known.records, engine)
    if refunds.num_rows == 0:
        return cleared
    state = known.refunds
    names = pa.array([name for name in plan.clearing.in_turn if name not in plan.clearing.drawing], pa.string())

    def plainly(rows: pa.Table) -> pa.Table:
        return rows.filter(pc.is_in(rows.column("charge"), names))

    back = clearing.refund(
        plan.clearing,
        refunds,
        originals_of(refunds, state.originals, known.records),
        pa.concat_tables([plainly(state.charges).cast(CHARGE.columns), cleared.charges]),
        pa.concat_tables([plainly(state.obligations).select(OBLIGATION.columns.names).cast(OBLIGATION.columns),
                          cleared.obligations]),
        plainly(state.refunded).cast(REFUNDED),
        engine,
        original_held=plainly(pa.concat_tables([state.held, held, cleared.held])),
    )  # fmt: skip
    own_names = pa.array([*names.to_pylist(), *([] if plan.clearing.drawing else [WHOLE_RECORD])], pa.string())
    told = back.held.filter(pc.is_in(back.held.column("charge"), own_names))
    return clearing.Cleared(
        pa.concat_tables([cleared.charges, back.charges.cast(CHARGE.columns)]),
        pa.concat_tables([cleared.obligations, back.obligations.cast(OBLIGATION.columns)]),
        pa.concat_tables([cleared.held, told.cast(HELD.columns)]),
    )


def _ids(rows: pa.Table) -> pa.Array:
    return rows.column("record_id").cast(pa.binary(16)).combine_chunks()


def _with_numbers(rows: pa.Table, sequence: pa.Table, engine: LocalEngine) -> pa.Table:
    return engine.query(
        "SELECT rows.*, sequence_no FROM rows JOIN turns USING (record_id)",
        rows=rows,
        turns=sequence.select(["record_id", "sequence_no"]),
    )


def _out_of_pots(rows: pa.Table, sequence: pa.Table, engine: LocalEngine) -> pa.Table:
    """Obligations that are in no pot."""
    numbered = _with_numbers(rows, sequence, engine)
    for column in list(ORDERED_OBLIGATION.columns)[numbered.num_columns :]:
        numbered = numbered.append_column(column, pa.nulls(numbered.num_rows, column.type))
    return numbered


def _merged(parts: Sequence[pa.Table], schema: pa.Schema, names: Sequence[str]) -> pa.Table:
    """The rows in order, then by charge as declared, then by bearer."""
    rows = pa.concat_tables([part.cast(schema) for part in parts])
    if parts[1].num_rows == 0:
        return rows
    charge = pc.index_in(rows.column("charge"), pa.array(names, pa.string())).to_numpy()
    keys = [charge, rows.column("sequence_no").to_numpy()]
    if "bearer" in schema.names:
        keys.insert(0, rows.column("bearer").to_numpy())
    return rows.take(pa.array(np.lexsort(keys)))


def _held(parts: Sequence[pa.Table], sequence: pa.Table, engine: LocalEngine) -> pa.Table:
    rows = engine.query(
        "SELECT DISTINCT held.*, sequence_no FROM held JOIN turns USING (record_id)"
        " ORDER BY sequence_no, charge, reason",
        held=pa.concat_tables([part.cast(HELD.columns) for part in parts]),
        turns=sequence.select(["record_id", "sequence_no"]),
    )
    return rows.drop_columns(["sequence_no"]).cast(HELD.columns)
