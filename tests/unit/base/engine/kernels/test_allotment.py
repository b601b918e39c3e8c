import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from everycent.base.engine.kernels.allotment import allot_rows, allot_within
from everycent.base.money.allotment import NotAllottable, RemainderPolicy, allot

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
amounts = st.integers(INT64_MIN, INT64_MAX) | st.integers(-1000, 1000) | st.sampled_from([INT64_MIN, INT64_MAX])
weights = st.integers(0, 2**60 - 1) | st.integers(0, 100) | st.integers(2**31, 2**33)
policies = st.sampled_from(RemainderPolicy)


def minor(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@given(st.lists(amounts, max_size=8), st.lists(weights, min_size=1, max_size=6), policies)
def test_rows_are_allotted_as_single_amounts_are(column: list[int], shared: list[int], policy: RemainderPolicy) -> None:
    assume(sum(shared) > 0)
    shares = allot_rows(minor(column), minor(shared), policy)
    assert shares.tolist() == [allot(amount, shared, policy) for amount in column]


@given(st.lists(st.tuples(amounts, weights, weights, weights), min_size=1, max_size=8), policies)
def test_each_row_may_have_its_own_weights(rows: list[tuple[int, int, int, int]], policy: RemainderPolicy) -> None:
    assume(all(sum(own) > 0 for _, *own in rows))
    shares = allot_rows(minor([row[0] for row in rows]), np.array([row[1:] for row in rows], dtype=np.int64), policy)
    assert shares.tolist() == [allot(amount, own, policy) for amount, *own in rows]


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ([0, 0], "add up to nothing"),
        ([3, -1], "a weight is negative"),
        ([INT64_MAX, 1], "more than 64 bits hold"),
    ],
)
def test_the_first_row_that_cannot_be_split_is_named(weights: list[int], reason: str) -> None:
    with pytest.raises(NotAllottable, match=f"amount 7 in row 1 .*{reason}"):
        allot_rows(minor([5, 7]), np.array([[1, 1], weights], dtype=np.int64))


def test_no_rows_and_nothing_to_split() -> None:
    assert allot_rows(minor([]), minor([60, 40])).shape == (0, 2)
    assert allot_rows(minor([0]), minor([0, 0])).tolist() == [[0, 0]]


def test_a_coupon_refunded_in_three_parts_is_given_back_whole() -> None:
    remaining = minor([600, 280, 120])  # 10.00 carried by platform, brand and distributor
    shares, offsets = allot_within(minor([333, 333, 334]), minor([0, 0, 0]), minor([0, 3]), remaining)
    assert shares.reshape(3, 3).tolist() == [[200, 93, 40], [200, 93, 40], [200, 94, 40]]
    assert offsets.tolist() == [0, 3, 6, 9]
    assert remaining.tolist() == [0, 0, 0]


def test_refunds_of_several_originals_arrive_mixed() -> None:
    remaining = minor([5, 5, -10])
    shares, offsets = allot_within(minor([-4, 3, -6, 1]), minor([1, 0, 1, 0]), minor([0, 2, 3]), remaining)
    assert [shares[offsets[row] : offsets[row + 1]].tolist() for row in range(4)] == [[-4], [2, 1], [-6], [0, 1]]
    assert remaining.tolist() == [3, 3, 0]


@pytest.mark.parametrize("delta", [11, -1])
def test_more_than_remains_is_refused_and_changes_nothing(delta: int) -> None:
    remaining = minor([5, 5])
    with pytest.raises(NotAllottable, match=f"refund of {delta} in row 1 .*more than what remains"):
        allot_within(minor([0, delta]), minor([0, 0]), minor([0, 2]), remaining)
    assert remaining.tolist() == [5, 5]


@given(
    st.lists(st.integers(0, 10**6) | st.integers(0, 2**60), min_size=1, max_size=5),
    st.lists(st.integers(0, 100), min_size=1, max_size=6),
    policies,
    st.sampled_from([1, -1]),
    st.data(),
)
def test_parts_of_a_refund_sum_to_the_whole_for_each_bearer(
    carried: list[int], cuts: list[int], policy: RemainderPolicy, sign: int, data: st.DataObject
) -> None:
    whole = sum(carried)
    marks = sorted([whole * cut // 100 for cut in cuts] + [0, whole])
    parts = [sign * (high - low) for low, high in pairwise(marks)]
    remaining = minor([sign * amount for amount in carried])
    shares, _ = allot_within(minor(parts), minor([0] * len(parts)), minor([0, len(carried)]), remaining, policy)
    by_refund = shares.reshape(len(parts), len(carried))
    assert by_refund.sum(axis=1).tolist() == parts
    assert by_refund.sum(axis=0).tolist() == [sign * amount for amount in carried]
    assert np.all(by_refund * sign >= 0)
    assert not remaining.any()


@given(st.lists(st.integers(1, 50), min_size=2, max_size=8), st.integers(1, 7))
def test_cutting_refunds_into_batches_changes_nothing(parts: list[int], cut: int) -> None:
    carried = minor([sum(parts) // 2, sum(parts) - sum(parts) // 2])
    at_once, _ = allot_within(minor(parts), minor([0] * len(parts)), minor([0, 2]), carried.copy())
    left = carried.copy()
    pieces = [
        allot_within(minor(batch), minor([0] * len(batch)), minor([0, 2]), left)[0]
        for batch in (parts[:cut], parts[cut:])
    ]
    assert np.concatenate(pieces).tolist() == at_once.tolist()


COUNTS_COMPILATIONS = """
import numpy as np
from everycent.base.engine.kernels import allotment
allotment.allot_rows(np.array([9999]), np.array([75, 25]))
allotment.allot_within(np.array([1]), np.array([0]), np.array([0, 1]), np.array([1]))
kernels = [allotment._allot_rows, allotment._allot_within]
print(sum(sum(k.stats.cache_hits.values()) for k in kernels), sum(sum(k.stats.cache_misses.values()) for k in kernels))
"""


def compilations(cache: Path) -> tuple[int, int]:
    """Kernels that another process found on disk, and those that it had to compile."""
    run = subprocess.run(
        [sys.executable, "-c", COUNTS_COMPILATIONS],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    found, compiled = map(int, run.stdout.split())
    return found, compiled


def test_the_second_process_does_not_compile_again(tmp_path: Path) -> None:
    assert compilations(tmp_path) == (0, 2)
    assert compilations(tmp_path) == (2, 0)
