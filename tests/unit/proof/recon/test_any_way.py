"""Whichever way two sides are compared, the verdicts are the same: by sketch, by hashes in memory or at once; in any
order of rows, cut into any batches, in any number of shards."""

import random
from collections.abc import Callable

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon import stage
from everycent.proof.recon.core import differing
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.stage import Reconciled, reconcile

from .conftest import side_of

Row = tuple[str, int, str | None]
Compare = Callable[..., Reconciled]

ROWS = st.lists(
    st.tuples(st.sampled_from("ABCDE"), st.integers(-3, 3), st.sampled_from([None, "", "paid", "open"])), max_size=16
)
SETTINGS = settings(max_examples=20, deadline=None)


#: In which ways sides with very many rows are compared.
WAYS = ("by sketch", "by hashes", "joined")


def in_two_passes(plan: ReconPlan, left: pa.Table, right: pa.Table, way: str, engine: LocalEngine) -> Reconciled:
    """As sides with very many rows are compared."""
    for name, rows in (("any_left", left), ("any_right", right)):
        engine.query(f"CREATE OR REPLACE TABLE {name} AS FROM rows", rows=rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "ROWS_LEAST", 0)
        patch.setattr(differing, "room_of", lambda expected, rows, passes: 100 if way == "by sketch" else None)
        patch.setattr(stage, "worth_it", lambda rows, expected, engine: way == "joined")
        return reconcile(plan, "any_left", "any_right", engine)


ANY_TWO = given(left=ROWS, right=ROWS, tolerance=st.integers(0, 2), status=st.booleans(), way=st.sampled_from(WAYS))


@settings(max_examples=16, deadline=None)
@ANY_TWO
def test_hashes_find_what_a_join_finds_for_any_two_multisets(
    engine: LocalEngine, left: list[Row], right: list[Row], tolerance: int, status: bool, way: str
) -> None:
    hashes_find_what_a_join_finds(engine, left, right, tolerance, status, way)


@pytest.mark.soak
@settings(max_examples=300, deadline=None)
@ANY_TWO
def test_hashes_find_what_a_join_finds_for_many_multisets(
    engine: LocalEngine, left: list[Row], right: list[Row], tolerance: int, status: bool, way: str
) -> None:
    hashes_find_what_a_join_finds(engine, left, right, tolerance, status, way)


def hashes_find_what_a_join_finds(
    engine: LocalEngine, left: list[Row], right: list[Row], tolerance: int, status: bool, way: str
) -> None:
    plan = ReconPlan("bill", tolerance, False, False, status)
    ours, bill = side_of(left, "ours.csv"), side_of(right, "bill.csv")
    found, expected = in_two_passes(plan, ours, bill, way, engine), reconcile(plan, ours, bill, engine)
    assert found.breaks.equals(expected.breaks)
    assert found.write_offs.equals(expected.write_offs)
    assert found.totals.drop_columns(["keys"]).equals(expected.totals.drop_columns(["keys"]))


@SETTINGS
@given(left=ROWS, right=ROWS, tolerance=st.integers(0, 2), seed=st.integers(0, 99), cut=st.integers(1, 5))
def test_neither_the_order_of_rows_nor_their_cut_into_batches_changes_a_verdict(
    compare: Compare, left: list[Row], right: list[Row], tolerance: int, seed: int, cut: int
) -> None:
    sides = side_of(left, "ours.csv"), side_of(right, "bill.csv")
    mixed = []
    for side in sides:
        order = pa.array(random.Random(seed).sample(range(side.num_rows), side.num_rows), pa.int64())
        batches = side.take(order).combine_chunks().to_batches(max_chunksize=cut)
        mixed.append(pa.Table.from_batches(batches, side.schema))
    found, expected = compare(*mixed, tolerance), compare(*sides, tolerance)
    assert found.breaks.equals(expected.breaks)
    assert found.write_offs.equals(expected.write_offs)
    assert found.totals.equals(expected.totals)


@SETTINGS
@given(left=ROWS, right=ROWS, tolerance=st.integers(0, 2), shards=st.integers(1, 4))
def test_shards_by_key_find_together_what_the_whole_finds(
    compare: Compare, left: list[Row], right: list[Row], tolerance: int, shards: int
) -> None:
    ours, bill = side_of(left, "ours.csv"), side_of(right, "bill.csv")
    whole = compare(ours, bill, tolerance)
    parts = [compare(*(shard(side, part, shards) for side in (ours, bill)), tolerance) for part in range(shards)]
    places = ["key", "bucket", "left_file", "left_line", "right_file", "right_line"]
    order = [(name, "ascending") for name in places]
    breaks = pa.concat_tables([part.breaks for part in parts])
    assert breaks.sort_by(order).combine_chunks().equals(whole.breaks.sort_by(order).combine_chunks())
    for column in ("left_rows", "right_rows", "left_minor", "right_minor"):
        added = [sum(figures) for figures in zip(*(part.totals[column].to_pylist() for part in parts), strict=True)]
        assert added == whole.totals[column].to_pylist()


def shard(side: pa.Table, part: int, shards: int) -> pa.Table:
    return side.filter(pa.array([ord(key) % shards == part for key in side["key"].to_pylist()], pa.bool_()))
