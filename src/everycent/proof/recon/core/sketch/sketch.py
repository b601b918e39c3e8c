"""A sketch: what a side's rows leave in a table whose size goes by the differences, not by the rows.

Sketches of the same size and seed add up, shard by shard, and are taken from each other; what is left are the rows that
differ (an invertible Bloom look-up table: Goodrich and Mitzenmacher, 2011; here with multiplicities).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from everycent.base.engine.arrays import read_only
from everycent.proof.recon.core.sketch.cells import COUNT, PLACE_BITS, THIRDS, WIDTH, Cells, Hashes, add, peel

#: Cells for ten differences, so that peeling gets through but for one table in thousands: very many differences
#: need 12.3 cells for ten (Molloy 2005), and more for few.
CELLS_PER_TEN, CELLS_LEAST = 14, 96


@dataclass(frozen=True)
class Differences:
    """What two sides do not have in common, in no order: hashes (48 bits) of keys and rows, and how often each is more
    on the left (negative: on the right). `complete`: nothing was left that could not be told apart."""

    keys: Hashes
    rows: Hashes
    counts: npt.NDArray[np.int64]
    complete: bool


class Sketch:
    """The rows of a side, in THIRDS * m cells of 32 bytes."""

    def __init__(self, cells: Cells, seed: int, rows: int = 0) -> None:
        """cells: uint64[THIRDS * m, WIDTH]. rows: how many they hold."""
        assert cells.shape[1:] == (WIDTH,) and len(cells) % THIRDS == 0, f"{cells.shape} is no table of cells"
        self.cells = cells
        self.seed = seed
        self.rows = rows

    @classmethod
    def empty(cls, differences: int, seed: int) -> "Sketch":
        """Room for so many differing rows, those of both sides counted; at most `most_differences()`."""
        assert differences <= most_differences(), f"a sketch has room for {most_differences():,} differences"
        part = max(CELLS_LEAST, -(-differences * CELLS_PER_TEN // (10 * THIRDS)))
        return cls(np.zeros((part * THIRDS, WIDTH), dtype=np.uint64), seed)

    def add(self, keys: Hashes, rows: Hashes) -> None:
        """Adds rows by the hashes (uint64[n]) of their keys and of all that is compared."""
        add(self.cells, read_only(keys), read_only(rows), np.uint64(self.seed))
        self.rows += len(keys)

    def join(self, other: "Sketch") -> None:
        """Adds another shard's rows to these."""
        self._assert_alike(other)
        self.cells += other.cells
        self.rows += other.rows

    def differences(self, other: "Sketch") -> tuple[Differences, "Sketch"]:
        """What differs from the other side, and what could not be told apart. Changes neither."""
        self._assert_alike(other)
        rest = Sketch(self.cells - other.cells, self.seed)
        room = len(self.cells)  # more rows than cells are never told apart
        keys, rows = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.uint64)
        counts = np.empty(room, dtype=np.int64)
        found = peel(rest.cells, np.uint64(self.seed), keys, rows, counts)
        complete = not rest.cells.any()
        return Differences(keys[:found], rows[:found], counts[:found], complete), rest

    def about_apart(self, other: "Sketch") -> int:
        """About how many rows differ from the other side's, within some percent however many they are. What cancels
        adds nothing to a cell's count; what differs adds one or takes one, so that a count's square tells how many
        such there are (Alon, Matias and Szegedy, 1996). A row that is there several times more counts as more."""
        self._assert_alike(other)
        counts = (self.cells[:, COUNT] - other.cells[:, COUNT]).view(np.int64)
        squares, more = int(np.dot(counts, counts)), self.rows - other.rows
        return max(abs(more), squares // THIRDS - more * more * THIRDS // len(counts))

    def _assert_alike(self, other: "Sketch") -> None:
        assert self.cells.shape == other.cells.shape, "sketches of different sizes do not add up"
        assert self.seed == other.seed, "sketches of different seeds do not add up"


def most_differences() -> int:
    """The most that the largest sketch has room for."""
    return 10 * (THIRDS << PLACE_BITS) // CELLS_PER_TEN
