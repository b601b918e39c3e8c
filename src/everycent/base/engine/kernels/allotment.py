"""Allotment over arrays: what `everycent.base.money.allotment.allot` does to one amount, done to columns of them.

All arithmetic is exact for every int64 amount and weight: magnitudes are unsigned 64-bit, and where amount times
weight does not fit, it is multiplied and divided bit by bit. The odd units of one amount are handed out in a nested
loop, meant for the dozen bearers that a charge has, not for thousands.
"""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.compiling import kernel
from everycent.base.engine.kernels.scaling import scale
from everycent.base.money.allotment import NotAllottable, RemainderPolicy

Minor = npt.NDArray[np.int64]
_Unsigned = npt.NDArray[np.uint64]

_FINE, _NEGATIVE_WEIGHT, _NO_WEIGHT, _WEIGHTS_TOO_LARGE, _MORE_THAN_REMAINS = range(5)
_REASON = {
    _NEGATIVE_WEIGHT: "a weight is negative; a weight is zero or more",
    _NO_WEIGHT: "its weights add up to nothing; give at least one a weight above 0",
    _WEIGHTS_TOO_LARGE: "its weights add up to more than 64 bits hold; give smaller ones",
    _MORE_THAN_REMAINS: "it is more than what remains to be given back, or of the other sign",
}


def allot_rows(amounts: Minor, weights: Minor, policy: RemainderPolicy = RemainderPolicy.LARGEST_REMAINDER) -> Minor:
    """Each amount split in proportion to its weights.

    amounts: int64[n], minor units. weights: int64[k] for all rows, or int64[n, k] row by row.
    Gives int64[n, k]; each row sums to its amount. Raises NotAllottable, naming the first row that cannot be split.
    """
    amounts = np.ascontiguousarray(amounts, dtype=np.int64)
    weights = np.ascontiguousarray(weights, dtype=np.int64)
    assert weights.ndim in (1, 2) and amounts.ndim == 1, "amounts are int64[n], weights int64[k] or int64[n, k]"
    per_row = weights if weights.ndim == 2 else weights.reshape(1, -1)
    assert weights.ndim == 1 or len(weights) == len(amounts), "one row of weights for each amount"
    shares = np.empty((len(amounts), per_row.shape[1]), dtype=np.int64)
    largest = policy is RemainderPolicy.LARGEST_REMAINDER
    row, fault = _allot_rows(amounts, per_row, weights.ndim == 2, largest, shares)
    if fault != _FINE:
        raise NotAllottable(f"amount {amounts[row]} in row {row} cannot be split: {_REASON[fault]}")
    return shares


def allot_within(
    deltas: Minor,
    refund_group: Minor,
    group_starts: Minor,
    remaining: Minor,
    policy: RemainderPolicy = RemainderPolicy.LARGEST_REMAINDER,
) -> tuple[Minor, Minor]:
    """Refunds, in order of arrival, each split in proportion to what its original's obligations have left.

    deltas: int64[n], what each refund gives back of its original, in the original's sign (positive of a positive one).
    refund_group: int64[n], each refund's original, as a place in group_starts; several refunds may have the same.
    group_starts: int64[g + 1]; remaining[group_starts[j]:group_starts[j + 1]] are the obligations of original j.
    remaining: int64[m], minor units not given back yet, of one sign within a group; reduced in place.

    Gives (shares, offsets): shares[offsets[i]:offsets[i + 1]] are refund i's, one for each obligation of its original,
    in their order and sign. They sum to the delta and none is above what remained, so that refunds which add up to the
    original give back each obligation to the unit. Raises NotAllottable, naming the first refund that asks for more
    than remains, and leaves `remaining` as it was.
    """
    deltas = np.ascontiguousarray(deltas, dtype=np.int64)
    groups = np.ascontiguousarray(refund_group, dtype=np.int64)
    starts = np.ascontiguousarray(group_starts, dtype=np.int64)
    assert len(deltas) == len(groups), "one original for each refund"
    assert remaining.dtype == np.int64 and starts[-1] == len(remaining), "each obligation belongs to one original"
    offsets = np.zeros(len(deltas) + 1, dtype=np.int64)
    np.cumsum(np.diff(starts)[groups], out=offsets[1:])
    shares = np.empty(offsets[-1], dtype=np.int64)
    left = remaining.copy()
    largest = policy is RemainderPolicy.LARGEST_REMAINDER
    refund, fault = _allot_within(deltas, groups, starts, left, largest, shares, offsets)
    if fault != _FINE:
        raise NotAllottable(f"refund of {deltas[refund]} in row {refund} cannot be split: {_REASON[fault]}")
    assert shares.sum() == deltas.sum(), "refunds and their shares differ"
    remaining[:] = left
    return shares, offsets


@kernel
def _allot_rows(amounts: Minor, weights: Minor, weights_per_row: bool, largest: bool, shares: Minor) -> tuple[int, int]:
    """Fills shares[n, k]. Gives the first row at fault and its fault, or (0, _FINE)."""
    places = weights.shape[1]
    lost = np.empty(places, dtype=np.uint64)
    for row in range(len(amounts)):
        row_weights = weights[row] if weights_per_row else weights[0]
        fault = _allot_one(amounts[row], row_weights, largest, shares[row], lost)
        if fault != _FINE:
            return row, fault
    return 0, _FINE


@kernel
def _allot_within(
    deltas: Minor, groups: Minor, starts: Minor, left: Minor, largest: bool, shares: Minor, offsets: Minor
) -> tuple[int, int]:
    """Fills shares and reduces left. Gives the first refund at fault and its fault, or (0, _FINE)."""
    widest = 0
    for group in range(len(starts) - 1):
        widest = max(widest, starts[group + 1] - starts[group])
    lost = np.empty(widest, dtype=np.uint64)
    weights = np.empty(widest, dtype=np.int64)
    for refund in range(len(deltas)):
        delta = deltas[refund]
        start, end = starts[groups[refund]], starts[groups[refund] + 1]
        for place in range(start, end):
            amount = left[place]
            if (amount > 0 and delta < 0) or (amount < 0 and delta > 0):
                return refund, _MORE_THAN_REMAINS
            weights[place - start] = abs(amount)
        mine = shares[offsets[refund] : offsets[refund + 1]]
        fault = _allot_one(delta, weights[: end - start], largest, mine, lost)
        if fault == _NO_WEIGHT:
            return refund, _MORE_THAN_REMAINS
        if fault != _FINE:
            return refund, fault
        for place in range(start, end):
            if abs(mine[place - start]) > abs(left[place]):
                return refund, _MORE_THAN_REMAINS
            left[place] -= mine[place - start]
    return 0, _FINE


@kernel
def _allot_one(amount: int, weights: Minor, largest: bool, shares: Minor, lost: _Unsigned) -> int:
    """Fills shares[k]; `lost` is room for at least k numerators of what rounding down took."""
    total = np.int64(0)
    for place in range(len(weights)):
        if weights[place] < 0:
            return _NEGATIVE_WEIGHT
        if total > np.int64(9223372036854775807) - weights[place]:
            return _WEIGHTS_TOO_LARGE
        total += weights[place]
    if total == 0:
        shares[:] = 0
        return _FINE if amount == 0 else _NO_WEIGHT
    # The magnitude of -2**63 does not fit int64; as unsigned it does, and wraps back when the sign returns.
    magnitude = np.uint64(-amount) if amount < 0 else np.uint64(amount)
    whole = magnitude // np.uint64(total)
    part = magnitude - whole * np.uint64(total)
    odd = magnitude
    for place in range(len(weights)):
        weight = np.uint64(weights[place])
        share, rest = scale(part, weight, np.uint64(total))
        share += whole * weight
        shares[place] = np.int64(share)
        lost[place] = rest
        odd -= share
    _spread(odd, weights, largest, shares, lost)
    if amount < 0:
        for place in range(len(weights)):
            shares[place] = -shares[place]
    return _FINE


@kernel
def _spread(odd: np.uint64, weights: Minor, largest: bool, shares: Minor, lost: _Unsigned) -> None:
    """One more unit each to the shares that lost most, the first of equals; or to the first that have a weight."""
    if largest:
        for _ in range(odd):
            most = 0
            for place in range(1, len(weights)):
                if lost[place] > lost[most]:
                    most = place
            shares[most] += 1
            lost[most] = np.uint64(0)
        return
    place = 0
    while odd > 0:
        if weights[place] > 0:
            shares[place] += 1
            odd -= np.uint64(1)
        place += 1
