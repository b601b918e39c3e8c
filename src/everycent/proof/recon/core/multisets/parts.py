"""Hashes spread over parts that fit the processor's cache, and what each part's rows leave of a key.

A row is (key, row): hashes of its key (48 bits) and of all that is compared (64 bits). A key's rows of the left side
are added up and those of the right side taken off, modulo 2**64: nothing is left where both have the same rows, however
many. Other rows leave nothing with a probability of 2**-63, and up to 2**-47 where a row is there thousands of times.
"""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.compiling import kernel, uncounted

Hashes = npt.NDArray[np.uint64]
Starts = npt.NDArray[np.int64]

#: The bits of a key's hash that count.
KEY_BITS = 48

#: What a table holds of a key, in this order: the key + 1 (0: nobody's), what its rows leave, how many rows each side
#: has.
KEY, LEAVES, LEFT_ROWS, RIGHT_ROWS = range(4)
WIDTH = 4

#: A table to begin with, in keys; it grows where more than half of it is taken.
_KEYS_LEAST = 1 << 12


@kernel
def spread(keys: Hashes, rows: Hashes, side: np.uint64, to_keys: Hashes, to_rows: Hashes, starts: Starts) -> None:
    """Puts rows into the order of their parts. side: 0 left, 1 right; it is kept as the last bit of the key.

    starts: int64[parts + 1] zeros, filled with where each part begins. The number of parts is a power of two.
    """
    parts, one = len(starts) - 1, np.uint64(1)
    shift = shift_of(parts)
    for at in range(len(keys)):
        starts[np.int64(cut(keys[at]) >> shift) + 1] += 1
    for part in range(parts):
        starts[part + 1] += starts[part]
    for at in range(len(keys)):
        key = cut(keys[at])
        place = starts[np.int64(key >> shift)]
        starts[np.int64(key >> shift)] += 1
        to_keys[place], to_rows[place] = (key << one) | side, rows[at]
    for part in range(parts, 0, -1):
        starts[part] = starts[part - 1]
    starts[0] = 0


@kernel
def unequal(
    keys: Hashes, rows: Hashes, begins: Starts, starts: Starts, first: int, last: int
) -> tuple[Hashes, npt.NDArray[np.bool_]]:
    """Of the parts first to last - 1, the keys whose rows are not the same on both sides, and whether one of the sides
    has more than one row of them.

    keys, rows: uint64[n], of spread batches that begin at begins[b], with parts from starts[b, part] on.
    """
    found, repeated, count = np.empty(1024, np.uint64), np.empty(1024, np.bool_), np.int64(0)
    table = np.zeros((2 * _KEYS_LEAST, WIDTH), np.uint64)
    for part in range(first, last):
        taken = np.int64(0)
        for batch in range(len(begins)):
            begin, end = begins[batch] + starts[batch, part], begins[batch] + starts[batch, part + 1]
            while 2 * (taken + end - begin) > len(table):
                table = grown(table)
            for at in range(begin, end):
                taken += put(table, keys[at], rows[at])
        while count + taken > len(found):
            found, repeated = np.append(found, np.empty_like(found)), np.append(repeated, np.empty_like(repeated))
        count = take_out(table, found, repeated, count)
    return found[:count], repeated[:count]


@kernel
def grown(table: Hashes) -> Hashes:
    """The same table with twice the room."""
    wide = np.zeros((2 * len(table), WIDTH), np.uint64)
    for slot in range(len(table)):
        if table[slot, KEY]:
            to = slot_of(wide, table[slot, KEY])
            for word in range(WIDTH):
                wide[to, word] = table[slot, word]
    return wide


@uncounted
def put(table: Hashes, key_and_side: np.uint64, row: np.uint64) -> np.int64:
    """Adds a row to its key, or takes it off; gives how many keys are new."""
    key, one = (key_and_side >> np.uint64(1)) + np.uint64(1), np.uint64(1)
    slot = slot_of(table, key)
    new = table[slot, KEY] == np.uint64(0)
    table[slot, KEY] = key
    if key_and_side & one:
        table[slot, LEAVES] -= mixed(row)
        table[slot, RIGHT_ROWS] += one
    else:
        table[slot, LEAVES] += mixed(row)
        table[slot, LEFT_ROWS] += one
    return np.int64(new)


@uncounted
def take_out(table: Hashes, found: Hashes, repeated: npt.NDArray[np.bool_], count: np.int64) -> np.int64:
    """Empties the table; writes down what leaves something, from `count` on, and gives how many are written then."""
    for slot in range(len(table)):
        if table[slot, KEY]:
            lefts, rights = table[slot, LEFT_ROWS], table[slot, RIGHT_ROWS]
            if table[slot, LEAVES] or lefts != rights:
                found[count] = table[slot, KEY] - np.uint64(1)
                repeated[count] = lefts > np.uint64(1) or rights > np.uint64(1)
                count += 1
            for word in range(WIDTH):
                table[slot, word] = np.uint64(0)
    return count


@uncounted
def slot_of(table: Hashes, key: np.uint64) -> np.int64:
    """Where a key is, or belongs. The table's length is a power of two, and it has room."""
    most = np.uint64(len(table) - 1)
    slot = key & most
    while table[slot, KEY] and table[slot, KEY] != key:
        slot = (slot + np.uint64(1)) & most
    return np.int64(slot)


@uncounted
def shift_of(parts: int) -> np.uint64:
    """A key's part are its first bits."""
    shift = np.uint64(KEY_BITS)
    while parts > 1:
        parts //= 2
        shift -= np.uint64(1)
    return shift


@uncounted
def mixed(value: np.uint64) -> np.uint64:
    """Every bit of the result depends on every bit of the value (the finaliser of SplitMix64, Steele et al. 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@uncounted
def cut(value: np.uint64) -> np.uint64:
    """The bits of a hash that count."""
    return value & np.uint64((1 << KEY_BITS) - 1)
