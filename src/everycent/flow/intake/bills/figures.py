"""Decimal texts in bulk: read exactly, added up, signed. A figure has at most 12 digits before its point, 6 behind."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.kernels.compiling import kernel

Bytes = npt.NDArray[np.uint8]
Scaled = npt.NDArray[np.int64]

DECIMALS: Final = 6
_DIGITS_MAX: Final = 12

GOOD: Final = 0
EMPTY: Final = 1
NO_FIGURE: Final = 2

_UNIT: Final = 10**DECIMALS


@kernel
def _read(data: Bytes, start: int, stop: int) -> tuple[int, int]:
    """One text as (millionths, status)."""
    while start < stop and (data[start] == 32 or data[start] == 9):
        start += 1
    while start < stop and (data[stop - 1] == 32 or data[stop - 1] == 9):
        stop -= 1
    if start == stop:
        return 0, EMPTY
    negative = data[start] == 45
    if negative or data[start] == 43:
        start += 1
    value, digits, behind = 0, 0, -1
    for i in range(start, stop):
        c = data[i]
        if c == 46 and behind < 0:
            behind = 0
        elif 48 <= c <= 57:
            digits += 1
            if behind >= 0:
                behind += 1
            if behind <= DECIMALS:
                value = value * 10 + (c - 48)
            elif c != 48:
                return 0, NO_FIGURE
            if value >= 10 ** (_DIGITS_MAX + min(max(behind, 0), DECIMALS)):
                return 0, NO_FIGURE
        else:
            return 0, NO_FIGURE
    if digits == 0:
        return 0, NO_FIGURE
    value *= 10 ** (DECIMALS - min(max(behind, 0), DECIMALS))
    return (-value if negative else value), GOOD


@kernel
def read_figures(data: Bytes, offsets: npt.NDArray[np.int32], values: Scaled, status: Bytes) -> None:
    """Reads the texts between the offsets into `values` (millionths; 0 where there is none) and `status`."""
    for row in range(values.size):
        values[row], status[row] = _read(data, offsets[row], offsets[row + 1])


@dataclass(frozen=True)
class Figures:
    """A column of figures: millionths, and of each whether it is one."""

    values: Scaled
    status: Bytes

    @property
    def unreadable(self) -> npt.NDArray[np.bool_]:
        """True where there is a text that is no figure."""
        wrong: npt.NDArray[np.bool_] = self.status == NO_FIGURE
        return wrong

    def total(self, rows: npt.NDArray[np.bool_] | None = None) -> Decimal:
        """Of the rows, or of all of them; exact however many there are."""
        values = self.values if rows is None else self.values[rows]
        whole, rest = np.divmod(values, _UNIT)
        return Decimal(int(whole.sum()) * _UNIT + int(rest.sum())).scaleb(-DECIMALS)


def figures(texts: pa.Array) -> Figures:
    """The figures of an array of texts."""
    values, status = np.zeros(len(texts), np.int64), np.full(len(texts), EMPTY, np.uint8)
    if texts.null_count < len(texts):
        _, offsets, data = texts.buffers()
        places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
        read_figures(np.frombuffer(data or b"", np.uint8), places, values, status)
    return Figures(values, status)


def plain(amount: Decimal) -> str:
    """A plain decimal text: a count as it is, else with two decimals or as many more as it needs."""
    if amount.as_tuple().exponent == 0:
        return str(amount)
    cents = amount.quantize(Decimal("0.01"))
    return f"{cents if cents == amount else amount.normalize():f}"


def difference(plus: pa.Array, minus: pa.Array, taken: Figures, given: Figures) -> pa.Array:
    """plus - minus as text, row by row, where `taken` and `given` are their figures; null where neither is there.

    Mostly one of the two is zero; then it is the other's text, with the other sign where that is `minus`.
    """
    if not given.values.any():
        return pc.coalesce(plus, minus)
    texts = pc.if_else(pa.array(taken.values == 0), negated(minus, given), plus)
    both = (taken.values != 0) & (given.values != 0)
    if both.any():
        found = (taken.values - given.values)[both].tolist()
        exact = [plain(Decimal(each).scaleb(-DECIMALS)) for each in found]
        texts = pc.replace_with_mask(texts, pa.array(both), pa.array(exact, pa.string()))
    neither = pa.array((taken.values == 0) & (given.values == 0))
    return pc.if_else(neither, pc.coalesce(plus, minus), texts)


def negated(texts: pa.Array, read: Figures) -> pa.Array:
    """The texts with the other sign; a zero keeps its text."""
    bare = pc.ascii_ltrim(texts, characters="+- \t")
    signed = pc.binary_join_element_wise("-", bare, "")
    values = read.values
    return pc.if_else(pa.array(values < 0), bare, pc.if_else(pa.array(values > 0), signed, texts))


def directed(
    kinds: pa.Array, texts: pa.Array, into: str, out_of: str
) -> tuple[pa.Array, dict[str, tuple[Decimal, Decimal]]]:
    """Texts signed by the word beside each: `into` positive, `out_of` negative, null by any other. And of each of the
    two words, how many there are and their unsigned total."""
    read = figures(texts)
    came, went = (pc.fill_null(pc.equal(kinds, word), False) for word in (into, out_of))
    flags = pa.StructArray.from_arrays([came, went], ["came", "went"])
    sums = {}
    for word, chosen in ((into, came), (out_of, went)):
        rows = chosen.to_numpy(zero_copy_only=False)
        sums[word] = (Decimal(int(rows.sum())), read.total(rows))
    return pc.case_when(flags, texts, negated(texts, read)), sums
