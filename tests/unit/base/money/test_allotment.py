from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from everycent.base.money.allotment import NotAllottable, RemainderPolicy, allot

LARGEST, FIRST = RemainderPolicy.LARGEST_REMAINDER, RemainderPolicy.FIRST_IN_ORDER
amounts = st.integers(-(2**63), 2**63 - 1) | st.integers(-1000, 1000)
weight_lists = st.lists(st.integers(0, 2**40) | st.integers(0, 10), min_size=1, max_size=7)


@pytest.mark.parametrize(
    ("amount", "weights", "policy", "shares"),
    [
        (9999, [75, 25], LARGEST, [7499, 2500]),  # 75/25 of 99.99: the odd cent goes where most was lost
        (9999, [75, 25], FIRST, [7500, 2499]),
        (5, [10, 10, 10], LARGEST, [2, 2, 1]),  # equal losses: in declared order
        (5, [10, 10, 10], FIRST, [2, 2, 1]),
        (-5, [10, 10, 10], LARGEST, [-2, -2, -1]),
        (1, [0, 1, 1], FIRST, [0, 1, 0]),  # a weight of zero never receives
        (100, [1, 0], LARGEST, [100, 0]),
        (0, [0, 0], LARGEST, [0, 0]),
        (1000, [60, 28, 12], LARGEST, [600, 280, 120]),
    ],
)
def test_the_odd_cent(amount: int, weights: list[int], policy: RemainderPolicy, shares: list[int]) -> None:
    assert allot(amount, weights, policy) == shares


def test_three_receivers_of_ten_percent_of_fifteen_cents() -> None:
    """Ten percent each of 0.15 is 1.5 cents each; the rest stays with the seller, and nothing is lost or made."""
    assert allot(15, [10, 10, 10, 70], LARGEST) == [2, 2, 1, 10]


@pytest.mark.parametrize(("amount", "weights"), [(1, [0, 0]), (1, []), (1, [2, -1]), (0, [1, -1])])
def test_what_cannot_be_split_is_refused(amount: int, weights: list[int]) -> None:
    with pytest.raises(NotAllottable, match="weight"):
        allot(amount, weights)


@given(amounts, weight_lists, st.sampled_from(RemainderPolicy))
def test_no_unit_is_lost_or_made_and_no_share_is_a_unit_off(
    amount: int, weights: list[int], policy: RemainderPolicy
) -> None:
    assume(sum(weights) > 0)
    shares = allot(amount, weights, policy)
    assert sum(shares) == amount
    assert allot(-amount, weights, policy) == [-share for share in shares]
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(amount * weight, sum(weights))) < 1
        assert weight or share == 0


@given(amounts, weight_lists, st.integers(1, 1000))
def test_only_the_proportion_of_the_weights_counts(amount: int, weights: list[int], times: int) -> None:
    assume(sum(weights) > 0)
    assert allot(amount, weights) == allot(amount, [weight * times for weight in weights])
