"""One-to-one assignment with ties, solved exactly: which pairs every best assignment has, and which some have.

An assignment is better when it has more pairs; of as many, when it costs less, by more than a margin. Everything is
decided within a knot: rows that compete for each other, directly or through others. What comes out depends on neither
the order of the pairs nor the numbering of the rows.
"""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.compiling import kernel

Places = npt.NDArray[np.int64]

#: A pair's verdict: in no best assignment, in each of them, in some, not found out within the budget.
NEVER, ALWAYS, SOMETIMES, UNKNOWN = range(4)

#: Above any sum of costs, and twice that fits 64 bits with room.
COST_MAX = 1 << 40
_ROWS_MAX = 1 << 10


def knots(left: Places, right: Places) -> Places:
    """Which pairs hang together, directly or through others that share a row with them.

    left, right: int64[n], the rows of each pair, 0 and up on each side. Gives int64[n]: the knot of each, 0 and up.
    """
    assert len(left) == len(right), "a pair has two rows"
    if not len(left):
        return np.empty(0, dtype=np.int64)
    roots = _roots(left, right + left.max() + 1, int(left.max() + right.max() + 2))
    found: Places = np.unique(roots, return_inverse=True)[1].astype(np.int64)
    return found


def assign(left: Places, right: Places, costs: Places, margin: int, budget: int) -> Places:
    """The verdict on each pair.

    left, right: int64[n], its rows, 0 and up on each side; no pair comes twice. costs: int64[n], 0 to COST_MAX.
    margin: assignments that cost at most this much more than the cheapest are as good. budget: steps per knot, of which
    it needs twice the cube of the rows on its larger side; no knot of more than 1,023 rows on a side is tried.
    """
    assert len(left) == len(right) == len(costs), "a pair has two rows and a cost"
    assert not len(costs) or (costs.min() >= 0 and costs.max() <= COST_MAX), "costs are 0 to COST_MAX"
    assert 0 <= margin <= COST_MAX, "so is the margin"
    verdicts = np.full(len(left), NEVER, dtype=np.int64)
    if len(left):
        knot = knots(left, right)
        order = np.argsort(knot, kind="stable")
        starts = np.flatnonzero(np.diff(knot[order], prepend=-1, append=knot.max() + 1)).astype(np.int64)
        places = (np.zeros(left.max() + 1, dtype=np.int64), np.zeros(right.max() + 1, dtype=np.int64))
        given = (left[order].astype(np.int64), right[order].astype(np.int64), costs[order].astype(np.int64))
        found = np.full(len(left), NEVER, dtype=np.int64)
        _assign(starts, *given, margin, budget, *places, found)
        verdicts[order] = found
    return verdicts


@kernel
def _roots(left: Places, right: Places, rows: int) -> Places:
    """Each pair's representative among `rows` rows, which both sides number together."""
    parent = np.arange(rows)
    for pair in range(len(left)):
        one, other = _root(parent, left[pair]), _root(parent, right[pair])
        if one < other:
            parent[other] = one
        else:
            parent[one] = other
    roots = np.empty(len(left), dtype=np.int64)
    for pair in range(len(left)):
        roots[pair] = _root(parent, left[pair])
    return roots


@kernel
def _root(parent: Places, row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


@kernel
def _assign(
    starts: Places,
    left: Places,
    right: Places,
    costs: Places,
    margin: int,
    budget: int,
    left_place: Places,
    right_place: Places,
    verdicts: Places,
) -> None:
    """Fills verdicts, knot by knot: pairs starts[k] to starts[k + 1]. left_place and right_place are room, all 0."""
    for knot in range(len(starts) - 1):
        begin, end = starts[knot], starts[knot + 1]
        if end - begin == 1:
            verdicts[begin] = ALWAYS
            continue
        lefts = rights = 0
        dearest = 0
        for pair in range(begin, end):
            if left_place[left[pair]] == 0:
                lefts += 1
                left_place[left[pair]] = lefts
            if right_place[right[pair]] == 0:
                rights += 1
                right_place[right[pair]] = rights
            dearest = max(dearest, costs[pair])
        size = max(lefts, rights)
        if size >= _ROWS_MAX or 2 * size * size * size > budget:
            verdicts[begin:end] = UNKNOWN
            continue
        nobody = (size + 1) * (dearest + 1) + margin + 1
        table = np.full((size, size), nobody, dtype=np.int64)
        for pair in range(begin, end):
            table[left_place[left[pair]] - 1, right_place[right[pair]] - 1] = costs[pair]
        taken = _cheapest(table)
        extra = _extra(table, taken)
        for pair in range(begin, end):
            row, column = left_place[left[pair]] - 1, right_place[right[pair]] - 1
            if extra[row, column] <= margin:
                verdicts[pair] = SOMETIMES
            if taken[row] == column and extra[row, column] > margin:
                verdicts[pair] = ALWAYS


@kernel
def _cheapest(table: Places) -> Places:
    """The column of each row in a cheapest assignment of a square table: rows enter one by one, each by the cheapest
    augmenting path under prices that keep all reduced costs at 0 or more (Kuhn and Munkres; Jonker and Volgenant)."""
    size = len(table)
    nothing = np.int64(1) << 62
    row_price, column_price = np.zeros(size, dtype=np.int64), np.zeros(size + 1, dtype=np.int64)
    owner = np.full(size + 1, -1, dtype=np.int64)  # of each column; the last stands for the entering row's start
    came_from = np.empty(size + 1, dtype=np.int64)
    for entering in range(size):
        owner[size] = entering
        column = size
        slack = np.full(size, nothing, dtype=np.int64)
        visited = np.zeros(size + 1, dtype=np.bool_)
        while owner[column] >= 0:
            visited[column] = True
            row, step, following = owner[column], nothing, -1
            for other in range(size):
                if visited[other]:
                    continue
                reduced = table[row, other] - row_price[row] - column_price[other]
                if reduced < slack[other]:
                    slack[other] = reduced
                    came_from[other] = column
                if slack[other] < step:
                    step = slack[other]
                    following = other
            for other in range(size + 1):
                if visited[other]:
                    row_price[owner[other]] += step
                    column_price[other] -= step
                elif other < size:
                    slack[other] -= step
            column = following
        while column != size:
            owner[column] = owner[came_from[column]]
            column = came_from[column]
    taken = np.empty(size, dtype=np.int64)
    for column in range(size):
        taken[owner[column]] = column
    return taken


@kernel
def _extra(table: Places, taken: Places) -> Places:
    """What it costs, beyond the cheapest, to have a pair; and for a pair that is taken, to do without it.

    A row that moves to another's column pushes that row on, until a circle closes. `path[i, j]` is what the cheapest
    moves cost that begin with row i and end where row j is pushed out (Floyd and Warshall); no circle is below 0.
    """
    size = len(table)
    path = np.empty((size, size), dtype=np.int64)
    for row in range(size):
        for other in range(size):
            path[row, other] = table[row, taken[other]] - table[row, taken[row]]
    for between in range(size):
        for row in range(size):
            first = path[row, between]
            for other in range(size):
                through = first + path[between, other]
                if through < path[row, other]:
                    path[row, other] = through
    extra = np.empty((size, size), dtype=np.int64)
    for row in range(size):
        cheapest = np.int64(1) << 62
        for other in range(size):
            if other != row:
                move = table[row, taken[other]] - table[row, taken[row]] + path[other, row]
                extra[row, taken[other]] = move
                cheapest = min(cheapest, move)
        extra[row, taken[row]] = cheapest
    return extra
