"""What a format reads, one thing after another, gathered into the parts that it gives."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import pyarrow as pa

from everycent.flow.intake.contract import MALFORMED, BillPart, Control

RAW_CHARACTERS_MAX: Final = 1000
_ROWS_AT_ONCE: Final = 4096


class Row(NamedTuple):
    """A row at a 1-based line; `cells` by column, a column that is not there has no value."""

    line: int
    cells: dict[str, str | None]


class Malformed(NamedTuple):
    """A place that cannot be read as a row: its 1-based line, what is wrong there, and the text as it came."""

    line: int
    reason: str
    raw: str


@dataclass
class _Part:
    """A part in the making. Rows go into Arrow a few thousand at a time: as Python's they take ten times the room."""

    columns: Sequence[str]
    tables: list[pa.Table] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rows: list[dict[str, str | None]] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines) + len(self.malformed)

    def add(self, row: Row) -> None:
        self.lines.append(row.line)
        self.rows.append(row.cells)
        if len(self.rows) == _ROWS_AT_ONCE:
            self._pack()

    def _pack(self) -> None:
        cells = [pa.array([row.get(name) for row in self.rows], pa.string()) for name in self.columns]
        self.tables.append(pa.table(cells, names=list(self.columns)))
        self.rows = []

    def taken(self) -> BillPart:
        self._pack()
        malformed = [
            {"line": line, "reason": reason, "raw": raw[:RAW_CHARACTERS_MAX].replace("\0", "\\0")}
            for line, reason, raw in self.malformed
        ]
        places = pa.Table.from_pylist(malformed, MALFORMED)
        rows, lines = pa.concat_tables(self.tables), pa.array(self.lines, pa.int64())
        return BillPart(rows, lines, places, tuple(self.controls))


def in_parts(
    things: Iterable[Row | Malformed | Control], columns: Sequence[str], rows_per_part: int
) -> Iterator[BillPart]:
    """Parts of at most so many rows, malformed ones included. A control stands in the part of the row before it."""
    assert rows_per_part > 0, "a part has rows"
    part = _Part(columns)
    for thing in things:
        if isinstance(thing, Control):
            part.controls.append(thing)
            continue
        if len(part) == rows_per_part:
            yield part.taken()
            part = _Part(columns)
        if isinstance(thing, Row):
            part.add(thing)
        else:
            part.malformed.append(thing)
    yield part.taken()
