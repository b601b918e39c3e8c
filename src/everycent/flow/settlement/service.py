"""Settlement's command: the day cut, which closes what is due."""

from dataclasses import dataclass
from datetime import date

import psycopg
import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.settlement import store
from everycent.flow.settlement.contract import Held, HeldStatement
from everycent.flow.settlement.core.holding import hold
from everycent.flow.settlement.core.recount import Recount, RecountDiffers, recount

_VIEW = "settlement_obligation"


__all__ = ["Closing", "RecountDiffers", "close_due"]


@dataclass(frozen=True)
class Closing:
    """What a day cut did.

    `closed`: the STATEMENT rows that it closed, as they stand now, ordered by statement_id. `differing`: the statements
    that stayed open because their recount does not agree. `open_on`: the first day that is open for booking. `held`:
    the statements that stay open because a gate holds a record of theirs back.
    """

    as_of: date
    open_on: date
    closed: pa.Table
    differing: tuple[RecountDiffers, ...]
    held: tuple[HeldStatement, ...] = ()


def close_due(
    connection: Connection,
    details: Details,
    engine: LocalEngine,
    tenant: str,
    model: str,
    as_of: date,
    *,
    held: Held | None = None,
    dry_run: bool = False,
) -> Closing:
    """The day cut that begins day `as_of`: closes, in one transaction, every statement whose closing day has come.

    Each is recounted in full from its obligations first; where the recount differs from what was accrued, that
    statement stays open and is named, and the others close. So does one with a record that is `held`: a later cut
    closes it. The open day moves to `as_of`, never back, so what arrives
    later is booked after every period that is closed. Doing it again changes nothing. `connection` has to be the one of
    `details`.
    """
    with connection.transaction() as transaction:
        before = store.lock_books(connection, tenant, model, to_close=True)
        due = store.due(connection, tenant, model, as_of)
        counted = _recounted(details, engine, model, due, by_record=held is not None)
        closing_now, stopped = hold(counted.agreeing, held, _VIEW, engine)
        store.close(connection, tenant, model, closing_now, as_of)
        open_on = store.move_book_date(connection, tenant, model, as_of)
        assert open_on >= before, "the open day never moves back"
        closing = Closing(as_of, open_on, _as_closed(closing_now, as_of), counted.differing, stopped)
        if dry_run:
            raise psycopg.Rollback(transaction)
    return closing


def _recounted(details: Details, engine: LocalEngine, model: str, due: pa.Table, *, by_record: bool) -> Recount:
    if due.num_rows == 0:
        return Recount(due, ())
    columns = ["amount_minor", "debtor_statement", "creditor_statement", *(["record_id"] if by_record else [])]
    details.attach(engine, _VIEW, OBLIGATION, model, columns=columns)
    return recount(due, _VIEW, engine)


def _as_closed(statements: pa.Table, as_of: date) -> pa.Table:
    for name, value in (("state", "closed"), ("closed_as_of", as_of)):
        field = statements.schema.field(name)
        column = pa.array([value] * statements.num_rows, field.type)
        statements = statements.set_column(statements.schema.get_field_index(name), field, column)
    return statements
