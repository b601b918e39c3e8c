"""What goes into carrying, and what comes out of it: see `kernels.carrying`."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Minor = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
States = npt.NDArray[np.int8]
Unsigned = npt.NDArray[np.uint64]

#: No cap, no limit.
UNBOUNDED = np.iinfo(np.int64).max

#: What `Terms.last` says where nobody takes the rest, and how an event ends: carried, or not and why not.
CARRIED, HELD, REFUSED, BEYOND_INT64, ORIGINAL_NOT_CARRIED = range(5)
HOLD, REFUSE = -HELD, -REFUSED


class Terms(NamedTuple):
    """How c kinds of charges are shared: b bearers in all on the first level, l leaves in all, in declared order.

    `bearer_starts`: int64[c + 1]; `leaf_starts`: int64[b + 1], one leaf for a bearer that is not split again.
    `in_order`: bool[c], in order rather than by weight. `cut`: bool[c], what does not fit goes to the last, not to the
    others. `reverse`: bool[c], refunds go to the last leaf first. `largest`: bool[c], odd units by largest remainder.
    `last`: int64[c], the bearer (its place in the charge) that takes the rest; HOLD or REFUSE where none does.
    `weights`, `limits`, `turns`: int64[b], share by weight, or up to the limit in these turns (places in the charge).
    `nodes`, `leaf_nodes`: where their totals are in a pot's block. `leaf_weights`: int64[l]. `root_caps`: int64[c],
    `caps`: int64[b], `leaf_caps`: int64[l]: the caps of these totals, UNBOUNDED for none.
    """

    bearer_starts: Places
    leaf_starts: Places
    in_order: Flags
    cut: Flags
    reverse: Flags
    largest: Flags
    last: Places
    weights: Minor
    limits: Minor
    turns: Places
    nodes: Places
    leaf_weights: Minor
    leaf_nodes: Places
    root_caps: Minor
    caps: Minor
    leaf_caps: Minor


class Nodes(NamedTuple):
    """m nodes: `totals` int64[m], minor units, changed in place; `parents` int64[m], -1 of a root."""

    totals: Minor
    parents: Places


class Events(NamedTuple):
    """n charges and refunds in strict order.

    `amounts`: int64[n]; of a refund what it gives back, in its original's sign. `terms`: int64[n], places in Terms.
    `roots`: int64[n], the pot's block, as its first node; -1 where there is none. `slots`: int64[n], the original whose
    shares a refund gives back; of a charge, the slot where its shares are kept for refunds to come, -1 for none.
    `is_refund`: bool[n]. `starts`: int64[n + 1], where the shares of each begin.
    """

    amounts: Minor
    terms: Places
    roots: Places
    slots: Places
    is_refund: Flags
    starts: Places


class Slots(NamedTuple):
    """s originals: `left` int64[k], what each of their leaves still carries, between starts[j] and starts[j + 1].

    `nodes`: int64[k], each leaf's node, -1 where it has none. `carried`: bool[s], false until the charge is.
    `left`, `nodes` and `carried` of a charge among the events are filled in when it is carried.
    """

    starts: Places
    left: Minor
    nodes: Places
    carried: Flags


NO_NODES = Nodes(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
NO_SLOTS = Slots(
    np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
)


class Carried(NamedTuple):
    """`shares`, `after`: int64[starts[n]], each leaf's share (of a refund: what it gets back, in the original's sign)
    and its total after it. `states`: int8[n]. `rests`: int64[n], what nobody had room for."""

    shares: Minor
    after: Minor
    states: States
    rests: Minor
