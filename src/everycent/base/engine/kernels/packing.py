"""Explanations that claim rows: which of them every best choice holds, and which some hold.

A choice takes explanations of which no two claim the same row; the more it takes, the better. Everything is decided
within a knot of explanations that share rows, directly or through others, by a search with a budget of steps.
"""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.assigning import ALWAYS, NEVER, SOMETIMES, UNKNOWN, _root
from everycent.base.engine.kernels.compiling import kernel

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_KNOT_MAX = 1 << 10


def pack(starts: Places, rows: Places, budget: int) -> tuple[Places, Places]:
    """The verdict on each explanation, and the knot that it is in.

    starts: int64[n + 1]; rows[starts[e]:starts[e + 1]] are those that explanation e claims, 0 and up, none of them
    twice. budget: steps for one knot; no knot of more than 1,024 explanations is searched, unless all of them claim
    one row, which decides it. Gives int64[n], a verdict of `assigning` for each, and int64[n], knots from 0 up.
    """
    count = len(starts) - 1
    assert starts[-1] == len(rows), "each row belongs to an explanation"
    assert not count or np.diff(starts).min() > 0, "an explanation claims a row"
    if not count:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    crowd = int(rows.max()) + 1
    knot = np.unique(_knots(starts, rows, crowd), return_inverse=True)[1].astype(np.int64)
    claimed = np.bincount(rows, minlength=crowd).astype(np.int64)
    classes = _classes(starts, rows, claimed)
    order = np.lexsort((classes, knot)).astype(np.int64)
    bounds = np.flatnonzero(np.diff(knot[order], prepend=-1, append=knot.max() + 1)).astype(np.int64)
    verdicts = np.full(count, NEVER, dtype=np.int64)
    _pack(bounds, order, classes, starts, rows, claimed, crowd, budget, verdicts)
    return verdicts, knot


@kernel
def _knots(starts: Places, rows: Places, crowd: int) -> Places:
    parent = np.arange(crowd)
    for explanation in range(len(starts) - 1):
        one = _root(parent, rows[starts[explanation]])
        for place in range(starts[explanation] + 1, starts[explanation + 1]):
            other = _root(parent, rows[place])
            parent[max(one, other)] = min(one, other)
            one = min(one, other)
    roots = np.empty(len(starts) - 1, dtype=np.int64)
    for explanation in range(len(starts) - 1):
        roots[explanation] = _root(parent, rows[starts[explanation]])
    return roots


@kernel
def _classes(starts: Places, rows: Places, claimed: Places) -> Places:
    """Of each explanation the row that most explanations claim; of one class at most one can be taken."""
    classes = np.empty(len(starts) - 1, dtype=np.int64)
    for explanation in range(len(starts) - 1):
        most = rows[starts[explanation]]
        for place in range(starts[explanation] + 1, starts[explanation + 1]):
            row = rows[place]
            if claimed[row] > claimed[most] or (claimed[row] == claimed[most] and row < most):
                most = row
        classes[explanation] = most
    return classes


@kernel
def _pack(
    bounds: Places,
    order: Places,
    classes: Places,
    starts: Places,
    rows: Places,
    claimed: Places,
    crowd: int,
    budget: int,
    verdicts: Places,
) -> None:
    """Fills verdicts. A knot's explanations are order[bounds[k]:bounds[k + 1]], class by class."""
    seen = np.zeros(crowd, dtype=np.bool_)
    for knot in range(len(bounds) - 1):
        members = order[bounds[knot] : bounds[knot + 1]]
        if len(members) == 1:
            verdicts[members[0]] = ALWAYS
            continue
        if claimed[classes[members[0]]] == len(members):
            verdicts[members] = SOMETIMES
            continue
        if len(members) > _KNOT_MAX or len(members) * len(members) > budget:
            verdicts[members] = UNKNOWN
            continue
        conflicts = _conflicts(members, starts, rows, seen)
        class_starts = np.zeros(len(members) + 1, dtype=np.int64)
        count = 0
        for place in range(1, len(members) + 1):
            if place == len(members) or classes[members[place]] != classes[members[place - 1]]:
                count += 1
                class_starts[count] = place
        found = _decided(conflicts, class_starts[: count + 1], budget)
        for place in range(len(members)):
            verdicts[members[place]] = found[place]


@kernel
def _conflicts(members: Places, starts: Places, rows: Places, seen: Flags) -> Flags:
    """Which explanations share a row; `seen` is room, all false before and after."""
    conflicts = np.zeros((len(members), len(members)), dtype=np.bool_)
    for one in range(len(members)):
        for place in range(starts[members[one]], starts[members[one] + 1]):
            seen[rows[place]] = True
        for other in range(len(members)):
            for place in range(starts[members[other]], starts[members[other] + 1]):
                conflicts[one, other] = conflicts[one, other] or seen[rows[place]]
        for place in range(starts[members[one]], starts[members[one] + 1]):
            seen[rows[place]] = False
    return conflicts


@kernel
def _decided(conflicts: Flags, class_starts: Places, budget: int) -> Places:
    """The verdicts of one knot."""
    count = len(conflicts)
    verdicts = np.full(count, UNKNOWN, dtype=np.int64)
    steps = count * count
    best, taken = _search(conflicts, class_starts, -1, -1, 0, len(class_starts) - 1, budget - steps)
    steps += taken
    if steps > budget:
        return verdicts
    found = np.empty(count, dtype=np.int64)
    for one in range(count):
        with_it, taken = _search(conflicts, class_starts, one, -1, best - 1, best, budget - steps)
        steps += taken
        without, taken = _search(conflicts, class_starts, -1, one, best - 1, best, budget - steps)
        steps += taken
        if steps > budget:
            return verdicts
        found[one] = NEVER if with_it < best else ALWAYS if without < best else SOMETIMES
    return found


@kernel
def _search(
    conflicts: Flags, class_starts: Places, forced: int, excluded: int, known: int, goal: int, budget: int
) -> tuple[int, int]:
    """(how many can be taken, where that is more than `known`, and at most `goal`; the steps).

    The forced one is taken, the excluded one is not. Class by class: one of its free members, or none.
    """
    count, classes = len(conflicts), len(class_starts) - 1
    blocked = np.zeros(count, dtype=np.int64)
    tried = np.empty(classes + 1, dtype=np.int64)  # by class: the member that is taken; its end: none is
    best, taken, steps = known, 0, 0
    if forced >= 0:
        blocked += conflicts[forced]
        taken = 1
    if excluded >= 0:
        blocked[excluded] += 1
    depth = 0
    tried[0] = class_starts[0] - 1
    while depth >= 0:
        steps += 1
        if depth == classes:
            best = max(best, taken)
            depth -= 1
            if best >= goal:
                break
            continue
        begin, end = class_starts[depth], class_starts[depth + 1]
        if begin <= tried[depth] < end:
            blocked -= conflicts[tried[depth]]
            taken -= 1
            steps += count
        if steps > budget:
            break
        if tried[depth] == end or taken + classes - depth <= best:
            depth -= 1
            continue
        tried[depth] += 1
        while tried[depth] < end and blocked[tried[depth]] > 0:
            tried[depth] += 1
        if tried[depth] < end:
            blocked += conflicts[tried[depth]]
            taken += 1
            steps += count
        depth += 1
        if depth < classes:
            tried[depth] = class_starts[depth] - 1
    return best, steps
