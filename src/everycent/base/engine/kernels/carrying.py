"""Who carries what: charges shared under caps in strict order, on two levels, and refunds of what was carried.

Totals live in *nodes*: each pot is a block of them, its root first (the whole pot), then groups, then leaves. A node's
total is the sum of its children's. A cap bounds the total; what a node may still take is its room.

All arithmetic is exact. The odd units of one amount are handed out as `kernels.allotment` does.
"""

from functools import partial
from itertools import pairwise

import numpy as np

from everycent.base.engine.arrays import empty, read_only
from everycent.base.engine.kernels.carrying_loop import carry_pots
from everycent.base.engine.kernels.carrying_packed import Packed, pack, scratch_of
from everycent.base.engine.kernels.carrying_totals import largest
from everycent.base.engine.kernels.carrying_types import (
    BEYOND_INT64,
    CARRIED,
    HELD,
    HOLD,
    NO_NODES,
    NO_SLOTS,
    ORIGINAL_NOT_CARRIED,
    REFUSE,
    REFUSED,
    UNBOUNDED,
    Carried,
    Events,
    Nodes,
    Places,
    Slots,
    Terms,
)
from everycent.base.engine.side_by_side import side_by_side

__all__ = [
    "BEYOND_INT64",
    "CARRIED",
    "HELD",
    "HOLD",
    "NO_NODES",
    "NO_SLOTS",
    "ORIGINAL_NOT_CARRIED",
    "REFUSE",
    "REFUSED",
    "UNBOUNDED",
    "Carried",
    "Events",
    "Nodes",
    "Packed",
    "Slots",
    "Terms",
    "carry",
    "pack",
]


#: So many events tell how pots are dealt out to threads: each gets its part of all within two in a hundred or so.
_TOLD_BY = 1_024
_BEFORE_ALL = -1  # an event without a pot has this root


def carry(terms: Packed, nodes: Nodes, events: Events, slots: Slots, threads: int = 1) -> Carried:
    """Carries each event in its order; those of different pots side by side, which changes no byte.

    Changes `nodes.totals` and `slots` in place. Refunds must not ask for more than their original's leaves have left.
    """
    count, width = len(events.amounts), int(events.starts[-1])
    events = Events(*map(read_only, events))
    out = Carried(
        empty(width, np.int64),
        empty(width, np.int64),
        empty(count, np.int8),
        empty(count, np.int64),
    )
    out.states.fill(CARRIED)
    out.rests.fill(0)
    careful = _may_overflow(nodes, events)
    widest = max(terms.widest, int(np.diff(slots.starts).max())) if len(slots.carried) else terms.widest

    def work(first: int, end: int) -> None:
        scratch, order = scratch_of(widest), empty(count, np.int64)
        carry_pots(terms, nodes, events, slots, out, careful, first, end, order, scratch)

    side_by_side([partial(work, first, end) for first, end in pairwise(_bounds(events.roots, threads))], threads)
    return out


def _may_overflow(nodes: Nodes, events: Events) -> bool:
    """Whether a total could pass 64 bits on the way, all amounts taken at the largest."""
    return int(largest(nodes.totals)) + int(largest(events.amounts)) * len(events.amounts) > UNBOUNDED


def _bounds(roots: Places, threads: int) -> list[int]:
    """Where the pots of each thread begin, by their first nodes, and behind the last one: ranges of about as many
    events each, as some of them tell."""
    some = np.sort(roots[:: len(roots) // _TOLD_BY + 1])
    inner = [int(some[len(some) * thread // threads]) for thread in range(1, threads)] if len(some) else []
    return [_BEFORE_ALL, *inner, *[UNBOUNDED] * (threads - len(inner))]
