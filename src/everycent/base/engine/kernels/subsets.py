"""Which of some amounts add up to another, to the unit: all ways, or the word that they were not all tried.

Meet in the middle: the amounts are dealt into two halves, the sums of each are listed, without those from which the
target can no longer be reached, and the two lists are walked against each other. The work is counted in steps, which
depend on the amounts alone: the order of equal amounts, the machine and the time do not matter.
"""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.compiling import kernel

Minor = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

#: Sums of as many rows as a search takes fit 64 bits with room.
AMOUNT_MAX = 1 << 55
_HALF_MAX = 60

#: What one call does at most: pairs of a target and an item in one block; searches that take their whole budget; and
#: rows of all ways, 8 bytes each. The blocks after that are given up.
_LOOKED_AT_MAX, _TARGETS_MAX, _ROWS_MAX = 1 << 30, 1 << 10, 1 << 26


def sums_to_one(
    targets: tuple[Places, Minor, Places],
    items: tuple[Places, Minor, Places],
    within: int,
    most: int,
    budget: int,
    alternatives: int,
) -> tuple[Places, Places, Places, Flags]:
    """All sets of 1 to `most` items that add up to a target of their block.

    targets, items: (starts int64[blocks + 1], amounts int64, days int64); a block's amounts are at starts[b] to
    starts[b + 1], the largest magnitude first, none beyond AMOUNT_MAX. within: items are at most so many days from the
    target; -1: any. budget: steps for one target. alternatives: ways for one target, at most.

    A block whose targets times items are more than 2^30 is given up, and blocks after 2^26 rows of ways were found or
    1,024 budgets spent.

    Gives (target, starts, items, exhausted): way w explains target[w] by items[starts[w]:starts[w + 1]]; of a target
    whose search was given up there are no ways, and exhausted, bool[targets], says so.
    """
    for starts, amounts, days in (targets, items):
        assert len(amounts) == len(days) == starts[-1], "each row belongs to one block"
        assert not len(amounts) or np.abs(amounts).max() <= AMOUNT_MAX, "sums must fit 64 bits"
    exhausted = np.zeros(len(targets[1]), dtype=np.bool_)
    owners, starts, rows = _sums_to_one(*targets, *items, within, most, budget, alternatives, exhausted)
    return owners, starts, rows, exhausted


@kernel
def _grown(values: Places, used: int, more: int) -> Places:
    """`values`, with room for `more` after the first `used`."""
    if used + more <= len(values):
        return values
    larger = np.empty(2 * (used + more), dtype=np.int64)
    larger[:used] = values[:used]
    return larger


@kernel
def _sums_to_one(
    target_starts: Places,
    target_amounts: Minor,
    target_days: Places,
    item_starts: Places,
    item_amounts: Minor,
    item_days: Places,
    within: int,
    most: int,
    budget: int,
    alternatives: int,
    exhausted: Flags,
) -> tuple[Places, Places, Places]:
    owners, starts, rows = np.empty(16, dtype=np.int64), np.zeros(17, dtype=np.int64), np.empty(64, dtype=np.int64)
    ways = used = spent = 0
    for block in range(len(target_starts) - 1):
        begin, end = target_starts[block], target_starts[block + 1]
        looked_at = (end - begin) * (item_starts[block + 1] - item_starts[block])
        if looked_at > _LOOKED_AT_MAX or spent > _TARGETS_MAX * budget or used > _ROWS_MAX:
            exhausted[begin:end] = item_starts[block + 1] > item_starts[block]
            continue
        spent += looked_at
        for target in range(begin, end):
            near = _near(item_starts[block], item_starts[block + 1], item_days, target_days[target], within)
            near = _useful(near, item_amounts, target_amounts[target])
            if len(near) == 0:
                continue
            if len(near) > 2 * _HALF_MAX:
                exhausted[target] = True
                continue
            found, sizes, steps, given_up = _ways_to(
                target_amounts[target], item_amounts[near], most, budget, alternatives
            )
            spent += steps
            if given_up:
                exhausted[target] = True
                continue
            owners, starts = _grown(owners, ways, len(sizes)), _grown(starts, ways + 1, len(sizes))
            rows = _grown(rows, used, len(found))
            rows[used : used + len(found)] = near[found]
            for size in sizes:
                owners[ways] = target
                used += size
                ways += 1
                starts[ways] = used
    return owners[:ways].copy(), starts[: ways + 1].copy(), rows[:used].copy()


@kernel
def _near(begin: int, end: int, days: Places, day: int, within: int) -> Places:
    """The places from begin to end that are within so many days."""
    near = np.empty(end - begin, dtype=np.int64)
    count = 0
    for place in range(begin, end):
        if within < 0 or abs(days[place] - day) <= within:
            near[count] = place
            count += 1
    return near[:count]


@kernel
def _useful(near: Places, amounts: Minor, target: int) -> Places:
    """Those that can be part of the target, given all others; where there are too many to search, all may stay."""
    one_sign = True
    for place in near:
        one_sign = one_sign and (amounts[place] == 0 or (amounts[place] < 0) == (target < 0))
    if one_sign:
        near = near[np.abs(amounts[near]) <= abs(target)]
    if len(near) > 2 * _HALF_MAX:
        return near
    chosen = amounts[near]
    low, high = chosen[chosen < 0].sum(), chosen[chosen > 0].sum()
    rest = target - chosen
    kept: Places = near[(rest >= low - np.minimum(chosen, 0)) & (rest <= high - np.maximum(chosen, 0))]
    return kept


@kernel
def _ways_to(
    target: int, amounts: Minor, most: int, budget: int, alternatives: int
) -> tuple[Places, Places, int, bool]:
    """(places of the amounts, one way after the other; the size of each way; the steps; whether the search was given
    up)."""
    first, second = amounts[0::2].copy(), amounts[1::2].copy()
    second_low, second_high = second[second < 0].sum(), second[second > 0].sum()
    first_low, first_high = first[first < 0].sum(), first[first > 0].sum()
    nothing = np.empty(0, dtype=np.int64)
    low, high = target - second_high, target - second_low
    sums, masks, sizes, steps = _half(first, most, low, high, budget)
    if steps > budget:
        return nothing, nothing, steps, True
    low, high = target - first_high, target - first_low
    others, other_masks, other_sizes, more = _half(second, most, low, high, budget - steps)
    steps += more
    if steps > budget:
        return nothing, nothing, steps, True
    order, other_order = np.argsort(sums), np.argsort(others)
    found, way_sizes = np.empty(16, dtype=np.int64), np.empty(8, dtype=np.int64)
    used = ways = at = 0
    other_at = len(others) - 1
    while at < len(sums) and other_at >= 0:
        total = sums[order[at]] + others[other_order[other_at]]
        steps += 1
        if total < target:
            at += 1
            continue
        if total > target:
            other_at -= 1
            continue
        one, other = sums[order[at]], others[other_order[other_at]]
        end, other_end = at, other_at
        while end < len(sums) and sums[order[end]] == one:
            end += 1
        while other_end >= 0 and others[other_order[other_end]] == other:
            other_end -= 1
        steps += (end - at) * (other_at - other_end)
        if steps > budget:
            return nothing, nothing, steps, True
        for left in order[at:end]:
            for right in other_order[other_end + 1 : other_at + 1]:
                size = sizes[left] + other_sizes[right]
                if size == 0 or size > most:
                    continue
                if ways == alternatives:
                    return nothing, nothing, steps, True
                found, way_sizes = _grown(found, used, size), _grown(way_sizes, ways, 1)
                way_sizes[ways] = size
                ways += 1
                used = _unpacked(masks[left], 0, 2, found, used)
                used = _unpacked(other_masks[right], 1, 2, found, used)
        at, other_at = end, other_end
    return found[:used], way_sizes[:ways], steps, steps > budget


@kernel
def _unpacked(mask: int, first: int, step: int, found: Places, used: int) -> int:
    """Writes the places that the bits of a mask stand for; how many places there are then."""
    place = first
    while mask:
        if mask & 1:
            found[used] = place
            used += 1
        mask >>= 1
        place += step
    return used


@kernel
def _half(amounts: Minor, most: int, low: int, high: int, budget: int) -> tuple[Minor, Places, Places, int]:
    """The sums of all sets of at most `most` amounts that end between low and high, the empty set's 0 among them.

    Gives (sums, masks, sizes, steps); steps above the budget: given up.
    """
    sums, masks, sizes = np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    low_after, high_after = amounts[amounts < 0].sum(), amounts[amounts > 0].sum()
    steps = 0
    for place in range(len(amounts)):
        amount = amounts[place]
        low_after -= min(amount, 0)
        high_after -= max(amount, 0)
        steps += 2 * len(sums)
        if steps > budget:
            break
        more = np.empty(2 * len(sums), dtype=np.int64)
        more_masks, more_sizes = np.empty_like(more), np.empty_like(more)
        count = 0
        for entry in range(len(sums)):
            for taken in range(2):
                total, size = sums[entry] + taken * amount, sizes[entry] + taken
                if size <= most and total + high_after >= low and total + low_after <= high:
                    more[count] = total
                    more_masks[count] = masks[entry] | (np.int64(taken) << np.int64(place))
                    more_sizes[count] = size
                    count += 1
        sums, masks, sizes = more[:count], more_masks[:count], more_sizes[:count]
    return sums, masks, sizes, steps
