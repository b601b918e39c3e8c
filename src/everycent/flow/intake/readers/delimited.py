"""CSV files: any encoding, delimiter, quotes with line ends inside, of any size."""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.flow.intake.contract import MALFORMED, EmptyFile, RawRows, SourceError
from everycent.flow.intake.readers import csv_scan
from everycent.flow.intake.readers.columns import check_columns, empty_table
from everycent.flow.intake.readers.csv_rows import Found, Scanner, malformed_rows, parse_cells
from everycent.flow.intake.readers.text import blanked, utf8_blocks

_ROWS_PER_COUNT = 1 << 16
#: A file that begins with more blank lines than these is not looked through for something else.
_BLANKS_MOST = 1 << 16


class DelimitedSource:
    """A CSV file. Its header is its first line that is not empty, behind `skip_lines`."""

    def __init__(
        self,
        path: Path,
        encoding: str,
        delimiter: str,
        wanted: Sequence[str] | None,
        optional: Sequence[str] = (),
        skip_lines: int = 0,
    ) -> None:
        """Reads the header. Raises SourceError."""
        if len(delimiter) != 1 or ord(delimiter) > 127 or delimiter in '"\r\n':
            raise SourceError(
                f"{path}: the delimiter '{delimiter}' is not one character; write for example ',', ';' or a tab"
            )
        self.path = path
        self._encoding = encoding
        self._delimiter = delimiter
        self._skip_lines = skip_lines
        _, self.columns = self._after_header()
        self._wanted = tuple(self.columns if wanted is None else (*wanted, *optional))
        check_columns(path, self.columns, self._wanted if wanted is None else wanted)

    @cached_property
    def content_hash(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def count_rows(self) -> int:
        scanner, _ = self._after_header()
        total = 0
        while piece := sum(found.count for found in scanner.rows(_ROWS_PER_COUNT)):
            total += piece
        return total

    def shards(self, rows_per_shard: int, first: int = 0) -> Iterator[RawRows]:
        assert rows_per_shard > 0, "a shard has rows"
        scanner, _ = self._after_header()
        skipped = sum(found.count for _ in range(first) for found in scanner.rows(rows_per_shard))
        shard_no = first
        while True:
            pieces = list(scanner.rows(rows_per_shard))
            if not pieces and (shard_no > 0 or skipped):
                return
            rows = self._shard(shard_no, pieces)
            yield rows
            if rows.rows_read < rows_per_shard:
                return
            shard_no += 1

    def _shard(self, shard_no: int, pieces: list[Found]) -> RawRows:
        lines = np.concatenate([found.lines[found.good] for found in pieces]) if pieces else np.empty(0, np.int64)
        malformed = pa.concat_tables([MALFORMED.empty_table(), *(self._malformed(found) for found in pieces)])
        table = self._parse([found.good_bytes() for found in pieces], len(lines))
        rows_read = sum(found.count for found in pieces)
        assert table.num_rows == len(lines), f"{self.path}: {table.num_rows} rows parsed, {len(lines)} found"
        assert table.num_rows + malformed.num_rows == rows_read, f"{self.path}: a row was lost in shard {shard_no}"
        return RawRows(shard_no, table, pa.array(lines, pa.int64()), malformed, self.path.name)

    def _parse(self, pieces: list[npt.NDArray[np.uint8]], rows: int) -> pa.Table:
        """The wanted columns of the good rows, as text; a column the file does not have is all null."""
        if rows == 0:
            return empty_table(self._wanted)
        at = {name: place for place, name in enumerate(self.columns)}  # names may repeat where they are not wanted
        known = [at[name] for name in self._wanted if name in at]
        parsed = parse_cells(pieces, len(self.columns), known, self._delimiter)
        missing = pa.nulls(parsed.num_rows, pa.string())
        columns = [parsed.column(str(at[name])) if name in at else missing for name in self._wanted]
        return pa.table(columns, names=list(self._wanted))

    def _malformed(self, found: Found) -> pa.Table:
        rows = np.flatnonzero(~found.good)
        reasons = [self._reason(int(found.status[row]), int(found.fields[row])) for row in rows]
        return malformed_rows(found, rows, reasons)

    def _reason(self, status: int, fields: int) -> str:
        if status == csv_scan.WRONG_FIELDS:
            said = f"the row has {fields} {'field' if fields == 1 else 'fields'}, the header has {len(self.columns)}"
            return f"{said}; quote a field that holds '{self._delimiter}'"
        return csv_scan.REASONS[status]

    def _after_header(self) -> tuple[Scanner, tuple[str, ...]]:
        blocks = blanked(utf8_blocks(self.path, self._encoding), self._skip_lines)
        scanner = Scanner(self.path, blocks, ord(self._delimiter))
        header = next(scanner.rows(1), None)
        if header is None and self._skip_lines:
            raise EmptyFile(f"{self.path} has no header line behind the {self._skip_lines} lines that are skipped")
        if header is None:
            raise EmptyFile(f"{self.path} is empty: it has no header line; its first line must name the columns")
        if not header.good[0]:
            reason = csv_scan.REASONS[int(header.status[0])]
            raise SourceError(f"{self.path}: the header on line {header.lines[0]} is malformed: {reason}")
        scanner.width = int(header.fields[0])
        names = tuple(_header_names(header.good_bytes().tobytes(), self._delimiter))
        if not any(names):
            rows = scanner.rows(_BLANKS_MOST)
            if all(found.good.all() and not found.good_bytes().tobytes().strip() for found in rows):
                raise EmptyFile(f"{self.path} is empty: it has only blank lines; its first line must name the columns")
            raise SourceError(f"{self.path}: line {header.lines[0]} names no column; the first line must name them")
        return scanner, names


def _header_names(line: bytes, delimiter: str) -> list[str]:
    return [
        name.strip() for name in next(csv.reader(io.StringIO(line.decode("utf-8"), newline=""), delimiter=delimiter))
    ]
