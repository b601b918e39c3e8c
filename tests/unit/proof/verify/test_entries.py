"""Entries of write-offs are re-added: each is what its cause leaves, and all of a run's close one account."""

from collections.abc import Iterator

import duckdb
import pytest

from everycent.proof.verify.core.recon import ENTRIES, ENTRY_ACCOUNTS

#: Run 1: the left has 2 fen more under A, the right 1 yen under B; match 4 leaves a fee of 60.
TABLES = """
    CREATE SCHEMA recon;
    CREATE TABLE recon.run AS FROM (VALUES (1, 'CNY')) AS t(run_id, currency);
    CREATE TABLE recon.write_off AS
        FROM (VALUES (1, 1, 'A', 2), (1, 2, 'B', -1), (1, 3, 'C', 0)) AS t(run_id, finding_no, key, difference_minor);
    CREATE TABLE recon.write_off_currency AS FROM (VALUES (1, 2, 'JPY')) AS t(run_id, finding_no, left_currency);
    CREATE TABLE recon.match_difference AS FROM (VALUES
        (1, 4, 'fee', 60, NULL), (1, 4, 'exchange', 7, NULL)
    ) AS t(run_id, match_no, cause, difference_minor, currency);
    CREATE TABLE recon.entry AS FROM (VALUES
        (1, 1, 'within_tolerance', 'A', NULL, 'small', 'open', 2, 'CNY'),
        (1, 2, 'within_tolerance', 'B', NULL, 'open', 'small', 1, 'JPY'),
        (1, 3, 'fee', 'X', 4, 'fees', 'open', 60, 'CNY')
    ) AS t(run_id, entry_no, cause, key, match_no, debit_account, credit_account, amount_minor, currency);
"""  # fmt: skip


@pytest.fixture
def books() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(TABLES)
        yield connection


@pytest.mark.parametrize(
    ("tamper", "entries", "accounts"),
    [
        ("SELECT 1", 0, 0),
        ("UPDATE recon.entry SET amount_minor = 3 WHERE entry_no = 1", 1, 0),
        ("DELETE FROM recon.entry WHERE entry_no = 2", 1, 0),
        ("UPDATE recon.entry SET currency = 'CNY' WHERE entry_no = 2", 2, 0),
        ("INSERT INTO recon.entry FROM recon.entry WHERE entry_no = 3", 1, 0),
        ("UPDATE recon.entry SET match_no = 5 WHERE entry_no = 3", 2, 0),
        ("UPDATE recon.entry SET debit_account = 'small', credit_account = 'open' WHERE entry_no = 2", 0, 2),
        ("UPDATE recon.entry SET credit_account = 'elsewhere' WHERE entry_no = 3", 0, 1),
        ("UPDATE recon.entry SET credit_account = debit_account WHERE entry_no = 3", 0, 2),
    ],
)
def test_what_is_not_as_it_was_booked_is_named(
    books: duckdb.DuckDBPyConnection, tamper: str, entries: int, accounts: int
) -> None:
    books.execute(tamper)
    assert len(books.execute(ENTRIES.bad).fetchall()) == entries
    assert len(books.execute(ENTRY_ACCOUNTS.bad).fetchall()) == accounts
