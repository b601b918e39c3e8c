"""CSV files: any encoding, delimiter, quotes with line ends inside, of any size."""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from everycent.flow.intake.contract import MALFORMED, EmptyFile, RawRows, SourceError
from everycent.flow.intake.readers import csv_scan
from everycent.flow.intake.readers.columns import check_columns, empty_table
from everycent.flow.intake.readers.text import BLOCK_BYTES, utf8_blocks

#: A physical line longer than this is not text; reading it on would fill the memory.
LINE_BYTES_MAX = 64 << 20
RAW_CHARACTERS_MAX = 1000
_ROWS_PER_COUNT = 1 << 16


@dataclass
class _Scanner:
    """Walks the file's bytes row by row; holds the bytes not yet scanned."""

    path: Path
    blocks: Iterator[bytes]
    delimiter: int
    width: int = 0
    data: npt.NDArray[np.uint8] = field(default_factory=lambda: np.frombuffer(b"", np.uint8))
    at: int = 0
    line: int = 1
    at_end: bool = False

    def rows(self, most: int) -> Iterator["_Found"]:
        """Up to `most` rows, in pieces."""
        while most > 0:
            found = self._scan(most)
            most -= found.count
            if found.count:
                yield found
            elif self.at_end:
                return
            else:
                self._read_on()

    def _scan(self, most: int) -> "_Found":
        most = min(most, (self.data.size - self.at) // 2 + 1)  # the shortest row is one byte and its line end
        starts, stops, lines, fields = (np.empty(most, np.int64) for _ in range(4))
        status = np.empty(most, np.uint8)
        count, self.at, self.line = csv_scan.scan_rows(
            self.data, self.at, self.line, self.at_end, self.delimiter, self.width, starts, stops, lines, fields, status
        )
        return _Found(self.data, starts[:count], stops[:count], lines[:count], fields[:count], status[:count])

    def _read_on(self) -> None:
        left = self.data[self.at :]
        if left.size > LINE_BYTES_MAX:
            raise SourceError(
                f"{self.path}: line {self.line} is longer than {LINE_BYTES_MAX >> 20} MiB; is this a CSV file?"
            )
        block = next(self.blocks, None)
        self.at_end = block is None
        if block is not None:
            self.data = np.frombuffer(left.tobytes() + block, np.uint8)  # read-only, as the kernel is compiled for
            self.at = 0


@dataclass(frozen=True)
class _Found:
    """Rows found in `data`; arrays are parallel, one entry a row."""

    data: npt.NDArray[np.uint8]
    starts: npt.NDArray[np.int64]
    stops: npt.NDArray[np.int64]
    lines: npt.NDArray[np.int64]
    fields: npt.NDArray[np.int64]
    status: npt.NDArray[np.uint8]

    @property
    def count(self) -> int:
        return int(self.starts.size)

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        good: npt.NDArray[np.bool_] = self.status == csv_scan.GOOD
        return good

    def good_bytes(self) -> npt.NDArray[np.uint8]:
        """The good rows, each ended by LF."""
        out = np.empty(int((self.stops - self.starts).sum()) + self.count, np.uint8)
        size = csv_scan.copy_rows(self.data, self.starts, self.stops, self.good, out)
        return out[:size]

    def text(self, row: int) -> str:
        start = int(self.starts[row])
        stop = min(int(self.stops[row]), start + 4 * RAW_CHARACTERS_MAX)  # UTF-8 takes at most four bytes a character
        return (
            self.data[start:stop].tobytes().decode("utf-8", errors="ignore")[:RAW_CHARACTERS_MAX].replace("\0", "\\0")
        )


class DelimitedSource:
    """A CSV file. Its header is its first line that is not empty."""

    def __init__(
        self,
        path: Path,
        encoding: str,
        delimiter: str,
        wanted: Sequence[str] | None,
        optional: Sequence[str] = (),
    ) -> None:
        """Reads the header. Raises SourceError."""
        if len(delimiter) != 1 or ord(delimiter) > 127 or delimiter in '"\r\n':
            raise SourceError(
                f"{path}: the delimiter '{delimiter}' is not one character; write for example ',', ';' or a tab"
            )
        self.path = path
        self._encoding = encoding
        self._delimiter = delimiter
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

    def _shard(self, shard_no: int, pieces: list[_Found]) -> RawRows:
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
        data = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
        places = [str(at) for at in range(len(self.columns))]  # names may repeat where they are not wanted
        at = {name: str(place) for place, name in enumerate(self.columns)}
        parsed = pa.csv.read_csv(
            pa.BufferReader(pa.py_buffer(data)),
            read_options=pa.csv.ReadOptions(
                column_names=places, block_size=max(BLOCK_BYTES, csv_scan.ROW_BYTES_MAX * 2)
            ),
            parse_options=pa.csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
            convert_options=pa.csv.ConvertOptions(
                column_types={place: pa.string() for place in places},
                include_columns=[at[name] for name in self._wanted if name in at] or places[:1],
                strings_can_be_null=False,
                check_utf8=False,
            ),
        )
        missing = pa.nulls(parsed.num_rows, pa.string())
        columns = [parsed.column(at[name]) if name in at else missing for name in self._wanted]
        return pa.table(columns, names=list(self._wanted))

    def _malformed(self, found: _Found) -> pa.Table:
        rows = np.flatnonzero(~found.good)
        reasons = [self._reason(int(found.status[row]), int(found.fields[row])) for row in rows]
        texts = [found.text(int(row)) for row in rows]
        return pa.table(
            [pa.array(found.lines[rows]), pa.array(reasons, pa.string()), pa.array(texts, pa.string())],
            schema=MALFORMED,
        )

    def _reason(self, status: int, fields: int) -> str:
        if status == csv_scan.WRONG_FIELDS:
            said = f"the row has {fields} {'field' if fields == 1 else 'fields'}, the header has {len(self.columns)}"
            return f"{said}; quote a field that holds '{self._delimiter}'"
        return _REASONS[status]

    def _after_header(self) -> tuple[_Scanner, tuple[str, ...]]:
        scanner = _Scanner(self.path, utf8_blocks(self.path, self._encoding), ord(self._delimiter))
        header = next(scanner.rows(1), None)
        if header is None:
            raise EmptyFile(f"{self.path} is empty: it has no header line; its first line must name the columns")
        if not header.good[0]:
            raise SourceError(
                f"{self.path}: the header on line {header.lines[0]} is malformed: {_REASONS[int(header.status[0])]}"
            )
        scanner.width = int(header.fields[0])
        return scanner, tuple(_header_names(header.good_bytes().tobytes(), self._delimiter))


def _header_names(line: bytes, delimiter: str) -> list[str]:
    return [
        name.strip() for name in next(csv.reader(io.StringIO(line.decode("utf-8"), newline=""), delimiter=delimiter))
    ]


_REASONS = {
    csv_scan.TEXT_AFTER_QUOTE: 'text follows a closing quote; double the quotes inside a quoted field ("")',
    csv_scan.QUOTE_NEVER_CLOSED: "a quote is opened and never closed; close it, or double it where it is text",
    csv_scan.TOO_LONG: f"the row is longer than {csv_scan.ROW_BYTES_MAX >> 20} MiB",
}
