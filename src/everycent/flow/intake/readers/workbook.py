"""XLSX workbooks. A workbook is held in memory while it is read; the format itself ends at 1,048,576 rows."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import python_calamine

from everycent.flow.intake.contract import MALFORMED, EmptyFile, RawRows, SourceError
from everycent.flow.intake.readers.columns import check_columns, empty_table

#: Whole numbers up to here are exact in a spreadsheet's 64-bit floats.
_EXACT = 2**53


class WorkbookSource:
    """One sheet of a workbook: the first, where none is named. Its header is the first row that is not empty, behind
    `skip_lines` rows."""

    def __init__(
        self,
        path: Path,
        sheet: str | None,
        wanted: Sequence[str] | None,
        optional: Sequence[str] = (),
        skip_lines: int = 0,
    ) -> None:
        """Reads the sheet. Raises SourceError."""
        self.path = path
        rows = [
            (number, row)
            for number, row in enumerate(sheet_rows(path, sheet), 1)
            if number > skip_lines and any(cell != "" for cell in row)
        ]
        if not rows:
            raise EmptyFile(f"{path} is empty: its sheet has no header row; its first row must name the columns")
        (_, header), *self._rows = rows
        self.columns: tuple[str, ...] = tuple(cell_text(cell).strip() for cell in header)
        self._wanted = tuple(self.columns if wanted is None else (*wanted, *optional))
        check_columns(path, self.columns, self.columns if wanted is None else wanted)

    @cached_property
    def content_hash(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def count_rows(self) -> int:
        return len(self._rows)

    def shards(self, rows_per_shard: int, first: int = 0) -> Iterator[RawRows]:
        assert rows_per_shard > 0, "a shard has rows"
        if not self._rows and first == 0:
            yield RawRows(
                0, empty_table(self._wanted), pa.array([], pa.int64()), MALFORMED.empty_table(), self.path.name
            )
        for start in range(first * rows_per_shard, len(self._rows), rows_per_shard):
            chunk = self._rows[start : start + rows_per_shard]
            yield RawRows(start // rows_per_shard, *self._table(chunk), MALFORMED.empty_table(), self.path.name)

    def _table(self, chunk: list[tuple[int, list[Any]]]) -> tuple[pa.Table, pa.Array]:
        at = {name: place for place, name in enumerate(self.columns)}
        missing = pa.nulls(len(chunk), pa.string())
        columns = [
            pa.array([cell_text(row[at[name]]) for _, row in chunk], pa.string()) if name in at else missing
            for name in self._wanted
        ]
        return pa.table(columns, names=list(self._wanted)), pa.array([number for number, _ in chunk], pa.int64())


def sheet_rows(path: Path, sheet: str | None) -> list[list[Any]]:
    """All rows of a sheet, the first where none is named, empty ones too. Raises SourceError."""
    try:
        workbook = python_calamine.load_workbook(str(path))
        names = workbook.sheet_names
        if sheet is not None and sheet not in names:
            raise SourceError(f"{path} has no sheet '{sheet}'; it has: {', '.join(names)}")
        found: list[list[Any]] = workbook.get_sheet_by_name(sheet or names[0]).to_python(skip_empty_area=False)
    except (python_calamine.CalamineError, OSError, IndexError) as error:
        raise SourceError(f"{path} is not a readable XLSX workbook: {error}") from None
    return found


def sheets_of(path: Path) -> list[str]:
    """The names of a workbook's sheets. Raises SourceError."""
    try:
        return list(python_calamine.load_workbook(str(path)).sheet_names)
    except (python_calamine.CalamineError, OSError) as error:
        raise SourceError(f"{path} is not a readable XLSX workbook: {error}") from None


def cell_text(cell: Any) -> str:
    """A cell as text: numbers with the fewest digits that say the same number, dates as ISO 8601."""
    match cell:
        case bool():
            return "true" if cell else "false"
        case float() if cell.is_integer() and abs(cell) <= _EXACT:
            return str(int(cell))
        case float():
            return repr(cell)
        case datetime():
            return cell.isoformat(sep=" ")
        case date():
            return cell.isoformat()
    return str(cell)
