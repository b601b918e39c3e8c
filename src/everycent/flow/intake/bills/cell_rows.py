"""Bills of cells between delimiters, with lines before and after their rows that are no rows."""

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.kernels.compiling import kernel
from everycent.flow.intake.contract import EmptyFile, SourceError
from everycent.flow.intake.readers import csv_scan
from everycent.flow.intake.readers.csv_rows import Found, Scanner, malformed_rows, parse_cells
from everycent.flow.intake.readers.text import utf8_blocks
from everycent.flow.intake.readers.workbook import cell_text, sheet_rows

#: A header that does not come within so many lines does not come.
PREAMBLE_LINES_MAX: Final = 200
_HEAD_BYTES: Final = 1 << 16
#: What a workbook begins with.
_ZIP: Final = b"PK\x03\x04"
_TICK: Final = 96
_COMMA: Final = 44
_SEPARATOR: Final = 31

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Chosen = npt.NDArray[np.bool_]


@kernel
def untick(data: Bytes, starts: Places, stops: Places, chosen: Chosen, width: int, out: Bytes, fields: Places) -> int:
    """Copies the chosen rows, whose cells each begin with a back-tick, as cells between U+001F, each row ended by LF.

    Only a comma before a back-tick parts two cells; any other is text. `fields` has each row's number of cells, 0 where
    it is not chosen, does not begin with a back-tick or holds a U+001F; those that have not `width` are not copied.
    Returns the bytes written.
    """
    to = 0
    for row in range(starts.size):
        at, stop, begun, count = starts[row], stops[row], to, 1
        if not chosen[row] or data[at] != _TICK:
            fields[row] = 0
            continue
        at += 1
        while at < stop:
            c = data[at]
            if c == _COMMA and at + 1 < stop and data[at + 1] == _TICK:
                count += 1
                c = _SEPARATOR
                at += 1
            elif c == _SEPARATOR:
                count = 0
                break
            out[to] = c
            to += 1
            at += 1
        fields[row] = count
        if count == width:
            out[to] = 10
            to += 1
        else:
            to = begun
    return to


@dataclass(frozen=True)
class Rows:
    """Rows that follow each other in a bill: `table` by the header's names, and where each was found."""

    table: pa.Table
    found: Found  # good rows alone, in the table's order
    malformed: pa.Table
    after: tuple[tuple[int, str], ...]  # lines from the first that is no row on: number and text

    def without(self, wrong: npt.NDArray[np.bool_], reasons: list[str]) -> "Rows":
        """The rows but for those that are wrong, each for its reason."""
        if not wrong.any():
            return self
        malformed = pa.concat_tables([self.malformed, malformed_rows(self.found, np.flatnonzero(wrong), reasons)])
        return replace(
            self,
            table=self.table.filter(pa.array(~wrong)),
            found=_part_of(self.found, ~wrong),
            malformed=malformed.sort_by("line"),
        )


class BillText:
    """An open bill. `before` are the lines before its header, `names` what the header names.

    The encoding is UTF-8 or GB 18030, whichever its first bytes are; a workbook is read like the CSV of its first
    sheet. Cells that each begin with a back-tick are told apart by these; otherwise they are CSV.
    """

    def __init__(self, path: Path, format_name: str, is_header: Callable[[str], bool], no_row: bytes) -> None:
        """Reads up to the header. A line that begins with a byte of `no_row` ends the rows. Raises SourceError."""
        self.path = path
        self._ends = np.zeros(256, np.bool_)
        self._ends[list(no_row)] = True
        self._scanner = Scanner(path, _blocks(path), _COMMA, quotes=False)
        self.before: list[tuple[int, str]] = []
        header = self._header(format_name, is_header)
        self.header_line = int(header.lines[0])
        self.names = heads(_text(header, 0))
        self._ticks = self._has_ticks()
        self._ended = False

    def rows(self, most: int) -> Iterator[Rows]:
        """The rows, in pieces of at most so many, to the end of the file."""
        while pieces := list(self._scanner.rows(min(most, 1 << 20))):
            for found in pieces:
                yield self._rows(found)

    def _header(self, format_name: str, is_header: Callable[[str], bool]) -> Found:
        for _ in range(PREAMBLE_LINES_MAX):
            found = next(self._scanner.rows(1), None)
            if found is None:
                break
            text = _text(found, 0)
            if is_header(text):
                return found
            self.before.append((int(found.lines[0]), text))
        if not self.before:
            raise EmptyFile(f"{self.path} is empty: it has no line at all; ask for the bill anew")
        raise SourceError(
            f"{self.path} is no {format_name}: no line within its first {len(self.before)} is the header; ask for the "
            f"bill anew as CSV, or name its 'format'"
        )

    def _has_ticks(self) -> bool:
        """Whether the first row after the header has back-ticks; the scanner stands before it again."""
        found = next(self._scanner.rows(1), None)
        if found is None:
            return False
        self._scanner.at, self._scanner.line = int(found.starts[0]), int(found.lines[0])
        ticks = bool(found.data[found.starts[0]] == _TICK)
        if not ticks:
            self._scanner.quotes, self._scanner.width = True, len(self.names)
        return ticks

    def _rows(self, found: Found) -> Rows:
        ends = self._ends[found.data[found.starts]]
        end = 0 if self._ended else int(ends.argmax()) if ends.any() else found.count
        self._ended = end < found.count
        after = tuple((int(found.lines[row]), _text(found, row)) for row in range(end, found.count))
        return replace(self._parsed(_part_of(found, slice(0, end))), after=after)

    def _parsed(self, found: Found) -> Rows:
        size = int((found.stops - found.starts).sum()) + found.count
        if self._ticks:
            out, fields = np.empty(size, np.uint8), np.empty(found.count, np.int64)
            written = untick(found.data, found.starts, found.stops, found.good, len(self.names), out, fields)
            good, data, delimiter = fields == len(self.names), out[:written], chr(_SEPARATOR)
        else:
            good, fields, data, delimiter = found.good, found.fields, found.good_bytes(), ","
        bad = np.flatnonzero(~good)
        malformed = malformed_rows(found, bad, [self._reason(found, fields, int(row)) for row in bad])
        kept = found if not bad.size else _part_of(found, good)
        return Rows(self._table(data, kept.count, delimiter), kept, malformed, ())

    def _table(self, data: Bytes, rows: int, delimiter: str) -> pa.Table:
        if rows == 0:
            return pa.table([pa.array([], pa.string()) for _ in self.names], names=list(self.names))
        width = len(self.names)
        parsed = parse_cells([data], width, range(width), delimiter, quotes=not self._ticks, nulls=True)
        return parsed.rename_columns(list(self.names)).combine_chunks()

    def _reason(self, found: Found, fields: Places, row: int) -> str:
        if found.status[row] not in (csv_scan.GOOD, csv_scan.WRONG_FIELDS):
            return csv_scan.REASONS[int(found.status[row])]
        if self._ticks and fields[row] == 0:
            return "the row does not begin with a back-tick as the others do; is the file cut off or edited?"
        return f"the row has {fields[row]} cells, the header has {len(self.names)}; is the file cut off or edited?"


def _blocks(path: Path) -> Iterator[bytes]:
    """The file as UTF-8; a workbook as the lines of its first sheet."""
    with path.open("rb") as file:
        is_workbook = file.read(len(_ZIP)) == _ZIP
    if not is_workbook:
        yield from utf8_blocks(path, encoding_of(path))
        return
    for row in sheet_rows(path, None):
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerow([" ".join(cell_text(cell).splitlines()) for cell in row])
        yield out.getvalue().encode()


def heads(line: str) -> tuple[str, ...]:
    """The names in a line of them."""
    return tuple(name.strip(' \t`"') for name in line.split(","))


def encoding_of(path: Path) -> str:
    """utf-8, or gb18030 (which GBK is part of) where the first bytes are not UTF-8."""
    with path.open("rb") as file:
        return encoding_of_head(file.read(_HEAD_BYTES))


def encoding_of_head(head: bytes) -> str:
    """As encoding_of, of the first bytes, which may end inside a character."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8"


def text_of_head(head: bytes) -> str:
    """The first bytes as text, without a byte order mark; what is no text in either encoding is replaced."""
    return head.decode(encoding_of_head(head), errors="replace").removeprefix("\ufeff")


def _text(found: Found, row: int) -> str:
    return found.data[found.starts[row] : found.stops[row]].tobytes().decode("utf-8")


def _part_of(found: Found, rows: slice | npt.NDArray[np.bool_]) -> Found:
    return Found(
        found.data, found.starts[rows], found.stops[rows], found.lines[rows], found.fields[rows], found.status[rows]
    )
