"""Sets of amounts that add up, against all subsets tried one by one."""

from itertools import chain, combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.engine.kernels.subsets import sums_to_one
from everycent.base.engine.kernels.subsets_both import sums_to_some

Row = tuple[int, int]  # amount, day
Ways = set[tuple[int, frozenset[int]]]

ROWS = st.lists(st.tuples(st.integers(-6, 12), st.integers(0, 4)), max_size=7)
PLENTY = 10**7


def side(*blocks: list[Row]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The largest magnitude first, as the kernel wants it."""
    rows = [row for block in blocks for row in ordered(block)]
    starts = np.cumsum([0, *map(len, blocks)])
    columns = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return starts.astype(np.int64), columns[:, 0].copy(), columns[:, 1].copy()


def ordered(block: list[Row]) -> list[Row]:
    return sorted(block, key=lambda row: (-abs(row[0]), -row[0], row[1]))


def ways_to_one(targets, items, within=-1, most=10, budget=PLENTY, alternatives=PLENTY):  # type: ignore[no-untyped-def]
    owners, starts, rows, exhausted = sums_to_one(targets, items, within, most, budget, alternatives)
    bounds = zip(owners, pairwise(starts), strict=True)
    ways = [(int(owner), frozenset(map(int, rows[a:b]))) for owner, (a, b) in bounds]
    assert len(set(ways)) == len(ways), "no way comes twice"
    return set(ways), list(map(bool, exhausted))


def subsets(count: int, most: int) -> list[tuple[int, ...]]:
    return list(chain.from_iterable(combinations(range(count), size) for size in range(1, most + 1)))


@settings(max_examples=100, deadline=None)
@given(blocks=st.lists(st.tuples(ROWS, ROWS), max_size=3), within=st.integers(-1, 3), most=st.integers(1, 8))
def test_all_ways_to_one_are_found(blocks: list[tuple[list[Row], list[Row]]], within: int, most: int) -> None:
    expected: Ways = set()
    first_target = first_item = 0
    for targets, items in blocks:
        pool = ordered(items)
        for place, (amount, day) in enumerate(ordered(targets)):
            for chosen in subsets(len(pool), most):
                near = all(within < 0 or abs(pool[item][1] - day) <= within for item in chosen)
                if near and sum(pool[item][0] for item in chosen) == amount:
                    expected.add((first_target + place, frozenset(first_item + item for item in chosen)))
        first_target += len(targets)
        first_item += len(items)
    found, exhausted = ways_to_one(side(*(b[0] for b in blocks)), side(*(b[1] for b in blocks)), within, most)
    assert found == expected
    assert not any(exhausted)


@settings(max_examples=100, deadline=None)
@given(left=ROWS, right=ROWS, within=st.integers(-1, 3), most=st.integers(1, 4))
def test_all_sets_on_two_sides_are_found(left: list[Row], right: list[Row], within: int, most: int) -> None:
    lefts, rights = ordered(left), ordered(right)

    def agree(some: tuple[int, ...], others: tuple[int, ...]) -> bool:
        return sum(lefts[row][0] for row in some) == sum(rights[row][0] for row in others)

    def parts(chosen: tuple[int, ...]) -> list[tuple[int, ...]]:
        return [tuple(chosen[place] for place in part) for part in subsets(len(chosen), len(chosen) - 1)]

    expected = {
        (frozenset(some), frozenset(others))
        for some in subsets(len(lefts), most)
        for others in subsets(len(rights), most)
        if agree(some, others)
        and all(within < 0 or abs(lefts[a][1] - rights[b][1]) <= within for a in some for b in others)
        and not any(agree(part, other) for part in parts(some) for other in parts(others))
    }
    found = sums_to_some(side(left), side(right), within, most, PLENTY, PLENTY)
    blocks, ends, left_rows, other_ends, right_rows, exhausted = found
    ways = [
        (frozenset(map(int, left_rows[ends[w] : ends[w + 1]])), frozenset(map(int, right_rows[a:b])))
        for w, (a, b) in enumerate(pairwise(other_ends))
    ]
    assert len(ways) == len(set(ways)) == len(blocks)
    assert set(ways) == expected
    assert not exhausted.any()


def test_large_amounts_and_many_rows_stay_exact() -> None:
    amounts = [2**55 - 3 * step for step in range(12)]
    found, _ = ways_to_one(
        side([(sum(amounts[2:5]) - 2**56, 0)]), side([(a, 0) for a in amounts] + [(-(2**55), 0)] * 2)
    )
    assert (0, frozenset({1, 2, 4, 5, 6})) in found  # of equal magnitudes the positive comes first


@pytest.mark.parametrize(("budget", "given_up"), [(10, True), (10_000, False)])
def test_a_search_beyond_its_budget_is_given_up_and_says_so(budget: int, given_up: bool) -> None:
    rows = [(2**step, 0) for step in range(10)]
    found, exhausted = ways_to_one(side([(1 + 8 + 256, 0)]), side(rows), budget=budget)
    assert exhausted == [given_up]
    assert found == (set() if given_up else {(0, frozenset({1, 6, 9}))})


def test_more_ways_than_are_wanted_are_none() -> None:
    target, items = side([(2, 0)]), side([(1, 0)] * 4)
    assert len(ways_to_one(target, items, alternatives=6)[0]) == 6
    assert ways_to_one(target, items, alternatives=5) == (set(), [True])


def test_a_block_with_too_many_rows_is_given_up_alone() -> None:
    found, exhausted = ways_to_one(side([(5, 0)], [(5, 0)]), side([(5, 0)] + [(-1, 0)] * 130, [(2, 0), (3, 0)]))
    assert exhausted == [True, False]
    assert found == {(1, frozenset({131, 132}))}
    *_, given_up = sums_to_some(side([(5, 0)] * 61, [(5, 0)]), side([(5, 0)], [(5, 0)]), -1, 2, PLENTY, PLENTY)
    assert list(given_up) == [True, False]


def test_a_block_that_is_too_large_to_look_at_is_given_up_and_others_are_not() -> None:
    many = [(1, 0)] * (1 << 15)
    found, exhausted = ways_to_one(side(many, [(5, 0)], []), side([*many, (2, 0)], [(5, 0)], [(7, 0)]))
    assert found == {(len(many), frozenset({len(many) + 1}))}
    assert exhausted == [True] * len(many) + [False]
