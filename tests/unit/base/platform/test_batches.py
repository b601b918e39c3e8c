"""A batch commits once, with all of its rows, or leaves no visible trace."""

import hashlib
import io
import threading
import time
from pathlib import Path

import psycopg
import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.tables import UUID, TableSchema
from everycent.base.platform import lake
from everycent.base.platform.batches import (
    DIGEST_SQL,
    BatchAlreadyCommitted,
    OpenBatch,
    find_batch,
    open_batch,
    run_lock,
    seal_sql,
)
from everycent.base.platform.database import Connection, connect
from everycent.base.platform.details import Details, LakeFileMissing
from everycent.base.platform.dump import dump
from everycent.base.platform.lake import StorageFailed, file_digest

ITEM = TableSchema(
    name="shop.item",
    columns=pa.schema(
        [
            pa.field("item_id", UUID, nullable=False),
            pa.field("name", pa.string()),
            pa.field("price_minor", pa.int64(), nullable=False),
            pa.field("sold_at", pa.timestamp("us", tz="UTC")),
            pa.field("body", pa.struct([]), nullable=False),
        ]
    ),
    key=("item_id",),
    body="body",
)
BODY = pa.struct([("colour", pa.string()), ("weight", pa.decimal128(18, 3)), ("stock", pa.int64())])


def make_tables(connection: Connection) -> None:
    """The shop's table, as docs/architecture.md says of detail tables."""
    connection.execute(
        "create schema shop; create table shop.item (tenant text not null, model text not null, item_id uuid not null,"
        " name text, price_minor bigint not null, sold_at timestamptz, body jsonb not null, batch_no bigint not null,"
        " seal uuid not null, primary key (tenant, model, item_id))"
    )


def item_ids(start: int, stop: int) -> pa.Array:
    """The ids of items by number."""
    raw = [hashlib.sha256(str(number).encode()).digest()[:16] for number in range(start, stop)]
    return pa.ExtensionArray.from_storage(UUID, pa.array(raw, pa.binary(16)))


def sales(start: int, stop: int) -> pa.Table:
    """The items from number `start` up to `stop`."""
    numbers = range(start, stop)
    return pa.Table.from_arrays(
        [
            item_ids(start, stop),
            pa.array([None if number % 7 == 0 else f"item {number}" for number in numbers], pa.string()),
            pa.array([number * 100 for number in numbers], pa.int64()),
            pa.array([number * 1_000_000 for number in numbers], pa.timestamp("us", tz="UTC")),
            pa.array([{"colour": "red", "weight": number, "stock": -number} for number in numbers], BODY),
        ],
        schema=ITEM.with_body(BODY),
    )


@pytest.fixture
def shop(database) -> Details:
    """Details of a shop whose batches of 100 rows and more go to the lake."""
    make_tables(database.connection)
    return Details(database.connection, database.settings.lake_dir, "default", lake_from_rows=100)


def counts(rows: int) -> dict[str, int]:
    return {"rows_read": rows, "accepted": rows, "duplicates": 0, "conflicts": 0, "quarantined": 0}


def opened(details: Details, content: str, version: str = "v1", kind: str = "sale") -> OpenBatch:
    return open_batch(details, "market", version, kind, "sales.csv", 0, content)


def nothing_more(connection: Connection, batch_no: int) -> None:
    """No decided rows."""


def deliver(details: Details, start: int, stop: int, **named: str) -> int:
    batch = opened(details, f"{start}-{stop}", **named)
    batch.write(ITEM, sales(start, stop))
    return batch.commit(counts(stop - start), nothing_more)


def numbers_of(details: Details, engine: LocalEngine, kind: str | None = None) -> list[tuple[int, int]]:
    details.attach(engine, "items", ITEM, "market", kind=kind)
    rows = engine.query("SELECT price_minor // 100 AS number, batch_no FROM items ORDER BY 1").to_pylist()
    return [(row["number"], row["batch_no"]) for row in rows]


def test_both_tiers_look_like_one(shop, engine):
    assert [deliver(shop, 0, 3), deliver(shop, 3, 203), deliver(shop, 203, 205)] == [1, 2, 3]
    tiers = shop.connection.execute("SELECT tier, rows FROM platform.batch_part ORDER BY batch_no").fetchall()
    assert tiers == [("postgres", 3), ("lake", 200), ("postgres", 2)]
    want = [(number, 1 if number < 3 else 2 if number < 203 else 3) for number in range(205)]
    assert numbers_of(shop, engine) == want
    shop.attach(engine, "bodies", ITEM, "market", body_type=BODY)
    got = engine.query("SELECT body, model FROM bodies ORDER BY price_minor").column("body").to_pylist()
    assert got == sales(0, 205).column("body").to_pylist()


def test_a_lookup_finds_rows_in_both_tiers_in_key_order(shop, engine):
    deliver(shop, 0, 50)
    deliver(shop, 50, 250)
    ids = item_ids(40, 60)
    found = shop.lookup(engine, ITEM, "market", "item_id", ids, ["item_id", "price_minor", "body"], BODY)
    want = sales(40, 60).select(["item_id", "price_minor", "body"]).to_pylist()
    assert found.to_pylist() == sorted(want, key=lambda row: row["item_id"].bytes)
    assert shop.lookup(engine, ITEM, "market", "item_id", item_ids(900, 901), ["name"]).num_rows == 0
    assert shop.lookup(engine, ITEM, "another", "item_id", ids, ["name"]).num_rows == 0


@pytest.mark.parametrize("numbers", [(0, 150), (160, 170), (290, 310), (150, 450), (0, 600), (900, 1000)])
def test_a_lookup_finds_all_columns_of_rows_in_any_of_many_files(shop, engine, numbers):
    for start in (0, 150, 300):
        deliver(shop, start, start + 150)
    deliver(shop, 450, 460)
    found = shop.lookup(engine, ITEM, "market", "item_id", item_ids(*numbers), ITEM.columns.names, BODY)
    want = sales(numbers[0], min(numbers[1], 460)).to_pylist() if numbers[0] < 460 else []
    assert found.to_pylist() == sorted(want, key=lambda row: row["item_id"].bytes)
    cheap = shop.lookup(
        engine, ITEM, "market", "item_id", item_ids(*numbers), ITEM.columns.names, BODY, only="price_minor < 30000"
    )
    assert cheap.to_pylist() == [row for row in found.to_pylist() if row["price_minor"] < 30000]


def test_a_lookup_reads_bodies_of_no_file_without_the_rows(shop, engine, monkeypatch: pytest.MonkeyPatch):
    deliver(shop, 0, 150)
    deliver(shop, 150, 300)
    read = []
    scans = Details._lake_scans
    monkeypatch.setattr(Details, "_lake_scans", lambda *given: read.append(len(given[3])) or scans(*given))
    for ids, rows in ((item_ids(160, 163), 3), (item_ids(900, 903), 0), (item_ids(149, 152), 3)):
        assert shop.lookup(engine, ITEM, "market", "item_id", ids, ITEM.columns.names, BODY).num_rows == rows
    assert read == [1, 2]


def test_a_lookup_of_very_many_ids(shop, engine):
    shop.lake_from_rows = 10_000
    deliver(shop, 0, 3000)
    found = shop.lookup(engine, ITEM, "market", "item_id", item_ids(0, 6000), ["item_id"])
    assert found.num_rows == 3000
    assert shop.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_other_kinds_are_left_out(shop, engine):
    deliver(shop, 0, 2)
    deliver(shop, 2, 202, kind="return")
    assert [number for number, _ in numbers_of(shop, engine, kind="sale")] == [0, 1]
    assert [number for number, _ in numbers_of(shop, engine, kind="return")] == list(range(2, 202))


def test_a_body_that_gained_a_column_reads_with_null(shop, engine):
    deliver(shop, 0, 150)
    deliver(shop, 150, 152)
    wider = pa.struct([*BODY, pa.field("size", pa.int64())])
    shop.attach(engine, "items", ITEM, "market", body_type=wider)
    got = engine.query("SELECT count(*) AS n, count(body.size) AS sizes, min(body.stock) AS stock FROM items")
    assert got.to_pylist() == [{"n": 152, "sizes": 0, "stock": -151}]


def test_many_small_writes_go_to_the_lake_together(shop, engine):
    batch = opened(shop, "x")
    for start in range(0, 130, 10):
        batch.write(ITEM, sales(start, start + 10))
    batch.commit(counts(130), nothing_more)
    parts = shop.connection.execute("SELECT tier, part_no, rows FROM platform.batch_part ORDER BY part_no").fetchall()
    assert parts == [("lake", 1, 100), ("postgres", 2, 30)]
    assert numbers_of(shop, engine) == [(number, 1) for number in range(130)]


def test_digests_and_seals_can_be_recomputed_by_plain_sql(shop):
    deliver(shop, 0, 20)
    deliver(shop, 20, 140)
    (path, digest) = shop.connection.execute(
        "SELECT path, digest FROM platform.batch_part WHERE path IS NOT NULL"
    ).fetchone()
    assert digest == file_digest(shop.lake_dir / path)
    again = shop.connection.execute(
        f"SELECT {DIGEST_SQL} = (SELECT digest FROM platform.batch_part WHERE batch_no = 1) FROM shop.item"
    ).fetchone()
    assert again == (True,)
    altered = f"SELECT price_minor FROM shop.item AS t WHERE seal <> {seal_sql('t')}"
    assert shop.connection.execute(altered).fetchall() == []
    shop.connection.execute("UPDATE shop.item SET body = jsonb_set(body, '{stock}', '7') WHERE price_minor = 500")
    assert shop.connection.execute(altered).fetchall() == [(500,)]


def test_a_failure_in_the_transaction_leaves_nothing_visible(shop, engine):
    class PowerCut(Exception):
        pass

    def fails(connection: Connection, batch_no: int) -> None:
        raise PowerCut

    for start, stop in [(0, 5), (5, 205)]:
        batch = opened(shop, "x")
        batch.write(ITEM, sales(start, stop))
        with pytest.raises(PowerCut):
            batch.commit(counts(stop - start), fails)
    assert numbers_of(shop, engine) == []
    assert deliver(shop, 0, 5) == 1, "batch numbers have no gaps"


def test_a_file_that_no_batch_lists_is_swept_at_the_next_run(shop):
    deliver(shop, 0, 120)
    opened(shop, "never committed").write(ITEM, sales(500, 700))
    stray = shop.lake_dir / "default/market/shop.item/.partial-1"
    stray.write_bytes(b"PAR")
    other = shop.lake_dir / "default/other-model/shop.item/0.parquet"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"another model's, which may be at work")
    files = shop.lake_dir / "default/market"
    assert len([file for file in files.rglob("*") if file.is_file()]) == 3
    with run_lock(shop, "market"):
        assert len([file for file in files.rglob("*") if file.is_file()]) == 1
    assert other.exists()


def test_a_second_run_of_the_same_model_waits(shop, database):
    order: list[str] = []

    def second() -> None:
        with connect(database.settings) as connection:
            details = Details(connection, shop.lake_dir, "default")
            with run_lock(details, "market", on_wait=order.append):
                order.append("second")

    with run_lock(shop, "market"):
        runner = threading.Thread(target=second)
        runner.start()
        while not order:
            time.sleep(0.01)
        order.append("first")
    runner.join()
    assert order == ["another run of the model 'market' is at work; waiting until it ends", "first", "second"]


def test_the_same_content_is_found_and_refused(shop):
    assert find_batch(shop, "market", "v1", "sale", "0-4", 0) is None
    deliver(shop, 0, 4)
    found = find_batch(shop, "market", "v1", "sale", "0-4", 0)
    assert found is not None and (found.batch_no, found.accepted, found.source_file) == (1, 4, "sales.csv")
    assert find_batch(shop, "market", "v2", "sale", "0-4", 0) is None, "another version may accept other rows"
    with pytest.raises(BatchAlreadyCommitted, match=r"shard 0 of sales\.csv"):
        deliver(shop, 0, 4)


def test_a_full_disk_leaves_nothing_and_says_so(shop, monkeypatch: pytest.MonkeyPatch):
    def full(rows: pa.Table, stream: io.BufferedWriter, **options: object) -> None:
        stream.write(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(lake.pq, "write_table", full)
    batch = opened(shop, "x")
    with pytest.raises(StorageFailed, match=r"shop.item: the disk is full; nothing was stored"):
        batch.write(ITEM, sales(0, 200))
    assert [file for file in shop.lake_dir.rglob("*") if file.is_file()] == []


def test_a_lost_file_is_named(shop, engine):
    deliver(shop, 0, 120)
    next(shop.lake_dir.rglob("*.parquet")).unlink()
    with pytest.raises(LakeFileMissing, match=r"shop.item/.*parquet is missing, batch 1 lists it"):
        numbers_of(shop, engine)


def test_counts_that_do_not_add_up_are_a_bug(shop):
    with pytest.raises(AssertionError, match="do not add up"):
        opened(shop, "x").commit(counts(3) | {"quarantined": 1}, nothing_more)


def test_the_dump_does_not_show_the_tier(shop, engine, tmp_path: Path):
    dumps = []
    for lake_from_rows in (10, 10_000):
        shop.connection.execute("TRUNCATE shop.item, platform.batch CASCADE")
        shop.lake_from_rows = lake_from_rows
        deliver(shop, 0, 30)
        out = io.BytesIO()
        dump(shop.connection, shop, engine, [ITEM], out)
        dumps.append(out.getvalue())
    assert dumps[0] == dumps[1]
    lines = dumps[0].decode().splitlines()
    assert sum(line.startswith("shop.item\t{") for line in lines) == 30
    assert '"body":{"colour":"red","stock":-7,"weight":7.000}' in dumps[0].decode()
    assert not any("committed_at" in line or "seal" in line for line in lines)
    assert len(hashlib.sha256(dumps[0]).hexdigest()) == 64


def test_a_tiny_batch_costs_little(shop):
    """A thousand in a minute, with room for their stages; our own time, for others may keep the machine busy."""
    started = time.process_time()
    for number in range(50):
        deliver(shop, number, number + 1)
    assert time.process_time() - started < 1.0, "50 batches"
    assert shop.connection.execute("SELECT max(batch_no) FROM platform.batch").fetchone() == (50,)
