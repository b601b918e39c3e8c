"""The loop over events: finds those of some pots, and carries each in its order.

Magnitudes are unsigned 64-bit; where amount times weight does not fit, it is multiplied and divided bit by bit. Most
charges fit under all caps: they are split first, as if there were none (`split`), and booked in order while they fit
(`book_while_room`); what does not fit goes from room to room (`share_out`). Both ways give the same shares.
"""

import numpy as np

from everycent.base.engine.kernels.carrying_packed import LAST, Packed, Scratch
from everycent.base.engine.kernels.carrying_quick import book_while_room, split
from everycent.base.engine.kernels.carrying_refunds import give_back
from everycent.base.engine.kernels.carrying_rooms import share_out
from everycent.base.engine.kernels.carrying_totals import book, keep, overflows
from everycent.base.engine.kernels.carrying_types import BEYOND_INT64, CARRIED, Carried, Events, Nodes, Places, Slots
from everycent.base.engine.kernels.compiling import uncounted

#: So many charges are split before they are booked: their shares are still in the processor's own cache then.
_SPLIT_AHEAD = np.int64(1_024)


@uncounted
def carry_pots(
    packed: Packed,
    nodes: Nodes,
    events: Events,
    slots: Slots,
    out: Carried,
    careful: bool,
    first: int,
    end: int,
    order: Places,
    scratch: Scratch,
) -> None:
    """Carries, in order, the events of the pots whose first node is in first to before end. order: room for them."""
    count, roots = np.uint64(0), events.roots
    for event in range(len(roots)):
        order[count] = event  # the next one is written over it if it is not among them
        count += np.uint64(first <= roots[event] < end)
    carry_in_order(packed, nodes, events, slots, out, order[: np.int64(count)], careful, scratch)


@uncounted
def carry_in_order(
    packed: Packed,
    nodes: Nodes,
    events: Events,
    slots: Slots,
    out: Carried,
    order: Places,
    careful: bool,
    scratch: Scratch,
) -> None:
    """Carries the events of `order` (int64[e], their places), one after the other: fills their part of `out`.

    `careful`: totals may pass 64 bits. `scratch`: this thread's own.
    """
    charges, bearers, leaves, totals = packed.charges, packed.bearers, packed.leaves, nodes.totals
    amounts, terms, roots, starts, refunds = events.amounts, events.terms, events.roots, events.starts, events.is_refund
    all_shares, all_after, kept_in = out.shares, out.after, events.slots
    at = was_split = np.int64(0)
    while at < len(order):
        if not careful:
            if at == was_split:
                was_split = min(at + _SPLIT_AHEAD, np.int64(len(order)))
                split(packed, events, order[at:was_split], all_shares, scratch.taken, scratch.lost)
            at = book_while_room(at, order[:was_split], events, charges, leaves, totals, all_shares, all_after)
            if at == was_split:
                continue
        event = order[at]
        at += 1
        start, how, amount, root = starts[event], terms[event], amounts[event], roots[event]
        if refunds[event]:
            shares, after = all_shares[start : starts[event + 1]], all_after[start : starts[event + 1]]
            out.states[event] = give_back(
                packed, nodes, slots, kept_in[event], how, amount, careful, shares, after, scratch
            )
            continue
        rest = share_out(amount, how, charges, bearers, leaves, totals, root, all_shares, start, scratch)
        if rest != 0:
            out.rests[event] = rest
            out.states[event] = -charges[how, LAST]
            all_shares[start : starts[event + 1]] = 0
        elif careful and overflows(charges, leaves, nodes, how, root, all_shares[start : starts[event + 1]]):
            out.states[event] = BEYOND_INT64
            all_shares[start : starts[event + 1]] = 0
        book(charges, bearers, leaves, totals, how, root, all_shares, all_after, start)
        if kept_in[event] >= 0 and out.states[event] == CARRIED:
            keep(charges, leaves, how, root, slots, kept_in[event], all_shares[start : starts[event + 1]])
