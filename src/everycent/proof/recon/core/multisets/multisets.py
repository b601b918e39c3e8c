"""Both sides' hashes in memory: which keys have not the same rows on both sides, however many they are."""

from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from everycent.base.engine.arrays import empty
from everycent.base.engine.side_by_side import side_by_side
from everycent.proof.recon.core.multisets.parts import Hashes, Starts, spread, unequal

#: What a row takes.
BYTES_PER_ROW = 16

#: So many rows in a part: its table fits the processor's own cache.
_ROWS_PER_PART, _PARTS_MOST = 12_000, 4_096


class Multisets:
    """Rows of both sides, as hashes of their keys (of which 48 bits count) and of all that is compared."""

    def __init__(self, rows: int) -> None:
        """rows: about how many there will be, of both sides."""
        parts = 1
        while parts * _ROWS_PER_PART < rows and parts < _PARTS_MOST:
            parts *= 2
        self._parts = parts
        self._keys: Hashes = empty(rows, np.uint64)
        self._rows: Hashes = empty(rows, np.uint64)
        self._begins: list[int] = []
        self._starts: list[Starts] = []
        #: How many rows of each side were added.
        self.added = [0, 0]

    def add(self, side: int, keys: Hashes, rows: Hashes) -> None:
        """side: 0 left, 1 right. keys, rows: uint64[n]."""
        begin = sum(self.added)
        end = begin + len(keys)
        if end > len(self._keys):
            self._keys, self._rows = (_longer(each, begin, 2 * end) for each in (self._keys, self._rows))
        starts = np.zeros(self._parts + 1, np.int64)
        spread(
            _read_only(keys), _read_only(rows), np.uint64(side), self._keys[begin:end], self._rows[begin:end], starts
        )
        self._begins.append(begin)
        self._starts.append(starts)
        self.added[side] += len(keys)

    def unequal(self, threads: int) -> tuple[Hashes, npt.NDArray[np.bool_]]:
        """The keys whose rows are not the same on both sides, in no order, and of each whether a side has more than one
        row of it."""
        cuts = [self._parts * each // threads for each in range(threads + 1)]
        begins, starts = np.array(self._begins, np.int64), np.array(self._starts, np.int64)
        starts = starts.reshape(len(begins), self._parts + 1)
        tasks = [
            partial(unequal, self._keys, self._rows, begins, starts, first, last)
            for first, last in pairwise(cuts)
            if first < last
        ]
        found = side_by_side(tasks, threads)
        return np.concatenate([keys for keys, _ in found]), np.concatenate([repeated for _, repeated in found])


def _longer(hashes: Hashes, kept: int, length: int) -> Hashes:
    longer: Hashes = empty(length, np.uint64)
    longer[:kept] = hashes[:kept]
    return longer


def _read_only(hashes: Hashes) -> Hashes:
    """The same memory. Arrow's arrays are read-only and numpy's are not: the kernel is compiled for one of them."""
    view = hashes.view()
    view.flags.writeable = False
    return view
