"""All SQL of the ledger. Callers own the transaction."""

from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.sql import literal
from everycent.base.platform.bulk import copy_in, copy_out
from everycent.base.platform.database import Connection
from everycent.flow.ledger.contract import TOTAL_MINOR, TRANSFER


class Unbalanced(AssertionError):
    """A bug: what was posted does not debit as much as it credits, or not every account took its share."""


@dataclass(frozen=True)
class TrialBalance:
    """One currency's line of the trial balance; the two totals are equal."""

    currency: str
    accounts: int
    debits_minor: int
    credits_minor: int


_STAGED = """
    CREATE TEMPORARY TABLE staged_transfer (LIKE ledger.transfer) ON COMMIT DROP
"""

_INSERT = """
    INSERT INTO ledger.transfer (
        tenant, model, batch_no, transfer_id, booked_on, debit_account, credit_account, amount_minor, currency, cause
    )
    SELECT
        tenant, model, %(batch_no)s, transfer_id, booked_on, debit_account, credit_account, amount_minor, currency,
        cause
    FROM staged_transfer
    ORDER BY transfer_id
"""

_DELTA = """
    CREATE TEMPORARY TABLE staged_posting ON COMMIT DROP AS
    SELECT tenant, model, account, currency, sum(debit) AS debits_minor, sum(credit) AS credits_minor
    FROM (
        SELECT tenant, model, debit_account AS account, currency, amount_minor AS debit, 0 AS credit
        FROM staged_transfer
        UNION ALL
        SELECT tenant, model, credit_account, currency, 0, amount_minor FROM staged_transfer
    ) AS posting
    GROUP BY tenant, model, account, currency
"""

#: Rows are locked in the order of their key, so that two batches never wait for each other in a circle.
#: One statement inserts or adds: an account's first use needs no row to lock.
_ADD = """
    INSERT INTO ledger.account AS held (tenant, model, account, currency, debits_minor, credits_minor)
    SELECT tenant, model, account, currency, debits_minor, credits_minor
    FROM staged_posting
    ORDER BY account, currency
    ON CONFLICT (tenant, model, account, currency) DO UPDATE
    SET debits_minor = held.debits_minor + excluded.debits_minor,
        credits_minor = held.credits_minor + excluded.credits_minor
"""

_SKEWED = """
    SELECT currency, sum(debits_minor), sum(credits_minor)
    FROM staged_posting
    GROUP BY currency
    HAVING sum(debits_minor) <> sum(credits_minor)
        OR sum(debits_minor) <> (
            SELECT sum(amount_minor) FROM staged_transfer WHERE staged_transfer.currency = staged_posting.currency
        )
    ORDER BY currency
"""

_TRIAL_BALANCE = """
    SELECT currency, count(*), sum(debits_minor), sum(credits_minor)
    FROM ledger.account
    WHERE tenant = %(tenant)s AND model = %(model)s
    GROUP BY currency
    ORDER BY currency
"""

BALANCE_COLUMNS = pa.schema(
    [
        pa.field("account", pa.string(), nullable=False),
        pa.field("currency", pa.string(), nullable=False),
        pa.field("debits_minor", TOTAL_MINOR, nullable=False),
        pa.field("credits_minor", TOTAL_MINOR, nullable=False),
        pa.field(
            "balance_minor", TOTAL_MINOR, nullable=False
        ),  # credits - debits: what the house owes the account's owner
    ]
)


def write(connection: Connection, tenant: str, model: str, batch_no: int | None, transfers: pa.Table) -> None:
    """Posts `transfers` (TRANSFER rows): keeps them and adds them to their accounts. Raises Unbalanced, a bug."""
    TRANSFER.check(transfers)
    if transfers.num_rows == 0:
        return
    connection.execute(_STAGED)
    copy_in(connection, "pg_temp.staged_transfer", transfers, {"tenant": tenant, "model": model})
    kept = connection.execute(_INSERT, {"batch_no": batch_no}).rowcount
    accounts = connection.execute(_DELTA).rowcount
    added = connection.execute(_ADD).rowcount
    skewed = connection.execute(_SKEWED).fetchall()
    connection.execute("DROP TABLE pg_temp.staged_transfer, pg_temp.staged_posting")
    if skewed or kept != transfers.num_rows or added != accounts:
        raise Unbalanced(
            f"posting {transfers.num_rows} transfers kept {kept}, reached {added} of {accounts} accounts: {skewed}"
        )


def trial_balance(connection: Connection, tenant: str, model: str) -> list[TrialBalance]:
    """Debits and credits over all accounts, one line a currency, ordered by currency."""
    rows = connection.execute(_TRIAL_BALANCE, {"tenant": tenant, "model": model}).fetchall()
    return [TrialBalance(currency, accounts, int(debits), int(credits)) for currency, accounts, debits, credits in rows]


def balances(connection: Connection, tenant: str, model: str) -> pa.Table:
    """Every account with its totals and its balance (columns BALANCE_COLUMNS), ordered by account and currency."""
    query = f"""
        SELECT account, currency, debits_minor, credits_minor, credits_minor - debits_minor
        FROM ledger.account
        WHERE tenant = {literal(tenant)} AND model = {literal(model)}
        ORDER BY account COLLATE "C", currency
    """
    return copy_out(connection, query, BALANCE_COLUMNS)
