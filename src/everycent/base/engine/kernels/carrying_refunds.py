"""Refunds: what an original's leaves carried is given back to them."""

import numpy as np

from everycent.base.engine.kernels.carrying_deal import deal
from everycent.base.engine.kernels.carrying_packed import LARGEST, REVERSE, Packed, Scratch
from everycent.base.engine.kernels.carrying_totals import add
from everycent.base.engine.kernels.carrying_types import (
    BEYOND_INT64,
    CARRIED,
    ORIGINAL_NOT_CARRIED,
    Minor,
    Nodes,
    Slots,
)
from everycent.base.engine.kernels.compiling import uncounted


@uncounted
def give_back(
    packed: Packed,
    nodes: Nodes,
    slots: Slots,
    slot: int,
    how: int,
    delta: int,
    careful: bool,
    shares: Minor,
    after: Minor,
    scratch: Scratch,
) -> int:
    """Gives back what an original's leaves carried, and gives how that ended."""
    if not slots.carried[slot]:
        shares[:] = 0
        after[:] = 0
        return ORIGINAL_NOT_CARRIED
    reverse, largest = packed.charges[how, REVERSE] != 0, packed.charges[how, LARGEST] != 0
    deal_back(delta, reverse, largest, slots, slot, shares, scratch)
    start = slots.starts[slot]
    if careful and refund_overflows(nodes, slots, slot, shares):
        for place in range(len(shares)):
            slots.left[start + place] += shares[place]
            shares[place] = 0
        return BEYOND_INT64
    for place in range(len(shares)):
        node = slots.nodes[start + place]
        after[place] = 0
        if node >= 0:
            add(nodes, node, -shares[place])
            after[place] = nodes.totals[node]
    return CARRIED


@uncounted
def deal_back(delta: int, reverse: bool, largest: bool, slots: Slots, slot: int, shares: Minor, room: Scratch) -> None:
    """Fills what each leaf gets back of the delta, and takes it from what it has left."""
    start, end = slots.starts[slot], slots.starts[slot + 1]
    magnitude = np.uint64(-delta) if delta < 0 else np.uint64(delta)
    if reverse:
        for place in range(end - 1, start - 1, -1):
            still = slots.left[place]
            part = min(magnitude, np.uint64(-still) if still < 0 else np.uint64(still))
            magnitude -= part
            shares[place - start] = np.int64(part)
    else:
        for place in range(start, end):
            room.weights[place - start] = abs(slots.left[place])
        deal(magnitude, room.weights, end - start, largest, shares, room.lost)
    for place in range(start, end):
        if delta < 0:
            shares[place - start] = -shares[place - start]
        slots.left[place] -= shares[place - start]


@uncounted
def refund_overflows(nodes: Nodes, slots: Slots, slot: int, shares: Minor) -> bool:
    """Whether a total would pass 64 bits by giving these shares back: tried, then undone."""
    start, found = slots.starts[slot], False
    for place in range(len(shares)):
        found = add(nodes, slots.nodes[start + place], -shares[place]) or found
    for place in range(len(shares)):
        add(nodes, slots.nodes[start + place], shares[place])
    return found
