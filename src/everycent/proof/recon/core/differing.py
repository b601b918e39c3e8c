"""Pass one: the rows that differ between two sides, found without joining them.

Each side is read once; every row goes, by a hash of its key and one of all that is compared, into a sketch
(`sketch.Sketch`). What does not cancel differs, and only the rows of those keys are read again. Where more differs than
a sketch is good for, there is no pass one: a join is the better way then.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.arrays import fixed
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.proof.recon.core.sketch.cells import HASH_BITS, Hashes
from everycent.proof.recon.core.sketch.sketch import Differences, Sketch

#: Sides with fewer rows are compared at once.
ROWS_LEAST = 200_000

#: Room for so many differences costs no more than room for one: the cells stay in the processor's own cache.
ROOM_LEAST = 12_000

#: Where more than one row in so many differs, joining them takes less time.
ONE_IN_LEAST = 70

#: So many rows of each side are looked at before the rest, and of those one key in so many.
LOOKED_AT, ONE_IN = 500_000, 16

_ROWS_PER_READ = 500_000
_SEED = 1


def differing(
    left: str, right: str, compared: Sequence[str], rows: tuple[int, int], engine: LocalEngine
) -> pa.Table | None:
    """The hashes (`k`, see `key_hash_sql`) of the keys whose rows are not the same on both sides; None where a join is
    the better way.

    left, right: tables or views of the engine, with the column key and the compared columns. rows: how many each has.
    """
    if max(rows) < ROWS_LEAST:
        return None
    sides = [_hashes(side, compared, engine) for side in (left, right)]
    begun = [_begin(side) for side in sides]
    expected = _expected(begun, rows)
    if expected * ONE_IN_LEAST > sum(rows):
        return None
    room = max(ROOM_LEAST, 2 * expected)
    sketches = []
    for first, rest in zip(begun, sides, strict=True):
        sketch = Sketch.empty(room, _SEED)
        for keys, hashed in chain(first, rest):
            sketch.add(keys, hashed)
        sketches.append(sketch)
    assert [sketch.rows for sketch in sketches] == list(rows), "a side has other rows than were counted"
    found, _ = sketches[0].differences(sketches[1])
    return _wanted(found) if found.complete else None


def key_hash_sql(key: str) -> str:
    """SQL for the hash of a key that `differing` gives. It is the engine's own: it holds for this process alone."""
    return f"(hash({key}) & {(1 << HASH_BITS) - 1})"


def _wanted(found: Differences) -> pa.Table:
    return pa.table({"k": np.unique(found.keys)})


def _hashes(side: str, compared: Sequence[str], engine: LocalEngine) -> Iterator[tuple[Hashes, Hashes]]:
    """Of each row the hash of its key, and of its key and all that is compared; as they are read."""
    columns = ", ".join(identifier(name) for name in compared)
    reader = engine.reader(
        f"SELECT k, hash(k, {columns}) AS r FROM (SELECT hash(key) AS k, {columns} FROM {identifier(side)})",
        rows_per_read=_ROWS_PER_READ,
    )
    for batch in reader:
        yield fixed(batch.column("k"), np.uint64), fixed(batch.column("r"), np.uint64)


def _begin(side: Iterator[tuple[Hashes, Hashes]]) -> list[tuple[Hashes, Hashes]]:
    """The first rows of a side."""
    begun, rows = [], 0
    while rows < LOOKED_AT and (part := next(side, None)) is not None:
        begun.append(part)
        rows += len(part[0])
    return begun


def _expected(begun: Sequence[Sequence[tuple[Hashes, Hashes]]], rows: tuple[int, int]) -> int:
    """About how many rows differ: of the keys that were seen on both sides, as many as in all; and what one side has
    more. It only ever costs time where it is wrong: a sketch that is too small says so."""
    (left_keys, left_rows), (right_keys, right_rows) = map(_some, begun)
    _, at_left, at_right = np.intersect1d(left_keys, right_keys, return_indices=True)
    differ = int((left_rows[at_left] != right_rows[at_right]).sum())
    return 2 * differ * min(rows) // max(1, len(at_left)) + abs(rows[0] - rows[1])


def _some(begun: Sequence[tuple[Hashes, Hashes]]) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Of the first rows those whose key is one in ONE_IN, the same keys on both sides."""
    kept = [(keys[mark], rows[mark]) for keys, rows in begun for mark in [keys % ONE_IN == 0]]
    none = np.zeros(0, dtype=np.uint64)
    keys, rows = (np.concatenate([none, *(part[side] for part in kept)]) for side in (0, 1))
    return keys, rows
