"""Refunds in strict order: what each gives back of which original, of this window or before it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.arrays import uuid_storage
from everycent.base.engine.kernels.carrying import Slots
from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import ORIGINAL, RefundState
from everycent.flow.clearing.core.accept import accept
from everycent.flow.clearing.core.columns import minor, places_of_ids
from everycent.flow.clearing.core.drawing import Drawn
from everycent.flow.clearing.core.originals import Originals, in_order
from everycent.flow.clearing.core.plan import ClearingPlan
from everycent.flow.clearing.core.pots import Kept
from everycent.flow.clearing.core.refunding import Pairs, pairs_of
from everycent.flow.clearing.core.window import Window
from everycent.flow.rating.contract import CHARGE, HELD, WHOLE_RECORD

Places = npt.NDArray[np.int64]
Minor = npt.NDArray[np.int64]

_DRAWN = "drawn"


@dataclass(frozen=True)
class Backward:
    """r refunds of the window in order, and their originals, of it or from before.

    `refunds`: their RECORD rows without body; `place`: int64[r], in the window. `original`, `after`, `left`: int64[r],
    each one's original, what was refunded of it with this one (-1: it is not given), what was left of it.
    `pairs`: refunds with the charges that they give back. `drawn`: int64[c], each original charge's place among the
    window's own, -1 from before.
    """

    refunds: pa.Table
    place: Places
    state: RefundState
    original: Places
    after: Minor
    left: Minor
    originals: Originals
    pairs: Pairs
    drawn: Places

    def slots(self, kept: Kept, carried_pot: Places, widths: Places) -> Slots:
        """One slot for each original charge. `carried_pot`: pots of the obligations from before that have one.
        `widths`: int64[n], the leaves of the window's own charges."""
        own = self.drawn >= 0
        counts = np.diff(self.originals.obligation_starts)
        counts[own] = widths[self.drawn[own]]
        starts = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=starts[1:])
        left, nodes = np.zeros(starts[-1], dtype=np.int64), np.full(starts[-1], -1, dtype=np.int64)
        before = np.repeat(~own, counts)
        left[before] = self.originals.remaining
        inside = np.flatnonzero(before)[self.in_pot]
        nodes[inside] = kept.node(carried_pot, self.carried.column("leaf"))
        return Slots(starts, left, nodes, ~own)

    @property
    def in_pot(self) -> npt.NDArray[np.bool_]:
        """Which obligations from before moved an accumulator."""
        known: npt.NDArray[np.bool_] = self.originals.obligations.column("budget").is_valid().to_numpy()
        return known

    @property
    def carried(self) -> pa.Table:
        """The accumulators that obligations from before moved: budget, pot, period, leaf."""
        rows = self.originals.obligations.select(["budget", "pot", "period", "leaf"])
        return rows.filter(pa.array(self.in_pot))


def look_back(
    plan: ClearingPlan, window: Window, drawn: Drawn, state: RefundState, engine: LocalEngine
) -> Backward | None:
    """None where the window has no refunds."""
    place = np.flatnonzero(window.plain.column("refund_of").is_valid().to_numpy())
    if len(place) == 0:
        return None
    refunds = window.plain.take(pa.array(place))
    known, own = _with_own(plan, window, drawn, state, refunds)
    original = places_of_ids(refunds.column("refund_of"), known.originals.column("record_id"))
    comes_later = np.append(own, -1)[original] > place  # one that is not known has no place
    original = np.where(comes_later, -1, original)
    worth = pc.fill_null(known.originals.column("amount_minor"), -1).to_numpy()
    amounts = pc.fill_null(refunds.column("amount_minor"), -1).to_numpy()
    after, left = accept(original, amounts, worth, minor(known.originals.column("refunded_minor")))
    originals = in_order(plan, known)
    pairs = pairs_of(plan, originals, original, worth, after, engine)
    drawn_at = originals.charges.column(_DRAWN).to_numpy()
    return Backward(refunds, place, known, original, after, left, originals, pairs, drawn_at)


def _with_own(
    plan: ClearingPlan, window: Window, drawn: Drawn, state: RefundState, refunds: pa.Table
) -> tuple[RefundState, Places]:
    """The state with originals of the window itself, and each original's place in the window, -1 from before."""
    ids = window.sequence.column("record_id")
    wanted = uuid_storage(refunds.column("refund_of"))
    own = np.flatnonzero(pc.is_in(uuid_storage(ids), value_set=wanted).to_numpy(zero_copy_only=False))
    rows = window.plain.take(pa.array(own))
    fresh = pa.table(
        [rows.column("record_id"), rows.column("amount_minor"), pa.array(np.zeros(len(own), np.int64))], schema=ORIGINAL
    )
    originals = pa.concat_tables([state.originals.select(ORIGINAL.names), fresh])
    assert len(uuid_storage(originals.column("record_id")).unique()) == originals.num_rows, (
        "what was before is not in the window"
    )
    others = [charge.name for charge in plan.charges if charge.budget is None]
    before = state.charges.select(CHARGE.columns.names).cast(CHARGE.columns)
    before = before.filter(pc.invert(pc.is_in(before.column("charge"), pa.array(others, pa.string()))))
    mine = np.flatnonzero(np.isin(drawn.place, own))
    charges = pa.concat_tables(
        [
            before.append_column(_DRAWN, pa.array(np.full(before.num_rows, -1))),
            drawn.charges.take(pa.array(mine)).cast(CHARGE.columns).append_column(_DRAWN, pa.array(mine)),
        ]
    )
    held = state.held.select(HELD.columns.names).cast(HELD.columns)
    told = pc.is_in(held.column("charge"), pa.array([*plan.drawing, WHOLE_RECORD], pa.string()))
    combined = RefundState(originals, charges, state.obligations, state.refunded, held.filter(told))
    return combined, np.concatenate([np.full(state.originals.num_rows, -1), own])
