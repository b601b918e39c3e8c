"""All SQL of settlement. Callers own the transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import Cursor
from psycopg.rows import TupleRow

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.bulk import copy_in, copy_out
from everycent.base.platform.database import Connection
from everycent.base.platform.statistics import count_anew
from everycent.flow.approvals.contract import levels_as_data
from everycent.flow.settlement.contract import (
    ACCRUAL,
    RATIO_ONE,
    STATEMENT,
    ClosedBefore,
    HandingOn,
    Needs,
    Search,
    StatementState,
)
from everycent.flow.settlement.core.moves import MOVES, Life, Move


class BookDateMoved(Exception):
    """A day cut came between reading the open day and writing: the batch has to be booked again."""


class ClosedStatement(AssertionError):
    """A bug: something would accrue on a statement that is closed."""


@dataclass(frozen=True)
class Made:
    """Who makes a move, why, on which business day and when."""

    by: str
    why: str | None
    as_of: date
    now: datetime


@dataclass(frozen=True)
class Cut:
    """A day cut: as of which day, by whom, when (None: the transaction's time), and under which version of the model
    (None: one that is not kept)."""

    as_of: date
    by: str
    now: datetime | None = None
    version: str | None = None


#: What is frozen on the statements of a role as they close.
Terms = tuple[Needs, HandingOn]

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
    CREATE TEMPORARY TABLE staged_accrual (LIKE settlement.statement INCLUDING DEFAULTS) ON COMMIT DROP;
    ALTER TABLE pg_temp.staged_accrual ALTER state DROP NOT NULL
"""

#: Rows are locked in the order of their key, so that two batches never wait for each other in a circle.
#: One statement inserts or adds: a statement's first accrual needs no row to lock. A closed one is left as it is, and
#: the count of rows tells.
_ACCRUE = """
    INSERT INTO settlement.statement AS held (
        tenant, model, statement_id, party_id, role, period, period_first, period_last, closes_on, currency,
        legal_entity, charge_group, mode, agreed, payable_minor, receivable_minor, obligations, state
    )
    SELECT
        tenant, model, statement_id, party_id, role, period, period_first, period_last, closes_on, currency,
        legal_entity, charge_group, mode, agreed, payable_minor, receivable_minor, obligations, 'open'
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

#: What a statement waits for is frozen on it as it closes; one that waits for nothing may be paid at once.
_CLOSE = """
    WITH invoiced AS (
        SELECT statement_id, count(*) AS sides FROM staged_closing JOIN settlement.invoice AS i USING (statement_id)
        WHERE i.tenant = %(tenant)s AND i.model = %(model)s
        GROUP BY statement_id
    ), closed AS (
        UPDATE settlement.statement AS held
        SET state = 'closed', closed_as_of = %(as_of)s, closed_under = %(version)s, moves = held.moves + 1,
            confirms = coalesce(needed.confirms, false) OR own.silent_days IS NOT NULL,
            silent_days = coalesce(own.silent_days, needed.silent_days),
            confirm_by = %(as_of)s::date + coalesce(own.silent_days, needed.silent_days), approve = needed.approve,
            carries = coalesce(own.negative = 'carry', needed.carries, false),
            reserve_ratio = coalesce(own.reserve_ratio, needed.reserve_ratio, 0),
            reserve_days = coalesce(own.reserve_days, needed.reserve_days, 0),
            invoice_sides = coalesce(sides, 0), invoice_first = invoices.first,
            uninvoiced = CASE WHEN invoices.first THEN sides ELSE 0 END,
            released_as_of = CASE WHEN needed.asks IS NOT TRUE AND own.silent_days IS NULL AND NOT invoices.first
                THEN %(as_of)s::date END
        FROM staged_closing AS due LEFT JOIN invoiced USING (statement_id)
            LEFT JOIN jsonb_to_recordset(%(frozen)s::jsonb) AS needed
            (role text, asks boolean, confirms boolean, silent_days integer, approve jsonb, carries boolean,
            reserve_ratio numeric, reserve_days integer, invoices boolean) USING (role)
            CROSS JOIN LATERAL jsonb_to_record(coalesce(due.agreed, '{}')::jsonb) AS own
            (silent_days integer, negative text, reserve_ratio numeric, reserve_days integer, invoice text)
            CROSS JOIN LATERAL (SELECT sides IS NOT NULL
                AND coalesce(own.invoice = 'before_payment', needed.invoices, false) AS first) AS invoices
        WHERE held.tenant = %(tenant)s AND held.model = %(model)s AND held.statement_id = due.statement_id
            AND held.state = 'open'
        RETURNING held.statement_id, held.moves
    )
    INSERT INTO settlement.statement_move
        (tenant, model, statement_id, move_no, move, from_state, to_state, person, as_of, recorded_at)
    SELECT %(tenant)s, %(model)s, statement_id, moves, 'close', 'open', 'closed', %(by)s, %(as_of)s,
        coalesce(%(now)s::timestamptz, now())
    FROM closed
"""

#: A statement's first move is its closing.
_CLOSED_BEFORE = """
    SELECT m.as_of, m.person, m.recorded_at, count(*)
    FROM settlement.statement AS s JOIN settlement.statement_move AS m
        ON m.tenant = s.tenant AND m.model = s.model AND m.statement_id = s.statement_id AND m.move_no = 1
    WHERE s.tenant = %(tenant)s AND s.model = %(model)s AND s.closes_on <= %(as_of)s AND s.closed_as_of >= %(as_of)s
    GROUP BY 1, 2, 3 ORDER BY 3, 1, 2
"""

#: `sets`: the columns that the move changes beside the state.
_MOVE = """
    WITH moved AS (
        UPDATE settlement.statement SET state = %(after)s, moves = moves + 1, {sets}
        WHERE tenant = %(tenant)s AND model = %(model)s AND statement_id = ANY(%(ids)s) AND state = %(before)s
        RETURNING statement_id, moves
    )
    INSERT INTO settlement.statement_move (tenant, model, statement_id, move_no, move, from_state, to_state, person,
        reason, as_of, recorded_at)
    SELECT %(tenant)s, %(model)s, statement_id, moves, %(move)s, %(before)s, %(after)s, %(by)s, %(why)s, %(as_of)s,
        %(now)s
    FROM moved
"""
_MOVE_SETS = {
    Move.CONFIRM: "confirm_by = NULL",
    Move.DISPUTE: "approval_id = NULL",
    Move.RESOLVE: "approval_id = NULL, rounds = rounds + 1, confirm_by = %(as_of)s::date + silent_days",
    Move.APPROVE: "confirm_by = NULL",
    Move.DECLINE: "approval_id = NULL",
    Move.RELEASE: "released_as_of = %(as_of)s",
    Move.PARK: "parked_as_of = %(as_of)s",
    Move.UNPARK: "parked_as_of = NULL, released_as_of = %(as_of)s",
}

#: The digest is of all that a yes is about; the round is in it, so that a statement is approved anew after a dispute.
_HELD = """
    SELECT model, statement_id, state, confirms, approve::text, released_as_of IS NOT NULL, approval_id, currency,
        CASE mode WHEN 'net' THEN abs(net_minor + lines_minor)
            ELSE abs(payable_minor + lines_minor) + abs(receivable_minor) END,
        md5(concat_ws('|', statement_id, party_id, period_first, period_last, currency, legal_entity, mode,
            payable_minor, receivable_minor, obligations, closed_as_of, rounds, nullif(lines_minor, 0))),
        parked_as_of IS NOT NULL, settled_as_of IS NOT NULL, uninvoiced > 0
    FROM settlement.statement
    WHERE tenant = %(tenant)s AND model = %(model)s AND {condition}
    ORDER BY statement_id COLLATE "C"
    FOR UPDATE
"""
_LAST_MOVE = """
    SELECT move, person, reason FROM settlement.statement_move
    WHERE tenant = %s AND model = %s AND statement_id = %s AND move = ANY(%s) ORDER BY move_no DESC LIMIT 1
"""
_LIVES = """
    SELECT model, statement_id, party_id, role, period_first, period_last, currency, legal_entity, mode, payable_minor,
        receivable_minor, net_minor, lines_minor, obligations, agreed, state, CASE
            WHEN state = 'open' THEN 'close'
            WHEN state = 'disputed' THEN 'resolve'
            WHEN settled_as_of IS NOT NULL THEN 'nothing'
            WHEN parked_as_of IS NOT NULL THEN 'unpark'
            WHEN released_as_of IS NOT NULL THEN 'payment'
            WHEN state = 'closed' AND confirms THEN 'confirm'
            WHEN approve IS NOT NULL AND state <> 'approved' THEN 'approve'
            ELSE 'invoice' END AS waits_for,
        closes_on, closed_as_of, confirm_by, released_as_of, parked_as_of, settled_sides, settled_as_of,
        approval_id, moves
    FROM settlement.statement
    WHERE tenant = %(tenant)s AND (%(model)s::text IS NULL OR model = %(model)s)
"""
_MOVES = """
    SELECT move_no, move, from_state, to_state, person, reason, as_of, recorded_at, side FROM settlement.statement_move
    WHERE tenant = %s AND model = %s AND statement_id = %s ORDER BY move_no
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
        AND held.state = 'open' AND held.obligations = 0 AND NOT EXISTS (
            SELECT FROM settlement.statement_line AS line WHERE line.tenant = held.tenant AND line.model = held.model
                AND line.statement_id = held.statement_id)
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
        " AND state <> 'open' ORDER BY 1"
    )
    return copy_out(connection, query, pa.schema([("statement_id", pa.string())]))


def replace(connection: Connection, tenant: str, model: str, gone: pa.Table, accruals: pa.Table) -> None:
    """Takes from open statements what is no longer so, and adds what is (ACCRUAL rows), on past days too.

    `gone`: statement_id, payable_minor, receivable_minor, obligations. A statement that then holds nothing, and has no
    line, is removed.
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


def count_before_day_cut(connection: Connection, tenant: str, model: str, as_of: date) -> None:
    """Has the database count statements anew where many are due: they may have come a moment ago."""
    asked = {"tenant": tenant, "model": model, "as_of": as_of}
    row = connection.execute(
        "SELECT count(*) FROM settlement.statement"
        " WHERE tenant = %(tenant)s AND model = %(model)s AND state = 'open' AND closes_on <= %(as_of)s",
        asked,
    ).fetchone()
    assert row is not None, "count gives a row"
    count_anew(connection, row[0], "settlement.statement")


def count_after_day_cut(connection: Connection, closed: int) -> None:
    """Has the database count anew what has a row for each of so many closed statements: what follows joins it."""
    count_anew(connection, closed, "settlement.statement_move", "settlement.invoice", "settlement.invoice_line")


def due(connection: Connection, tenant: str, model: str, as_of: date) -> pa.Table:
    """Open statements whose closing day has come: STATEMENT rows ordered by statement_id."""
    return _read(connection, tenant, model, f"state = 'open' AND closes_on <= {literal(as_of.isoformat())}")


def closed_before(connection: Connection, tenant: str, model: str, as_of: date) -> tuple[ClosedBefore, ...]:
    """What a cut of `as_of` would close, had this cut or one of a later day not closed it, in order of time."""
    rows = connection.execute(_CLOSED_BEFORE, {"tenant": tenant, "model": model, "as_of": as_of})
    return tuple(ClosedBefore(*row) for row in rows)


def statements(connection: Connection, tenant: str, model: str) -> pa.Table:
    """All statements of a model: STATEMENT rows ordered by statement_id."""
    return _read(connection, tenant, model, "true")


def close(
    connection: Connection,
    tenant: str,
    model: str,
    agreeing: pa.Table,
    terms: Mapping[str, Terms],
    cut: Cut,
) -> None:
    """Closes the statements of `agreeing` (STATEMENT rows), for good. `terms`: what is frozen on those of a role, where
    their contracts say nothing else."""
    if agreeing.num_rows == 0:
        return
    frozen = [
        {
            "role": role,
            "asks": needs.asks,
            "invoices": needs.invoices,
            "confirms": needs.confirms,
            "silent_days": needs.silent_days,
            "approve": levels_as_data(needs.approve) or None,
            "carries": kept.carries,
            "reserve_ratio": str(Decimal(kept.reserve_ratio) / RATIO_ONE),
            "reserve_days": kept.reserve_days,
        }
        for role, (needs, kept) in terms.items()
    ]
    connection.execute(
        "CREATE TEMPORARY TABLE staged_closing (statement_id text, role text, agreed text) ON COMMIT DROP"
    )
    copy_in(connection, "pg_temp.staged_closing", agreeing.select(["statement_id", "role", "agreed"]))
    told = {"tenant": tenant, "model": model, "frozen": json.dumps(frozen), **vars(cut)}
    closed = connection.execute(_CLOSE, told).rowcount
    connection.execute("DROP TABLE pg_temp.staged_closing")
    assert closed == agreeing.num_rows, f"closed {closed} of {agreeing.num_rows} statements"


@dataclass(frozen=True)
class Statement:
    """A statement that is held: where it stands, and what a yes to it would be about."""

    model: str
    statement_id: str
    life: Life
    approval_id: UUID | None
    levels: str | None  # that have to say yes, as JSON
    digest: str
    amount_minor: int  # that it moves: of the net, or of both sides where they are settled apart
    currency: str


def hold(connection: Connection, tenant: str, model: str, ids: Sequence[str]) -> list[Statement]:
    """Statements by their ids, in the order of their bytes; nobody else moves them until the transaction ends."""
    return _held(connection, tenant, model, "statement_id = ANY(%(ids)s)", ids=list(ids))


def hold_silent(connection: Connection, tenant: str, model: str, as_of: date) -> list[Statement]:
    """As `hold`: those whose party was silent for as long as was agreed."""
    condition = "state = 'closed' AND confirms AND confirm_by <= %(as_of)s"
    return _held(connection, tenant, model, condition, as_of=as_of)


def _held(connection: Connection, tenant: str, model: str, condition: str, **values: object) -> list[Statement]:
    rows = connection.execute(_HELD.format(condition=condition), {"tenant": tenant, "model": model, **values})
    return [
        Statement(
            row[0],
            row[1],
            Life(StatementState(row[2]), row[3], row[4] is not None, row[5], *row[10:]),
            row[6],
            row[4],
            row[9],
            int(row[8]),
            row[7],
        )
        for row in rows
    ]


def move(
    connection: Connection,
    tenant: str,
    model: str,
    ids: Sequence[str],
    move: Move,
    before: StatementState,
    made: Made,
) -> None:
    """Moves statements that are held and stand in state `before`, and writes it down."""
    told = {
        "tenant": tenant, "model": model, "ids": list(ids), "move": move.value, "before": before.value,
        "after": MOVES[move][before].value, "by": made.by, "why": made.why, "as_of": made.as_of, "now": made.now,
    }  # fmt: skip
    moved = connection.execute(_MOVE.format(sets=_MOVE_SETS[move]), told).rowcount
    assert moved == len(ids), f"{move}: {moved} of {len(ids)} statements were {before}"


def set_approval(connection: Connection, tenant: str, model: str, requests: Mapping[str, UUID]) -> None:
    """Writes on statements which request is under way for them."""
    connection.execute(
        """UPDATE settlement.statement AS held SET approval_id = asked.request_id
        FROM unnest(%s::text[], %s::uuid[]) AS asked (statement_id, request_id)
        WHERE held.tenant = %s AND held.model = %s AND held.statement_id = asked.statement_id""",
        (list(requests), list(requests.values()), tenant, model),
    )


def last_move(
    connection: Connection, tenant: str, model: str, statement_id: str, among: Sequence[Move]
) -> tuple[str, str, str | None] | None:
    """The move of these that a statement made last, by whom and why."""
    values = (tenant, model, statement_id, [move.value for move in among])
    row = connection.execute(_LAST_MOVE, values).fetchone()
    return None if row is None else (row[0], row[1], row[2])


def lives(connection: Connection, tenant: str, search: Search) -> list[dict[str, object]]:
    """Statements with where they stand, those that wait longest first."""
    conditions = {
        "statement_id = ANY(%(ids)s)": search.ids,
        "state = %(state)s": search.state,
        "waits_for = %(waits_for)s": search.waits_for,
        "party_id = %(party)s": search.party,
        "period_last >= %(since)s": search.since,
        "period_first <= %(until)s": search.until,
        "currency = %(currency)s": search.currency,
        "abs(net_minor + lines_minor) >= %(least_minor)s": search.least_minor,
        "abs(net_minor + lines_minor) <= %(most_minor)s": search.most_minor,
    }
    chosen = " AND ".join([said for said, given in conditions.items() if given is not None] or ["true"])
    cursor = connection.execute(
        f"""SELECT * FROM ({_LIVES}) AS life WHERE {chosen}
        ORDER BY closes_on, model COLLATE "C", statement_id COLLATE "C" LIMIT %(limit)s""",
        {**vars(search), "tenant": tenant, "ids": list(search.ids or ())},
    )
    return _as_dicts(cursor)


def moves(connection: Connection, tenant: str, model: str, statement_id: str) -> list[dict[str, object]]:
    """All moves of a statement, in their order."""
    return _as_dicts(connection.execute(_MOVES, (tenant, model, statement_id)))


def _as_dicts(cursor: Cursor[TupleRow]) -> list[dict[str, object]]:
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _read(connection: Connection, tenant: str, model: str, condition: str) -> pa.Table:
    columns = ", ".join(identifier(name) for name in STATEMENT.columns.names)
    query = f"""
        SELECT {columns}
        FROM settlement.statement
        WHERE tenant = {literal(tenant)} AND model = {literal(model)} AND {condition}
        ORDER BY statement_id COLLATE "C"
    """
    return STATEMENT.check(copy_out(connection, query, STATEMENT.columns))


def legal_entities_of_lines(connection: Connection, tenant: str, model: str, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Whose statements' lines these are, of those that are lines."""
    found = connection.execute(
        """SELECT line_id, legal_entity FROM settlement.statement_line
        WHERE tenant = %s AND model = %s AND line_id = ANY(%s)""",
        (tenant, model, list(ids)),
    )
    return dict(found.fetchall())
