"""Sketches: what differs between two multisets of rows comes out, without joining them."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.proof.recon.core.sketch.cells import HASH_BITS, ROOM_BITS, shared
from everycent.proof.recon.core.sketch.places import PREFIX_SHIFT, Places
from everycent.proof.recon.core.sketch.sketch import Differences, Sketch

_MOST, _HASHES = (1 << 64) - 1, 1 << HASH_BITS
_ROW = st.tuples(st.integers(0, _MOST), st.integers(0, _MOST))
#: Few different rows, so that they repeat on either side.
_SIDE = st.lists(st.sampled_from([(n * 0x9E3779B97F4A7C15 & _MOST, n * 31 + 7) for n in range(40)]) | _ROW, max_size=60)


def sketch_of(rows: list[tuple[int, int]], room: int = 200, seed: int = 5) -> Sketch:
    sketch = Sketch.empty(room, seed)
    sketch.add(np.array([key for key, _ in rows], np.uint64), np.array([row for _, row in rows], np.uint64))
    return sketch


def counted(found: Differences) -> Counter[tuple[int, int]]:
    return Counter({(int(k), int(r)): int(n) for k, r, n in zip(found.keys, found.rows, found.counts, strict=True)})


def apart(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> Counter[tuple[int, int]]:
    """The oracle: multiplicities subtracted."""
    counts: Counter[tuple[int, int]] = Counter((k % _HASHES, r % _HASHES) for k, r in left)
    counts.subtract((k % _HASHES, r % _HASHES) for k, r in right)
    return Counter({row: n for row, n in counts.items() if n})


@given(_SIDE, _SIDE)
def test_any_two_multisets_give_what_counting_gives(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    found, rest = sketch_of(left).differences(sketch_of(right))
    assert found.complete
    assert not rest.cells.any()
    assert counted(found) == apart(left, right)


@given(_SIDE, _SIDE, st.integers(0, 60))
def test_shards_add_up_in_any_cut(rows: list[tuple[int, int]], other: list[tuple[int, int]], cut: int) -> None:
    whole, first = sketch_of(rows), sketch_of(rows[:cut])
    first.join(sketch_of(rows[cut:]))
    assert (first.cells == whole.cells).all()
    assert first.rows == whole.rows == len(rows)


@pytest.mark.parametrize(("left_more", "right_more"), [(10_000, 10_000), (100_000, 90_000), (0, 80_000), (300_000, 0)])
def test_a_sketch_too_small_to_tell_rows_apart_tells_about_how_many_they_are(left_more: int, right_more: int) -> None:
    both, seeded = 50_000, np.random.default_rng(left_more + right_more)
    rows = seeded.integers(0, _MOST, (2, both + left_more + right_more), dtype=np.uint64, endpoint=True)
    sketches = []
    for more in (slice(both, both + left_more), slice(both + left_more, None)):
        sketch = Sketch.empty(2_000, 5)
        for part in (slice(0, both), more):
            sketch.add(rows[0, part], rows[1, part])
        sketches.append(sketch)
    assert not sketches[0].differences(sketches[1])[0].complete
    differ = left_more + right_more
    assert abs(sketches[0].about_apart(sketches[1]) - differ) < differ // 8


@given(_SIDE, st.integers(2, 9))
def test_a_row_that_one_side_has_several_times_more_is_found_with_its_number(
    rows: list[tuple[int, int]], more: int
) -> None:
    found, _ = sketch_of([*rows, *[(11, 12)] * more]).differences(sketch_of(rows))
    assert counted(found) == {(11, 12): more}
    found, _ = sketch_of(rows).differences(sketch_of([*rows, *[(11, 12)] * more]))
    assert counted(found) == {(11, 12): -more}


def test_a_sketch_that_is_too_small_says_so_and_what_it_tells_is_right() -> None:
    rows = [(n * 0x9E3779B97F4A7C15 & _MOST, n) for n in range(1, 3000)]
    found, rest = sketch_of(rows, room=100).differences(sketch_of([], room=100))
    assert not found.complete
    assert rest.cells.any()
    told = counted(found)
    assert told.items() <= apart(rows, []).items()


@pytest.mark.parametrize("room", [300, 3_000, 30_000])
def test_as_many_differences_as_there_is_room_for_are_told_apart(room: int) -> None:
    generator = np.random.default_rng(7)
    failed = 0
    for seed in range(20):
        sketch, empty = Sketch.empty(room, seed), Sketch.empty(room, seed)
        sketch.add(*generator.integers(0, _MOST, (2, room), np.uint64, endpoint=True))
        failed += not sketch.differences(empty)[0].complete
    assert failed == 0


def test_equal_sides_leave_nothing_whatever_their_order() -> None:
    rows = [(n * 3, n * 5) for n in range(500)]
    left, right = sketch_of(rows, room=1), sketch_of(rows[::-1], room=1)
    assert (left.cells == right.cells).all()
    found, _ = left.differences(right)
    assert found.complete and len(found.keys) == 0


@given(st.integers(0, _HASHES - 1), st.integers(-(1 << 62), 1 << 62).filter(bool))
def test_any_share_of_a_sum_modulo_two_to_the_64th_is_found_unless_its_count_is_very_even(
    value: int, count: int
) -> None:
    total, often = np.uint64(value * count % (1 << 64)), np.uint64(count % (1 << 64))
    if count % (2 << ROOM_BITS):
        assert shared(total, often) == value


@pytest.mark.parametrize("often", [2, -2, 1 << ROOM_BITS, -(3 << ROOM_BITS)])
def test_even_counts_are_shared_too(often: int) -> None:
    value = _HASHES - 1
    assert shared(np.uint64(value * often % (1 << 64)), np.uint64(often % (1 << 64))) == value


def test_a_row_that_is_too_often_more_is_never_taken_for_another() -> None:
    sketch, often = sketch_of([(_HASHES - 1, _HASHES - 3)]), 4 << ROOM_BITS
    sketch.cells *= np.uint64(often)
    found, rest = sketch.differences(sketch_of([]))
    assert not found.complete and len(found.keys) == 0
    assert rest.cells.any()


def test_sketches_of_other_sizes_or_seeds_do_not_mix() -> None:
    with pytest.raises(AssertionError, match="different sizes"):
        sketch_of([], room=100).differences(sketch_of([], room=1000))
    with pytest.raises(AssertionError, match="different seeds"):
        sketch_of([], seed=1).join(sketch_of([], seed=2))


@given(st.lists(st.integers(0, _MOST), max_size=50), st.lists(st.integers(0, _MOST), max_size=20), st.integers(0, 50))
def test_rows_are_met_again_by_the_keys_that_they_have(rows: list[int], others: list[int], cut: int) -> None:
    places = Places(len(rows))
    for part in (rows[:cut], rows[cut:]):
        places.add(np.array(part, np.uint64))
    wanted = [key % _HASHES for key in (*rows[::3], *others)]
    prefixes = {key >> PREFIX_SHIFT for key in wanted}
    met = [at for at, key in enumerate(rows) if (key % _HASHES) >> PREFIX_SHIFT in prefixes]
    assert places.of(np.array(wanted, np.uint64)).tolist() == met
