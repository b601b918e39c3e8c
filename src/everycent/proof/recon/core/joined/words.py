"""Texts as numbers that order as the texts do, as far as 64 bits tell them apart.

Of each place in the texts, the characters (bytes) that occur are numbered; a text is then a number whose digits are
these, of as many places as fit. Identifiers mostly have few different characters at a place, or one.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.kernels.compiling import kernel

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int32]

#: So many places are looked at; each has one of 256 characters, or the text has ended before it.
_PLACES_MOST, _CHARACTERS = 256, 257


def words(texts: pa.StringArray) -> tuple[Words, bool]:
    """A number for each text (without nulls), and whether equal numbers mean equal texts."""
    offsets, text = _memory(texts)
    used = np.zeros((_PLACES_MOST, _CHARACTERS), np.bool_)
    longest = mark(offsets, text, used)
    radix, places, bound = used.sum(axis=1), 0, 1
    while places < min(longest, _PLACES_MOST) and bound * int(radix[places]) < 1 << 64:
        bound *= int(radix[places])
        places += 1
    numbers = (np.cumsum(used, axis=1) - 1).astype(np.uint64)
    out = np.zeros(len(texts), np.uint64)
    pack(offsets, text, numbers[:places].copy(), radix[:places].astype(np.uint64), out)
    return out, places == longest


def same_texts(texts: pa.StringArray, one: Numbers, other: Numbers) -> bool:
    """Whether the texts (without nulls) at some places are those at others. Places below 0 are passed over."""
    offsets, text = _memory(texts)
    return bool(same(offsets, text, one, other))


@kernel
def same(offsets: Numbers, text: Bytes, one: Numbers, other: Numbers) -> bool:
    """As `same_texts`, of the texts' memory."""
    for at in range(len(one)):
        if one[at] < 0 or other[at] < 0 or one[at] == other[at]:
            continue
        begin, again = np.int64(offsets[one[at]]), np.int64(offsets[other[at]])
        length = np.int64(offsets[one[at] + 1]) - begin
        if np.int64(offsets[other[at] + 1]) - again != length:
            return False
        for place in range(length):
            if text[begin + place] != text[again + place]:
                return False
    return True


@kernel
def mark(offsets: Numbers, text: Bytes, used: npt.NDArray[np.bool_]) -> int:
    """Marks the characters that occur at each place, 0 where a text has ended; gives the longest text's length."""
    longest, places = np.int64(0), len(used)
    for row in range(len(offsets) - 1):
        begin, length = np.int64(offsets[row]), np.int64(offsets[row + 1] - offsets[row])
        if length > longest:
            longest = length
        for place in range(min(int(length), places)):
            used[place, np.int64(text[begin + place]) + 1] = True
        if length < places:
            used[length, 0] = True
    for place in range(1, places):  # a text that ended before has ended here, too
        used[place, 0] |= used[place - 1, 0]
    return int(longest)


@kernel
def pack(offsets: Numbers, text: Bytes, numbers: Words, radix: Words, out: Words) -> None:
    """Fills `out` with a number for each text."""
    for row in range(len(offsets) - 1):
        begin, length = np.int64(offsets[row]), np.int64(offsets[row + 1] - offsets[row])
        word = np.uint64(0)
        for place in range(len(radix)):
            character = np.int64(text[begin + place]) + 1 if place < length else np.int64(0)
            word = word * radix[place] + numbers[place, character]
        out[row] = word


def _memory(texts: pa.StringArray) -> tuple[Numbers, Bytes]:
    assert texts.null_count == 0, "a key is never null"
    _, offsets, data = texts.buffers()
    begins = np.frombuffer(offsets or b"\0\0\0\0", np.int32)[texts.offset : texts.offset + len(texts) + 1]
    text = np.frombuffer(data or b"\0", np.uint8)
    for each in (begins, text):
        each.flags.writeable = False
    return begins, text
