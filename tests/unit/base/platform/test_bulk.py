"""Rows go into PostgreSQL and come back as they were, whatever they hold."""

import uuid
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everycent.base.engine.tables import UUID
from everycent.base.platform import bulk
from everycent.base.platform.bulk import UnstorableText, copy_in, copy_out

BODY = pa.struct(
    [
        ('name/with~ "quotes" and a \'', pa.string()),
        ("价格", pa.int64()),
        ("rate", pa.decimal128(18, 6)),
        ("at", pa.timestamp("us")),
        ("on", pa.date32()),
        ("yes", pa.bool_()),
    ]
)
ROWS = pa.schema(
    [
        ("id", UUID),
        ("text", pa.string()),
        ("amount", pa.int64()),
        ("small", pa.int16()),
        ("exact", pa.decimal128(18, 6)),
        ("at", pa.timestamp("us", tz="UTC")),
        ("on", pa.date32()),
        ("yes", pa.bool_()),
        ("body", BODY),
    ]
)
NASTY = ["", " ", "\\.", "\\N", "NULL", "null", '"', '""', "a,b", "a\nb", "a\r\nb", "\t", "'", "é", "价", "😀"]
NASTY += ["\\u0000", "\\\\u0000", "\x1f", "\x7f", "{}", "\\"]

texts = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])))
whole = st.integers(-(2**63), 2**63 - 1)
exact = st.integers(-(10**18) + 1, 10**18 - 1).map(lambda units: Decimal(units).scaleb(-6))
days = st.dates(date(1, 1, 1), date(9999, 12, 31))
times = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31))
body = st.fixed_dictionaries(
    {
        field.name: st.none() | kind
        for field, kind in zip(BODY, [texts, whole, exact, times, days, st.booleans()], strict=True)
    }
)
row = st.fixed_dictionaries(
    {
        "id": st.none() | st.uuids(allow_nil=True),
        "text": st.none() | texts,
        "amount": st.none() | whole,
        "small": st.none() | st.integers(-(2**15), 2**15 - 1),
        "exact": st.none() | exact,
        "at": st.none() | times.map(lambda at: at.replace(tzinfo=UTC)),
        "on": st.none() | days,
        "yes": st.none() | st.booleans(),
        "body": st.none() | body,
    }
)


def table_of(rows: list[dict[str, object]]) -> pa.Table:
    plain = [{**row, "id": row["id"].bytes if isinstance(row["id"], uuid.UUID) else None} for row in rows]
    stored = pa.schema([ROWS.field(name) if name != "id" else pa.field("id", pa.binary(16)) for name in ROWS.names])
    table = pa.Table.from_pylist(plain, schema=stored)
    ids = pa.chunked_array([pa.ExtensionArray.from_storage(UUID, part) for part in table.column("id").chunks], UUID)
    return table.set_column(0, ROWS.field(0), ids)


@pytest.fixture
def rows_table(database):
    database.connection.execute(
        "create schema bulk; create table bulk.rows (place bigserial, id uuid, text text, amount bigint,"
        ' small smallint, exact numeric, at timestamptz, "on" date, yes boolean, body jsonb,'
        " tenant text, batch_no bigint)"
    )
    return database.connection


SELECT = 'SELECT id, text, amount, small, exact, at, "on", yes, body FROM bulk.rows ORDER BY place'


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(row, max_size=8))
def test_what_went_in_comes_out(rows_table, rows):
    rows_table.execute("truncate bulk.rows")
    given_rows = table_of(rows)
    assert copy_in(rows_table, "bulk.rows", given_rows, {"tenant": 'a "b", c', "batch_no": 7}) == len(rows)
    got = copy_out(rows_table, SELECT, ROWS)
    assert got.schema == ROWS
    assert got.to_pylist() == given_rows.to_pylist()
    constants = rows_table.execute("select distinct tenant, batch_no from bulk.rows").fetchall()
    assert constants == ([('a "b", c', 7)] if rows else [])


def test_slices_and_chunks_keep_their_rows(rows_table):
    ids = [uuid.UUID(int=number) if number % 3 else None for number in range(100)]
    plain = [dict.fromkeys(ROWS.names) | {"id": known, "amount": at} for at, known in enumerate(ids)]
    whole_table = pa.concat_tables([table_of(plain[:40]), table_of(plain[40:])]).slice(17, 60)
    copy_in(rows_table, "bulk.rows", whole_table)
    assert copy_out(rows_table, SELECT, ROWS).to_pylist() == whole_table.to_pylist()


def test_an_empty_table_comes_back_with_its_types(rows_table):
    assert copy_in(rows_table, "bulk.rows", ROWS.empty_table()) == 0
    assert copy_out(rows_table, SELECT, ROWS) == ROWS.empty_table()


@pytest.mark.parametrize("column", ["text", "body"])
def test_a_nul_character_is_refused_by_name(rows_table, column):
    text = {"text": "a\x00b"} if column == "text" else {"body": {'name/with~ "quotes" and a \'': "a\x00b"}}
    with pytest.raises(UnstorableText, match=rf"bulk\.rows, column '{column}', row 2 of the batch holds a NUL"):
        copy_in(rows_table, "bulk.rows", table_of([dict.fromkeys(ROWS.names), dict.fromkeys(ROWS.names) | text]))
    assert rows_table.execute("select count(*) from bulk.rows").fetchone() == (0,)


def test_a_name_like_an_attack_is_only_a_name(rows_table):
    rows_table.execute('create table bulk."a""; drop table bulk.rows; --" (c text)')
    copy_in(rows_table, 'bulk."a""; drop table bulk.rows; --"', pa.table({"c": ["x"]}))
    assert rows_table.execute("select count(*) from bulk.rows").fetchone() == (0,)


def test_many_rows_come_in_parts_and_in_order(database, engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk, "_PART_BYTES", 1000)
    query = "SELECT n, repeat('x', 50) AS text FROM generate_series(1, 1000) AS n ORDER BY n"
    shape = pa.schema([("n", pa.int64()), ("text", pa.string())])
    rows = copy_out(database.connection, query, shape)
    assert rows["n"].num_chunks > 40 and rows["n"].to_pylist() == list(range(1, 1001))
    bulk.copy_into_engine(database.connection, query, shape, engine.connection, '"all"')
    assert engine.query('FROM "all" ORDER BY n').equals(rows.combine_chunks())
    with bulk.copy_into_file(database.connection, query, shape, tmp_path / "spill") as file:
        assert engine.query(f"FROM read_parquet('{bulk.path_of(file)}')").equals(rows.combine_chunks())
        assert list((tmp_path / "spill").iterdir()) == [], "a kill leaves nothing"


def test_rows_that_nobody_takes_leave_the_connection_usable(database, engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bulk, "_PART_BYTES", 1000)
    shape = pa.schema([("n", pa.int8())])  # the numbers from 128 on do not fit
    with pytest.raises(pa.ArrowInvalid):
        copy_out(database.connection, "SELECT n FROM generate_series(1, 10_000_000) AS n", shape)
    assert database.connection.execute("SELECT 1").fetchone() == (1,)
