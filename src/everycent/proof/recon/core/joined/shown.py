"""What was found of rows that met, with the cells of these rows and of no others."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.side_by_side import side_by_side
from everycent.proof.recon.contract import SIDE
from everycent.proof.recon.core.joined.meeting import DROPPED, NONE, Long, Marks, Numbers, Words
from everycent.proof.recon.core.joined.met import LINE_BITS, Met, marks
from everycent.proof.recon.core.joined.words import same_texts
from everycent.proof.recon.core.stated import Stated


class Shown:
    """A line for each row or pair of rows, as `meeting.parted` gives them: `left` and `right` are numbers of rows.
    `odd`: of each side, rows whose cells are wanted beside."""

    def __init__(self, met: Met, found: Numbers, odd: tuple[Numbers, Numbers], status: Stated, threads: int) -> None:
        self.left, self.right, self.what, self.first, self.head = (
            np.ascontiguousarray(found[:, column]) for column in range(5)
        )
        self.met, self.status, self.odd, self.threads = met, status, odd, threads
        wanted = np.zeros(met.count, np.bool_)
        for numbers in (self.left, self.right, self.head, *odd):
            wanted[numbers[numbers != NONE]] = True
        batches = list(met.cells)
        met.cells.clear()
        ends = np.cumsum([batch.num_rows for batch in batches])
        assert ends[-1] == met.count, "each row that is known has its cells"
        kept = [marks(wanted[end - batch.num_rows : end]) for end, batch in zip(ends.tolist(), batches, strict=True)]
        names = batches[0].schema.names
        columns = [partial(_kept, [batch.column(name) for batch in batches], kept) for name in names]
        self.cells = dict(zip(names, side_by_side(columns, threads), strict=True))
        self._at = np.cumsum(wanted, dtype=np.int32) - 1

    @property
    def told_apart(self) -> bool:
        """Whether all rows that met by their keys' hashes have the same keys."""
        heads = self.key_at
        keys = self.cells["key"]
        rows = [np.where(numbers != NONE, self._at[numbers], NONE) for numbers in (self.left, self.right)]
        return all(side_by_side([partial(same_texts, keys, one, heads) for one in rows], self.threads))

    @property
    def key_at(self) -> Numbers:
        """Of each line, where its key is in `cells`."""
        return self._at[self.head]

    def cell(self, name: str, numbers: Numbers) -> pa.Array:
        """The cells of rows, NULL of none."""
        missing: Marks = numbers == NONE
        return self.cells[name].take(pa.array(self._at[numbers], mask=missing))

    def amounts(self, numbers: Numbers) -> Long:
        """Of rows, 0 of none."""
        return np.where(numbers != NONE, self.met.amounts[numbers], 0)

    def says(self, numbers: Numbers) -> Words:
        """Hashes of what is compared beside the amounts of rows; anything of none."""
        return self.met.says[numbers]

    def places(self, numbers: Numbers, right: bool) -> Long:
        """Of rows, NONE of none. A row of the left side stands, on the right, for the one dropped beside it."""
        places = np.where(numbers != NONE, self.met.places[numbers], NONE)
        if right:
            dropped = (numbers != NONE) & (numbers < self.met.lefts)
            places[dropped] = self.met.known[numbers[dropped], DROPPED].astype(np.int64) - 1
        return places

    def place(self, places: Long) -> tuple[pa.Array, pa.Array]:
        """Files and lines."""
        missing: Marks = places == NONE
        names = pa.array(list(self.met.files), pa.string())
        files = names.take(pa.array(places >> LINE_BITS, mask=missing))
        return files, pa.array(places & ((1 << LINE_BITS) - 1), mask=missing)

    def odd_side(self, right: bool, engine: LocalEngine) -> pa.Table:
        """The odd rows of a side (SIDE), with the status as a text."""
        numbers = self.odd[right]
        file, line = self.place(self.places(numbers, right))
        rows = {"source_file": file, "source_line": line, "key": self.cell("key", numbers)}
        rows |= {"amount_minor": pa.array(self.amounts(numbers)), "status": self.statuses(numbers)}
        text = self.status.text_of("status")
        names = ", ".join(name for name in SIDE.names if name != "status")
        return engine.query(f"SELECT {names}, {text} AS status FROM odd_rows", odd_rows=pa.table(rows)).cast(SIDE)

    def statuses(self, numbers: Numbers, repeats: Marks | None = None) -> pa.Array:
        """Of rows, NULL of none; as they are stated. repeats: which are of keys that repeat: there an empty text is as
        good as none."""
        cells = [self.cell(name, numbers) for name in self.cells if name != "key"]
        if self.status.others:
            names = [f"o{at}" for at in range(len(cells))]
            return pa.StructArray.from_arrays(cells, names, mask=marks(numbers == NONE))
        if not cells:
            return pa.nulls(len(numbers), pa.string())
        if repeats is None or not repeats.any():
            return cells[0]
        lengths = np.diff(np.frombuffer(cells[0].buffers()[1], np.int32)[: len(numbers) + 1])
        return pc.if_else(marks((lengths == 0) & repeats), None, cells[0])


def _kept(column: Sequence[pa.Array], kept: Sequence[pa.BooleanArray]) -> pa.Array:
    """The cells of a column, given in parts, that are marked."""
    return pa.concat_arrays([part.filter(some) for part, some in zip(column, kept, strict=True)])
