"""Rows of two sides meet by the hash of their key: the left side's are known, the right side's come by.

A row is known by a number: the left side's from 0 on in the order of reading, then those of the right side that are
kept. A row of the right side is dropped where it is alone with one row of the left and says the same: of it only the
place is noted, at that row. All others are kept. Rows of a key hang in a chain behind its first row.

What is looked at together stands together: a known row is one line of four words, half of what a processor fetches.
Rows that come by are looked up many at once, step by step, so that it fetches for several of them at a time.
"""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.compiling import kernel, uncounted

Words = npt.NDArray[np.uint64]
Long = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Marks = npt.NDArray[np.bool_]

#: The words of a known row: the hash of its key, one of all that it says, the place of the row that was dropped beside
#: it + 1 (0: none), and the number of the next row of its key + 1 (0: none), with a bit that says that it hangs.
KEY, SAYS, DROPPED, NEXT = range(4)
WIDTH = 4
HANGS = 1 << 40

#: No row, no place.
NONE = -1

#: What a line of `parted` is: two rows or one, a row too many on either side, the first rows of a key that repeats.
PAIR, LEFT_TOO_MANY, RIGHT_TOO_MANY, FIRSTS = range(4)

_AT_ONCE = 256


@kernel
def take_in(keys: Words, says: Words, amounts: Long, known: Words, count: int, heads: Numbers) -> None:
    """Rows of the left side become known, from number `count` on. heads: by key, the number of its first row, NONE
    where there is none; a table whose length is a power of two, with room."""
    for at in range(len(keys)):
        know(known, count + at, keys[at], said(says[at], amounts[at]))
        hang(known, count + at, slot_of(known, keys[at], heads), heads)


@kernel
def come_by(
    keys: Words, says: Words, amounts: Long, places: Long, known: Words, count: int, lefts: int, heads: Numbers,
    kept: Marks,
) -> int:  # fmt: skip
    """Rows of the right side come by; gives how many rows are known then. kept: bool[n], filled with which are."""
    likely = np.empty(_AT_ONCE, np.int32)
    met = np.empty(_AT_ONCE, np.bool_)
    most = np.uint64(len(heads) - 1)
    for begin in range(0, len(keys), _AT_ONCE):
        end = min(begin + _AT_ONCE, len(keys))
        for at in range(begin, end):
            likely[at - begin] = heads[np.int64(begins_at(keys[at], most))]
        for at in range(begin, end):
            head = likely[at - begin]
            met[at - begin] = head != NONE and known[head, KEY] == keys[at]
        for at in range(begin, end):
            head, says_it = likely[at - begin], said(says[at], amounts[at])
            if not met[at - begin]:
                head = heads[slot_of(known, keys[at], heads)]
            if head != NONE and head < lefts and says_it == known[head, SAYS] and is_alone(known, head):
                known[head, DROPPED] = np.uint64(places[at] + 1)
                kept[at] = False
                continue
            know(known, count, keys[at], says_it)
            hang(known, count, slot_of(known, keys[at], heads), heads)
            kept[at] = True
            count += 1
    return count


@kernel
def hang_again(known: Words, old: Numbers, heads: Numbers) -> None:
    """All of a table, in one with more room."""
    for slot in range(len(old)):
        if old[slot] != NONE:
            heads[slot_of(known, known[old[slot], KEY], heads)] = old[slot]


@kernel
def parted(known: Words, places: Long, count: int, lefts: int, found: Numbers, odd: Numbers) -> tuple[int, int, int]:
    """What the rows of each key make. Gives how many lines and odd keys there are, and how many rows of each side
    agree.

    found: int32[n, 5], filled with the left row, the right row (NONE: none; a number of the left side stands for the
    row that was dropped beside it), what the line is, whether it is the first of its key that is so, and the key's
    first row. odd: int32[m], filled with the first rows of keys of which a side has several that are not alike.
    """
    lines, odds, rows = 0, 0, 0
    for head in range(count):
        if known[head, NEXT] >= np.uint64(HANGS):
            continue
        dropped = known[head, DROPPED] != np.uint64(0)
        behind = next_of(known, head)
        if behind == NONE and dropped:
            rows += 1
        elif behind == NONE:
            left, right = (head, NONE) if head < lefts else (NONE, head)
            lines = put(found, lines, left, right, PAIR, True, head)
        elif next_of(known, behind) == NONE and head < lefts and behind >= lefts and not dropped:
            lines = put(found, lines, head, behind, PAIR, True, head)
        else:
            left, left_rows, alike = first_of(known, head, places, 0, lefts)
            right, right_rows, right_alike = first_of(known, head, places, lefts, count)
            if dropped:
                right_alike = right_alike and (right == NONE or same(known, head, right))
                before = right == NONE or np.int64(known[head, DROPPED]) - 1 < places[right]
                right, right_rows = head if before else right, right_rows + 1
            if not (alike and right_alike):
                odd[odds] = head
                odds += 1
            elif left_rows == right_rows and same(known, left, right):
                rows += left_rows
            else:
                lines = put(found, lines, left, right, FIRSTS, True, head)
                lines = put_more(found, lines, known, head, left, right, lefts)
    return lines, odds, rows


@kernel
def rows_of(odd: Numbers, known: Words, lefts: int, left: Numbers, right: Numbers) -> tuple[int, int]:
    """All rows of some keys, by side; gives how many there are of each. Dropped ones are known as in `parted`."""
    ours, theirs = 0, 0
    for head in odd:
        if known[head, DROPPED] != np.uint64(0):
            right[theirs] = head
            theirs += 1
        row = int(head)
        while row != NONE:
            if row < lefts:
                left[ours] = row
                ours += 1
            else:
                right[theirs] = row
                theirs += 1
            row = next_of(known, row)
    return ours, theirs


@uncounted
def first_of(known: Words, head: int, places: Long, begin: int, end: int) -> tuple[int, int, bool]:
    """Of a key's rows with numbers from begin to end - 1 the one of the lowest place, how many there are, and whether
    all of them are alike."""
    first, rows, alike = NONE, 0, True
    row = head
    while row != NONE:
        if begin <= row < end:
            rows += 1
            alike = alike and (first == NONE or same(known, row, first))
            if first == NONE or places[row] < places[first]:
                first = row
        row = next_of(known, row)
    return first, rows, alike


@uncounted
def put_more(found: Numbers, lines: int, known: Words, head: int, left: int, right: int, lefts: int) -> int:
    """A line for each row of a key beside its first rows; gives the number of the next line."""
    first_left, first_right = True, True
    if known[head, DROPPED] != np.uint64(0) and right != head:
        lines, first_right = put(found, lines, NONE, head, RIGHT_TOO_MANY, True, head), False
    row = head
    while row != NONE:
        if row < lefts and row != left:
            lines, first_left = put(found, lines, row, NONE, LEFT_TOO_MANY, first_left, head), False
        if row >= lefts and row != right:
            lines, first_right = put(found, lines, NONE, row, RIGHT_TOO_MANY, first_right, head), False
        row = next_of(known, row)
    return lines


@uncounted
def put(found: Numbers, line: int, left: int, right: int, what: int, first: bool, head: int) -> int:
    """Writes a line; gives the number of the next."""
    found[line, 0], found[line, 1], found[line, 2], found[line, 3], found[line, 4] = left, right, what, first, head
    return line + 1


@uncounted
def same(known: Words, one: int, other: int) -> bool:
    """Whether two rows say the same; not where one of them is missing."""
    return bool(one != NONE and other != NONE and known[one, SAYS] == known[other, SAYS])


@uncounted
def is_alone(known: Words, row: int) -> bool:
    """Whether nothing hangs behind a row, and nothing was dropped beside it."""
    return bool(known[row, NEXT] == np.uint64(0) and known[row, DROPPED] == np.uint64(0))


@uncounted
def next_of(known: Words, row: int) -> int:
    """The next row of the same key, or NONE."""
    return int(known[row, NEXT] & np.uint64(HANGS - 1)) - 1


@uncounted
def know(known: Words, row: int, key: np.uint64, says: np.uint64) -> None:
    """Writes a row that nothing hangs behind."""
    known[row, KEY], known[row, SAYS], known[row, DROPPED], known[row, NEXT] = key, says, np.uint64(0), np.uint64(0)


@uncounted
def hang(known: Words, row: int, slot: np.int64, heads: Numbers) -> None:
    """A row that is known is its key's first, or hangs behind it."""
    head = heads[slot]
    if head == NONE:
        heads[slot] = row
    else:
        known[row, NEXT] = known[head, NEXT] | np.uint64(HANGS)
        known[head, NEXT] = np.uint64(row + 1)


@uncounted
def slot_of(known: Words, key: np.uint64, heads: Numbers) -> np.int64:
    """Where a key is, or belongs."""
    most = np.uint64(len(heads) - 1)
    slot = begins_at(key, most)
    while heads[np.int64(slot)] != NONE and known[heads[np.int64(slot)], KEY] != key:
        slot = (slot + np.uint64(1)) & most
    return np.int64(slot)


@uncounted
def begins_at(key: np.uint64, most: np.uint64) -> np.uint64:
    """Where a key is looked for first."""
    return (key ^ (key >> np.uint64(32))) & most


@uncounted
def said(says: np.uint64, amount: np.int64) -> np.uint64:
    """One hash of an amount and of what is said beside it; every bit of it depends on every bit of both (the finaliser
    of SplitMix64, Steele et al. 2014)."""
    value = says + np.uint64(amount) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
