"""Small sets of amounts on two sides that add up to the same, to the unit: all of them, or the word that they were not
all tried. Sets that fall into two such pairs of sets are left out: the parts are there, and say more.
"""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.compiling import kernel
from everycent.base.engine.kernels.subsets import AMOUNT_MAX, _grown, _half, _unpacked

Minor = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_EACH_MAX = 60


def sums_to_some(
    left: tuple[Places, Minor, Places],
    right: tuple[Places, Minor, Places],
    within: int,
    most: int,
    budget: int,
    alternatives: int,
) -> tuple[Places, Places, Places, Places, Places, Flags]:
    """All pairs of sets of 1 to `most` rows on either side of a block that add up to the same, and do not fall into two
    such pairs.

    left, right, within: as for sums_to_one. budget: steps for one block. alternatives: ways for one row, at most.

    Gives (block, left_starts, left rows, right_starts, right rows, exhausted): way w is left_rows[left_starts[w]:
    left_starts[w + 1]] and the same of the right. Blocks that were given up, bool[blocks], have no ways.
    """
    for starts, amounts, days in (left, right):
        assert len(amounts) == len(days) == starts[-1], "each row belongs to one block"
        assert not len(amounts) or np.abs(amounts).max() <= AMOUNT_MAX, "sums must fit 64 bits"
    assert len(left[0]) == len(right[0]), "the two sides have the same blocks"
    exhausted = np.zeros(len(left[0]) - 1, dtype=np.bool_)
    found = _sums_to_some(*left, *right, within, most, budget, alternatives, exhausted)
    return (*found, exhausted)


@kernel
def _sums_to_some(
    left_starts: Places,
    left_amounts: Minor,
    left_days: Places,
    right_starts: Places,
    right_amounts: Minor,
    right_days: Places,
    within: int,
    most: int,
    budget: int,
    alternatives: int,
    exhausted: Flags,
) -> tuple[Places, Places, Places, Places, Places]:
    blocks, lefts, rights = np.empty(16, np.int64), np.empty(64, np.int64), np.empty(64, np.int64)
    ends, other_ends = np.zeros(17, np.int64), np.zeros(17, np.int64)
    ways = used = other_used = 0
    for block in range(len(left_starts) - 1):
        begin, end = left_starts[block], left_starts[block + 1]
        other_begin, other_end = right_starts[block], right_starts[block + 1]
        if end - begin > _EACH_MAX or other_end - other_begin > _EACH_MAX:
            exhausted[block] = True
            continue
        days, other_days = left_days[begin:end], right_days[other_begin:other_end]
        found = _block(
            left_amounts[begin:end], days, right_amounts[other_begin:other_end], other_days, within, most, budget,
            alternatives,
        )  # fmt: skip
        if len(found) == 1 and found[0, 0] < 0:
            exhausted[block] = True
            continue
        for way in range(len(found)):
            blocks = _grown(blocks, ways, 1)
            ends, other_ends = _grown(ends, ways + 1, 1), _grown(other_ends, ways + 1, 1)
            lefts, rights = _grown(lefts, used, most), _grown(rights, other_used, most)
            blocks[ways] = block
            before, other_before = used, other_used
            used = _unpacked(found[way, 0], begin, 1, lefts, used)
            other_used = _unpacked(found[way, 1], other_begin, 1, rights, other_used)
            assert used > before and other_used > other_before, "a way has rows on both sides"
            ways += 1
            ends[ways], other_ends[ways] = used, other_used
    return (
        blocks[:ways].copy(), ends[: ways + 1].copy(), lefts[:used].copy(), other_ends[: ways + 1].copy(),
        rights[:other_used].copy(),
    )  # fmt: skip


@kernel
def _block(
    amounts: Minor,
    days: Places,
    others: Minor,
    other_days: Places,
    within: int,
    most: int,
    budget: int,
    alternatives: int,
) -> Places:
    """The ways of one block as masks, int64[ways, 2]; one line of -1 where it was given up."""
    given_up = np.full((1, 2), -1, dtype=np.int64)
    far = 1 << 62
    sums, masks, sizes, steps = _half(amounts, most, -far, far, budget)
    other_sums, other_masks, other_sizes, more = _half(others, most, -far, far, budget - steps)
    steps += more
    if steps > budget:
        return given_up
    found = np.empty((8, 2), dtype=np.int64)
    per_row = np.zeros(len(amounts) + len(others), dtype=np.int64)
    order, other_order = np.argsort(sums), np.argsort(other_sums)
    ways = at = other_at = 0
    while at < len(sums) and other_at < len(other_sums):
        one, other = sums[order[at]], other_sums[other_order[other_at]]
        steps += 1
        if one < other:
            at += 1
            continue
        if one > other:
            other_at += 1
            continue
        end, other_end = at, other_at
        while end < len(sums) and sums[order[end]] == one:
            end += 1
        while other_end < len(other_sums) and other_sums[other_order[other_end]] == one:
            other_end += 1
        steps += (end - at) * (other_end - other_at)
        if steps > budget:
            return given_up
        for left in order[at:end]:
            for right in other_order[other_at:other_end]:
                if sizes[left] == 0 or other_sizes[right] == 0:
                    continue
                if within >= 0 and not _all_near(masks[left], days, other_masks[right], other_days, within):
                    continue
                steps += (1 << sizes[left]) * (1 << other_sizes[right])
                if steps > budget:
                    return given_up
                if _falls_into_two(masks[left], amounts, other_masks[right], others):
                    continue
                found = _noted(found, ways, masks[left], other_masks[right])
                ways += 1
                _count(masks[left], 0, per_row)
                _count(other_masks[right], len(amounts), per_row)
        at, other_at = end, other_end
    if steps > budget or (ways and per_row.max() > alternatives):
        return given_up
    return found[:ways]


@kernel
def _noted(found: Places, ways: int, mask: int, other_mask: int) -> Places:
    """The ways with one more behind the first `ways`."""
    if ways == len(found):
        larger = np.empty((2 * ways, 2), dtype=np.int64)
        larger[:ways] = found
        found = larger
    found[ways, 0], found[ways, 1] = mask, other_mask
    return found


@kernel
def _count(mask: int, first: int, counts: Places) -> None:
    place = first
    while mask:
        counts[place] += mask & 1
        mask >>= 1
        place += 1


@kernel
def _all_near(mask: int, days: Places, other_mask: int, other_days: Places, within: int) -> bool:
    for row in range(len(days)):
        for other in range(len(other_days)):
            both = (mask >> row) & (other_mask >> other) & 1
            if both and abs(days[row] - other_days[other]) > within:
                return False
    return True


@kernel
def _falls_into_two(mask: int, amounts: Minor, other_mask: int, others: Minor) -> bool:
    """Whether a part of the one set and a part of the other, neither of them all, add up to the same."""
    part = (mask - 1) & mask
    while part:
        total = _sum_of(part, amounts)
        other_part = (other_mask - 1) & other_mask
        while other_part:
            if _sum_of(other_part, others) == total:
                return True
            other_part = (other_part - 1) & other_mask
        part = (part - 1) & mask
    return False


@kernel
def _sum_of(mask: int, amounts: Minor) -> int:
    total = 0
    place = 0
    while mask:
        if mask & 1:
            total += amounts[place]
        mask >>= 1
        place += 1
    return total
