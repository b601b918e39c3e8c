"""The SQL of journals: what they are written from, in their order, some rows at a time."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
from psycopg.pq import TransactionStatus

from everycent.base.engine.sql import literal
from everycent.base.money.currency import Currency
from everycent.base.platform.bulk import copy_parts
from everycent.base.platform.database import Connection
from everycent.flow.ledger.core.journals.rows import ACCOUNTS, BALANCES, MOVED

Parts = Generator[pa.Table, None, None]

_HELD = """
    SELECT currency, min(booked_on), max(booked_on) FROM ledger.account
    WHERE tenant = %(tenant)s AND model = %(model)s AND (%(through)s::date IS NULL OR booked_on <= %(through)s)
    GROUP BY currency
    ORDER BY currency COLLATE "C"
"""


@dataclass(frozen=True)
class Held:
    """A commodity that the books hold, with the first and the last day on which it was booked."""

    name: str
    first_day: date
    last_day: date


@dataclass(frozen=True)
class Books:
    """Whose books are written, up to which day."""

    tenant: str
    model: str
    through: date | None

    @property
    def where(self) -> str:
        """The condition on rows of the ledger's tables."""
        until = "" if self.through is None else f" AND booked_on <= {literal(self.through.isoformat())}::date"
        return f"tenant = {literal(self.tenant)} AND model = {literal(self.model)}{until}"


@contextmanager
def one_moment(connection: Connection) -> Iterator[None]:
    """Within it, one state of the database is read; inside a caller's transaction, what that sees."""
    own = connection.info.transaction_status == TransactionStatus.IDLE
    with connection.transaction():
        if own:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def held(connection: Connection, books: Books) -> list[Held]:
    """The commodities of the books, by name."""
    where = {"tenant": books.tenant, "model": books.model, "through": books.through}
    return [Held(*row) for row in connection.execute(_HELD, where)]


def accounts(connection: Connection, books: Books) -> Parts:
    """ACCOUNTS rows by account."""
    query = f"""SELECT account, min(booked_on)::text FROM ledger.account WHERE {books.where}
        GROUP BY account ORDER BY account COLLATE "C" """
    return copy_parts(connection, query, ACCOUNTS)


def moved(connection: Connection, books: Books, commodities: Sequence[Currency]) -> Parts:
    """MOVED rows by day and id. What is pending, or was taken back, moved nothing."""
    query = f"""SELECT booked_on::text, transfer_id::text, debit_account, credit_account, (amount_minor * unit)::text,
            currency, cause
        FROM ledger.transfer JOIN {_units(commodities)} USING (currency)
        WHERE {books.where} AND kind IN ('posted', 'post_pending')
        ORDER BY booked_on, transfer_id"""
    return copy_parts(connection, query, MOVED)


def balances(connection: Connection, books: Books, commodities: Sequence[Currency]) -> Parts:
    """BALANCES rows by account and commodity, of the accounts' totals."""
    query = f"""SELECT account, ((sum(debits_minor) - sum(credits_minor)) * unit)::text, currency
        FROM ledger.account JOIN {_units(commodities)} USING (currency)
        WHERE {books.where}
        GROUP BY account, currency, unit
        ORDER BY account COLLATE "C", currency COLLATE "C" """
    return copy_parts(connection, query, BALANCES)


def _units(commodities: Sequence[Currency]) -> str:
    """What a minor unit of each is, exactly: a product with it has all of the commodity's decimals."""
    rows = [f"({literal(one.code)}, {_unit(one.exponent)})" for one in commodities]
    return f"(VALUES {', '.join(rows)}) AS commodity (currency, unit)"


def _unit(decimals: int) -> str:
    return f"0.{'1'.zfill(decimals)}" if decimals else "1"
