"""Sides with many rows are compared in two passes; what comes out is what one pass gives."""

from pathlib import Path

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import ROW, SIDE
from everycent.proof.recon.core.differing import ROWS_LEAST, differing, passes_of, room_of
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.rereading import NEAR, nearby
from everycent.proof.recon.core.sketch.sketch import Sketch, most_differences
from everycent.proof.recon.stage import Reconciled, reconcile

ROWS = ROWS_LEAST + 1_000

#: A payment's row on our side, and on the bill after faults of every kind at places that a seed chooses.
SIDES_SQL = """
    CREATE OR REPLACE TABLE ours AS
        SELECT 'ours.csv' AS source_file, i + 1 AS source_line, 'P' || i AS key, (hash(i, {seed}) % 90000)::BIGINT
            AS amount_minor, CASE WHEN hash(i, {seed}, 1) % 9 = 0 THEN 'refund' ELSE 'success' END AS status
        FROM range({rows}) AS numbers(i);
    CREATE OR REPLACE TABLE bill AS
        SELECT 'bill.csv' AS source_file, row_number() OVER (ORDER BY md5(key || {seed})) AS source_line, key,
            amount_minor + CASE WHEN fault = 1 THEN 1 WHEN fault = 2 THEN -2 * amount_minor ELSE 0 END AS amount_minor,
            CASE WHEN fault = 3 THEN 'closed' ELSE status END AS status
        FROM (SELECT *, hash(key, {seed}, 2) % {one_in} AS fault FROM ours),
            range(CASE WHEN fault = 4 THEN 2 ELSE 1 END)
        WHERE fault <> 5;
    INSERT INTO ours SELECT 'ours.csv', {rows} + i, 'P' || (i * 7), 5, 'success' FROM range(20) AS numbers(i);
    INSERT INTO bill SELECT 'bill.csv', 2 * {rows} + i, 'P' || (i * 7), 5, 'success' FROM range(10, 20) AS numbers(i);
"""


def sides(engine: LocalEngine, seed: int, one_in: int) -> None:
    for statement in SIDES_SQL.format(rows=ROWS, seed=seed, one_in=one_in).split(";"):
        engine.connection.execute(statement)


def in_one_pass(plan: ReconPlan, engine: LocalEngine) -> Reconciled:
    """Sides that are no tables of the engine are compared at once."""
    left, right = (engine.query(f"SELECT {', '.join(SIDE.names)} FROM {side}").cast(SIDE) for side in ("ours", "bill"))
    return reconcile(plan, left, right, engine)


@pytest.mark.parametrize(
    ("seed", "tolerance", "status", "one_in"),
    [
        (1, 0, True, 2_000),
        (2, 1, True, 2_000),
        (3, 0, False, 2_000),
        (6, 1, True, 12),
        (7, 0, False, 7),
        (10, 1, True, 6),
    ],
)
def test_two_passes_find_what_one_finds(
    engine: LocalEngine, seed: int, tolerance: int, status: bool, one_in: int
) -> None:
    plan = ReconPlan("bill", tolerance, False, False, status)
    sides(engine, seed, one_in)
    found, expected = reconcile(plan, "ours", "bill", engine), in_one_pass(plan, engine)
    assert found.breaks.num_rows > 300
    assert found.breaks.equals(expected.breaks)
    assert found.write_offs.equals(expected.write_offs)
    without_keys = [t.drop_columns(["keys"]) for t in (found.totals, expected.totals)]
    assert without_keys[0].equals(without_keys[1])
    assert (found.left_total, found.right_total) == (expected.left_total, expected.right_total)


@pytest.mark.parametrize("number", ["file_row_number", "hash(file_row_number, 1) % 201_000"])
def test_rows_whose_numbers_are_known_are_read_by_them_unless_they_are_numbered_otherwise(
    engine: LocalEngine, tmp_path: Path, number: str
) -> None:
    plan = ReconPlan("bill", 0, False, False, True)
    sides(engine, 9, one_in=2_000)
    for side in ("ours", "bill"):
        engine.connection.execute(f"COPY {side} TO '{tmp_path}/{side}.parquet' (ROW_GROUP_SIZE 50_000)")
        engine.connection.execute(
            f"""CREATE OR REPLACE VIEW {side}_file AS SELECT * EXCLUDE (file_row_number), ({number})::BIGINT AS {ROW}
            FROM read_parquet('{tmp_path}/{side}.parquet', file_row_number = true)"""
        )
    counts = tuple(engine.query(f"SELECT count(*) AS n FROM {side}")["n"][0].as_py() for side in ("ours", "bill"))
    noted = differing("ours_file", "bill_file", ("amount_minor", "status"), counts, engine)
    assert noted is not None
    assert (nearby("ours_file", noted, 0, engine) == NEAR) == (number == "file_row_number")
    found, expected = reconcile(plan, "ours_file", "bill_file", engine), in_one_pass(plan, engine)
    assert found.breaks.num_rows > 300
    assert found.breaks.equals(expected.breaks)


def test_the_keys_that_differ_are_told_by_hashes_however_many(engine: LocalEngine) -> None:
    compared = ("amount_minor", "status")
    sides(engine, 4, one_in=2_000)
    counts = tuple(engine.query(f"SELECT count(*) AS n FROM {side}")["n"][0].as_py() for side in ("ours", "bill"))
    few = differing("ours", "bill", compared, counts, engine)
    assert few is not None
    keys = few.keys
    assert 300 < keys.num_rows == len(keys["k"].unique()) < 1_500
    sides(engine, 4, one_in=10)
    counts = tuple(engine.query(f"SELECT count(*) AS n FROM {side}")["n"][0].as_py() for side in ("ours", "bill"))
    more = differing("ours", "bill", compared, counts, engine)
    assert more is not None
    many = more.keys
    assert differing("ours", "bill", compared, counts, engine, lambda expected: expected > ROWS // 100) is None
    assert many.num_rows == len(many["k"].unique()) > ROWS // 10


@pytest.mark.parametrize(
    ("one_in", "larger"), [pytest.param(20, True, id="a larger one does"), pytest.param(2, False, id="hashes are kept")]
)
def test_where_the_look_saw_nothing_the_sketch_itself_tells_how_many_differ(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, one_in: int, larger: bool
) -> None:
    """The first rows agree, of the last 40,000 one in so many does not: more than the room that was made for them."""
    for name, value in (("LOOKED_AT", 20_000), ("_ROWS_PER_READ", 20_480), ("ROOM_LEAST", 300)):
        monkeypatch.setattr(f"everycent.proof.recon.core.differing.{name}", value)
    rooms: list[int] = []
    empty = Sketch.empty
    monkeypatch.setattr(Sketch, "empty", lambda room, seed: rooms.append(room) or empty(room, seed))
    rows, apart, asked = 240_000, 40_000 // one_in, list[int]()
    engine.connection.execute(
        f"CREATE OR REPLACE TABLE ours AS SELECT 'P' || i AS key, i AS amount_minor FROM range({rows}) AS n(i)"
    )
    engine.connection.execute(
        f"""CREATE OR REPLACE TABLE bill AS SELECT key, amount_minor +
            (amount_minor >= {rows - 40_000} AND amount_minor % {one_in} = 0)::BIGINT AS amount_minor FROM ours"""
    )
    found = differing("ours", "bill", ("amount_minor",), (rows, rows), engine, lambda few: bool(asked.append(few)))
    assert found is not None
    assert found.keys.num_rows == apart
    told = [rooms[2] // 2] if larger else asked
    assert (len(rooms), len(asked)) == ((4, 0) if larger else (2, 1))
    assert abs(told[0] - 2 * apart) < apart // 5


def test_sides_that_agree_leave_nothing_to_compare(engine: LocalEngine) -> None:
    sides(engine, 5, one_in=2_000)
    found = reconcile(ReconPlan("bill", 0, False, False, True), "ours", "ours", engine)
    assert found.breaks.num_rows == 0
    assert pa.compute.sum(found.totals["left_rows"]).as_py() == found.left_total.rows == ROWS + 20


def test_hashes_that_do_not_fit_memory_are_compared_in_parts(tmp_path: Path) -> None:
    plan = ReconPlan("bill", 0, False, False, True)
    with LocalEngine(threads=2, memory_mb=4, temp_dir=tmp_path) as small, LocalEngine(2, 512, tmp_path) as engine:
        assert passes_of(2 * ROWS, small.memory_mb) > passes_of(2 * ROWS, engine.memory_mb) == 1
        for each in (small, engine):
            each.connection.execute("SET memory_limit = '512MB'")
            sides(each, 8, one_in=20)
        found, expected = reconcile(plan, "ours", "bill", small), in_one_pass(plan, engine)
    assert found.breaks.num_rows > ROWS // 25
    assert found.breaks.equals(expected.breaks)


@pytest.mark.parametrize(
    ("expected", "rows", "passes", "sketched"),
    [(10, 10**6, 1, True), (10**5, 10**7, 1, False), (10**5, 10**7, 2, True), (10**6, 10**7, 2, False)],
)
def test_few_differences_go_into_a_sketch(expected: int, rows: int, passes: int, sketched: bool) -> None:
    assert (room_of(expected, (rows, rows), passes) is not None) == sketched


def test_more_differences_than_a_sketch_has_room_for_go_into_none_however_many_rows_there_are() -> None:
    most, rows = most_differences() // 2, 10**12
    assert room_of(most, (rows, rows), 2) == 2 * most
    assert room_of(most + 1, (rows, rows), 2) is None


@pytest.mark.parametrize(("left", "right"), [("left_side", "right_side"), ("side", "keys"), ("groups", "recon")])
def test_a_side_may_have_any_name(engine: LocalEngine, left: str, right: str) -> None:
    sides(engine, 9, one_in=2_000)
    expected = reconcile(ReconPlan("bill", 0, False, False, True), "ours", "bill", engine, ["status"])
    for name, rows in ((left, "ours"), (right, "bill")):
        engine.connection.execute(f"CREATE VIEW {name} AS FROM {rows}")
    found = reconcile(ReconPlan("bill", 0, False, False, True), left, right, engine, ["status"])
    for name, rows in ((left, "ours"), (right, "bill")):
        engine.connection.execute(f"CREATE TABLE few_of_{name} AS FROM {rows} LIMIT 100")
        engine.connection.execute(f"CREATE OR REPLACE VIEW {name} AS FROM few_of_{name}")
    few = reconcile(ReconPlan("bill", 0, False, False, True), left, right, engine, ["status"])
    for name in (left, right):
        engine.connection.execute(f"DROP VIEW {name}; DROP TABLE few_of_{name}")
    assert found.breaks.equals(expected.breaks)
    assert few.left_total.rows == few.right_total.rows == 100
