"""The ledger's commands: post transfers that are asked for, bound balances; look at books, seal and export them; make
vouchers of them and hand these over."""

from collections.abc import Sequence

import psycopg
import pyarrow as pa

from everycent.base.platform.database import Connection
from everycent.flow.ledger import store
from everycent.flow.ledger.accounting_system import (
    ACKNOWLEDGEMENT_BYTES_MAX,
    NotAnAcknowledgement,
    RestAccounting,
    read_acknowledgement,
)
from everycent.flow.ledger.contract import Answer, Limit, Outcome, Transfer, TransferKind
from everycent.flow.ledger.core.commodities import commodity
from everycent.flow.ledger.core.judging import Books, judge
from everycent.flow.ledger.core.vouchers.content import CSV_COLUMNS, csv_rows
from everycent.flow.ledger.exporting import JournalFormat, export
from everycent.flow.ledger.seals import prove, seal
from everycent.flow.ledger.store import accounts_at, models, trial_balance
from everycent.flow.ledger.voucher_store import moves as voucher_moves
from everycent.flow.ledger.voucher_store import named as vouchers_named
from everycent.flow.ledger.voucher_store import ready as vouchers_ready
from everycent.flow.ledger.voucher_store import shown as vouchers_shown
from everycent.flow.ledger.voucher_store import went_as_files as vouchers_that_went_as_files
from everycent.flow.ledger.vouchers import FILES, HandedOver, Taken
from everycent.flow.ledger.vouchers import alone as handing_vouchers_over
from everycent.flow.ledger.vouchers import correct as correct_voucher
from everycent.flow.ledger.vouchers import hand_over as hand_voucher_over
from everycent.flow.ledger.vouchers import make as make_vouchers
from everycent.flow.ledger.vouchers import say as say_of_voucher
from everycent.flow.ledger.vouchers import send as send_vouchers

__all__ = [
    "ACKNOWLEDGEMENT_BYTES_MAX",
    "CSV_COLUMNS",
    "FILES",
    "Contended",
    "HandedOver",
    "JournalFormat",
    "NotAnAcknowledgement",
    "RestAccounting",
    "Taken",
    "accounts_at",
    "book",
    "commodity",
    "correct_voucher",
    "csv_rows",
    "export",
    "hand_voucher_over",
    "handing_vouchers_over",
    "make_vouchers",
    "models",
    "post",
    "prove",
    "read_acknowledgement",
    "say_of_voucher",
    "seal",
    "send_vouchers",
    "set_limit",
    "trial_balance",
    "voucher_moves",
    "vouchers_named",
    "vouchers_ready",
    "vouchers_shown",
    "vouchers_that_went_as_files",
]

#: Somebody else posted the same id, or settled the same pending transfer, in the same moment: then it is there at the
#: second try. More than a few come from work that is asked for many times over at once.
_TRIES = 20


class Contended(Exception):
    """The same transfers were posted by others at each try; ask again."""


def post(
    connection: Connection, tenant: str, model: str, asked: Sequence[Transfer], *, dry_run: bool = False
) -> list[Answer]:
    """Posts transfers, in their order, in one transaction; an answer for each, in the same order.

    A transfer that is refused moves nothing, and the others go on; of linked ones all are posted or none. Asked for
    again, a transfer is ALREADY_POSTED and moves nothing. Within a transaction of the caller's it commits with that.
    Raises Contended.
    """
    if len(asked) == 1 and not dry_run and _is_plain(asked[0]) and store.post_one(connection, tenant, model, asked[0]):
        return [Answer(asked[0].transfer_id, Outcome.POSTED)]
    for _ in range(_TRIES):
        try:
            with connection.transaction() as transaction:
                store.begin_posting(connection)
                books = store.books_of(connection, tenant, model, asked)
                judgement = judge(asked, books)
                if judgement.to_post:
                    store.keep(connection, tenant, model, judgement, books)
                if dry_run:
                    raise psycopg.Rollback(transaction)
            return list(judgement.answers)
        except psycopg.errors.UniqueViolation:  # somebody else was first
            continue
    raise Contended(f"{len(asked)} transfers: others posted some of them in the same moment, {_TRIES} times; ask again")


def book(connection: Connection, tenant: str, model: str, transfers: pa.Table) -> None:
    """Posts TRANSFER rows that are decided already, set-wise and whatever limits say, in the transaction of the caller,
    who keeps why. An id that is posted already is a bug of the caller's."""
    with connection.transaction():
        store.write(connection, tenant, model, None, transfers)


def _is_plain(asked: Transfer) -> bool:
    """Whether its form is right, and the quick way can post it."""
    return asked.kind is TransferKind.POSTED and judge([asked], Books()).answers[0].outcome is Outcome.POSTED


def set_limit(connection: Connection, tenant: str, model: str, limit: Limit) -> None:
    """Bounds an account's balance from now on; without bounds it takes the limit away. What stands beyond a limit may
    stay, and come nearer to it."""
    with connection.transaction():
        store.set_limit(connection, tenant, model, limit)
