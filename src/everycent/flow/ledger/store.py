"""All SQL of the ledger. Callers own the transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.sql import literal
from everycent.base.platform.bulk import copy_in, copy_out
from everycent.base.platform.database import Connection, ask_one
from everycent.flow.ledger.contract import TOTAL_MINOR, TRANSFER, Limit, Standing, Transfer, TransferKind
from everycent.flow.ledger.core.judging import Books, Judgement, Limited
from everycent.flow.ledger.core.moving import day_totals


class Unbalanced(AssertionError):
    """A bug: what was posted does not debit as much as it credits, or not every account took its share."""


@dataclass(frozen=True)
class TrialBalance:
    """One currency's line of the trial balance; the two totals are equal."""

    currency: str
    accounts: int
    debits_minor: int
    credits_minor: int


@dataclass(frozen=True)
class AccountAt:
    """An account in one commodity, and where it stands."""

    account: str
    currency: str
    standing: Standing


_STAGED = """
    CREATE TEMPORARY TABLE staged_posting (
        tenant text, model text, account text, currency text, booked_on date,
        debits_minor numeric, credits_minor numeric
    ) ON COMMIT DROP
"""

#: Rows are locked in the order of their key, so that two batches never wait for each other in a circle.
#: One statement inserts or adds: an account's first use needs no row to lock.
_ADD = """
    INSERT INTO ledger.account AS held (tenant, model, account, currency, booked_on, debits_minor, credits_minor)
    SELECT tenant, model, account, currency, booked_on, sum(debits_minor), sum(credits_minor)
    FROM staged_posting
    GROUP BY tenant, model, account, currency, booked_on
    ORDER BY account, currency, booked_on
    ON CONFLICT (tenant, model, account, currency, booked_on, stripe) DO UPDATE
    SET debits_minor = held.debits_minor + excluded.debits_minor,
        credits_minor = held.credits_minor + excluded.credits_minor
"""

#: Limited accounts keep their totals beside their limit. What a batch posts is owed, and booked whatever the limit.
_LOCK_LIMITS = """
    SELECT FROM ledger.account_limit
    WHERE tenant = %(tenant)s AND model = %(model)s
        AND (account, currency) IN (SELECT account, currency FROM staged_posting)
    ORDER BY account, currency
    FOR UPDATE
"""
_ADD_TO_LIMITS = """
    UPDATE ledger.account_limit AS held
    SET debits_minor = held.debits_minor + moved.debits, credits_minor = held.credits_minor + moved.credits
    FROM (
        SELECT account, currency, sum(debits_minor) AS debits, sum(credits_minor) AS credits
        FROM staged_posting GROUP BY account, currency
    ) AS moved
    WHERE held.tenant = %(tenant)s AND held.model = %(model)s
        AND held.account = moved.account AND held.currency = moved.currency
"""

_SKEWED = """
    SELECT currency, sum(debits_minor), sum(credits_minor)
    FROM staged_posting
    GROUP BY currency
    HAVING sum(debits_minor) <> sum(credits_minor)
    ORDER BY currency
"""

_TRIAL_BALANCE = """
    SELECT currency, count(DISTINCT account), sum(debits_minor), sum(credits_minor)
    FROM ledger.account
    WHERE tenant = %(tenant)s AND model = %(model)s AND (%(through)s::date IS NULL OR booked_on <= %(through)s)
    GROUP BY currency
    ORDER BY currency
"""

_ACCOUNTS_AT = """
    SELECT account, currency, sum(debits_minor), sum(credits_minor), sum(debits_pending_minor),
        sum(credits_pending_minor)
    FROM ledger.account
    WHERE tenant = %(tenant)s AND model = %(model)s AND (%(through)s::date IS NULL OR booked_on <= %(through)s)
        AND (%(account)s::text IS NULL OR account = %(account)s
            OR right(%(account)s, 1) = '/' AND starts_with(account, %(account)s))
    GROUP BY account, currency
    ORDER BY account COLLATE "C", currency
    LIMIT %(most)s
"""

#: The index is asked for one name after another: there are few, and many rows of each.
_MODELS = """
    WITH RECURSIVE known (model) AS (
        (SELECT model FROM ledger.account WHERE tenant = %(tenant)s ORDER BY model LIMIT 1)
        UNION ALL
        SELECT (SELECT model FROM ledger.account AS a WHERE tenant = %(tenant)s AND a.model > known.model
            ORDER BY model LIMIT 1)
        FROM known WHERE known.model IS NOT NULL
    )
    SELECT model FROM known WHERE model IS NOT NULL ORDER BY model COLLATE "C"
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
    places = ["account", "currency", "booked_on"]
    accounts = len(postings.select(places).group_by(places).aggregate([]))
    added = connection.execute(_ADD).rowcount
    if connection.execute(_LOCK_LIMITS, owner).rowcount:
        connection.execute(_ADD_TO_LIMITS, owner)
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
    """What each account is debited, and what each is credited: a row per account, currency, day and side."""
    sides = []
    for side, other in (("debit", "credit"), ("credit", "debit")):
        summed = transfers.group_by([f"{side}_account", "currency", "booked_on"]).aggregate([("amount_minor", "sum")])
        nothing = pa.repeat(pa.scalar(0, TOTAL_MINOR), summed.num_rows)
        columns = {
            "account": summed[f"{side}_account"],
            "currency": summed["currency"],
            "booked_on": summed["booked_on"],
            f"{side}s_minor": summed["amount_minor_sum"],
            f"{other}s_minor": nothing,
        }
        names = ("account", "currency", "booked_on", "debits_minor", "credits_minor")
        sides.append(pa.table({name: columns[name] for name in names}))
    return pa.concat_tables(sides)


def trial_balance(connection: Connection, tenant: str, model: str, through: date | None = None) -> list[TrialBalance]:
    """Debits and credits of all accounts, of what was booked up to a day: a line a currency, ordered by currency."""
    rows = connection.execute(_TRIAL_BALANCE, {"tenant": tenant, "model": model, "through": through}).fetchall()
    return [TrialBalance(currency, accounts, int(debits), int(credits)) for currency, accounts, debits, credits in rows]


def balances(connection: Connection, tenant: str, model: str, through: date | None = None) -> pa.Table:
    """Every account with its totals and its balance, of what was booked up to a day (columns BALANCE_COLUMNS), ordered
    by account and currency."""
    until = "" if through is None else f"AND booked_on <= {literal(through.isoformat())}::date"
    query = f"""
        SELECT account, currency, sum(debits_minor), sum(credits_minor), sum(credits_minor) - sum(debits_minor)
        FROM ledger.account
        WHERE tenant = {literal(tenant)} AND model = {literal(model)} {until}
        GROUP BY account, currency
        ORDER BY account COLLATE "C", currency
    """
    return copy_out(connection, query, BALANCE_COLUMNS)


def accounts_at(
    connection: Connection,
    tenant: str,
    model: str,
    account: str | None = None,
    through: date | None = None,
    most: int | None = None,
) -> list[AccountAt]:
    """Accounts by name and commodity, of what was booked up to a day: one, those whose names begin as an `account` that
    ends in `/`, or all; at `most` so many."""
    where = {"tenant": tenant, "model": model, "account": account, "through": through, "most": most}
    rows = connection.execute(_ACCOUNTS_AT, where).fetchall()
    return [AccountAt(name, currency, Standing(*map(int, totals))) for name, currency, *totals in rows]


def models(connection: Connection, tenant: str) -> list[str]:
    """The models that have books, by name."""
    return [str(name) for (name,) in connection.execute(_MODELS, {"tenant": tenant})]


_POST_ONE = "SELECT ledger.post_one($1, $2, $3, $4, $5, $6, $7, $8, $9)"

#: Whoever sets a limit waits for all that are posting, and none of them begins before the limit is there.
_BEGIN_POSTING = "LOCK TABLE ledger.transfer IN ROW EXCLUSIVE MODE"
_STOP_POSTING = "LOCK TABLE ledger.transfer IN SHARE ROW EXCLUSIVE MODE"

_KNOWN = """
    SELECT transfer_id, booked_on, debit_account, credit_account, amount_minor, currency, cause, kind, settles
    FROM ledger.transfer
    WHERE tenant = %s AND model = %s AND transfer_id = ANY(%s::uuid[])
"""
_SETTLED = """
    SELECT settles, transfer_id FROM ledger.transfer WHERE tenant = %s AND model = %s AND settles = ANY(%s)
"""
_LIMITED = """
    SELECT held.account, held.currency, least_minor, most_minor, debits_minor, credits_minor, debits_pending_minor,
        credits_pending_minor
    FROM ledger.account_limit AS held
    JOIN unnest(%s::text[], %s::text[]) AS asked (account, currency) USING (account, currency)
    WHERE held.tenant = %s AND held.model = %s
    ORDER BY held.account, held.currency
    FOR UPDATE OF held
"""
_KEEP = """
    COPY ledger.transfer (tenant, model, transfer_id, booked_on, debit_account, credit_account, amount_minor, currency,
        cause, kind, settles)
    FROM STDIN
"""
_ADD_ASKED = """
    INSERT INTO ledger.account AS held (tenant, model, account, currency, booked_on, stripe, debits_minor,
        credits_minor, debits_pending_minor, credits_pending_minor)
    SELECT %s, %s, account, currency, booked_on, 1 + pg_backend_pid() %% 256, debits, credits, debits_pending,
        credits_pending
    FROM unnest(%s::text[], %s::text[], %s::date[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[])
        AS moved (account, currency, booked_on, debits, credits, debits_pending, credits_pending)
    ORDER BY account, currency, booked_on
    ON CONFLICT (tenant, model, account, currency, booked_on, stripe) DO UPDATE
    SET debits_minor = held.debits_minor + excluded.debits_minor,
        credits_minor = held.credits_minor + excluded.credits_minor,
        debits_pending_minor = held.debits_pending_minor + excluded.debits_pending_minor,
        credits_pending_minor = held.credits_pending_minor + excluded.credits_pending_minor
"""
_SET_STANDING = """
    UPDATE ledger.account_limit SET debits_minor = %s, credits_minor = %s, debits_pending_minor = %s,
        credits_pending_minor = %s
    WHERE tenant = %s AND model = %s AND account = %s AND currency = %s
"""
_STANDING = """
    SELECT coalesce(sum(debits_minor), 0), coalesce(sum(credits_minor), 0), coalesce(sum(debits_pending_minor), 0),
        coalesce(sum(credits_pending_minor), 0)
    FROM ledger.account
    WHERE tenant = %(tenant)s AND model = %(model)s AND account = %(account)s AND currency = %(currency)s
        AND (%(through)s::date IS NULL OR booked_on <= %(through)s)
"""
_SET_LIMIT = """
    INSERT INTO ledger.account_limit
    VALUES (%(tenant)s, %(model)s, %(account)s, %(currency)s, %(least)s, %(most)s, %(debits)s, %(credits)s,
        %(debits_pending)s, %(credits_pending)s)
    ON CONFLICT (tenant, model, account, currency) DO UPDATE
    SET least_minor = excluded.least_minor, most_minor = excluded.most_minor
"""
_DROP_LIMIT = """
    DELETE FROM ledger.account_limit
    WHERE tenant = %(tenant)s AND model = %(model)s AND account = %(account)s AND currency = %(currency)s
"""


def post_one(connection: Connection, tenant: str, model: str, asked: Transfer) -> bool:
    """Posts one transfer of kind POSTED if neither of its accounts is limited and its id is new: one round trip. False
    where it did not; `post` then says why."""
    said = ask_one(
        connection,
        _POST_ONE,
        tenant,
        model,
        str(asked.transfer_id),
        asked.booked_on.isoformat(),
        asked.debit_account,
        asked.credit_account,
        str(asked.amount_minor),
        asked.currency,
        asked.cause,
    )
    return said == "t"


def begin_posting(connection: Connection) -> None:
    """Before anything else that a transaction does to post what is asked for."""
    connection.execute(_BEGIN_POSTING)


def books_of(connection: Connection, tenant: str, model: str, asked: Sequence[Transfer]) -> Books:
    """What judging these needs; limited accounts among theirs stay locked until the transaction ends."""
    settling = [transfer.settles for transfer in asked if transfer.settles is not None]
    ids = _array([str(one) for one in [*settling, *(transfer.transfer_id for transfer in asked)]])
    known = [
        Transfer(row[0], row[1], row[2], row[3], int(row[4]), row[5], row[6], TransferKind(row[7]), row[8])
        for row in connection.execute(_KNOWN, (tenant, model, ids), prepare=True)
    ]
    settled: dict[UUID, UUID] = (
        dict(connection.execute(_SETTLED, (tenant, model, settling)).fetchall()) if settling else {}
    )
    accounts = sorted({(name, one.currency) for one in asked for name in (one.debit_account, one.credit_account)})
    storable = [account for account in accounts if not any("\x00" in text for text in account)]
    names, currencies = (_array([_quoted(account[at]) for account in storable]) for at in (0, 1))
    limited = {
        (row[0], row[1]): Limited(Limit(row[0], row[1], _whole(row[2]), _whole(row[3])), Standing(*map(int, row[4:])))
        for row in connection.execute(_LIMITED, (names, currencies, tenant, model), prepare=True)
    }
    return Books({transfer.transfer_id: transfer for transfer in known}, settled, limited)


def _whole(value: Decimal | None) -> int | None:
    return None if value is None else int(value)


def keep(connection: Connection, tenant: str, model: str, judgement: Judgement, books: Books) -> None:
    """Keeps the transfers to post, and adds them to their accounts. Raises psycopg.errors.UniqueViolation where
    somebody else posted one of them, or settled the same pending one, meanwhile: the transaction is then to be rolled
    back and begun anew."""
    to_post = judgement.to_post
    with connection.cursor() as cursor, cursor.copy(_KEEP) as rows:
        for one in sorted(to_post, key=lambda one: one.transfer_id.bytes):  # who post the same wait, and do not lock up
            about = (one.booked_on, one.debit_account, one.credit_account, one.amount_minor, one.currency, one.cause)
            rows.write_row((tenant, model, one.transfer_id, *about, one.kind.value, one.settles))
    moved = day_totals(to_post, books.known | {one.transfer_id: one for one in to_post})
    places = [
        _array([_quoted(account) for account, _, _ in moved]),
        _array([_quoted(currency) for _, currency, _ in moved]),
        _array([day.isoformat() for _, _, day in moved]),
    ]
    totals = [_array([str(total) for total in column]) for column in zip(*moved.values(), strict=True)]
    connection.execute(_ADD_ASKED, (tenant, model, *places, *totals), prepare=True)
    changed = [
        (*limited.standing, tenant, model, *place)
        for place, limited in sorted(judgement.limited.items())
        if limited != books.limited[place]
    ]
    if changed:
        connection.cursor().executemany(_SET_STANDING, changed)


def _array(elements: Iterable[str]) -> str:
    """An array as PostgreSQL writes it, which takes less time to make and to read than JSON or the driver's own way."""
    return f"{{{','.join(elements)}}}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def standing(
    connection: Connection, tenant: str, model: str, account: str, currency: str, through: date | None = None
) -> Standing:
    """An account's totals, of what was booked up to a day; of all without one."""
    where = {"tenant": tenant, "model": model, "account": account, "currency": currency, "through": through}
    row = connection.execute(_STANDING, where).fetchone()
    assert row is not None, "a sum has a row"
    return Standing(*map(int, row))


def set_limit(connection: Connection, tenant: str, model: str, limit: Limit) -> None:
    """Sets an account's limit, or takes it away where it bounds nothing. Waits until nobody is posting."""
    connection.execute(_STOP_POSTING)
    where = {"tenant": tenant, "model": model, "account": limit.account, "currency": limit.currency}
    if limit.least_minor is None and limit.most_minor is None:
        connection.execute(_DROP_LIMIT, where)
        return
    names = ("debits", "credits", "debits_pending", "credits_pending")
    totals = standing(connection, tenant, model, limit.account, limit.currency)
    bounds = {"least": limit.least_minor, "most": limit.most_minor}
    connection.execute(_SET_LIMIT, {**where, **bounds, **dict(zip(names, totals, strict=True))})
