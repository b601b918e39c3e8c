"""The quick way: what fits under all caps is split as if there were none, then booked in order while it fits.

Places are unsigned here: a signed one is looked at before each use, since it might count from an array's end, and that
takes as long as the work.
"""

import numpy as np

from everycent.base.engine.kernels.carrying_deal import deal_small, first_of_two
from everycent.base.engine.kernels.carrying_packed import (
    ABOVE,
    BEGIN,
    CAP,
    END,
    FIRST,
    GROUP_LEAST,
    GROUP_MOST,
    INVERSE,
    INVERTED,
    LARGEST,
    LEAF,
    LEAF_END,
    LEAST,
    MOST,
    NODE,
    QUICK,
    QUICK_MAX,
    STOP,
    SUM,
    TOTAL,
    WEIGHT,
    Packed,
)
from everycent.base.engine.kernels.carrying_types import Events, Minor, Places, Unsigned
from everycent.base.engine.kernels.compiling import uncounted


@uncounted
def split(packed: Packed, events: Events, order: Places, shares: Minor, taken: Minor, lost: Unsigned) -> None:
    """Shares by weight of all charges that can be shared quickly, as if there were no caps."""
    charges, bearers, leaves = packed.charges, packed.bearers, packed.leaves
    amounts, terms, starts, refunds = events.amounts, events.terms, events.starts, events.is_refund
    one, two = np.uint64(1), np.uint64(2)
    for place in range(len(order)):
        event = np.uint64(order[place])
        how, amount, at = np.uint64(terms[event]), amounts[event], np.uint64(starts[event])
        if refunds[event] or charges[how, QUICK] == 0 or amount <= 0 or amount >= QUICK_MAX:
            continue
        first, end, largest = np.uint64(charges[how, FIRST]), np.uint64(charges[how, END]), charges[how, LARGEST] != 0
        total, inverse = charges[how, TOTAL], charges[how, INVERSE]
        if end - first == two:
            taken[0] = first_of_two(amount, bearers[first, WEIGHT], total, inverse, largest)
            taken[1] = amount - taken[0]
        else:
            deal_small(amount, bearers, np.int64(first), np.int64(end), total, largest, taken, np.int64(0), lost)
        bearer = first
        while bearer < end:
            begin, stop = np.uint64(bearers[bearer, BEGIN]), np.uint64(bearers[bearer, STOP])
            share, total, inverse = taken[bearer - first], bearers[bearer, SUM], bearers[bearer, INVERTED]
            if stop - begin == one:
                shares[at] = share
            elif stop - begin == two:
                part = first_of_two(share, leaves[begin, WEIGHT], total, inverse, largest)
                shares[at] = part
                shares[at + one] = share - part
            else:
                deal_small(share, leaves, np.int64(begin), np.int64(stop), total, largest, shares, np.int64(at), lost)
            at += stop - begin
            bearer += one


@uncounted
def book_while_room(
    start: np.int64,
    order: Places,
    events: Events,
    charges: Minor,
    leaves: Minor,
    totals: Minor,
    shares: Minor,
    after: Minor,
) -> np.int64:
    """Books charges that were split, from order[start] on, while all their nodes have room for them, and those with a
    weight some room before. Gives where it ends: at a refund, at a charge that is refunded later, or at a cap."""
    amounts, terms, roots, starts, slots = events.amounts, events.terms, events.roots, events.starts, events.slots
    at, end, one = np.uint64(start), np.uint64(len(order)), np.uint64(1)
    while at < end:
        event = np.uint64(order[at])
        how, amount, root, first_share = np.uint64(terms[event]), amounts[event], roots[event], np.uint64(starts[event])
        fits = slots[event] < 0 and charges[how, QUICK] != 0 and 0 < amount < QUICK_MAX and root >= 0
        if not fits or totals[np.uint64(root)] > charges[how, CAP] - amount:
            break
        node, first, last = np.uint64(root), np.uint64(charges[how, LEAF]), np.uint64(charges[how, LEAF_END])
        group, leaf, place = np.int64(0), first, first_share
        while leaf < last:
            share = shares[place]
            fits &= totals[node + np.uint64(leaves[leaf, NODE])] <= leaves[leaf, MOST] - max(share, leaves[leaf, LEAST])
            group += share
            above = leaves[leaf, ABOVE]
            if above != 0:
                if above > 0:
                    most, least = leaves[leaf, GROUP_MOST], leaves[leaf, GROUP_LEAST]
                    fits &= totals[node + np.uint64(above)] <= most - max(group, least)
                group = np.int64(0)
            leaf, place = leaf + one, place + one
        if not fits:
            break
        totals[node] += amount
        leaf, place = first, first_share
        while leaf < last:
            share = shares[place]
            total = totals[node + np.uint64(leaves[leaf, NODE])] + share
            totals[node + np.uint64(leaves[leaf, NODE])] = after[place] = total
            group += share
            above = leaves[leaf, ABOVE]
            if above != 0:
                if above > 0:
                    totals[node + np.uint64(above)] += group
                group = np.int64(0)
            leaf, place = leaf + one, place + one
        at += one
    return np.int64(at)
