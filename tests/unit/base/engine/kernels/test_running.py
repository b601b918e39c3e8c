"""Running totals and the moving average of stock, against fractions and plain sums."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.base.engine.kernels.running import BeyondInt64, stock_costs, totals_before
from everycent.base.money.rounding import Rounding, round_fraction

INT64_MAX = 2**63 - 1


def column(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@given(
    events=st.lists(st.tuples(st.integers(0, 2), st.integers(-(10**12), 10**12)), max_size=30),
    starts=st.tuples(*[st.integers(-(10**12), 10**12)] * 3),
    cut=st.integers(0, 30),
)
def test_totals_are_those_of_the_events_before_in_any_cut(
    events: list[tuple[int, int]], starts: tuple[int, ...], cut: int
) -> None:
    balances, found = column(list(starts)), []
    for part in (events[:cut], events[cut:]):
        groups, amounts = column([group for group, _ in part]), column([amount for _, amount in part])
        found += totals_before(groups, amounts, balances).tolist()
    assert found == [
        starts[group] + sum(amount for other, amount in events[:at] if other == group)
        for at, (group, _) in enumerate(events)
    ]
    assert balances.tolist() == [starts[g] + sum(amount for other, amount in events if other == g) for g in range(3)]


def test_a_total_beyond_64_bits_is_refused_and_changes_nothing() -> None:
    balances = column([5, INT64_MAX - 1])
    with pytest.raises(BeyondInt64, match="the total of group 1 passes 64 bits at event 2"):
        totals_before(column([0, 1, 1]), column([1, 1, 1]), balances)
    assert balances.tolist() == [5, INT64_MAX - 1]


QUANTITIES = st.one_of(st.integers(-9, 9), st.integers(-(10**12), 10**12), st.integers(-(2**60), 2**60))
MOVES = st.lists(st.tuples(st.integers(0, 1), QUANTITIES, st.one_of(st.integers(0, 99), st.integers(0, 2**58))))


@given(moves=MOVES, rounding=st.sampled_from(list(Rounding)), cut=st.integers(0, 20))
def test_what_goes_out_is_worth_its_part_of_the_stock(
    moves: list[tuple[int, int, int]], rounding: Rounding, cut: int
) -> None:
    moves = moves[:20]
    stock, values = column([0, 0]), column([0, 0])
    found: list[int] = []
    covered: list[bool] = []
    try:
        for part in (moves[:cut], moves[cut:]):
            columns = (column([move[at] for move in part]) for at in range(3))
            worth, there = stock_costs(*columns, stock, values, rounding)
            found += worth.tolist()
            covered += there.tolist()
    except BeyondInt64:
        assert sum(abs(quantity) for _, quantity, _ in moves) > INT64_MAX or sum(cost for *_, cost in moves) > INT64_MAX
        return
    kept = [[0, 0], [0, 0]]
    for (article, quantity, cost), worth, there in zip(moves, found, covered, strict=True):
        held, value = kept[article]
        if quantity < -held:
            assert (worth, there) == (0, False)
            continue
        expected = cost if quantity > 0 else round_fraction(Fraction(value * -quantity, held), rounding) if held else 0
        assert (worth, there) == (expected if quantity else 0, True)
        kept[article] = [held + quantity, value + (worth if quantity > 0 else -worth)]
    assert [list(pair) for pair in zip(stock.tolist(), values.tolist(), strict=True)] == kept
    assert all(value == 0 for held, value in kept if held == 0)


def test_the_average_cost_of_stock_moves_with_each_purchase() -> None:
    """10 at 1.00 and 10 at 2.00 make 20 at 1.50; selling 5 costs 7.50; a purchase of 15 at 3.00 makes 30 at 2.25."""
    stock, values = column([0]), column([0])
    quantities, costs = column([10, 10, -5, 15, -30, -1]), column([1000, 2000, 0, 4500, 0, 0])
    worth, covered = stock_costs(np.zeros(6, dtype=np.int64), quantities, costs, stock, values, Rounding.HALF_UP)
    assert worth.tolist() == [1000, 2000, 750, 4500, 6750, 0]
    assert covered.tolist() == [True] * 5 + [False]
    assert (stock.tolist(), values.tolist()) == ([0], [0])
