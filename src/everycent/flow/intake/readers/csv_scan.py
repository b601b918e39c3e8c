"""Finds the rows of CSV bytes: where each starts and ends, on which line, and whether it is well-formed.

The grammar is RFC 4180's, with line ends LF, CRLF and CR: a field is quoted when its first byte is the quote; inside, a
doubled quote is one quote, and line ends and delimiters are text. A quote inside an unquoted field is text, and so are
blanks and tabs between a closing quote and the delimiter.

Recovery: where a quote is never closed, or text follows a closing quote, only the physical line on which the row began
is malformed and the scan goes on at the next line. So one broken quote never swallows the rest of a file. A row holds
at most ROW_BYTES_MAX; a quote still open then is never closed.

Files that know no quotes are scanned without: then a row is a physical line, whatever stands in it.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.compiling import kernel

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]

ROW_BYTES_MAX: Final = 1 << 20

GOOD: Final = 0
TEXT_AFTER_QUOTE: Final = 1
QUOTE_NEVER_CLOSED: Final = 2
WRONG_FIELDS: Final = 3
TOO_LONG: Final = 4
_INCOMPLETE: Final = 9

#: What a person reads of a status; of WRONG_FIELDS the reader says more.
REASONS: Final = {
    TEXT_AFTER_QUOTE: 'text follows a closing quote; double the quotes inside a quoted field ("")',
    QUOTE_NEVER_CLOSED: "a quote is opened and never closed; close it, or double it where it is text",
    TOO_LONG: f"the row is longer than {ROW_BYTES_MAX >> 20} MiB",
}

_TAB: Final = 9
_LF: Final = 10
_CR: Final = 13
_BLANK: Final = 32
_QUOTE: Final = 34


@kernel
def _line_end(data: Bytes, at: int, at_end: bool) -> int:
    """The place after the line end that begins at `at`, or -1 where the next byte is needed to tell."""
    if data[at] == _LF:
        return at + 1
    if at + 1 < data.size:
        return at + 2 if data[at + 1] == _LF else at + 1
    return at + 1 if at_end else -1


@kernel
def _broken(data: Bytes, at: int, at_end: bool, status: int) -> tuple[int, int, int, int, int]:
    """The row at `at` ends with its physical line: (stop, after, lines, fields, status)."""
    stop = at
    while stop < data.size and data[stop] != _LF and data[stop] != _CR:
        stop += 1
    if stop == data.size:
        return (stop, stop, 1, 0, status) if at_end else (at, at, 0, 0, _INCOMPLETE)
    after = _line_end(data, stop, at_end)
    return (stop, after, 1, 0, status) if after >= 0 else (at, at, 0, 0, _INCOMPLETE)


@kernel
def _quoted(data: Bytes, i: int, row: int, at_end: bool) -> tuple[int, int, int]:
    """Reads a quoted field whose text starts at `i`: (place after the closing quote, line ends inside, status)."""
    n, lines = data.size, 0
    while True:
        if i - row > ROW_BYTES_MAX:
            return i, lines, QUOTE_NEVER_CLOSED
        if i >= n:
            return i, lines, QUOTE_NEVER_CLOSED if at_end else _INCOMPLETE
        c = data[i]
        if c == _QUOTE:
            if i + 1 >= n:
                return i + 1, lines, GOOD if at_end else _INCOMPLETE
            if data[i + 1] != _QUOTE:
                return i + 1, lines, GOOD
            i += 1
        elif c == _LF or (c == _CR and i + 1 < n and data[i + 1] != _LF):
            lines += 1
        elif c == _CR and i + 1 >= n and not at_end:
            return i, lines, _INCOMPLETE
        i += 1


@kernel
def _row(
    data: Bytes, at: int, at_end: bool, delimiter: int, quotes: bool, width: int
) -> tuple[int, int, int, int, int]:
    """Reads the row that starts at `at`: (stop, after its line end, lines it takes, fields, status)."""
    n, i, fields, lines = data.size, at, 1, 0
    while True:
        if quotes and i < n and data[i] == _QUOTE:
            i, inside, status = _quoted(data, i + 1, at, at_end)
            lines += inside
            if status == _INCOMPLETE:
                return at, at, 0, 0, _INCOMPLETE
            if status != GOOD:
                return _broken(data, at, at_end, status)
            while i < n and (data[i] == _BLANK or data[i] == _TAB) and data[i] != delimiter:
                i += 1
            if i < n and data[i] != delimiter and data[i] != _LF and data[i] != _CR:
                # A quote that was meant to close on this line found another line's quote instead.
                return _broken(data, at, at_end, TEXT_AFTER_QUOTE if lines == 0 else QUOTE_NEVER_CLOSED)
        else:
            while i < n and data[i] != delimiter and data[i] != _LF and data[i] != _CR:
                i += 1
        if i >= n or data[i] != delimiter:
            break
        fields += 1
        i += 1
    if i >= n and not at_end:
        return at, at, 0, 0, _INCOMPLETE
    after = i
    if i < n:
        after = _line_end(data, i, at_end)
        if after < 0:
            return at, at, 0, 0, _INCOMPLETE
    if i - at > ROW_BYTES_MAX:
        return _broken(data, at, at_end, TOO_LONG)
    return i, after, lines + 1, fields, GOOD if width == 0 or fields == width else WRONG_FIELDS


@kernel
def scan_rows(
    data: Bytes,
    at: int,
    line: int,
    at_end: bool,
    delimiter: int,
    quotes: bool,
    width: int,
    starts: Places,
    stops: Places,
    lines: Places,
    fields: Places,
    status: Bytes,
) -> tuple[int, int, int]:
    """Finds rows from `at` (on 1-based `line`) until the output arrays are full or `data` has no whole row left.

    `at_end` says that nothing follows `data`; `quotes`, that a field may be quoted; `width` is the number of fields a
    row must have, 0 for any. Empty lines are no rows. Fills `starts`, `stops` (without the line end), `lines`, `fields`
    and `status` per row; returns (rows found, place of what is left, its line).
    """
    found = 0
    while found < starts.size and at < data.size:
        if data[at] == _LF or data[at] == _CR:
            after = _line_end(data, at, at_end)
            if after < 0:
                break
            at, line = after, line + 1
            continue
        stop, after, taken, count, state = _row(data, at, at_end, delimiter, quotes, width)
        if state == _INCOMPLETE:
            break
        starts[found], stops[found], lines[found], fields[found], status[found] = at, stop, line, count, state
        found += 1
        at, line = after, line + taken
    return found, at, line


@kernel
def copy_rows(data: Bytes, starts: Places, stops: Places, chosen: npt.NDArray[np.bool_], out: Bytes) -> int:
    """Copies the chosen rows one after the other into `out`, each ended by LF; returns the bytes written."""
    to = 0
    for row in range(starts.size):
        if chosen[row]:
            size = stops[row] - starts[row]
            out[to : to + size] = data[starts[row] : stops[row]]
            out[to + size] = _LF
            to += size + 1
    return to
