"""Clearing in strict order: charges that draw on pots, and the refunds that give back to them."""

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.distinct import combinations
from everycent.base.engine.kernels.carrying import CARRIED, NO_SLOTS, Carried, Events, Packed, Slots, carry
from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import ORDERED_OBLIGATION, OrderedCleared, RefundState
from everycent.flow.clearing.core.columns import minor, straight, taken
from everycent.flow.clearing.core.drawing import Drawn, draw
from everycent.flow.clearing.core.ordered_held import held_rows
from everycent.flow.clearing.core.ordered_refunds import Backward, look_back
from everycent.flow.clearing.core.ordered_rows import (
    Decided,
    Flow,
    charge_rows,
    own_obligations,
    refund_obligations,
    stacked,
)
from everycent.flow.clearing.core.plan import Apportionment, ClearingPlan
from everycent.flow.clearing.core.pots import POT, Kept, keep
from everycent.flow.clearing.core.refunding import spread
from everycent.flow.clearing.core.terms import terms_of
from everycent.flow.clearing.core.window import Window

Places = npt.NDArray[np.int64]
Minor = npt.NDArray[np.int64]


def clear_window(
    plan: ClearingPlan,
    window: Window,
    charges: pa.Table,
    state: RefundState,
    accumulators: pa.Table,
    engine: LocalEngine,
    threads: int,
) -> OrderedCleared:
    """What `stage.clear_in_order` gives."""
    drawn = draw(plan, window, charges, engine, threads)
    back = look_back(plan, window, drawn, state, engine)
    kept, pots, carried_pots = keep(
        plan.budgets, drawn.pots, _NOTHING_CARRIED if back is None else back.carried, accumulators
    )
    pot = np.append(pots, -1)[drawn.pot]
    widths = np.array([len(each.apportionment.leaves) if each.apportionment else 0 for each in plan.charges])
    slots = NO_SLOTS if back is None else back.slots(kept, carried_pots, widths[drawn.code])
    flow = _flow(plan, drawn, back, slots, widths)
    roots = _roots(kept, pot, back, slots, flow)
    terms, which = _terms(plan)
    found = carry(terms, kept.nodes, _events(drawn, back, flow, roots, which), slots, threads)
    carried = found if back is None else _as_they_stand(found, flow)
    stands = carried.states == CARRIED
    touched = np.zeros(len(kept.budget_of), dtype=np.bool_)
    own, given_back = stands[: len(flow.own)], roots[len(flow.own) :][stands[len(flow.own) :]]
    touched[pots if own.all() else pot[flow.own[own]]] = True
    touched[np.searchsorted(kept.starts, given_back[given_back >= 0], side="right") - 1] = True
    decided = Decided(plan, window, drawn, kept, pot, flow, carried)
    obligations = own_obligations(decided, threads)
    if back is not None or not stands.all():
        given = None if back is None else refund_obligations(decided, back, obligations, slots)
        obligations = _merged(obligations, given, flow, stands)
    return OrderedCleared(
        charge_rows(window, drawn, back, flow, stands),
        ORDERED_OBLIGATION.check(obligations),
        held_rows(decided, back, engine),
        kept.totals(touched),
    )


def reach(plan: ClearingPlan, window: Window, charges: pa.Table, state: RefundState, engine: LocalEngine) -> pa.Table:
    """What `stage.pots_in_reach` gives."""
    drawn = draw(plan, window, charges, engine)
    back = look_back(plan, window, drawn, state, engine)
    before = (_NOTHING_CARRIED if back is None else back.carried).select(POT).cast(drawn.pots.schema)
    return combinations(pa.concat_tables([drawn.pots, before])).values


_NOTHING_CARRIED = pa.table({name: pa.nulls(0, pa.string()) for name in ("budget", "pot", "period", "leaf")})


def _flow(plan: ClearingPlan, drawn: Drawn, back: Backward | None, slots: Slots, widths: Places) -> Flow:
    own = straight(len(drawn.stands)) if drawn.stands.all() else np.flatnonzero(drawn.stands)
    leaves = widths[taken(drawn.code, own)]
    if back is None:
        return Flow(own, leaves, straight(len(own)))
    pairs = back.pairs
    keys = np.concatenate([drawn.place[own], back.place[pairs.refund]]) * len(plan.charges)
    keys += np.concatenate([drawn.code[own], back.originals.code[pairs.charge]])
    both = np.concatenate([leaves, np.diff(slots.starts)[pairs.charge]])
    return Flow(own, both, np.argsort(keys, kind="stable"))


def _roots(kept: Kept, pot: Places, back: Backward | None, slots: Slots, flow: Flow) -> Places:
    """Each event's pot, by its first node; -1 where an original was in none."""
    own: Places = kept.starts[taken(pot, flow.own)]
    if back is None:
        return own
    first = np.append(slots.nodes, -1)[slots.starts[:-1]]
    of_slot = np.where(first < 0, -1, kept.starts[np.searchsorted(kept.starts, first, side="right") - 1])
    mine = back.drawn >= 0
    of_own = pot[back.drawn[mine]]
    of_slot[mine] = np.where(of_own < 0, -1, kept.starts[of_own])
    return np.concatenate([own, of_slot[back.pairs.charge]])


@lru_cache(maxsize=8)
def _terms(plan: ClearingPlan) -> tuple[Packed, Places]:
    """The terms of the ordered charges, and each charge's place among them."""
    which = np.full(len(plan.charges), -1, dtype=np.int64)
    ordered: list[Apportionment] = []
    nodes: list[dict[str, int]] = []
    caps: list[dict[str, int | None]] = []
    for code, charge in enumerate(plan.charges):
        if charge.apportionment is not None and charge.budget is not None:
            which[code] = len(ordered)
            ordered.append(charge.apportionment)
            budget = plan.budgets[charge.budget]
            nodes.append({name: 1 + at for at, name in enumerate((*budget.groups, *budget.leaves))})
            caps.append({"": budget.cap, **budget.groups, **budget.leaves})
    return terms_of(ordered, nodes, caps), which


def _events(drawn: Drawn, back: Backward | None, flow: Flow, roots: Places, which: Places) -> Events:
    """What the kernel takes, in order."""
    amounts, codes = minor(drawn.charges.column("amount_minor")), drawn.code
    if len(flow.own) < len(amounts):
        amounts, codes = amounts[flow.own], codes[flow.own]
    kept_in = np.full(len(amounts), -1, dtype=np.int64)
    if back is None:  # they stand in order already
        return Events(amounts, which[codes], roots, kept_in, np.zeros(len(amounts), dtype=np.bool_), flow.starts)
    slot_of = np.full(len(drawn.code), -1, dtype=np.int64)
    mine = np.flatnonzero(back.drawn >= 0)
    slot_of[back.drawn[mine]] = mine
    kept_in = np.concatenate([slot_of[flow.own], back.pairs.charge])
    amounts = np.concatenate([amounts, back.pairs.delta])
    codes = np.concatenate([codes, back.originals.code[back.pairs.charge]])
    starts = np.zeros(len(amounts) + 1, dtype=np.int64)
    np.cumsum(flow.widths[flow.order], out=starts[1:])
    order = flow.order
    return Events(amounts[order], which[codes[order]], roots[order], kept_in[order], order >= len(flow.own), starts)


def _as_they_stand(found: Carried, flow: Flow) -> Carried:
    """What the kernel gave, brought from its order to that of `flow`."""
    if (np.diff(flow.order) == 1).all():
        return found
    places, order = flow.places(), flow.order

    def back_from(values: npt.NDArray[Any], at: Places) -> npt.NDArray[Any]:
        moved = np.empty_like(values)
        moved[at] = values
        return moved

    return Carried(
        back_from(found.shares, places),
        back_from(found.after, places),
        back_from(found.states, order),
        back_from(found.rests, order),
    )


def _merged(own: pa.Table, given: pa.Table | None, flow: Flow, stands: npt.NDArray[np.bool_]) -> pa.Table:
    """The rows of all events that stand, in order. `given`: those of the refunds that stand."""
    count = len(flow.own)
    starts = flow.starts[:-1].copy()
    there = np.where(stands, flow.widths, 0)[count:]
    starts[count:] = own.num_rows + np.cumsum(there) - there
    order = flow.order[stands[flow.order]]
    rows = own if given is None else stacked(own, given)
    return rows.take(pa.array(spread(starts[order], flow.widths[order])))
