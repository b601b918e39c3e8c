"""What is proposed is a best assignment, against all of them written down one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.engine.kernels.assigning_nearest import assign_nearest

Pair = tuple[int, int]

PAIRS = st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 4)), st.integers(0, 5), max_size=10)


def proposed(pairs: dict[Pair, int]) -> set[Pair]:
    rows = np.array(list(pairs), dtype=np.int64).reshape(-1, 2)
    found = assign_nearest(rows[:, 0], rows[:, 1], np.array(list(pairs.values()), dtype=np.int64))
    return {pair for pair, chosen in zip(pairs, found, strict=True) if chosen}


def all_assignments(pairs: list[Pair]) -> list[frozenset[Pair]]:
    if not pairs:
        return [frozenset()]
    (left, right), rest = pairs[0], pairs[1:]
    with_it = all_assignments([pair for pair in rest if pair[0] != left and pair[1] != right])
    return all_assignments(rest) + [found | {(left, right)} for found in with_it]


@settings(max_examples=80, deadline=None)
@given(pairs=PAIRS, data=st.data())
def test_as_many_as_can_be_and_of_those_the_cheapest_in_any_order(pairs: dict[Pair, int], data: st.DataObject) -> None:
    found = proposed(pairs)
    ways = all_assignments(list(pairs))
    most = max(map(len, ways))
    assert frozenset(found) in ways and len(found) == most
    assert sum(pairs[pair] for pair in found) == min(sum(pairs[p] for p in way) for way in ways if len(way) == most)
    assert proposed(dict(data.draw(st.permutations(list(pairs.items()))))) == found


def test_a_crowd_has_a_proposal_too_and_each_row_begins_with_its_cheapest() -> None:
    rows = 150
    crowd = {(left, right): abs(left - right) for left in range(rows) for right in range(rows)}
    assert proposed(crowd) == {(row, row) for row in range(rows)}
    one_less = {pair: cost for pair, cost in crowd.items() if pair[1]}
    assert len(proposed(one_less)) == rows - 1, "all rights have a left row"
