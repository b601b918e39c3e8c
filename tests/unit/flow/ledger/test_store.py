"""The trial balance is zero, whatever is posted."""

from collections.abc import Callable

import psycopg
import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.flow.ledger import store
from everycent.flow.ledger.contract import TRANSFER
from everycent.flow.ledger.stage import post
from everycent.flow.ledger.store import TrialBalance

Read = Callable[[str], pa.Table]

SALES = """
    record charge      debtor      creditor    amount currency booked_on
    {0}1   goods       platform    merchant:m  89.99  CNY      2026-03-01
    {0}2   commission  merchant:m  platform     5.00  CNY      2026-03-01
    {0}3   goods       platform    merchant:m   7     JPY      2026-03-01
"""


def test_accounts_add_up_over_batches(database, engine: LocalEngine, obligations: Read) -> None:  # type: ignore[no-untyped-def]
    connection = database.connection
    for batch_no in (1, 2):
        transfers = post(obligations(SALES.format(f"B{batch_no}-")), ("platform",), engine)
        with connection.transaction():
            store.write(connection, "t", "market", batch_no, transfers)
    assert store.trial_balance(connection, "t", "market") == [
        TrialBalance("CNY", 3, 18998, 18998),
        TrialBalance("JPY", 2, 14, 14),
    ]
    merchant = {
        (row["account"], row["currency"]): int(row["balance_minor"])
        for row in store.balances(connection, "t", "market").to_pylist()
        if row["account"].startswith("party/")
    }
    assert merchant == {("party/merchant:m", "CNY"): 2 * (8999 - 500), ("party/merchant:m", "JPY"): 14}
    assert store.trial_balance(connection, "t", "another") == []


def test_posting_the_same_transfers_twice_is_refused_and_leaves_no_trace(  # type: ignore[no-untyped-def]
    database, engine: LocalEngine, obligations: Read
) -> None:
    connection = database.connection
    transfers = post(obligations(SALES.format("A")), ("platform",), engine)
    with connection.transaction():
        store.write(connection, "t", "market", 1, transfers)
    before = store.balances(connection, "t", "market")
    with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
        store.write(connection, "t", "market", 2, transfers)
    assert store.balances(connection, "t", "market").equals(before)


def test_no_transfers_are_fine(database) -> None:  # type: ignore[no-untyped-def]
    store.write(database.connection, "t", "market", 1, TRANSFER.empty())
    assert store.balances(database.connection, "t", "market").num_rows == 0
