"""The verdict on each explanation, against all choices written down one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.engine.kernels.assigning import ALWAYS, NEVER, SOMETIMES, UNKNOWN
from everycent.base.engine.kernels.packing import pack

Claim = frozenset[int]

CLAIMS = st.lists(st.frozensets(st.integers(0, 8), min_size=1, max_size=3), unique=True, max_size=9)


def verdicts(claims: list[Claim], budget: int = 10**6) -> tuple[list[int], list[int]]:
    starts = np.cumsum([0, *map(len, claims)]).astype(np.int64)
    rows = np.array([row for claim in claims for row in sorted(claim)], dtype=np.int64)
    found, knots = pack(starts, rows, budget)
    return list(map(int, found)), list(map(int, knots))


def choices(claims: list[Claim]) -> list[frozenset[Claim]]:
    if not claims:
        return [frozenset()]
    first, rest = claims[0], claims[1:]
    return choices(rest) + [found | {first} for found in choices([claim for claim in rest if not claim & first])]


@settings(max_examples=120, deadline=None)
@given(claims=CLAIMS)
def test_it_finds_what_all_choices_written_down_say(claims: list[Claim]) -> None:
    ways = choices(claims)
    best = [way for way in ways if len(way) == max(map(len, ways))]
    times = [sum(claim in way for way in best) for claim in claims]
    expected = [NEVER if not n else ALWAYS if n == len(best) else SOMETIMES for n in times]
    assert verdicts(claims)[0] == expected


@settings(max_examples=50, deadline=None)
@given(claims=CLAIMS, data=st.data())
def test_the_order_of_explanations_does_not_matter(claims: list[Claim], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(claims))
    expected = dict(zip(claims, verdicts(claims)[0], strict=True))
    assert dict(zip(shuffled, verdicts(shuffled)[0], strict=True)) == expected


@given(claims=CLAIMS)
def test_explanations_that_share_a_row_are_in_one_knot(claims: list[Claim]) -> None:
    _, knots = verdicts(claims)
    for one, knot in zip(claims, knots, strict=True):
        assert all(other_knot == knot for other, other_knot in zip(claims, knots, strict=True) if one & other)
    rows = [{row for claim, k in zip(claims, knots, strict=True) if k == knot for row in claim} for knot in set(knots)]
    assert sum(map(len, rows)) == len({row for claim in claims for row in claim}), "knots share no row"


def test_a_chain_is_solved_and_beyond_the_budget_unknown() -> None:
    chain = [frozenset({row, row + 1}) for row in range(5)]
    assert verdicts(chain)[0] == [ALWAYS, NEVER, ALWAYS, NEVER, ALWAYS]
    assert verdicts([*chain, frozenset({9})], budget=20)[0] == [UNKNOWN] * 5 + [ALWAYS]
    assert set(verdicts([frozenset({0, row}) for row in range(1, 40)], budget=20)[0]) == {SOMETIMES}
