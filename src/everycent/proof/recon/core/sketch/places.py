"""Where rows were when they were read: 32 bits of each key's hash, in the order of reading, four bytes a row.

A key that is looked for is met by its own rows, and by one in 4,294,967,296 others by chance.
"""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.arrays import empty, read_only
from everycent.base.engine.kernels.compiling import kernel
from everycent.proof.recon.core.sketch.cells import HASH_BITS, Hashes

#: What a row takes.
BYTES_PER_ROW = 4

#: The bits of a key's hash that are kept are the first of those that count.
PREFIX_SHIFT = HASH_BITS - 8 * BYTES_PER_ROW

#: A table of bits tells most rows of other keys apart at once: it fits the processor's own cache.
_BITS = 20

Prefixes = npt.NDArray[np.uint32]
Rows = npt.NDArray[np.int64]


class Places:
    """The rows of a side in the order in which they were read."""

    def __init__(self, rows: int) -> None:
        """rows: how many there will be."""
        self._prefixes: Prefixes = empty(rows, np.uint32)
        self._read = 0

    def add(self, keys: Hashes) -> None:
        """Adds the next rows by the hashes (uint64[n]) of their keys."""
        note(read_only(keys), self._prefixes[self._read : self._read + len(keys)])
        self._read += len(keys)

    def of(self, keys: Hashes) -> Rows:
        """The numbers, from 0 and rising, of the rows that have one of these keys (hashes), and of few others."""
        assert self._read == len(self._prefixes), "a side has other rows than were counted"
        wanted = np.unique(prefixes_of(keys))
        return met(read_only(self._prefixes), read_only(wanted))


def prefixes_of(keys: Hashes) -> Prefixes:
    """What is kept of the hashes of keys."""
    return (keys >> np.uint64(PREFIX_SHIFT)).astype(np.uint32)


@kernel
def note(keys: Hashes, prefixes: Prefixes) -> None:
    """Fills prefixes (uint32[n]) from the hashes of keys (uint64[n])."""
    for at in range(len(keys)):
        prefixes[at] = np.uint32((keys[at] >> np.uint64(PREFIX_SHIFT)) & np.uint64(0xFFFFFFFF))


@kernel
def met(prefixes: Prefixes, wanted: Prefixes) -> Rows:
    """Where in prefixes one of the wanted (in rising order, each once) stands."""
    words, shift = np.zeros(1 << (_BITS - 5), np.uint32), np.uint32(32 - _BITS)
    one, five, low = np.uint32(1), np.uint32(5), np.uint32(31)
    for at in range(len(wanted)):
        bit = wanted[at] >> shift
        words[bit >> five] |= one << (bit & low)
    found, count = np.empty(1024, np.int64), 0
    for row in range(len(prefixes)):
        bit = prefixes[row] >> shift
        if words[bit >> five] & (one << (bit & low)) == 0:
            continue
        low_at, high_at = 0, len(wanted)
        while low_at < high_at:
            middle = (low_at + high_at) // 2
            if wanted[middle] < prefixes[row]:
                low_at = middle + 1
            else:
                high_at = middle
        if low_at < len(wanted) and wanted[low_at] == prefixes[row]:
            if count == len(found):
                found = np.append(found, np.empty_like(found))
            found[count] = row
            count += 1
    return found[:count]
