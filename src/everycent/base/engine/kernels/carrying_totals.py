"""Totals of nodes: what a charge adds to them, and whether they would pass 64 bits."""

import numpy as np

from everycent.base.engine.kernels.carrying_packed import BEGIN, END, FIRST, LEAF, LEAF_END, NODE, STOP
from everycent.base.engine.kernels.carrying_types import Minor, Nodes, Slots
from everycent.base.engine.kernels.compiling import uncounted


@uncounted
def book(
    charges: Minor,
    bearers: Minor,
    leaves: Minor,
    totals: Minor,
    how: int,
    root: int,
    shares: Minor,
    after: Minor,
    at: int,
) -> None:
    """Adds the shares, from shares[at] on, to their leaves, their groups and the pot."""
    base = charges[how, LEAF] - at
    if root < 0:
        after[at : charges[how, LEAF_END] - base] = 0
        return
    whole = np.int64(0)
    for bearer in range(charges[how, FIRST], charges[how, END]):
        begin, stop, group = bearers[bearer, BEGIN], bearers[bearer, STOP], np.int64(0)
        for leaf in range(begin, stop):
            node, share = root + leaves[leaf, NODE], shares[leaf - base]
            total = totals[node] + share
            totals[node] = total
            after[leaf - base] = total
            group += share
        if leaves[begin, NODE] != bearers[bearer, NODE]:
            totals[root + bearers[bearer, NODE]] += group
        whole += group
    totals[root] += whole


@uncounted
def overflows(charges: Minor, leaves: Minor, nodes: Nodes, how: int, root: int, shares: Minor) -> bool:
    """Whether a total would pass 64 bits by shares of one sign: tried on each node and all above, then undone."""
    if root < 0:
        return False
    base, found = charges[how, LEAF], False
    for place in range(len(shares)):
        found = add(nodes, root + leaves[base + place, NODE], shares[place]) or found
    for place in range(len(shares)):
        add(nodes, root + leaves[base + place, NODE], -shares[place])
    return found


@uncounted
def add(nodes: Nodes, node: int, more: int) -> bool:
    """Adds to a node and all above, wrapping around. Gives whether a total passed 64 bits."""
    passed = False
    while node >= 0:
        old = nodes.totals[node]
        new = old + more
        nodes.totals[node] = new
        passed = passed or (old ^ new) & (more ^ new) < 0
        node = nodes.parents[node]
    return passed


@uncounted
def keep(charges: Minor, leaves: Minor, how: int, root: int, slots: Slots, slot: int, shares: Minor) -> None:
    """Keeps a charge's shares for its refunds."""
    start, leaf = slots.starts[slot], charges[how, LEAF]
    for place in range(len(shares)):
        slots.left[start + place] = shares[place]
        slots.nodes[start + place] = -1 if root < 0 else root + leaves[leaf + place, NODE]
    slots.carried[slot] = True


@uncounted
def largest(values: Minor) -> np.uint64:
    """The largest magnitude, 0 of none."""
    found = np.uint64(0)
    for value in values:
        found = max(found, np.uint64(value if value >= 0 else -value))
    return found
