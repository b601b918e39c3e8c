"""All SQL of the ledger. Callers own the transaction."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

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
    CREATE TEMPORARY TABLE staged_posting (LIKE ledger.account) ON COMMIT DROP
"""

#: Rows are locked in the order of their key, so that two batches never wait for each other in a circle.
#: One statement inserts or adds: an account's first use needs no row to lock.
_ADD = """
    INSERT INTO ledger.account AS held (tenant, model, account, currency, debits_minor, credits_minor)
    SELECT tenant, model, account, currency, sum(debits_minor), sum(credits_minor)
    FROM staged_posting
    GROUP BY tenant, model, account, currency
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
    owner = {"tenant": tenant, "model": model}
    kept = copy_in(connection, "ledger.transfer", _by_id(transfers), {**owner, "batch_no": batch_no})
    postings = _postings(transfers)
    connection.execute(_STAGED)
    copy_in(connection, "pg_temp.staged_posting", postings, owner)
    accounts = len(postings.select(["account", "currency"]).group_by(["account", "currency"]).aggregate([]))
    added = connection.execute(_ADD).rowcount
    skewed = connection.execute(_SKEWED).fetchall()
    connection.execute("DROP TABLE pg_temp.staged_posting")
    if skewed or kept != transfers.num_rows or added != accounts:
        raise Unbalanced(
            f"posting {transfers.num_rows} transfers kept {kept}, reached {added} of {accounts} accounts: {skewed}"
        )


def _by_id(transfers: pa.Table) -> pa.Table:
    """In the order of the primary key, whose index then grows page by page."""
    ids = pa.chunked_array([chunk.storage for chunk in transfers["transfer_id"].chunks], pa.binary(16))
    return transfers.take(pc.sort_indices(ids))


def _postings(transfers: pa.Table) -> pa.Table:
    """What each account is debited, and what each is credited: a row per account, currency and side."""
    sides = []
    for side, other in (("debit", "credit"), ("credit", "debit")):
        summed = transfers.group_by([f"{side}_account", "currency"]).aggregate([("amount_minor", "sum")])
        nothing = pa.repeat(pa.scalar(0, TOTAL_MINOR), summed.num_rows)
        columns = {
            "account": summed[f"{side}_account"],
            "currency": summed["currency"],
            f"{side}s_minor": summed["amount_minor_sum"],
            f"{other}s_minor": nothing,
        }
        sides.append(
            pa.table({name: columns[name] for name in ("account", "currency", "debits_minor", "credits_minor")})
        )
    return pa.concat_tables(sides)


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
