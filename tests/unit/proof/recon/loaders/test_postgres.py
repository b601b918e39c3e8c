"""Rows of a real database's query: as exact texts, in order, and nothing is written there."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from everycent.proof.recon.chain import Keys, LinkFailed, Surroundings
from everycent.proof.recon.loaders.postgres import LOADER, PostgresWords

SETUP = """
    CREATE TABLE public.orders (order_id text, amount numeric, paid boolean, at timestamptz, note text);
    INSERT INTO public.orders VALUES ('B', 0.10, true, '2026-03-01 10:00:00+08', ''),
        ('A', 12345678901234567890.123456789, false, NULL, 'a, "b"'),
        ('C', NULL, NULL, '2026-03-02 00:00:00.5Z', '100%');
"""


def load(database: Any, tmp_path: Path, statement: str, keys: Keys | None = None, **words: Any) -> list[Any]:
    around = Surroundings(tmp_path, date(2026, 3, 1), tmp_path, {"ORDERS_DB": database.settings.database_url})
    asked = PostgresWords.model_validate({"database": "ORDERS_DB", "statement": statement, **words})
    parts = list(LOADER.load(asked, around, keys))
    assert {part.file for part in parts} == {"postgres:ORDERS_DB"}
    return [
        (line, row) for part in parts for row, line in zip(part.table.to_pylist(), part.lines.to_pylist(), strict=True)
    ]


def test_rows_are_exact_texts_in_an_order_of_their_own(database: Any, tmp_path: Path) -> None:
    database.connection.execute(SETUP)
    assert load(database, tmp_path, "SELECT * FROM public.orders;  ") == [
        (
            1,
            {
                "order_id": "A",
                "amount": "12345678901234567890.123456789",
                "paid": "false",
                "at": None,
                "note": 'a, "b"',
            },
        ),
        (2, {"order_id": "B", "amount": "0.10", "paid": "true", "at": "2026-03-01T02:00:00.000000Z", "note": ""}),
        (3, {"order_id": "C", "amount": None, "paid": None, "at": "2026-03-02T00:00:00.500000Z", "note": "100%"}),
    ]


def test_a_query_with_the_day_a_percent_sign_and_a_comment(database: Any, tmp_path: Path) -> None:
    database.connection.execute(SETUP)
    statement = "SELECT order_id AS \"the id\" FROM public.orders WHERE note LIKE '100%' AND at::date > %(as_of)s -- so"
    assert load(database, tmp_path, statement) == [(1, {"the id": "C"})]


def test_rows_of_keys_alone(database: Any, tmp_path: Path) -> None:
    database.connection.execute(SETUP)
    keys = Keys(("order_id",), [("C",), ("it's",), ("A",)])
    statement = "SELECT order_id FROM public.orders WHERE order_id = ANY(%(order_id)s)"
    assert [row["order_id"] for _, row in load(database, tmp_path, statement, keys)] == ["A", "C"]


def test_a_query_without_rows_has_its_columns(database: Any, tmp_path: Path) -> None:
    assert load(database, tmp_path, "SELECT 1 AS a WHERE false") == []


def test_many_rows_come_in_parts(database: Any, tmp_path: Path) -> None:
    found = load(database, tmp_path, "SELECT n, repeat('x', 100) AS t FROM generate_series(1, 100000) n ORDER BY n",
                 ordered=True)  # fmt: skip
    assert [(line, row["n"]) for line, row in found[::25_000]] == [
        (n + 1, str(n + 1)) for n in range(0, 100_000, 25_000)
    ]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM public.orders RETURNING order_id", "refused"),
        ("SELECT 1; DROP TABLE public.orders", "cannot insert multiple commands into a prepared statement"),
        ("SELECT 1) TO STDOUT; DROP TABLE public.orders; --", "syntax error"),
        ("INSERT INTO public.orders VALUES ('Z')", "write a SELECT"),
        ("SELECT nothing FROM public.orders", 'column "nothing" does not exist'),
        ("SELECT public.writes() AS n", "read-only"),
    ],
)
def test_what_is_no_single_query_is_refused_and_writes_nothing(
    database: Any, tmp_path: Path, statement: str, told: str
) -> None:
    database.connection.execute(SETUP)
    database.connection.execute(
        """CREATE FUNCTION public.writes() RETURNS int LANGUAGE sql AS
        $$ DELETE FROM public.orders; SELECT 1 $$"""
    )
    with pytest.raises(LinkFailed) as failed:
        load(database, tmp_path, statement)
    assert told in str(failed.value)
    assert database.connection.execute("SELECT count(*) FROM public.orders").fetchone() == (3,)


def test_a_query_that_takes_too_long(database: Any, tmp_path: Path) -> None:
    with pytest.raises(
        LinkFailed, match="loader 'postgres': the database of ORDERS_DB does not answer, or not in time"
    ):
        load(database, tmp_path, "SELECT pg_sleep(60)::text AS s", timeout_ms=50)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@127.0.0.1:1/none",
        "postgresql://me:s3cret@[::1/none",
        "postgresql://me:an@s3cret@h.invalid/none",
        "postgresql://me:12/s3cret@h.invalid/none",
        "password=an s3cret",
        "s3cret",
    ],
)
def test_a_database_that_does_not_answer_keeps_its_password(tmp_path: Path, url: str) -> None:
    around = Surroundings(tmp_path, date(2026, 3, 1), tmp_path, {"ORDERS_DB": url})
    with pytest.raises(LinkFailed, match="ORDERS_DB") as failed:
        list(LOADER.load(PostgresWords(database="ORDERS_DB", statement="SELECT 1 AS a"), around, None))
    assert "s3cret" not in str(failed.value)
