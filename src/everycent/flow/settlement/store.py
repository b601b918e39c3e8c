"""All SQL of settlement. Callers own the transaction."""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.bulk import copy_in, copy_out
from everycent.base.platform.database import Connection
from everycent.flow.settlement.contract import ACCRUAL, STATEMENT


class BookDateMoved(Exception):
    """A day cut came between reading the open day and writing: the batch has to be booked again."""


class ClosedStatement(AssertionError):
    """A bug: something would accrue on a statement that is closed."""


_FIRST_DAY = date.min  # a model without a day cut yet: every day is open

_OPEN_BOOKS = """
    INSERT INTO settlement.book_date (tenant, model, open_on)
    VALUES (%(tenant)s, %(model)s, %(first_day)s)
    ON CONFLICT DO NOTHING
"""
_BOOK_DATE = "SELECT open_on FROM settlement.book_date WHERE tenant = %(tenant)s AND model = %(model)s"
_MOVE_BOOK_DATE = """
    UPDATE settlement.book_date SET open_on = greatest(open_on, %(as_of)s)
    WHERE tenant = %(tenant)s AND model = %(model)s
    RETURNING open_on
"""

_STAGED = """
    CREATE TEMPORARY TABLE staged_accrual (LIKE settlement.statement) ON COMMIT DROP;
    ALTER TABLE pg_temp.staged_accrual ALTER state DROP NOT NULL
"""

#: Rows are locked in the order of their key, so that two batches never wait for each other in a circle.
#: One statement inserts or adds: a statement's first accrual needs no row to lock. A closed one is left as it is, and
#: the count of rows tells.
_ACCRUE = """
    INSERT INTO settlement.statement AS held (
        tenant, model, statement_id, party_id, role, period, period_first, period_last, closes_on, currency,
        legal_entity, mode, payable_minor, receivable_minor, obligations, state
    )
    SELECT
        tenant, model, statement_id, party_id, role, period, period_first, period_last, closes_on, currency,
        legal_entity, mode, payable_minor, receivable_minor, obligations, 'open'
    FROM staged_accrual
    ORDER BY statement_id
    ON CONFLICT (tenant, model, statement_id) DO UPDATE
    SET payable_minor = held.payable_minor + excluded.payable_minor,
        receivable_minor = held.receivable_minor + excluded.receivable_minor,
        obligations = held.obligations + excluded.obligations
    WHERE held.state = 'open'
"""
_ACCRUED_INTO_CLOSED = """
    SELECT statement.statement_id
    FROM settlement.statement JOIN staged_accrual USING (tenant, model, statement_id)
    WHERE statement.state <> 'open'
    ORDER BY 1 LIMIT 1
"""

_CLOSE = """
    UPDATE settlement.statement SET state = 'closed', closed_as_of = %(as_of)s
    FROM staged_closing
    WHERE statement.tenant = %(tenant)s AND statement.model = %(model)s
        AND statement.statement_id = staged_closing.statement_id AND statement.state = 'open'
"""


_TAKE_BACK = """
    UPDATE settlement.statement AS held
    SET payable_minor = held.payable_minor - gone.payable_minor,
        receivable_minor = held.receivable_minor - gone.receivable_minor,
        obligations = held.obligations - gone.obligations
    FROM staged_gone AS gone
    WHERE held.tenant = %(tenant)s AND held.model = %(model)s AND held.statement_id = gone.statement_id
        AND held.state = 'open'
"""
_REMOVE_EMPTY = """
    DELETE FROM settlement.statement AS held USING staged_gone AS gone
    WHERE held.tenant = %(tenant)s AND held.model = %(model)s AND held.statement_id = gone.statement_id
        AND held.state = 'open' AND held.obligations = 0
"""


def open_on(connection: Connection, tenant: str, model: str) -> date:
    """The first day that is open for booking; date.min before the first day cut."""
    row = connection.execute(_BOOK_DATE, {"tenant": tenant, "model": model}).fetchone()
    return _FIRST_DAY if row is None else row[0]


def lock_books(connection: Connection, tenant: str, model: str, *, to_close: bool) -> date:
    """Holds the books until the transaction ends: batches share them, a day cut has them alone; the open day."""
    connection.execute(_OPEN_BOOKS, {"tenant": tenant, "model": model, "first_day": _FIRST_DAY})
    lock = " FOR UPDATE" if to_close else " FOR SHARE"
    row = connection.execute(f"{_BOOK_DATE}{lock}", {"tenant": tenant, "model": model}).fetchone()
    assert row is not None, "the books were opened above"
    day: date = row[0]
    return day


def move_book_date(connection: Connection, tenant: str, model: str, as_of: date) -> date:
    """Moves the open day on to `as_of`, never back; returns it."""
    row = connection.execute(_MOVE_BOOK_DATE, {"tenant": tenant, "model": model, "as_of": as_of}).fetchone()
    assert row is not None and row[0] >= as_of, f"the books of {model} did not move to {as_of}"
    day: date = row[0]
    return day


def closed(connection: Connection, tenant: str, model: str) -> pa.Table:
    """The ids of the statements that are closed: one column, statement_id."""
    query = (
        f"SELECT statement_id FROM settlement.statement WHERE tenant = {literal(tenant)} AND model = {literal(model)}"
        " AND state = 'closed' ORDER BY 1"
    )
    return copy_out(connection, query, pa.schema([("statement_id", pa.string())]))


def replace(connection: Connection, tenant: str, model: str, gone: pa.Table, accruals: pa.Table) -> None:
    """Takes from open statements what is no longer so, and adds what is (ACCRUAL rows), on past days too.

    `gone`: statement_id, payable_minor, receivable_minor, obligations. A statement that then holds nothing is removed.
    Raises ClosedStatement, a bug.
    """
    lock_books(connection, tenant, model, to_close=True)
    accrue_on_open(connection, tenant, model, accruals)
    if gone.num_rows == 0:
        return
    connection.execute(
        "CREATE TEMPORARY TABLE staged_gone (statement_id text, payable_minor numeric(38, 0),"
        " receivable_minor numeric(38, 0), obligations bigint) ON COMMIT DROP"
    )
    copy_in(connection, "pg_temp.staged_gone", gone)
    owner = {"tenant": tenant, "model": model}
    reached = connection.execute(_TAKE_BACK, owner).rowcount
    if reached != gone.num_rows:
        raise ClosedStatement(f"{gone.num_rows} statements would lose obligations, {reached} of them are open")
    connection.execute(_REMOVE_EMPTY, owner)
    connection.execute("DROP TABLE pg_temp.staged_gone")


def write(connection: Connection, tenant: str, model: str, accruals: pa.Table) -> None:
    """Adds what a batch accrued (ACCRUAL rows) to its statements. Raises BookDateMoved; ClosedStatement, a bug."""
    ACCRUAL.check(accruals)
    if accruals.num_rows == 0:
        return
    open_day = lock_books(connection, tenant, model, to_close=False)
    booked_from = pc.min(accruals["booked_from"]).as_py()
    if booked_from < open_day:
        raise BookDateMoved(f"booked on {booked_from}, but the first open day is {open_day}; book the batch again")
    accrue_on_open(connection, tenant, model, accruals)


def accrue_on_open(connection: Connection, tenant: str, model: str, accruals: pa.Table) -> None:
    """Adds ACCRUAL rows to statements, none of which is closed, whatever their days. Raises ClosedStatement, a bug."""
    if accruals.num_rows == 0:
        return
    connection.execute(_STAGED)
    copy_in(
        connection, "pg_temp.staged_accrual", accruals.drop_columns(["booked_from"]), {"tenant": tenant, "model": model}
    )
    reached = connection.execute(_ACCRUE).rowcount
    if reached != accruals.num_rows:
        raise ClosedStatement(f"{connection.execute(_ACCRUED_INTO_CLOSED).fetchone()} is closed and would accrue more")
    connection.execute("DROP TABLE pg_temp.staged_accrual")


def due(connection: Connection, tenant: str, model: str, as_of: date) -> pa.Table:
    """Open statements whose closing day has come: STATEMENT rows ordered by statement_id."""
    return _read(connection, tenant, model, f"state = 'open' AND closes_on <= {literal(as_of.isoformat())}")


def statements(connection: Connection, tenant: str, model: str) -> pa.Table:
    """All statements of a model: STATEMENT rows ordered by statement_id."""
    return _read(connection, tenant, model, "true")


def close(connection: Connection, tenant: str, model: str, agreeing: pa.Table, as_of: date) -> None:
    """Closes the statements of `agreeing` (STATEMENT rows), for good."""
    if agreeing.num_rows == 0:
        return
    connection.execute("CREATE TEMPORARY TABLE staged_closing (statement_id text) ON COMMIT DROP")
    copy_in(connection, "pg_temp.staged_closing", agreeing.select(["statement_id"]))
    closed = connection.execute(_CLOSE, {"tenant": tenant, "model": model, "as_of": as_of}).rowcount
    connection.execute("DROP TABLE pg_temp.staged_closing")
    assert closed == agreeing.num_rows, f"closed {closed} of {agreeing.num_rows} statements"


def _read(connection: Connection, tenant: str, model: str, condition: str) -> pa.Table:
    columns = ", ".join(identifier(name) for name in STATEMENT.columns.names)
    query = f"""
        SELECT {columns}
        FROM settlement.statement
        WHERE tenant = {literal(tenant)} AND model = {literal(model)} AND {condition}
        ORDER BY statement_id COLLATE "C"
    """
    return STATEMENT.check(copy_out(connection, query, STATEMENT.columns))
