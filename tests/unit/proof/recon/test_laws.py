"""Laws of reconciliation, over random sides with duplicates, statuses, zero and negative amounts, and a tolerance."""

from collections import Counter, defaultdict
from collections.abc import Callable

import pyarrow.compute as pc
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.proof.recon.contract import Bucket
from everycent.proof.recon.stage import Reconciled

Row = tuple[str, int, str | None]
Compare = Callable[..., Reconciled]

ROWS = st.lists(
    st.tuples(st.sampled_from("ABCD"), st.integers(-3, 3), st.sampled_from([None, "paid", "open"])), max_size=14
)
SETTINGS = settings(max_examples=60, deadline=None)

SWAPPED = {
    Bucket.MISSING_LEFT: Bucket.MISSING_RIGHT,
    Bucket.MISSING_RIGHT: Bucket.MISSING_LEFT,
    Bucket.DUPLICATED_LEFT: Bucket.DUPLICATED_RIGHT,
    Bucket.DUPLICATED_RIGHT: Bucket.DUPLICATED_LEFT,
}


def counted(
    left: list[Row], right: list[Row], tolerance: int, left_sums: bool, right_sums: bool
) -> dict[str, Counter[str]]:
    """The rows of each side per bucket, worked out key by key in plain Python, sharing nothing with the stage."""
    counts: dict[str, Counter[str]] = {"left": Counter(), "right": Counter()}
    sides: dict[str, dict[str, list[tuple[int, str, int]]]] = {}
    for name, rows, sums in (("left", left, left_sums), ("right", right, right_sums)):
        keys: dict[str, list[tuple[int, str, int]]] = defaultdict(list)
        for key, amount, status in rows:
            keys[key].append((amount, status or "", 1))
        if sums:
            keys = defaultdict(list, {
                key: [(sum(a for a, _, _ in found), "+".join(sorted({s for _, s, _ in found})), len(found))]
                for key, found in keys.items()
            })  # fmt: skip
        sides[name] = keys
    for key in sides["left"].keys() | sides["right"].keys():
        lefts, rights = sides["left"][key], sides["right"][key]
        if sorted(lefts) == sorted(rights) and not left_sums and not right_sums:
            for name in counts:
                counts[name][Bucket.EQUAL] += len(lefts)
            continue
        first = _first_pair(lefts, rights, tolerance)
        bucket = _bucket(*first, tolerance)
        for name, found, one in (("left", lefts, first[0]), ("right", rights, first[1])):
            for row in found:
                is_first = row is one
                counts[name][bucket if is_first else f"duplicated_{name}"] += row[2]
    return counts


def _first_pair(lefts, rights, tolerance):  # type: ignore[no-untyped-def]
    if not lefts or not rights:
        return (lefts or [None])[0], (rights or [None])[0]
    pairs = [(left, right) for left in lefts for right in rights]
    alike = [p for p in pairs if p[0][:2] == p[1][:2]]
    if alike:
        return min(alike, key=lambda p: p[0][:2])
    near = [p for p in pairs if abs(p[0][0] - p[1][0]) <= tolerance]
    if near:
        return min(near, key=lambda p: (abs(p[0][0] - p[1][0]), min(p[0][0], p[1][0]), p[0][0] > p[1][0]))
    return lefts[0], rights[0]


def _bucket(left, right, tolerance):  # type: ignore[no-untyped-def]
    if left is None or right is None:
        return Bucket.MISSING_LEFT if left is None else Bucket.MISSING_RIGHT
    apart = abs(left[0] - right[0])
    if apart > tolerance:
        return Bucket.AMOUNT_DIFFERS
    if left[1] != right[1]:
        return Bucket.STATUS_DIFFERS
    return Bucket.WITHIN_TOLERANCE if apart else Bucket.EQUAL


def rows_per_bucket(result: Reconciled) -> dict[str, Counter[str]]:
    return {
        name: Counter({t["bucket"]: t[f"{name}_rows"] for t in result.totals.to_pylist() if t[f"{name}_rows"]})
        for name in ("left", "right")
    }


@SETTINGS
@given(left=ROWS, right=ROWS, tolerance=st.integers(0, 2), left_sums=st.booleans(), right_sums=st.booleans())
def test_every_row_lands_in_the_bucket_that_plain_python_finds(
    compare: Compare, left: list[Row], right: list[Row], tolerance: int, left_sums: bool, right_sums: bool
) -> None:
    result = compare(left, right, tolerance, left_sums, right_sums)
    assert rows_per_bucket(result) == counted(left, right, tolerance, left_sums, right_sums)
    assert result.residual_minor == 0
    assert result.difference_minor == sum(r[1] for r in left) - sum(r[1] for r in right)
    listed = [result.breaks, result.write_offs]
    assert sum(int(pc.sum(table["difference_minor"]).as_py() or 0) for table in listed) == result.difference_minor


@SETTINGS
@given(left=ROWS, right=ROWS, tolerance=st.integers(0, 2), left_sums=st.booleans(), right_sums=st.booleans())
def test_swapping_the_sides_swaps_the_buckets_and_the_signs(
    compare: Compare, left: list[Row], right: list[Row], tolerance: int, left_sums: bool, right_sums: bool
) -> None:
    one = compare(left, right, tolerance, left_sums, right_sums)
    other = compare(right, left, tolerance, right_sums, left_sums)
    mirrored = {
        SWAPPED.get(Bucket(t["bucket"]), t["bucket"]): (t["right_rows"], t["left_rows"], -t["difference_minor"])
        for t in other.totals.to_pylist()
    }
    assert mirrored == {
        t["bucket"]: (t["left_rows"], t["right_rows"], t["difference_minor"]) for t in one.totals.to_pylist()
    }
    assert sorted((b["key"], -b["difference_minor"]) for b in other.breaks.to_pylist()) == sorted(
        (b["key"], b["difference_minor"]) for b in one.breaks.to_pylist()
    )


@SETTINGS
@given(rows=ROWS, left_sums=st.booleans())
def test_a_side_agrees_with_itself(compare: Compare, rows: list[Row], left_sums: bool) -> None:
    result = compare(rows, rows, 0, left_sums, left_sums)
    assert result.breaks.num_rows == result.write_offs.num_rows == 0
    assert result.difference_minor == 0
