"""Terms as the kernels read them: three tables of numbers, and room to work in."""

from typing import NamedTuple

import numpy as np

from everycent.base.engine.arrays import empty
from everycent.base.engine.kernels.carrying_types import Minor, Terms, Unsigned


class Packed(NamedTuple):
    """Terms as three tables, one row for each charge, bearer, leaf: what is used together lies together.

    `widest`: the most bearers or leaves of one charge.
    """

    charges: Minor
    bearers: Minor
    leaves: Minor
    widest: int


class Scratch(NamedTuple):
    """Room to work in, as wide as the most bearers or leaves of one charge."""

    rooms: Minor
    taken: Minor
    leaf_rooms: Minor
    weights: Minor
    given: Minor
    lost: Unsigned


def scratch_of(widest: int) -> Scratch:
    """Room for one thread. widest: the most bearers or leaves of one charge.

    No cache line of it is another thread's too: two that wrote beside each other took up to twice the time.
    """
    lines = widest // _LINE + 2
    rooms, taken, leaf_rooms, weights, given, lost = empty((6, lines * _LINE), np.int64)
    return Scratch(rooms, taken, leaf_rooms, weights, given, lost.view(np.uint64))


#: Integers in a cache line of 64 bytes.
_LINE = 8

#: The columns of charges. LAST and CAP as in Terms; INVERSE is 2**32 // TOTAL, of the weights.
FIRST, END, LEAF, LEAF_END, IN_ORDER, CUT, REVERSE, LARGEST, LAST, CAP, TOTAL, INVERSE, QUICK = range(13)
#: Of bearers and leaves. MOST: the cap; LEAST: the room without which a share is not dealt.
WEIGHT, NODE, MOST, LEAST = range(4)
#: Of bearers: their leaves, the sum of these leaves' weights and 2**32 // SUM.
BEGIN, STOP, SUM, INVERTED, LIMIT, TURN = range(4, 10)
#: Of a bearer's last leaf: its group's node, -1 for none; of others 0.
ABOVE, GROUP_MOST, GROUP_LEAST = range(4, 7)

#: Amounts and sums of weights below this are shared by the quick way: their products fit 64 bits.
QUICK_MAX = 1 << 31


def pack(terms: Terms) -> Packed:
    """The tables of these terms."""
    first, end = terms.bearer_starts[:-1], terms.bearer_starts[1:]
    begin, stop = terms.leaf_starts[:-1], terms.leaf_starts[1:]
    among = np.concatenate([[0], np.cumsum(terms.leaf_weights)])
    sums = among[stop] - among[begin]
    so_far = np.concatenate([[0], np.cumsum(terms.weights)])
    totals = so_far[end] - so_far[first]
    quick = ~terms.in_order & (totals > 0) & (totals < QUICK_MAX)
    for charge in range(len(first)):
        quick[charge] &= (sums[first[charge] : end[charge]] < QUICK_MAX).all()
    flags = [flag.astype(np.int64) for flag in (terms.in_order, terms.cut, terms.reverse, terms.largest)]
    whole, cut = 1 << 32, np.repeat(terms.cut, end - first)
    least = (terms.weights > 0) & ~cut
    leaf_least = (terms.leaf_weights > 0) & ~np.repeat(cut, stop - begin)
    above = np.zeros((3, len(terms.leaf_weights)), dtype=np.int64)
    is_group = terms.leaf_nodes[begin] != terms.nodes
    above[:, stop - 1] = np.where(is_group, terms.nodes, -1), terms.caps, least
    leaf_least[begin[~is_group]] = least[~is_group]
    charges = [
        first,
        end,
        terms.leaf_starts[first],
        terms.leaf_starts[end],
        *flags,
        terms.last,
        terms.root_caps,
        totals,
    ]
    bearers = [terms.weights, terms.nodes, terms.caps, least.astype(np.int64), begin, stop, sums]
    return Packed(
        np.column_stack([*charges, whole // np.maximum(totals, 1), quick.astype(np.int64)]),
        np.column_stack([*bearers, whole // np.maximum(sums, 1), terms.limits, terms.turns]),
        np.column_stack([terms.leaf_weights, terms.leaf_nodes, terms.leaf_caps, leaf_least.astype(np.int64), *above]),
        max(int(width.max(initial=1)) for width in (end - first, terms.leaf_starts[end] - terms.leaf_starts[first])),
    )
