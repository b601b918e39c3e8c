"""Pass one: the keys whose rows differ between two sides, found without joining the sides.

Each side is read once. Where few rows differ, every row goes, by a hash of its key and one of all that is compared,
into a sketch (`sketch.Sketch`), whose size goes by the differences; what does not cancel differs. Where more differs
than a sketch is good for, the hashes themselves are kept (`multisets.Multisets`), 16 bytes a row, in as many passes as
fit the engine's memory. Either way only the rows of the keys found are read again (`rereading`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.arrays import fixed
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.proof.recon.core.multisets.multisets import BYTES_PER_ROW, Multisets
from everycent.proof.recon.core.sketch.cells import HASH_BITS, Hashes
from everycent.proof.recon.core.sketch.places import BYTES_PER_ROW as BYTES_PER_PLACE
from everycent.proof.recon.core.sketch.places import Places, Rows
from everycent.proof.recon.core.sketch.sketch import Sketch, most_differences

#: Sides with fewer rows are compared at once.
ROWS_LEAST = 200_000

#: Room for so many differences costs no more than room for one: the cells stay in the processor's own cache.
ROOM_LEAST = 12_000

#: Where more than one row in so many differs, keeping all hashes takes less time.
ONE_IN_LEAST = 70

#: Room for more differences leaves the processor's cache: keeping all hashes takes less time, where they fit memory.
ROOM_IN_CACHE = 150_000

#: So many rows of each side are looked at before the rest, and of those one key in so many; all keys where fewer meet.
LOOKED_AT, ONE_IN, MET_LEAST = 500_000, 16, 1_000

#: Among few keys, so many that differ are easily missed by chance. Room for what they stand for costs less than a
#: second sketch, as long as the cells stay well within the processor's cache.
UNSEEN, UNSEEN_MOST = 3, 50_000

#: What `differing` finds: hashes of keys, and whether a side may have several rows of such a key.
KEYS = pa.schema([pa.field("k", pa.uint64()), pa.field("repeated", pa.bool_())])

_ROWS_PER_READ = 500_000
_SEED = 1
_MB = 1_000_000

Stream = Iterator[tuple[Hashes, Hashes]]
Begun = Sequence[tuple[Hashes, Hashes]]


@dataclass(frozen=True)
class Found:
    """The keys whose rows are not the same on both sides (KEYS), each once, by `key_hash_sql`; in no order. `rows`: of
    each side, where it is known, the numbers of all rows of these keys, in the order of reading, and of few others."""

    keys: pa.Table
    rows: tuple[Rows, Rows] | None = None


def differing(
    left: str,
    right: str,
    compared: Sequence[str],
    rows: tuple[int, int],
    engine: LocalEngine,
    joins: Callable[[int], bool] = lambda _: False,
) -> Found | None:
    """left, right: tables or views of the engine, with the column key and the compared columns. rows: how many each
    has. joins: asked where a sketch is no good, with about how many rows differ; where it says yes nothing is looked
    for: None."""
    sides = [_hashes(side, compared, engine) for side in (left, right)]
    begun = [_begin(side) for side in sides]
    passes = passes_of(sum(rows), engine.memory_mb)
    expected = _expected(begun, rows)
    streams: list[Stream] = [chain(*both) for both in zip(begun, sides, strict=True)]
    del begun, sides  # what was looked at goes once it is added
    tried = 0
    while (room := room_of(max(expected, tried), rows, passes)) is not None:
        found = _by_sketch(streams, rows, room, engine)
        if isinstance(found, Found):
            return found
        expected, tried = found, room
        streams = [_hashes(side, compared, engine) for side in (left, right)]
    if joins(expected):
        return None
    if passes == 1:
        return _by_multisets([streams], 1, rows, engine)
    del streams
    cut = ([_hashes(side, compared, engine, (part, passes)) for side in (left, right)] for part in range(passes))
    return _by_multisets(cut, passes, rows, engine)


def key_hash_sql(key: str) -> str:
    """SQL for the hash of a key that `differing` gives. It is the engine's own: it holds for this process alone."""
    return f"(hash({key}) & {(1 << HASH_BITS) - 1})"


def room_of(expected: int, rows: tuple[int, int], passes: int) -> int | None:
    """How many differences a sketch needs room for where so many are expected; None where keeping all hashes, in so
    many passes, is the better way."""
    room = max(ROOM_LEAST, 2 * expected)
    many = expected * ONE_IN_LEAST > sum(rows) or (passes == 1 and room > ROOM_IN_CACHE)
    return None if many or room > most_differences() else room


def passes_of(rows: int, memory_mb: int) -> int:
    """In how many parts the hashes of so many rows, of both sides, take no more memory than the engine may."""
    return -(-rows * BYTES_PER_ROW // (memory_mb * _MB)) or 1


def _by_sketch(sides: Sequence[Stream], rows: tuple[int, int], room: int, engine: LocalEngine) -> Found | int:
    """Where the sketch is too small: about how many rows differ."""
    sketches, places = [], []
    noted = sum(rows) * BYTES_PER_PLACE <= engine.memory_mb * _MB
    for side, count in zip(sides, rows, strict=True):
        sketch, place = Sketch.empty(room, _SEED), Places(count if noted else 0)
        for keys, hashed in side:
            sketch.add(keys, hashed)
            if noted:
                place.add(keys)
        sketches.append(sketch)
        places.append(place)
    assert [sketch.rows for sketch in sketches] == list(rows), "a side has other rows than were counted"
    found, _ = sketches[0].differences(sketches[1])
    if not found.complete:
        return sketches[0].about_apart(sketches[1])
    keys = np.unique(found.keys)
    table = _table(keys, np.ones(len(keys), np.bool_))  # rows that both sides have are not seen
    return Found(table, (places[0].of(keys), places[1].of(keys)) if noted else None)


def _by_multisets(parts: Iterable[Sequence[Stream]], passes: int, rows: tuple[int, int], engine: LocalEngine) -> Found:
    """parts: of each pass both sides."""
    found, added = [], [0, 0]
    for sides in parts:
        multisets = Multisets(sum(rows) // passes + _ROWS_PER_READ)
        for number, side in enumerate(sides):
            for keys, hashed in side:
                multisets.add(number, keys, hashed)
        found.append(_table(*multisets.unequal(engine.threads)))
        added = [one + more for one, more in zip(added, multisets.added, strict=True)]
    assert added == list(rows), "a side has other rows than were counted"
    return Found(pa.concat_tables(found))


def _table(keys: Hashes, repeated: npt.NDArray[np.bool_]) -> pa.Table:
    return pa.table([pa.array(keys), pa.array(repeated)], schema=KEYS)


def _hashes(side: str, compared: Sequence[str], engine: LocalEngine, cut: tuple[int, int] = (0, 1)) -> Stream:
    """Of each row the hash of its key, and of its key and all that is compared; as they are read. cut: which of how
    many parts, of about as many keys each."""
    part, parts = cut
    columns = ", ".join(identifier(name) for name in compared)
    within = "" if parts == 1 else f"WHERE (k >> {HASH_BITS}) % {parts} = {part}"
    reader = engine.reader(
        f"SELECT k, hash(k, {columns}) AS r FROM (SELECT hash(key) AS k, {columns} FROM {identifier(side)}) {within}",
        rows_per_read=_ROWS_PER_READ,
    )
    for batch in reader:
        yield fixed(batch.column("k"), np.uint64), fixed(batch.column("r"), np.uint64)


def _begin(side: Stream) -> Begun:
    """The first rows of a side."""
    begun, rows = [], 0
    while rows < LOOKED_AT and (part := next(side, None)) is not None:
        begun.append(part)
        rows += len(part[0])
    return begun


def _expected(begun: Sequence[Begun], rows: tuple[int, int]) -> int:
    """About how many rows differ: of the keys that were seen on both sides, as many as in all; and what one side has
    more. It only ever costs time where it is wrong: a sketch that is too small says so."""
    met, differ = _met(begun, ONE_IN)
    few = met < MET_LEAST
    if few:
        met, differ = _met(begun, 1)
    for_each = 2 * min(rows) // max(1, met)
    seen = differ * for_each + abs(rows[0] - rows[1])
    return max(seen, min(seen + UNSEEN * for_each, UNSEEN_MOST)) if few else seen


def _met(begun: Sequence[Begun], one_in: int) -> tuple[int, int]:
    """Of the first rows, how many keys both sides have, and of how many the rows differ; one key in so many counts."""
    (left_keys, left_rows), (right_keys, right_rows) = (_some(side, one_in) for side in begun)
    _, at_left, at_right = np.intersect1d(left_keys, right_keys, return_indices=True)
    return len(at_left), int((left_rows[at_left] != right_rows[at_right]).sum())


def _some(begun: Begun, one_in: int) -> tuple[Hashes, Hashes]:
    """Of the first rows those whose key is one in so many, the same keys on both sides."""
    kept = [(keys[mark], rows[mark]) for keys, rows in begun for mark in [keys % one_in == 0]]
    none = np.zeros(0, dtype=np.uint64)
    keys, rows = (np.concatenate([none, *(part[side] for part in kept)]) for side in (0, 1))
    return keys, rows
