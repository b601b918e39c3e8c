"""One amount by weights, exactly: what one of several, or of two, gets of it."""

import numpy as np

from everycent.base.engine.kernels.carrying_packed import QUICK_MAX, WEIGHT
from everycent.base.engine.kernels.carrying_types import UNBOUNDED, Minor, Unsigned
from everycent.base.engine.kernels.compiling import uncounted
from everycent.base.engine.kernels.scaling import scale


@uncounted
def first_of_two(amount: int, weight: int, total: int, inverse: int, largest: bool) -> np.int64:
    """What `deal` gives the first of two, for amounts and totals below 2**31. One division tells both: what the first
    lost the second did not. inverse: 2**32 // total, which divides by multiplying; it was rounded down, so that the
    quotient is one less at most."""
    divisor, product = np.uint64(total), np.uint64(amount) * np.uint64(weight)
    share = (product * np.uint64(inverse)) >> np.uint64(32) if product < np.uint64(1 << 32) else product // divisor
    rest = product - share * divisor
    if rest >= divisor:
        share += np.uint64(1)
        rest -= divisor
    return np.int64(share) + odd_to_first(rest, divisor, largest)


@uncounted
def odd_to_first(rest: np.uint64, total: np.uint64, largest: bool) -> np.int64:
    """1 where the odd unit that two share goes to the first, who lost rest / total of it."""
    up = rest + rest >= total if largest else rest > np.uint64(0)
    return np.int64(up)


@uncounted
def deal_small(
    amount: int,
    table: Minor,
    first: np.int64,
    end: np.int64,
    total: int,
    largest: bool,
    given: Minor,
    at: np.int64,
    lost: Unsigned,
) -> None:
    """What `deal` does, for amounts and totals below 2**31, from given[at] on."""
    size, divisor, beyond = np.uint64(amount), np.uint64(total), np.uint64(QUICK_MAX)
    odd = size
    for place in range(first, end):
        product = size * np.uint64(table[place, WEIGHT])
        share = product // divisor
        given[at + place - first] = np.int64(share)
        lost[place - first] = product - share * divisor
        odd -= share
    while odd > np.uint64(0):
        to = 0
        if largest:
            for place in range(1, end - first):
                if lost[place] > lost[to]:
                    to = place
            lost[to] = np.uint64(0)
        else:
            while table[first + to, WEIGHT] == 0 or lost[to] == beyond:
                to += 1
            lost[to] = beyond
        given[at + to] += 1
        odd -= np.uint64(1)


@uncounted
def deal(amount: np.uint64, weights: Minor, count: int, largest: bool, shares: Minor, lost: Unsigned) -> bool:
    """Fills shares[k] of the amount by the first `count` weights, odd units by policy. Gives whether there is any
    weight. One alone gets all, and of two the second gets what the first does not: division is what takes time."""
    total, zero, beyond = np.uint64(0), np.uint64(0), np.uint64(QUICK_MAX)
    some, one, other = 0, 0, 0
    for place in range(count):
        shares[place] = 0
        if weights[place] != 0:
            total += np.uint64(weights[place])
            some, one, other = some + 1, other, place
    if some < 2:
        shares[other] += np.int64(amount) if some == 1 else 0
        return some == 1
    small = amount < beyond and total < beyond
    if small and some == 2:
        product = amount * np.uint64(weights[one])
        share = product // total
        shares[one] = np.int64(share) + odd_to_first(product - share * total, total, largest)
        shares[other] = np.int64(amount) - shares[one]
        return True
    whole = zero if small else amount // total
    part = amount - whole * total
    odd = amount
    for place in range(count):
        weight = np.uint64(weights[place])
        share, rest = scale(part, weight, total)
        share += whole * weight
        shares[place] = np.int64(share)
        lost[place] = rest
        odd -= share
    while odd > zero:
        at = 0
        if largest:
            for place in range(1, count):
                if lost[place] > lost[at]:
                    at = place
        else:
            while weights[at] == 0 or lost[at] == UNBOUNDED:
                at += 1
        shares[at] += 1
        lost[at] = zero if largest else np.uint64(UNBOUNDED)
        odd -= np.uint64(1)
    return True
