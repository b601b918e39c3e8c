"""What a format reads, one thing after another, gathered into the parts that it gives."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa

from everycent.flow.intake.contract import MALFORMED, BillPart, Control

RAW_CHARACTERS_MAX = 1000


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
    columns: Sequence[str]
    rows: list[Row] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows) + len(self.malformed)

    def taken(self) -> BillPart:
        table = pa.table(
            [pa.array([row.cells.get(name) for row in self.rows], pa.string()) for name in self.columns],
            names=list(self.columns),
        )
        lines = pa.array([row.line for row in self.rows], pa.int64())
        malformed = [
            (line, reason, raw[:RAW_CHARACTERS_MAX].replace("\0", "\\0")) for line, reason, raw in self.malformed
        ]
        places = pa.Table.from_pylist([dict(zip(MALFORMED.names, each, strict=True)) for each in malformed], MALFORMED)
        return BillPart(table, lines, places, tuple(self.controls))


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
            part.rows.append(thing)
        else:
            part.malformed.append(thing)
    yield part.taken()
