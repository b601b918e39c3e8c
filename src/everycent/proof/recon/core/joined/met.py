"""Two sides read once each, the left one kept whole, of the right one what does not agree at once."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.arrays import empty, fixed, read_only
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.proof.recon.core.joined.meeting import (
    DROPPED,
    NONE,
    WIDTH,
    Long,
    Marks,
    Numbers,
    Words,
    come_by,
    hang_again,
    take_in,
)
from everycent.proof.recon.core.stated import Stated

#: A place is a file's number and a line in it.
LINE_BITS = 40

_ROWS_PER_READ = 250_000
_MB = 1_000_000

#: So many columns of what is read are no cells.
_OWN = 5


class TooMuch(Exception):
    """The rows do not fit, or have no places to tell them apart by."""


@dataclass
class Met:
    """Rows of both sides, by the numbers of `meeting`. `known` and `heads` are the kernels'; `says`: hashes of
    what is compared beside the amount; `cells`: keys and statuses, as they were read."""

    lefts: int
    known: Words
    says: Words
    amounts: Long
    places: Long
    heads: Numbers
    count: int = 0
    cells: list[pa.RecordBatch] = field(default_factory=list)
    files: dict[str, int] = field(default_factory=dict)


def meet(left: str, right: str, rows: tuple[int, int], status: Stated, compares: bool, engine: LocalEngine) -> Met:
    """rows: how many each side has. compares: whether statuses are. Raises TooMuch."""
    room = sum(rows)
    if room >= 1 << 31:
        raise TooMuch
    # Memory that nobody writes to is not taken: the room for rows of the right side that agree costs nothing
    met = Met(
        rows[0],
        known=empty((room, WIDTH), np.uint64),
        says=empty(room, np.uint64),
        amounts=empty(room, np.int64),
        places=empty(room, np.int64),
        heads=np.full(_room_for(rows[0]), NONE, np.int32),
    )
    most = engine.memory_mb * _MB // 2
    taken = 0
    for name, add, count in ((left, _take_in, rows[0]), (right, _come_by, rows[1])):
        seen = 0
        for batch in _read(name, status, compares, engine):
            add(met, batch)
            seen += batch.num_rows
            taken += met.cells[-1].nbytes
            if taken > most:
                raise TooMuch
        assert seen == count, "a side has other rows than were counted"
    _in_order_of_files(met)
    return met


def _read(side: str, status: Stated, compares: bool, engine: LocalEngine) -> pa.RecordBatchReader:
    cells = [(identifier(name), kind) for name, kind in zip(status.others, status.types, strict=True)]
    if not status.others:
        cells = [("status", "VARCHAR")] if compares else []
    listed = "".join(f", {cell}::{kind} AS o{at}" for at, (cell, kind) in enumerate(cells))
    said = ", ".join(f"o{at}" for at in range(len(cells))) if status.others else "coalesce(o0, '')"
    return engine.reader(
        f"""SELECT hash(key) AS k, {f"hash({said})" if cells else "0::UBIGINT"} AS s, * FROM (
            SELECT amount_minor, source_line, source_file, key{listed} FROM {identifier(side)})""",
        rows_per_read=_ROWS_PER_READ,
    )


def _take_in(met: Met, batch: pa.RecordBatch) -> None:
    keys, says, amounts, places = _columns(met, batch)
    take_in(keys, says, amounts, met.known, met.count, met.heads)
    # What the engine hands over is let go of as a whole, so the columns that are kept are copied
    cells = batch.select(batch.schema.names[_OWN:]).copy_to(pa.default_cpu_memory_manager())
    _keep(met, says, amounts, places, cells)


def _come_by(met: Met, batch: pa.RecordBatch) -> None:
    keys, says, amounts, places = _columns(met, batch)
    if 3 * (met.count + batch.num_rows) > 2 * len(met.heads):
        old, met.heads = met.heads, np.full(_room_for(met.count + batch.num_rows), NONE, np.int32)
        hang_again(met.known, old, met.heads)
    kept = np.empty(batch.num_rows, np.bool_)
    count = come_by(keys, says, amounts, places, met.known, met.count, met.lefts, met.heads, kept)
    _keep(met, says[kept], amounts[kept], places[kept], batch.select(batch.schema.names[_OWN:]).filter(marks(kept)))
    assert met.count == count, "each row that is kept is known"


def _keep(met: Met, says: Words, amounts: Long, places: Long, cells: pa.RecordBatch) -> None:
    end = met.count + len(says)
    for known, new in ((met.says, says), (met.amounts, amounts), (met.places, places)):
        known[met.count : end] = new
    met.count = end
    met.cells.append(cells)


def _columns(met: Met, batch: pa.RecordBatch) -> tuple[Words, Words, Long, Long]:
    """Of each row the hash of its key, of what it says, its amount and its place."""
    if batch.column("source_line").null_count or batch.column("source_file").null_count:
        raise TooMuch
    files = batch.column("source_file").dictionary_encode()
    codes = np.array([met.files.setdefault(name, len(met.files)) for name in files.dictionary.to_pylist()], np.int64)
    lines = fixed(batch.column("source_line"), np.int64)
    if len(lines) and (lines.min() < 0 or lines.max() >> LINE_BITS):
        raise TooMuch
    places = lines | (codes << LINE_BITS)[fixed(files.indices, np.int32)]
    return (
        fixed(batch.column("k"), np.uint64),
        fixed(batch.column("s"), np.uint64),
        fixed(batch.column("amount_minor"), np.int64),
        read_only(places),
    )


def marks(kept: Marks) -> pa.Array:
    """As Arrow has it."""
    return pa.Array.from_buffers(pa.bool_(), len(kept), [None, pa.py_buffer(np.packbits(kept, bitorder="little"))])


def _in_order_of_files(met: Met) -> None:
    """Numbers files in the order of their names, as places are ordered."""
    names = sorted(met.files, key=str.encode)
    if names == list(met.files):
        return
    rank: npt.NDArray[np.int64] = np.zeros(len(names), np.int64)
    for at, name in enumerate(names):
        rank[met.files[name]] = at
    dropped = met.known[: met.lefts, DROPPED].view(np.int64)
    for places, shift in ((met.places[: met.count], 0), (dropped, 1)):
        there = places >= shift
        old = places[there] - shift
        places[there] = ((rank[old >> LINE_BITS] << LINE_BITS) | (old & ((1 << LINE_BITS) - 1))) + shift
    met.files = {name: at for at, name in enumerate(names)}


def _room_for(rows: int) -> int:
    room = 1 << 10
    while 2 * room < 3 * rows:
        room *= 2
    return room
