"""Rows of a real MariaDB's query: as exact texts, in order, in ranges, and nothing is written there."""

import itertools
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maria import Maria

from everycent.proof.recon.chain import Keys, LinkFailed, Surroundings
from everycent.proof.recon.loaders.mysql import LOADER, MysqlWords, ranges_of

SETUP = (
    "DROP TABLE IF EXISTS orders",
    """CREATE TABLE orders (
        id bigint, order_id varchar(40), amount decimal(65, 10), rate double, paid bit(1), flag bool,
        at timestamp(6) NULL, wall datetime NULL, day date, note text, raw varbinary(8))""",
    "SET time_zone = '+08:00', sql_mode = 'ALLOW_INVALID_DATES'",
    """INSERT INTO orders VALUES
        (1, 'B', 0.10, 0.1, b'1', true, '2026-03-01 10:00:00', '2026-03-01 10:00:00', '2026-03-01', '', x'00ff'),
        (2, 'A', 1234567890123456789012345678901234567890.0000000001, NULL, b'0', false, NULL, '0000-00-00 00:00:00',
            '0000-00-00', 'a, "b" \\\\ ''c''', NULL),
        (3, 'C', -0.0000000001, 1e300, NULL, NULL, '2026-03-02 00:00:00.5', '2026-02-30 00:00:00', NULL,
            '退款 😀 100%', '')
    """,
)


@pytest.fixture
def orders(maria: Maria) -> Maria:
    maria.execute(*SETUP)
    return maria


def load(maria: Maria, tmp_path: Path, statement: str, keys: Keys | None = None, **words: Any) -> list[Any]:
    around = Surroundings(tmp_path, date(2026, 3, 1), tmp_path, {"ORDERS_DB": maria.url})
    asked = MysqlWords.model_validate({"database": "ORDERS_DB", "statement": statement, **words})
    parts = list(LOADER.load(asked, around, keys))
    assert {part.file for part in parts} == {"mysql:ORDERS_DB"}
    lines = [line for part in parts for line in part.lines.to_pylist()]
    assert lines == list(range(1, len(lines) + 1))
    return [row for part in parts for row in part.table.to_pylist()]


def test_rows_are_exact_texts(orders: Maria, tmp_path: Path) -> None:
    assert load(orders, tmp_path, "SELECT * FROM orders ORDER BY id;  ", ordered=True) == [
        {"id": "1", "order_id": "B", "amount": "0.1000000000", "rate": "0.1", "paid": "1", "flag": "1",
         "at": "2026-03-01T02:00:00.000000Z", "wall": "2026-03-01T10:00:00", "day": "2026-03-01", "note": "",
         "raw": "00ff"},
        {"id": "2", "order_id": "A", "amount": "1234567890123456789012345678901234567890.0000000001", "rate": None,
         "paid": "0", "flag": "0", "at": None, "wall": None, "day": None, "note": "a, \"b\" \\ 'c'", "raw": None},
        {"id": "3", "order_id": "C", "amount": "-0.0000000001", "rate": "1e300", "paid": None, "flag": None,
         "at": "2026-03-01T16:00:00.500000Z", "wall": "2026-02-30T00:00:00", "day": None, "note": "退款 😀 100%",
         "raw": ""},
    ]  # fmt: skip


def test_rows_have_an_order_of_their_own(orders: Maria, tmp_path: Path) -> None:
    found = [load(orders, tmp_path, f"SELECT id, note FROM orders ORDER BY id {way}") for way in ("", "DESC")]
    assert found[0] == found[1] and len(found[0]) == 3


def test_a_query_with_the_day_a_percent_sign_and_a_comment(orders: Maria, tmp_path: Path) -> None:
    statement = "SELECT order_id AS `the ``id` FROM orders WHERE note LIKE '%100%' AND date(at) = %(as_of)s -- so"
    assert load(orders, tmp_path, statement) == [{"the `id": "C"}]


def test_rows_of_keys_alone(orders: Maria, tmp_path: Path) -> None:
    keys = Keys(("order_id", "id"), [("C", "3"), ("it's \\", "1"), ("A", "1")])
    by_column = "SELECT order_id FROM orders WHERE order_id IN %(order_id)s"
    whole = "SELECT order_id FROM orders WHERE (order_id, id) IN %(keys)s"
    assert sorted(row["order_id"] for row in load(orders, tmp_path, by_column, keys)) == ["A", "C"]
    assert load(orders, tmp_path, whole, keys) == [{"order_id": "C"}]


def test_a_query_without_rows(orders: Maria, tmp_path: Path) -> None:
    assert load(orders, tmp_path, "SELECT id FROM orders WHERE false") == []
    assert load(orders, tmp_path, "SELECT id FROM orders WHERE false", parted={"by": "id"}) == []


MANY = "SELECT cast(seq AS signed) - 50000 AS n, repeat('x', 100) AS t FROM seq_1_to_100000"


def test_many_rows_come_in_parts_and_in_ranges(orders: Maria, tmp_path: Path) -> None:
    found = load(orders, tmp_path, MANY, parted={"by": "n", "parts": 3})
    assert [int(row["n"]) for row in found] == list(range(-49_999, 50_001))
    some = load(orders, tmp_path, "SELECT nullif(id, 2) AS n, order_id FROM orders", parted={"by": "n", "parts": 8})
    assert [row["order_id"] for row in some] == ["A", "B", "C"]  # without a number: in the first range


@given(st.integers(-(10**18), 10**18), st.integers(0, 10**18), st.integers(1, 64))
def test_ranges_hold_each_number_once(least: int, more: int, parts: int) -> None:
    ranges = ranges_of(least, least + more, parts)
    assert 1 <= len(ranges) <= parts
    assert ranges[0][0] == least and ranges[-1][1] == least + more
    assert all(low <= high for low, high in ranges)
    assert all(before[1] + 1 == after[0] for before, after in itertools.pairwise(ranges))


@pytest.mark.parametrize(
    ("statement", "words", "told"),
    [
        ("DELETE FROM orders", {}, "refused: "),
        ("SELECT 1; DROP TABLE orders", {}, "refused: You have an error in your SQL syntax"),
        ("SELECT 1) AS given; DROP TABLE orders; -- ", {}, "refused: You have an error in your SQL syntax"),
        ("SELECT id FROM orders INTO OUTFILE '/tmp/out'", {}, "refused: "),
        ("SELECT id FROM orders INTO OUTFILE '/tmp/out'", {"ordered": True}, "refused: "),
        ("SELECT nothing FROM orders", {}, "refused: Unknown column 'nothing'"),
        ("SELECT writes() AS n", {}, "refused: Cannot execute statement in a READ ONLY transaction"),
        ("SELECT id FROM orders", {"parted": {"by": "none"}}, "parted: the query has no column 'none'; it has id"),
        ("SELECT order_id FROM orders", {"parted": {"by": "order_id"}}, "'order_id' holds A, and not whole numbers"),
        ("SELECT sleep(30) AS s", {"timeout_ms": 100}, "did not answer in time; raise timeout_ms"),
    ],
)
def test_what_is_refused_by_name(
    orders: Maria, tmp_path: Path, statement: str, words: dict[str, Any], told: str
) -> None:
    orders.execute(
        "DROP FUNCTION IF EXISTS writes",
        "CREATE FUNCTION writes() RETURNS int BEGIN DELETE FROM orders; RETURN 1; END",
    )
    with pytest.raises(LinkFailed) as failed:
        load(orders, tmp_path, statement, **words)
    assert told in str(failed.value)
    assert orders.execute("SELECT count(*) FROM orders") == ((3,),)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://me:s3cret@127.0.0.1:1/none", "the database of ORDERS_DB does not answer"),
        ("mysql://me:s3cret@127.0.0.1:{port}/shop", "the database of ORDERS_DB refuses the login"),
        ("postgresql://me:s3cret@127.0.0.1/shop", "ORDERS_DB holds no address of a database"),
        ("mysql://me:s3cret@[::1/shop", "ORDERS_DB holds no address of a database"),
        ("mysql://me:s3cret@127.0.0.1:s3cret/shop", "ORDERS_DB holds no address of a database"),
    ],
)
def test_a_database_that_does_not_answer_keeps_its_password(orders: Maria, tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(LinkFailed, match=told) as failed:
        load(Maria(orders.port, url.format(port=orders.port)), tmp_path, "SELECT 1 AS a")
    assert not any(secret in str(failed.value) for secret in ("s3cret", "me'", "127.0.0.1"))


def test_whoever_stops_taking_does_not_wait_for_the_rest(orders: Maria, tmp_path: Path) -> None:
    around = Surroundings(tmp_path, date(2026, 3, 1), tmp_path, {"ORDERS_DB": orders.url})
    words = MysqlWords.model_validate({"database": "ORDERS_DB", "statement": MANY, "ordered": True})
    parts = LOADER.load(words, around, None)
    assert next(parts).table.num_rows == 20_000
    parts.close()


def test_an_encrypted_connection_is_made_or_none(orders: Maria, tmp_path: Path) -> None:
    with pytest.raises(LinkFailed, match="the database of ORDERS_DB"):
        load(orders, tmp_path, "SELECT 1 AS a", tls=True)
