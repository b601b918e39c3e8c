"""The cells of fixed-width lines, cut out in bulk."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.kernels.compiling import kernel
from everycent.flow.intake.layouts import FixedColumnSpec
from everycent.flow.intake.readers.csv_rows import Found

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int64]
Signs = npt.NDArray[np.int8]

#: An amount of more digits does not fit 64 bits.
_DIGITS_MAX: Final = 18
#: The longest text of an amount: its digits, a zero before the point, the point and the sign.
_TEXT_MAX: Final = 21


@kernel
def cut(data: Bytes, starts: Places, stops: Places, at: int, length: int, out: Bytes, ends: Places) -> int:
    """Copies each line's cell without the blanks around it; `ends` are the places after each. Returns bytes written."""
    to = 0
    for row in range(starts.size):
        first, last = starts[row] + at, min(starts[row] + at + length, stops[row])
        while first < last and (data[first] == 32 or data[first] == 9):
            first += 1
        while first < last and (data[last - 1] == 32 or data[last - 1] == 9):
            last -= 1
        for i in range(first, last):
            out[to] = data[i]
            to += 1
        ends[row] = to
    return to


@kernel
def cut_amounts(
    data: Bytes,
    starts: Places,
    stops: Places,
    at: int,
    length: int,
    sign_at: int,
    signs: Signs,
    decimals: int,
    values: Places,
    good: npt.NDArray[np.bool_],
    out: Bytes,
    ends: Places,
) -> int:
    """Reads each line's digits as an amount with so many decimals, and writes it as a plain decimal.

    `signs` says of each byte at `sign_at` whether it makes the amount positive (1), negative (-1) or unreadable (0);
    without one (-1) a + or - may stand before the digits. A cell of blanks has no value: 0, good, no text. A line that
    ends within the cell is not good. Returns the bytes written.
    """
    to = 0
    for row in range(starts.size):
        values[row], good[row], ends[row] = 0, True, to
        first, last = starts[row] + at, starts[row] + at + length
        if last > stops[row] or starts[row] + sign_at >= stops[row]:
            good[row] = False
            continue
        sign = 1
        if sign_at >= 0:
            sign = signs[data[starts[row] + sign_at]]
            if starts[row] + sign_at == first:
                first += 1
        while first < last and data[first] == 32:
            first += 1
        while first < last and data[last - 1] == 32:
            last -= 1
        if first == last:
            continue
        if sign_at < 0 and (data[first] == 43 or data[first] == 45):
            sign = 44 - data[first]
            first += 1
        value = 0
        if first == last or last - first > _DIGITS_MAX or sign == 0:
            good[row] = False
            continue
        for i in range(first, last):
            if not 48 <= data[i] <= 57:
                good[row] = False
                break
            value = value * 10 + (data[i] - 48)
        if good[row]:
            values[row] = sign * value
            to = _write(value, sign < 0 and value > 0, decimals, out, to)
            ends[row] = to
    return to


@kernel
def _write(value: int, negative: bool, decimals: int, out: Bytes, to: int) -> int:
    """Writes the amount at `to`; returns the place after it."""
    if negative:
        out[to] = 45
        to += 1
    digits, rest = 1, value // 10
    while rest > 0:
        digits, rest = digits + 1, rest // 10
    digits = max(digits, decimals + 1)
    size = digits + (1 if decimals > 0 else 0)
    for i in range(size - 1, -1, -1):
        if decimals > 0 and i == size - 1 - decimals:
            out[to + i] = 46
        else:
            out[to + i] = 48 + value % 10
            value //= 10
    return to + size


def texts(found: Found, column: FixedColumnSpec, encoding: str) -> pa.Array:
    """The column's cells; null where there are only blanks. What is no text in the encoding has its bytes escaped."""
    out, ends = np.empty(found.count * column.length, np.uint8), np.empty(found.count, np.int64)
    size = cut(found.data, found.starts, found.stops, column.start - 1, column.length, out, ends)
    cells = _array(out[:size], ends, pa.binary())
    if (out[:size] >= 128).any():
        distinct = cells.dictionary_encode()
        decoded = [cell.decode(encoding, errors="backslashreplace") for cell in distinct.dictionary.to_pylist()]
        cells = pa.DictionaryArray.from_arrays(distinct.indices, pa.array(decoded, pa.string())).dictionary_decode()
    else:
        cells = cells.cast(pa.string())
    return pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells)


def amounts(found: Found, column: FixedColumnSpec) -> tuple[pa.Array, Places, npt.NDArray[np.bool_]]:
    """The column's amounts as plain decimals, null where there is none; as integers of its last decimal; and of each
    line whether its cell can be read."""
    signs = np.zeros(256, np.int8)
    if column.sign is not None:
        signs[list(column.sign.plus.encode("latin-1"))] = 1
        signs[list(column.sign.minus.encode("latin-1"))] = -1
    values, good = np.empty(found.count, np.int64), np.empty(found.count, np.bool_)
    out, ends = np.empty(found.count * _TEXT_MAX, np.uint8), np.empty(found.count, np.int64)
    sign_at = -1 if column.sign is None else column.sign.at - 1
    how = (column.start - 1, column.length, sign_at, signs, column.decimals)
    size = cut_amounts(found.data, found.starts, found.stops, *how, values, good, out, ends)
    cells = _array(out[:size], ends, pa.string())
    return pc.if_else(pc.equal(cells, ""), pa.scalar(None, pa.string()), cells), values, good


def _array(data: Bytes, ends: Places, kind: pa.DataType) -> pa.Array:
    offsets = np.zeros(ends.size + 1, np.int32)
    offsets[1:] = ends
    return pa.Array.from_buffers(kind, ends.size, [None, pa.py_buffer(offsets), pa.py_buffer(data.copy())])
