"""Writes the ledger as a journal that Beancount or hledger reads."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol

import pyarrow as pa

from everycent.base.platform.database import Connection
from everycent.flow.ledger import journal_store
from everycent.flow.ledger.core.commodities import commodity
from everycent.flow.ledger.core.journals import beancount, hledger
from everycent.flow.ledger.core.journals.rows import Commodity


class JournalFormat(StrEnum):
    """Whose format a journal is written in."""

    BEANCOUNT = "beancount"
    HLEDGER = "hledger"


class Sink(Protocol):
    """What takes the journal: an open binary file."""

    def write(self, chunk: bytes, /) -> object:
        """Takes the next bytes."""


@dataclass(frozen=True)
class Exported:
    """How much a journal has of each."""

    commodities: int
    accounts: int
    transfers: int
    balances: int


def export(
    connection: Connection,
    tenant: str,
    model: str,
    form: JournalFormat,
    out: Sink,
    through: date | None = None,
    decimals: Mapping[str, int] | None = None,
) -> Exported:
    """Writes what was booked up to a day, in one state of the database, some rows at a time: each account, each
    transfer that moved money, and in the end each account's balance as the ledger has it, for the reader to check.

    The same books give the same bytes. `decimals`: those of commodities that ISO 4217 does not know.
    """
    journal = {JournalFormat.BEANCOUNT: beancount, JournalFormat.HLEDGER: hledger}[form]
    books = journal_store.Books(tenant, model, through)

    def put(parts: journal_store.Parts, text: Callable[[pa.Table], str]) -> int:
        rows = 0
        with closing(parts):
            for part in parts:
                out.write(text(part).encode())
                rows += part.num_rows
        return rows

    with journal_store.one_moment(connection):
        held = journal_store.held(connection, books)
        known = [commodity(one.name, decimals or {}) for one in held]
        named = [Commodity(one.name, of.exponent, one.first_day) for one, of in zip(held, known, strict=True)]
        out.write(journal.head(f"{tenant} {model}", named).encode())
        if not held:
            return Exported(0, 0, 0, 0)
        last_day = max(one.last_day for one in held)
        opened = put(journal_store.accounts(connection, books), journal.accounts)
        transfers = put(journal_store.moved(connection, books, known), journal.transfers)
        out.write(b"\n")
        asserted = put(journal_store.balances(connection, books, known), lambda rows: journal.balances(rows, last_day))
    return Exported(len(held), opened, transfers, asserted)
