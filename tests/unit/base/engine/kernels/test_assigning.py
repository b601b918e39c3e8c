"""The verdict on each pair, against all assignments written down one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.engine.kernels.assigning import ALWAYS, NEVER, SOMETIMES, UNKNOWN, assign, knots
from everycent.base.engine.kernels.assigning_largest import assign_largest

Pair = tuple[int, int]

PAIRS = st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 4)), st.integers(0, 5), max_size=12)


def verdicts(pairs: dict[Pair, int], margin: int = 0, budget: int = 10**6) -> dict[Pair, int]:
    rows = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    costs = np.array(list(pairs.values()), dtype=np.int64)
    return dict(zip(pairs, map(int, assign(rows[:, 0], rows[:, 1], costs, margin, budget)), strict=True))


def all_assignments(pairs: list[Pair]) -> list[frozenset[Pair]]:
    if not pairs:
        return [frozenset()]
    (left, right), rest = pairs[0], pairs[1:]
    with_it = all_assignments([pair for pair in rest if pair[0] != left and pair[1] != right])
    return all_assignments(rest) + [found | {(left, right)} for found in with_it]


def by_hand(pairs: dict[Pair, int], margin: int) -> dict[Pair, int]:
    """Knot by knot, as the margin is one of a knot's."""
    found: dict[Pair, int] = {}
    for knot in knots_of(list(pairs)):
        ways = all_assignments(knot)
        most = max(map(len, ways))
        costs = {way: sum(pairs[pair] for pair in way) for way in ways if len(way) == most}
        best = [way for way, cost in costs.items() if cost <= min(costs.values()) + margin]
        for pair in knot:
            times = sum(pair in way for way in best)
            found[pair] = NEVER if not times else ALWAYS if times == len(best) else SOMETIMES
    return found


def knots_of(pairs: list[Pair]) -> list[list[Pair]]:
    found: list[list[Pair]] = []
    for pair in pairs:
        touched = [knot for knot in found if any(pair[0] == other[0] or pair[1] == other[1] for other in knot)]
        found = [knot for knot in found if knot not in touched] + [[pair, *(p for knot in touched for p in knot)]]
    return found


@settings(max_examples=120, deadline=None)
@given(pairs=PAIRS, margin=st.integers(0, 4))
def test_it_finds_what_all_assignments_written_down_say(pairs: dict[Pair, int], margin: int) -> None:
    assert verdicts(pairs, margin) == by_hand(pairs, margin)


@settings(max_examples=50, deadline=None)
@given(pairs=PAIRS, data=st.data())
def test_the_order_of_pairs_and_the_numbers_of_rows_do_not_matter(pairs: dict[Pair, int], data: st.DataObject) -> None:
    lefts = data.draw(st.permutations(range(5)))
    rights = data.draw(st.permutations(range(5)))
    shuffled = dict(data.draw(st.permutations(list(pairs.items()))))
    renamed = {(lefts[left], rights[right]): cost for (left, right), cost in shuffled.items()}
    expected = {(lefts[left], rights[right]): found for (left, right), found in verdicts(pairs).items()}
    assert verdicts(renamed) == expected


@given(pairs=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), unique=True))
def test_pairs_that_share_a_row_are_in_one_knot(pairs: list[Pair]) -> None:
    rows = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    found: dict[int, set[Pair]] = {}
    for pair, knot in zip(pairs, knots(rows[:, 0], rows[:, 1]), strict=True):
        found.setdefault(int(knot), set()).add(pair)
    assert sorted(map(sorted, found.values())) == sorted(sorted(knot) for knot in knots_of(pairs))


@pytest.mark.parametrize(
    ("pairs", "margin", "expected"),
    [
        ({(0, 0): 0}, 0, {(0, 0): ALWAYS}),
        ({(0, 0): 1, (0, 1): 1}, 0, {(0, 0): SOMETIMES, (0, 1): SOMETIMES}),
        ({(0, 0): 1, (0, 1): 2}, 0, {(0, 0): ALWAYS, (0, 1): NEVER}),
        ({(0, 0): 1, (0, 1): 2}, 1, {(0, 0): SOMETIMES, (0, 1): SOMETIMES}),
        # the one that is nearest would leave the other without a partner
        ({(0, 0): 0, (0, 1): 5, (1, 0): 0}, 0, {(0, 0): NEVER, (0, 1): ALWAYS, (1, 0): ALWAYS}),
    ],
)
def test_what_is_better(pairs: dict[Pair, int], margin: int, expected: dict[Pair, int]) -> None:
    assert verdicts(pairs, margin) == expected


def test_a_knot_beyond_the_budget_is_said_to_be_unknown() -> None:
    knot = {(left, right): 0 for left in range(3) for right in range(3)}
    assert set(verdicts(knot | {(7, 7): 0}, budget=53).values()) == {UNKNOWN, ALWAYS}
    assert UNKNOWN not in verdicts(knot | {(7, 7): 0}, budget=54).values()


@settings(max_examples=120, deadline=None)
@given(pairs=PAIRS)
def test_the_largest_assignments_are_those_where_all_cost_the_same(pairs: dict[Pair, int]) -> None:
    rows = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    found = dict(zip(pairs, map(int, assign_largest(rows[:, 0], rows[:, 1])), strict=True))
    assert found == by_hand(dict.fromkeys(pairs, 0), 0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(2, 60), pairs=st.integers(1, 200))
def test_larger_knots_agree_too(seed: int, rows: int, pairs: int) -> None:
    drawn = np.unique(np.random.default_rng(seed).integers(0, rows, (pairs, 2)), axis=0)
    left, right = drawn[:, 0].copy(), drawn[:, 1].copy()
    nothing = np.zeros(len(left), dtype=np.int64)
    assert (assign_largest(left, right) == assign(left, right, nothing, 0, 10**9)).all()


def test_a_chain_of_a_year_and_a_thousand_alike_are_quick() -> None:
    days = np.arange(365)
    left, right = np.concatenate([days, days[1:]]), np.concatenate([days, days[:-1]])
    assert (assign_largest(left, right) == np.repeat([ALWAYS, NEVER], [365, 364])).all()
    alike = np.indices((1000, 999)).reshape(2, -1)
    assert (assign_largest(alike[0], alike[1]) == SOMETIMES).all()
