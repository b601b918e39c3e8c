"""Parties are kept as first written."""

import pyarrow as pa

from everycent.flow.parties import store
from everycent.flow.parties.contract import PARTY


def parties(*ids: str, key: str = "k") -> pa.Table:
    rows = [{"party_id": party_id, "role": "merchant", "party_key": key} for party_id in ids]
    return pa.Table.from_pylist(rows, schema=PARTY.columns)


def test_the_first_written_wins_and_the_lowest_batch_is_kept(database) -> None:  # type: ignore[no-untyped-def]
    for batch_no, rows in [(7, parties("m:1", "m:2", key="first")), (3, parties("m:2", "m:3", key="second"))]:
        with database.connection.transaction():
            store.write(database.connection, "t", "market", batch_no, rows)
    assert store.read(database.connection, "t", "market").column("party_key").to_pylist() == [
        "first",
        "first",
        "second",
    ]
    batches = database.connection.execute("SELECT first_batch_no FROM parties.party ORDER BY party_id").fetchall()
    assert batches == [(7,), (3,), (3,)]
    assert store.read(database.connection, "another", "market").num_rows == 0


def test_no_parties_need_no_statement(database) -> None:  # type: ignore[no-untyped-def]
    store.write(database.connection, "t", "market", 1, PARTY.empty())
    assert store.read(database.connection, "t", "market").num_rows == 0
