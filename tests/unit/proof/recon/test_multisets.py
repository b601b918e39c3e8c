"""Hashes of both sides in memory: the keys come out whose rows are not the same on both sides."""

from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.proof.recon.core.multisets.multisets import Multisets
from everycent.proof.recon.core.multisets.parts import KEY_BITS

_MOST = (1 << 64) - 1
_HASHES = 1 << KEY_BITS
_ROW = st.tuples(st.integers(0, _MOST), st.integers(0, _MOST))
#: Few different rows of few keys, so that they repeat; one key is 0, one has all bits.
_FEW = [(key, n * 31 + 7) for key in (0, _HASHES - 1, 5 << 40, (5 << 40) + 1) for n in range(3)]
_SIDE = st.lists(st.sampled_from(_FEW) | _ROW, max_size=60)

SETTINGS = settings(deadline=None)  # the first example waits for a kernel to be compiled

Rows = list[tuple[int, int]]


def found(left: Rows, right: Rows, said: int = 8, cut: int = 7, threads: int = 2) -> dict[int, bool]:
    """What is found where rows come in batches of `cut`, and about `said` of them were announced."""
    multisets = Multisets(said)
    for side, rows in enumerate((left, right)):
        for at in range(0, len(rows), cut):
            keys, hashed = np.array(rows[at : at + cut], np.uint64).T.copy()
            multisets.add(side, keys, hashed)
    assert multisets.added == [len(left), len(right)]
    keys, repeated = multisets.unequal(threads)
    assert len(keys) == len(set(keys.tolist()))
    return dict(zip(keys.tolist(), repeated.tolist(), strict=True))


def counted(left: Rows, right: Rows) -> dict[int, bool]:
    """The oracle: what each side has of a key, in plain Python."""
    sides: list[dict[int, Counter[int]]] = [defaultdict(Counter), defaultdict(Counter)]
    for side, rows in zip(sides, (left, right), strict=True):
        for key, row in rows:
            side[key % _HASHES][row] += 1
    return {
        key: max(side[key].total() for side in sides) > 1
        for key in sides[0].keys() | sides[1].keys()
        if sides[0][key] != sides[1][key]
    }


@SETTINGS
@given(_SIDE, _SIDE, st.integers(1, 40), st.integers(1, 3))
def test_any_two_multisets_give_what_counting_gives(left: Rows, right: Rows, cut: int, threads: int) -> None:
    assert found(left, right, cut=cut, threads=threads) == counted(left, right)


@SETTINGS
@given(_SIDE, _SIDE, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(left: Rows, right: Rows, dice: object) -> None:
    before = found(left, right)
    for rows in (left, right):
        dice.shuffle(rows)  # type: ignore[attr-defined]
    assert found(left, right) == before


def test_rows_whose_hashes_add_up_to_the_same_are_not_the_same() -> None:
    assert found([(1, 10), (1, 30)], [(1, 20), (1, 20)]) == {1: True}


@pytest.mark.parametrize("parts", [1, 2, 64])
def test_many_rows_are_spread_over_parts(parts: int) -> None:
    generator = np.random.default_rng(parts)
    rows = 12_000 * parts
    keys, hashed = generator.integers(0, _MOST, (2, rows), np.uint64, endpoint=True)
    other = hashed.copy()
    apart = generator.choice(rows, 500, replace=False)
    other[apart] += np.uint64(1)
    order = generator.permutation(rows)
    multisets = Multisets(2 * rows)
    for at in range(0, rows, 5_000):
        multisets.add(0, keys[at : at + 5_000], hashed[at : at + 5_000])
        multisets.add(1, keys[order][at : at + 5_000], other[order][at : at + 5_000])
    told, repeated = multisets.unequal(2)
    assert sorted(told.tolist()) == sorted((keys[apart] % np.uint64(_HASHES)).tolist())
    assert not repeated.any()


def test_one_key_in_all_rows_takes_no_more_room_than_one() -> None:
    rows = 200_000
    keys, hashed = np.zeros(rows, np.uint64), np.arange(rows, dtype=np.uint64)
    multisets = Multisets(2 * rows)
    multisets.add(0, keys, hashed)
    multisets.add(1, keys, hashed[::-1].copy())
    assert multisets.unequal(2)[0].tolist() == []
    multisets.add(1, keys[:1], hashed[:1])
    told, repeated = multisets.unequal(2)
    assert (told.tolist(), repeated.tolist()) == ([0], [True])
