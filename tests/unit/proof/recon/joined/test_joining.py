"""Sides of which much differs are joined in memory: what comes out is what the other ways give, to the byte."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon import stage
from everycent.proof.recon.core import differing
from everycent.proof.recon.core.joined import joining, met
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.stated import Stated
from everycent.proof.recon.stage import Reconciled, reconcile

PLAN = ReconPlan("bill", 1, False, False, True)

#: Rows of three files each, whose names are in another order than they are read in; one in three differs, one in nine
#: repeats, and of these some have rows that are not alike.
SIDES_SQL = """
    CREATE OR REPLACE TABLE much_{side} AS
        SELECT '{side}' || (9 - i % 3) || '.csv' AS source_file, 3 * i + n AS source_line,
            CASE WHEN i % 7 = 0 THEN 'N' || i ELSE 'long-' || hash(i) END AS key,
            (i % 1000 + CASE WHEN hash(i, {seed}) % 9 = 0 THEN {seed} * n ELSE 0 END)::BIGINT AS amount_minor,
            CASE hash(i, {seed}, 1) % 11 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'a"b}}+{{' ELSE 'paid' END
                AS status,
            i % 5 AS "STATUS_NO", (i % 100 / 7)::DECIMAL(38, 9) AS fee,
            TIMESTAMP '2026-03-01' + to_seconds(i) AS paid_at
        FROM range({rows}) AS t(i), range(CASE WHEN hash(i, {seed}, 2) % 9 = 0 THEN 3 ELSE 1 END) AS again(n)
        WHERE hash(i, {seed}, 3) % 9 > 0;
"""
ROWS = 6_000


@pytest.fixture
def much(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
    """Both sides, to be compared as sides with very many rows are."""
    for side, seed in (("left", 1), ("right", 2)):
        sql = SIDES_SQL.format(side=side, seed=seed, rows=ROWS)
        for statement in sql.split(";"):
            engine.connection.execute(statement)
    monkeypatch.setattr(stage, "ROWS_LEAST", 0)
    monkeypatch.setattr(stage, "worth_it", lambda rows, expected, engine: True)
    monkeypatch.setattr(differing, "room_of", lambda expected, rows, passes: None)
    return engine


def other_ways(engine: LocalEngine, others: tuple[str, ...]) -> Reconciled:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage, "worth_it", lambda rows, expected, engine: False)
        return reconcile(PLAN, "much_left", "much_right", engine, others)


def assert_same(found: Reconciled, expected: Reconciled) -> None:
    assert found.breaks.num_rows > ROWS // 3
    assert found.breaks.equals(expected.breaks)
    assert found.write_offs.equals(expected.write_offs)
    assert found.totals.drop_columns(["keys"]).equals(expected.totals.drop_columns(["keys"]))


@pytest.mark.parametrize("others", [(), ("status", "STATUS_NO", "fee", "paid_at"), ("fee",)])
def test_joined_sides_give_what_hashes_give(much: LocalEngine, others: tuple[str, ...]) -> None:
    assert_same(reconcile(PLAN, "much_left", "much_right", much, others), other_ways(much, others))


def test_statuses_of_other_columns_are_structs_of_their_types(much: LocalEngine) -> None:
    found = reconcile(PLAN, "much_left", "much_right", much, ("fee", "paid_at"))
    kind = found.breaks.schema.field("left_status").type
    assert [field.type for field in kind.fields] == [pa.decimal128(38, 9), pa.timestamp("us")]


def test_keys_that_share_a_hash_are_not_taken_for_one_another(
    much: LocalEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = met._read

    def same_hashes(side: str, *words: object) -> pa.RecordBatchReader:
        batches = list(reads(side, *words))  # type: ignore[arg-type]
        hashes = [pa.array(batch.column("k").to_numpy() % np.uint64(20_011)) for batch in batches]
        told = [batch.set_column(0, "k", each) for batch, each in zip(batches, hashes, strict=True)]
        return pa.RecordBatchReader.from_batches(told[0].schema, told)

    expected = other_ways(much, ())
    monkeypatch.setattr(met, "_read", same_hashes)
    assert joining.join(PLAN, "much_left", "much_right", counts(much), Stated(), much) is None
    assert_same(reconcile(PLAN, "much_left", "much_right", much), expected)


def test_what_does_not_fit_memory_or_has_no_place_is_not_joined(much: LocalEngine, tmp_path: Path) -> None:
    rows = counts(much)
    with LocalEngine(2, 1, tmp_path) as small:
        assert joining.worth_it((1_000, 1_000), 500, small)
        assert not joining.worth_it((10_000, 10_000), 5_000, small)
        assert not joining.worth_it((1_000, 1_000), 50, small), "little differs"
    much.connection.execute("UPDATE much_right SET source_line = NULL WHERE key = 'N77'")
    assert joining.join(PLAN, "much_left", "much_right", rows, Stated(), much) is None


def counts(engine: LocalEngine) -> tuple[int, int]:
    left, right = (engine.query(f"SELECT count(*) AS n FROM much_{side}")["n"][0].as_py() for side in ("left", "right"))
    return left, right
