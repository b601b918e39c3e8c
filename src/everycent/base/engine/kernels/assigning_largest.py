"""One-to-one assignment where all pairs are as good: which pairs every largest assignment has, and which some have.

Nearly linear in the pairs, so it needs no budget. A pair that is taken can be done without where a circle of exchanges
leads back to it, or a chain that ends at a row without a partner (Dulmage and Mendelsohn). Two more nodes close these
chains to circles, one for each side; then what can be exchanged is what is strongly connected.
"""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.assigning import ALWAYS, NEVER, SOMETIMES
from everycent.base.engine.kernels.compiling import kernel

Places = npt.NDArray[np.int64]


def assign_largest(left: Places, right: Places) -> Places:
    """The verdict on each pair, as `assigning.assign` gives it where all costs are 0.

    left, right: int64[n], its rows, 0 and up on each side; no pair comes twice.
    """
    assert len(left) == len(right), "a pair has two rows"
    if not len(left):
        return np.empty(0, dtype=np.int64)
    lefts, rights = int(left.max()) + 1, int(right.max()) + 1
    order = np.argsort(left, kind="stable")
    starts = np.searchsorted(left[order], np.arange(lefts + 1)).astype(np.int64)
    partner = _largest(starts, right[order].astype(np.int64), rights)
    taken = partner[left] == right
    owner = np.full(rights, -1, dtype=np.int64)
    matched = np.flatnonzero(partner >= 0)
    owner[partner[matched]] = matched
    free_left, free_right = np.flatnonzero(partner < 0), np.flatnonzero(owner < 0)
    nobody_left, nobody_right = lefts + rights, lefts + rights + 1
    exchanges = [
        (left[~taken], lefts + right[~taken]),
        (lefts + partner[matched], matched),
        (matched, np.full(len(matched), nobody_left)),
        (np.full(len(free_left), nobody_left), free_left),
        (lefts + free_right, np.full(len(free_right), nobody_right)),
        (np.full(len(matched), nobody_right), lefts + partner[matched]),
    ]
    sources, targets = (np.concatenate(ends).astype(np.int64) for ends in zip(*exchanges, strict=True))
    order = np.argsort(sources, kind="stable")
    nodes = lefts + rights + 2
    part = _strong_parts(np.searchsorted(sources[order], np.arange(nodes + 1)).astype(np.int64), targets[order])
    exchanged = part[left] == part[lefts + right]
    return np.where(exchanged, SOMETIMES, np.where(taken, ALWAYS, NEVER)).astype(np.int64)


@kernel
def _largest(starts: Places, rights_of: Places, rights: int) -> Places:
    """Each left row's partner in a largest assignment, -1: none (Hopcroft and Karp)."""
    lefts = len(starts) - 1
    partner, owner = np.full(lefts, -1, dtype=np.int64), np.full(rights, -1, dtype=np.int64)
    for row in range(lefts):
        for place in range(starts[row], starts[row + 1]):
            if owner[rights_of[place]] < 0:
                partner[row], owner[rights_of[place]] = rights_of[place], row
                break
    layer, queue = np.empty(lefts, dtype=np.int64), np.empty(lefts, dtype=np.int64)
    following, path = np.empty(lefts, dtype=np.int64), np.empty(lefts + 1, dtype=np.int64)
    while _layers(starts, rights_of, partner, owner, layer, queue):
        following[:] = starts[:-1]
        for row in range(lefts):
            if partner[row] < 0:
                _augment(row, starts, rights_of, partner, owner, layer, following, path)
    return partner


@kernel
def _layers(starts: Places, rights_of: Places, partner: Places, owner: Places, layer: Places, queue: Places) -> bool:
    """How many exchanges each left row is from one without a partner; whether a free right row can be reached."""
    layer[:] = -1
    end = 0
    for row in range(len(partner)):
        if partner[row] < 0:
            layer[row] = 0
            queue[end] = row
            end += 1
    reached = False
    at = 0
    while at < end:
        row = queue[at]
        at += 1
        for place in range(starts[row], starts[row + 1]):
            other = owner[rights_of[place]]
            if other < 0:
                reached = True
            elif layer[other] < 0:
                layer[other] = layer[row] + 1
                queue[end] = other
                end += 1
    return reached


@kernel
def _augment(
    first: int,
    starts: Places,
    rights_of: Places,
    partner: Places,
    owner: Places,
    layer: Places,
    following: Places,
    path: Places,
) -> None:
    """Finds the way from a row without a partner to a free right row, layer by layer, and exchanges along it."""
    depth = 0
    path[0] = first
    while depth >= 0:
        row = path[depth]
        if following[row] == starts[row + 1]:
            layer[row] = -1
            depth -= 1
            continue
        right = rights_of[following[row]]
        following[row] += 1
        other = owner[right]
        if other < 0:
            while depth >= 0:
                row = path[depth]
                before = partner[row]
                partner[row], owner[right] = right, row
                right = before
                depth -= 1
            return
        if layer[other] == layer[row] + 1:
            depth += 1
            path[depth] = other


@kernel
def _strong_parts(starts: Places, targets: Places) -> Places:
    """The strongly connected part of each node of a directed graph (Tarjan)."""
    nodes = len(starts) - 1
    seen, lowest = np.full(nodes, -1, dtype=np.int64), np.empty(nodes, dtype=np.int64)
    part = np.full(nodes, -1, dtype=np.int64)
    following = starts[:-1].copy()
    path, stack = np.empty(nodes, dtype=np.int64), np.empty(nodes, dtype=np.int64)
    count = stacked = parts = 0
    for root in range(nodes):
        if seen[root] >= 0:
            continue
        depth = 0
        path[0] = root
        while depth >= 0:
            node = path[depth]
            if seen[node] < 0:
                seen[node] = lowest[node] = count
                count += 1
                stack[stacked] = node
                stacked += 1
            if following[node] < starts[node + 1]:
                target = targets[following[node]]
                following[node] += 1
                if seen[target] < 0:
                    depth += 1
                    path[depth] = target
                elif part[target] < 0:
                    lowest[node] = min(lowest[node], seen[target])
                continue
            if lowest[node] == seen[node]:
                while part[node] < 0:
                    stacked -= 1
                    part[stack[stacked]] = parts
                parts += 1
            depth -= 1
            if depth >= 0:
                lowest[path[depth]] = min(lowest[path[depth]], lowest[node])
    return part
