"""Allotment: splitting an amount without losing or making a unit."""

from collections.abc import Sequence
from enum import StrEnum


class RemainderPolicy(StrEnum):
    """Who receives the odd units after each share was rounded down."""

    LARGEST_REMAINDER = "largest_remainder"
    FIRST_IN_ORDER = "first_in_order"


class NotAllottable(ValueError):
    """Weights that nothing can be split by."""


def allot(
    amount: int, weights: Sequence[int], policy: RemainderPolicy = RemainderPolicy.LARGEST_REMAINDER
) -> list[int]:
    """`amount` split in proportion to `weights`, one share for each, in their order; the shares sum to `amount`.

    Each share is rounded towards zero; the odd units then go one each to the shares that lost most, ties in declared
    order (largest_remainder), or to the first (first_in_order). A weight of zero never receives. The shares of -amount
    are minus the shares of amount. Raises NotAllottable for a negative weight, or an amount and no weight at all.
    """
    total = sum(weights)
    if any(weight < 0 for weight in weights):
        raise NotAllottable(f"the weights {list(weights)} hold a negative one; a weight is zero or more")
    if total == 0:
        if amount:
            raise NotAllottable(f"the weights {list(weights)} add up to nothing; give at least one a weight above 0")
        return [0] * len(weights)
    shares = [abs(amount) * weight // total for weight in weights]
    for place in _receivers(amount, weights, total, policy)[: abs(amount) - sum(shares)]:
        shares[place] += 1
    assert sum(shares) == abs(amount), f"{shares} do not add up to {abs(amount)}"
    assert all(share == 0 for share, weight in zip(shares, weights, strict=True) if weight == 0)
    return [-share for share in shares] if amount < 0 else shares


def _receivers(amount: int, weights: Sequence[int], total: int, policy: RemainderPolicy) -> list[int]:
    """The places in the order in which they receive an odd unit."""
    places = [place for place, weight in enumerate(weights) if weight]
    if policy is RemainderPolicy.LARGEST_REMAINDER:
        places.sort(key=lambda place: -(abs(amount) * weights[place] % total))  # stable: ties in declared order
    return places
