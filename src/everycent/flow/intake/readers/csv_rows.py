"""Walks the rows of a text file of cells, of any encoding and size, and parses their cells."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

from everycent.base.engine.kernels.compiling import interpreted
from everycent.flow.intake.contract import MALFORMED, SourceError
from everycent.flow.intake.readers import csv_scan
from everycent.flow.intake.readers.text import BLOCK_BYTES

#: A physical line longer than this is not text; reading it on would fill the memory.
LINE_BYTES_MAX = 64 << 20
RAW_CHARACTERS_MAX = 1000

#: So many bytes are scanned by plain Python before Numba is loaded.
_FEW_BYTES = 128 << 10


@dataclass
class Scanner:
    """Walks the file's bytes row by row; holds the bytes not yet scanned."""

    path: Path
    blocks: Iterator[bytes]
    delimiter: int
    width: int = 0  # fields that a row must have; 0 for any
    quotes: bool = True  # a field may be quoted
    data: npt.NDArray[np.uint8] = field(default_factory=lambda: np.frombuffer(b"", np.uint8))
    at: int = 0
    line: int = 1
    at_end: bool = False

    def rows(self, most: int) -> Iterator["Found"]:
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

    def _scan(self, most: int) -> "Found":
        most = min(most, (self.data.size - self.at) // 2 + 1)  # the shortest row is one byte and its line end
        starts, stops, lines, fields = (np.empty(most, np.int64) for _ in range(4))
        status = np.empty(most, np.uint8)
        how = (self.delimiter, self.quotes, self.width)
        few = self.data.size <= _FEW_BYTES
        scan_rows = interpreted(csv_scan.scan_rows) if few else csv_scan.scan_rows
        count, self.at, self.line = scan_rows(
            self.data, self.at, self.line, self.at_end, *how, starts, stops, lines, fields, status
        )
        return Found(self.data, starts[:count], stops[:count], lines[:count], fields[:count], status[:count])

    def _read_on(self) -> None:
        left = self.data[self.at :]
        if left.size > LINE_BYTES_MAX:
            raise SourceError(
                f"{self.path}: line {self.line} is longer than {LINE_BYTES_MAX >> 20} MiB; is this a text file?"
            )
        block = next(self.blocks, None)
        self.at_end = block is None
        if block is not None:
            self.data = np.frombuffer(left.tobytes() + block, np.uint8)  # read-only, as the kernel is compiled for
            self.at = 0


@dataclass(frozen=True)
class Found:
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
        few = self.data.size <= _FEW_BYTES
        copy_rows = interpreted(csv_scan.copy_rows) if few else csv_scan.copy_rows
        size = copy_rows(self.data, self.starts, self.stops, self.good, out)
        return out[:size]

    def text(self, row: int) -> str:
        start = int(self.starts[row])
        stop = min(int(self.stops[row]), start + 4 * RAW_CHARACTERS_MAX)  # UTF-8 takes at most four bytes a character
        return (
            self.data[start:stop].tobytes().decode("utf-8", errors="ignore")[:RAW_CHARACTERS_MAX].replace("\0", "\\0")
        )


def parse_cells(
    pieces: Sequence[npt.NDArray[np.uint8]],
    columns: int,
    wanted: Sequence[int],
    delimiter: str,
    *,
    quotes: bool = True,
    nulls: bool = False,
) -> pa.Table:
    """The wanted columns (by place) of rows that all have so many, as text, named by their places.

    `nulls`: an empty cell is null; it is an empty text otherwise.
    """
    data = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
    places = [str(at) for at in range(columns)]
    return pa.csv.read_csv(
        pa.BufferReader(pa.py_buffer(data)),
        read_options=pa.csv.ReadOptions(column_names=places, block_size=max(BLOCK_BYTES, csv_scan.ROW_BYTES_MAX * 2)),
        parse_options=pa.csv.ParseOptions(
            delimiter=delimiter, quote_char='"' if quotes else False, newlines_in_values=quotes
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types={place: pa.string() for place in places},
            include_columns=[places[at] for at in wanted] or places[:1],
            null_values=[""],
            strings_can_be_null=nulls,
            check_utf8=False,
        ),
    )


def malformed_rows(found: Found, rows: npt.NDArray[np.int64], reasons: Sequence[str]) -> pa.Table:
    """Rows (by place) that cannot be read, with the reason of each."""
    texts = [found.text(int(row)) for row in rows]
    return pa.table(
        [pa.array(found.lines[rows]), pa.array(reasons, pa.string()), pa.array(texts, pa.string())], schema=MALFORMED
    )
