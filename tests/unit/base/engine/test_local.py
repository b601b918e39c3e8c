"""The local engine: Arrow in, Arrow out, and settings that keep results the same."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine

ID = uuid.UUID(int=7)
RECORDS = pa.table(
    {
        "record_id": pa.array([ID.bytes], pa.uuid()),
        "body": pa.array(
            [{"paid": True, "tags": [False]}], pa.struct({"paid": pa.bool_(), "tags": pa.list_(pa.bool_())})
        ),
    }
)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    with LocalEngine(threads=2, memory_mb=200, temp_dir=tmp_path / "spill") as engine:
        yield engine


def test_ids_and_bodies_come_back_as_they_went(engine: LocalEngine) -> None:
    found = engine.query("SELECT record_id, body, body.paid AS paid FROM records", records=RECORDS)
    assert found.select(["record_id", "body"]).schema.types == [
        RECORDS.schema.types[0],
        found.schema.field("body").type,
    ]
    assert found.schema.field("paid").type == pa.bool_()
    assert found.to_pylist() == [{"record_id": ID, "body": {"paid": True, "tags": [False]}, "paid": True}]


def test_a_table_of_no_rows_keeps_its_columns(engine: LocalEngine) -> None:
    found = engine.query("SELECT record_id, body.paid AS paid FROM records", records=RECORDS.slice(0, 0))
    assert found.num_rows == 0
    assert found.schema.types == [pa.uuid(), pa.bool_()]


def test_tables_are_gone_after_the_query(engine: LocalEngine) -> None:
    engine.query("SELECT 1 AS one FROM records", records=RECORDS)
    with pytest.raises(duckdb.CatalogException):
        engine.query("SELECT 1 AS one FROM records")
    with pytest.raises(duckdb.Error):
        engine.query("SELECT nonsense FROM records", records=RECORDS)
    with pytest.raises(duckdb.CatalogException):
        engine.query("SELECT 1 AS one FROM records")


def test_a_stream_is_read_while_other_queries_run(engine: LocalEngine) -> None:
    rows = 0
    for batch in engine.reader("SELECT n, n > 5 AS large FROM numbers", numbers=pa.table({"n": range(300_000)})):
        rows += batch.num_rows
        assert engine.query("SELECT 1 AS one").num_rows == 1
        assert batch.schema.types == [pa.int64(), pa.bool_()]
    assert rows == 300_000


def test_an_overflow_shared_by_two_amounts_stays_within_try(engine: LocalEngine) -> None:
    numbers = pa.table({"n": [2**63 - 1, 1]})
    found = engine.query(
        "SELECT TRY(n * 10 + 1) AS a, TRY(n * 10 + 2) AS b, TRY(n * 10 - n * 10) AS c FROM numbers", numbers=numbers
    )
    assert found.to_pylist() == [{"a": None, "b": None, "c": None}, {"a": 11, "b": 12, "c": 0}]


def test_what_does_not_fit_in_memory_spills(engine: LocalEngine) -> None:
    found = engine.query("SELECT count(*) AS n FROM (SELECT n, uuid() AS u FROM range(8_000_000) r(n) ORDER BY u)")
    assert found.to_pylist() == [{"n": 8_000_000}]


def test_time_is_utc_and_extensions_are_not_fetched(engine: LocalEngine) -> None:
    settings = ["TimeZone", "autoinstall_known_extensions", "autoload_known_extensions"]
    asked = ", ".join(f"current_setting('{name}')::VARCHAR AS s{at}" for at, name in enumerate(settings))
    assert list(engine.query(f"SELECT {asked}").to_pylist()[0].values()) == ["UTC", "false", "false"]
