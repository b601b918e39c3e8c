"""One-to-one assignment as a proposal: of all largest assignments one that costs least, whatever the budget."""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.assigning import COST_MAX, _cheapest, knots
from everycent.base.engine.kernels.assigning_largest import _largest
from everycent.base.engine.kernels.compiling import kernel

Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

#: Rows on a side of a knot that is weighed as a whole: a million steps, some milliseconds.
_WEIGHED_MAX = 100


def assign_nearest(left: Places, right: Places, costs: Places) -> Flags:
    """Which pairs to propose: bool[n], no two with a row in common, as many as can be.

    left, right: int64[n], each pair's rows, 0 and up on each side; no pair comes twice. costs: int64[n], 0 to COST_MAX.
    In a knot of up to 100 rows on a side their sum is the least; in a larger one each row begins with its cheapest.
    Of what is as good the numbers of the rows decide, so that one thing is proposed; the order of the pairs never does.
    """
    assert len(left) == len(right) == len(costs), "a pair has two rows and a cost"
    assert not len(costs) or (costs.min() >= 0 and costs.max() <= COST_MAX), "costs are 0 to COST_MAX"
    proposed = np.zeros(len(left), dtype=np.bool_)
    if not len(left):
        return proposed
    knot = knots(left, right)
    order = np.lexsort((right, left, knot)).astype(np.int64)
    starts = np.flatnonzero(np.diff(knot[order], prepend=-1, append=knot.max() + 1)).astype(np.int64)
    places = (np.zeros(left.max() + 1, dtype=np.int64), np.zeros(right.max() + 1, dtype=np.int64))
    found, large = np.zeros(len(left), dtype=np.bool_), np.zeros(len(left), dtype=np.bool_)
    _weigh(starts, left[order], right[order], costs[order], *places, found, large)
    proposed[order] = found
    rest = order[large]
    if len(rest):
        proposed[rest] = _from_the_cheapest(left[rest], right[rest], costs[rest])
    return proposed


def _from_the_cheapest(left: Places, right: Places, costs: Places) -> Flags:
    order = np.lexsort((right, costs, left))
    starts = np.searchsorted(left[order], np.arange(int(left.max()) + 2)).astype(np.int64)
    partner = _largest(starts, right[order].astype(np.int64), int(right.max()) + 1)
    return np.asarray(partner[left] == right)


@kernel
def _weigh(
    starts: Places,
    left: Places,
    right: Places,
    costs: Places,
    left_place: Places,
    right_place: Places,
    proposed: Flags,
    large: Flags,
) -> None:
    """Fills proposed, knot by knot: pairs starts[k] to starts[k + 1]; of knots that are too large it fills large.
    left_place and right_place are room, all 0."""
    for knot in range(len(starts) - 1):
        begin, end = starts[knot], starts[knot + 1]
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
        if size > _WEIGHED_MAX:
            large[begin:end] = True
            continue
        nobody = (size + 1) * (dearest + 1)
        table = np.full((size, size), nobody, dtype=np.int64)
        for pair in range(begin, end):
            table[left_place[left[pair]] - 1, right_place[right[pair]] - 1] = costs[pair]
        taken = _cheapest(table)
        for pair in range(begin, end):
            proposed[pair] = taken[left_place[left[pair]] - 1] == right_place[right[pair]] - 1
