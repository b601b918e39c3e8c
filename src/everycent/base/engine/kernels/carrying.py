"""Who carries what: charges shared under caps in strict order, on two levels, and refunds of what was carried.

Totals live in *nodes*: each pot is a block of them, its root first (the whole pot), then groups, then leaves. A node's
total is the sum of its children's. A cap bounds the total; what a node may still take is its room.

All arithmetic is exact. The odd units of one amount are handed out as `kernels.allotment` does.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.kernels.carrying_loop import carry_in_order, deal_out
from everycent.base.engine.kernels.carrying_packed import pack, scratch_of
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
    Minor,
    Nodes,
    Places,
    Slots,
    Terms,
)

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
    "Slots",
    "Terms",
    "carry",
]


def carry(terms: Terms, nodes: Nodes, events: Events, slots: Slots, threads: int = 1) -> Carried:
    """Carries each event in its order; those of different pots side by side, which changes no byte.

    Changes `nodes.totals` and `slots` in place. Refunds must not ask for more than their original's leaves have left.
    """
    count, width = len(events.amounts), int(events.starts[-1])
    events = Events(*map(_read_only, events))
    out = Carried(
        _room(width),
        _room(width),
        np.zeros(count, dtype=np.int8),
        np.zeros(count, dtype=np.int64),
    )
    packed, careful, widest = pack(terms), _may_overflow(nodes, events), _widest(terms, slots)
    order, cuts = _dealt_out(events.roots, len(nodes.totals), threads)
    if len(cuts) == 2:
        carry_in_order(packed, nodes, events, slots, out, order, careful, scratch_of(widest))
        return out
    with ThreadPoolExecutor(threads) as pool:
        parts = [order[start:end] for start, end in pairwise(cuts)]
        runs = [
            pool.submit(carry_in_order, packed, nodes, events, slots, out, part, careful, scratch_of(widest))
            for part in parts
        ]
    for run in runs:
        run.result()
    return out


def _room(count: int) -> Minor:
    """Room for numbers, from Arrow's pool: what was given back there is handed out again at once, while numpy asks the
    system for each large array anew, which takes as long as the kernel's own work."""
    return np.frombuffer(pa.allocate_buffer(8 * count), dtype=np.int64) if count else np.empty(0, dtype=np.int64)


def _may_overflow(nodes: Nodes, events: Events) -> bool:
    """Whether a total could pass 64 bits on the way, all amounts taken at the largest."""
    return _largest(nodes.totals) + _largest(events.amounts) * len(events.amounts) > UNBOUNDED


def _largest(values: Minor) -> int:
    return max(abs(int(values.min())), abs(int(values.max()))) if len(values) else 0


def _dealt_out(roots: Places, nodes: int, threads: int) -> tuple[Places, list[int]]:
    """The events in order, one thread's after the other's, and where each thread's begin. A pot is one thread's."""
    if threads == 1 or len(roots) == 0:
        return np.arange(len(roots)), [0, len(roots)]
    order, cuts = np.empty(len(roots), dtype=np.int64), np.zeros(threads + 1, dtype=np.int64)
    deal_out(roots, np.zeros(nodes + 2, dtype=np.int64), order, cuts, np.empty(threads, dtype=np.int64))
    return order, cuts.tolist()


def _read_only(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same memory. Arrow's arrays are read-only and numpy's are not: the kernel is compiled for one of them."""
    view = values.view()
    view.flags.writeable = False
    return view


def _widest(terms: Terms, slots: Slots) -> int:
    charges = np.diff(terms.leaf_starts[terms.bearer_starts]) if len(terms.in_order) else np.zeros(1, dtype=np.int64)
    return int(max(charges.max(), np.diff(slots.starts).max(initial=0), np.diff(terms.bearer_starts).max(initial=0)))
