"""The cells of a sketch: adding rows, taking one table from another, and peeling off what is left.

A row is (key, row): two hashes of 48 bits, of its key and of its key with all that is compared. Each row goes into one
cell of each of THIRDS parts of the table. A cell holds the count of its rows and the sums of their keys, of their rows
and of their checks. Equal rows of the two sides cancel, whatever their number.

Sums are taken modulo 2**64, which one vector instruction does for a whole cell. A row that stands alone in a cell, so
and so often, is that share of the sums all the same: division by the odd part of the count is exact modulo 2**64, and
48 bits leave room for the even part up to 2**16 (`shared`). The check is no linear function of the two hashes: the sum
of several rows does not look like one row.
"""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.compiling import kernel, uncounted

Cells = npt.NDArray[np.uint64]
Hashes = npt.NDArray[np.uint64]

#: The bits of a hash. 16 more leave room for counts.
HASH_BITS, ROOM_BITS = 48, 16

#: The parts of a table; a row has one cell in each.
THIRDS = 3

#: What a cell holds, in this order: a cache line has two cells.
COUNT, KEYS, ROWS, CHECKS = range(4)
WIDTH = 4

#: A part has at most 2**PLACE_BITS cells: a row's three places are cut out of one hash of 64 bits.
PLACE_BITS = 21


@kernel
def add(cells: Cells, keys: Hashes, rows: Hashes, seed: np.uint64) -> None:
    """Adds rows to the table: uint64[THIRDS * m, WIDTH], changed in place. Of hashes, the last 48 bits count."""
    part, one = np.uint64(len(cells) // THIRDS), np.uint64(1)
    for at in range(len(keys)):
        key, row = cut(keys[at]), cut(rows[at])
        place, check = place_of(key, row, seed), check_of(key, row)
        for third in range(THIRDS):
            cell = cell_of(place, np.uint64(third), part)
            cells[cell, COUNT] += one
            cells[cell, KEYS] += key
            cells[cell, ROWS] += row
            cells[cell, CHECKS] += check


@kernel
def peel(cells: Cells, seed: np.uint64, keys: Hashes, rows: Hashes, counts: npt.NDArray[np.int64]) -> np.int64:
    """Takes out every row that stands alone in a cell, until none does; the table keeps what could not be told apart.

    Fills keys, rows and counts (how often more on this side, negative: on the other), and gives how many there are, at
    most as many as these arrays hold. Nothing is left where all cells are zero then.
    """
    part, found = np.uint64(len(cells) // THIRDS), 0
    waiting = np.arange(len(cells))
    on_list = np.ones(len(cells), dtype=np.bool_)
    left = len(cells)
    while left > 0 and found < len(keys):
        left -= 1
        cell = waiting[left]
        on_list[cell] = False
        count = cells[cell, COUNT]
        if count == np.uint64(0):
            continue
        key, row = shared(cells[cell, KEYS], count), shared(cells[cell, ROWS], count)
        place, check = place_of(key, row, seed), check_of(key, row)
        alone = count * key == cells[cell, KEYS] and count * row == cells[cell, ROWS]
        if not alone or count * check != cells[cell, CHECKS]:
            continue
        if np.uint64(cell) != cell_of(place, np.uint64(cell) // part, part):
            continue
        keys[found], rows[found], counts[found] = key, row, np.int64(count)
        found += 1
        for third in range(THIRDS):
            again = np.int64(cell_of(place, np.uint64(third), part))
            cells[again, COUNT] -= count
            cells[again, KEYS] -= count * key
            cells[again, ROWS] -= count * row
            cells[again, CHECKS] -= count * check
            if not on_list[again]:
                waiting[left], on_list[again] = again, True
                left += 1
    return np.int64(found)


@uncounted
def cell_of(place: np.uint64, third: np.uint64, part: np.uint64) -> np.uint64:
    """A row's cell in this third of the table."""
    bits = np.uint64(PLACE_BITS)
    within = (place >> (third * bits)) & np.uint64((1 << PLACE_BITS) - 1)
    return third * part + ((within * part) >> bits)


@uncounted
def place_of(key: np.uint64, row: np.uint64, seed: np.uint64) -> np.uint64:
    """Where a row's cells are: PLACE_BITS bits for each third."""
    return mixed(row + mixed(key + seed))


@uncounted
def check_of(key: np.uint64, row: np.uint64) -> np.uint64:
    """What no sum of other rows has but by chance."""
    return mixed(mixed(row ^ np.uint64(0x9E3779B97F4A7C15)) ^ key)


@uncounted
def mixed(value: np.uint64) -> np.uint64:
    """Every bit of the result depends on every bit of the value (the finaliser of SplitMix64, Steele et al. 2014)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@uncounted
def cut(value: np.uint64) -> np.uint64:
    """The bits of a hash that count."""
    return value & np.uint64((1 << HASH_BITS) - 1)


@uncounted
def shared(total: np.uint64, count: np.uint64) -> np.uint64:
    """The hash which, so many times, gives the total modulo 2**64; something else where there is none.

    count is not 0. Of its even part 2**ROOM_BITS fit beside a hash: of 131,072 times the same row, and multiples of
    that, the hash is not found.
    """
    one, even = np.uint64(1), np.uint64(0)
    while count & one == np.uint64(0):
        count >>= one
        even += one
    inverse = count  # right in its last three bits; each step doubles them (Newton)
    for _ in range(5):
        inverse *= np.uint64(2) - count * inverse
    return cut((total * inverse) >> even)
