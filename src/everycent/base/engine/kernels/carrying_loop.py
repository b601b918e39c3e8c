"""The loop over events: deals pots out to threads, and carries each event in its order.

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


@uncounted
def deal_out(roots: Places, counts: Places, order: Places, cuts: Places, at: Places) -> None:
    """Pots are dealt out in ranges of about as many events; counts: room for one more than the nodes, and one.
    at: room for each thread."""
    threads = len(cuts) - 1
    for event in range(len(roots)):
        counts[np.uint64(roots[event] + 1)] += 1
    seen = 0
    for pot in range(len(counts)):  # from counts to threads
        mine, mean = counts[pot], seen * threads // max(len(roots), 1)
        counts[pot] = mean if mean < threads else threads - 1
        cuts[counts[pot] + 1] += mine
        seen += mine
    for thread in range(threads):
        cuts[thread + 1] += cuts[thread]
    for thread in range(threads):
        at[thread] = cuts[thread]
    for event in range(len(roots)):
        whose = np.uint64(counts[np.uint64(roots[event] + 1)])
        order[np.uint64(at[whose])] = event
        at[whose] += 1


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
    if not careful:
        split(packed, events, order, all_shares, scratch.taken, scratch.lost)
    at = np.int64(0)
    while at < len(order):
        if not careful:
            at = book_while_room(at, order, events, charges, leaves, totals, all_shares, all_after)
            if at == len(order):
                break
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
