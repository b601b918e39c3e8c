"""The SQL of invoices. Callers own the transaction."""

from dataclasses import dataclass
from datetime import date

import pyarrow as pa
from psycopg.rows import dict_row

from everycent.base.engine.sql import identifier
from everycent.base.platform.bulk import copy_in
from everycent.base.platform.database import Connection
from everycent.flow.settlement.contract import INVOICE_LINE, InvoiceSearch
from everycent.flow.settlement.core.invoice_moves import SUFFICES, InvoiceMove, InvoiceState
from everycent.flow.settlement.store import Made

_COLUMNS = ", ".join(["tenant", "model", *(identifier(name) for name in INVOICE_LINE.columns.names)])
_INSERT = f"""
    WITH added AS (
        INSERT INTO settlement.invoice
            (tenant, model, statement_id, side, issue_no, issuer, currency, net_minor, tax_minor, state)
        SELECT line.tenant, line.model, statement_id, side, 1,
            CASE side WHEN 'payable' THEN party_id ELSE legal_entity END, currency, sum(line.net_minor), sum(tax_minor),
            'due'
        FROM staged_invoice_line AS line JOIN settlement.statement USING (tenant, model, statement_id)
        GROUP BY 1, 2, 3, 4, 6, 7
    )
    INSERT INTO settlement.invoice_line ({_COLUMNS}) SELECT {_COLUMNS} FROM staged_invoice_line
"""
_OF_ONE = """tenant = %(tenant)s AND model = %(model)s AND statement_id = %(statement)s AND side = %(side)s
        AND issue_no = %(issue_no)s"""
_MOVE = f"""
    WITH moved AS (
        UPDATE settlement.invoice SET state = %(after)s, moves = moves + 1, number = %(number)s, issued_on = %(on)s
        WHERE {_OF_ONE}
        RETURNING moves
    )
    INSERT INTO settlement.invoice_move
    SELECT %(tenant)s, %(model)s, %(statement)s, %(side)s, %(issue_no)s, moves, %(move)s, %(before)s, %(after)s,
        %(number)s, %(by)s, %(why)s, %(as_of)s, %(now)s
    FROM moved
"""
_NEXT = f"""
    INSERT INTO settlement.invoice
        (tenant, model, statement_id, side, issue_no, issuer, currency, net_minor, tax_minor, state)
    SELECT tenant, model, statement_id, side, issue_no + 1, issuer, currency, net_minor, tax_minor, 'due'
    FROM settlement.invoice WHERE {_OF_ONE}
"""
_COUNT = """
    UPDATE settlement.statement AS held SET uninvoiced = (
        SELECT count(*) FROM settlement.invoice AS i
        WHERE i.tenant = held.tenant AND i.model = held.model AND i.statement_id = held.statement_id
            AND state <> 'voided' AND side || ' ' || state <> ALL (%(suffices)s))
    WHERE tenant = %(tenant)s AND model = %(model)s AND statement_id = %(statement)s AND invoice_first
        AND released_as_of IS NULL
"""
_NEXT_NUMBER = """
    INSERT INTO settlement.invoice_series AS held VALUES (%(tenant)s, %(issuer)s, %(year)s, 1)
    ON CONFLICT (tenant, issuer, year) DO UPDATE SET last_no = held.last_no + 1
    RETURNING last_no
"""
_INVOICES = """
    SELECT i.model, i.statement_id || '/' || i.side || '/' || i.issue_no AS invoice_id, i.statement_id, i.side,
        i.issuer,
        CASE i.side WHEN 'payable' THEN s.legal_entity ELSE s.party_id END AS receiver, i.currency, i.net_minor,
        i.tax_minor, i.net_minor + i.tax_minor AS total_minor, i.state, i.number, i.issued_on, s.invoice_first,
        (SELECT jsonb_agg(jsonb_build_object('charge', charge, 'rate', trim_scale(rate / 100000000.0)::text,
            'included', included, 'rounding', rounding, 'net_minor', line.net_minor, 'tax_minor', line.tax_minor)
            ORDER BY charge COLLATE "C")
        FROM settlement.invoice_line AS line WHERE line.tenant = i.tenant AND line.model = i.model
            AND line.statement_id = i.statement_id AND line.side = i.side) AS lines
    FROM settlement.invoice AS i JOIN settlement.statement AS s USING (tenant, model, statement_id)
    WHERE i.tenant = %(tenant)s AND (%(model)s::text IS NULL OR i.model = %(model)s)
        AND (%(statement)s::text IS NULL OR i.statement_id = %(statement)s)
        AND (%(state)s::text IS NULL OR i.state = %(state)s) AND (%(issuer)s::text IS NULL OR i.issuer = %(issuer)s)
    ORDER BY i.statement_id COLLATE "C", i.side, i.issue_no LIMIT %(limit)s
"""
_MOVES = """
    SELECT side, issue_no, move_no, move, from_state, to_state, number, person, reason, as_of, recorded_at
    FROM settlement.invoice_move WHERE tenant = %s AND model = %s AND statement_id = %s
    ORDER BY recorded_at, side, issue_no, move_no
"""


@dataclass(frozen=True)
class InvoiceKey:
    """What names an invoice: its statement, the side, and which one after others were voided."""

    statement_id: str
    side: str
    issue_no: int

    @property
    def model(self) -> str:
        return self.statement_id.partition("/")[0]

    @classmethod
    def parse(cls, invoice_id: str) -> "InvoiceKey | None":
        """<statement>/<side>/<issue_no>; None for what is no such id."""
        statement_id, _, rest = invoice_id.rpartition("/")
        statement_id, _, side = statement_id.rpartition("/")
        return cls(statement_id, side, int(rest)) if rest.isascii() and rest.isdigit() and len(rest) < 10 else None


@dataclass(frozen=True)
class Invoice:
    """An invoice that is held: where it stands. `last`: its last move, by whom, and why."""

    key: InvoiceKey
    issuer: str
    currency: str
    total_minor: int
    state: InvoiceState
    number: str | None
    issued_on: date | None
    last: tuple[str, str, str | None] | None


def write(connection: Connection, tenant: str, model: str, lines: pa.Table) -> None:
    """Keeps INVOICE_LINE rows, and the invoices that they make up, which are due."""
    INVOICE_LINE.check(lines)
    if lines.num_rows == 0:
        return
    connection.execute("CREATE TEMPORARY TABLE staged_invoice_line (LIKE settlement.invoice_line) ON COMMIT DROP")
    copy_in(connection, "pg_temp.staged_invoice_line", lines, {"tenant": tenant, "model": model})
    kept = connection.execute(_INSERT).rowcount
    connection.execute("DROP TABLE pg_temp.staged_invoice_line")
    assert kept == lines.num_rows, f"{kept} of {lines.num_rows} lines of invoices reached the database"


def hold(connection: Connection, tenant: str, key: InvoiceKey) -> Invoice | None:
    """An invoice; nobody else moves it until the transaction ends."""
    row = connection.execute(
        f"""SELECT issuer, currency, net_minor + tax_minor, state, number, issued_on, moves FROM settlement.invoice
        WHERE {_OF_ONE} FOR UPDATE""",
        _owner(tenant, key),
    ).fetchone()
    if row is None:
        return None
    last = connection.execute(
        f"SELECT move, person, reason FROM settlement.invoice_move WHERE {_OF_ONE} AND move_no = %(last)s",
        {**_owner(tenant, key), "last": row[6]},
    ).fetchone()
    said = None if last is None else (last[0], last[1], last[2])
    return Invoice(key, row[0], row[1], int(row[2]), InvoiceState(row[3]), row[4], row[5], said)


def _owner(tenant: str, key: InvoiceKey) -> dict[str, object]:
    about = {"model": key.model, "statement": key.statement_id, "side": key.side, "issue_no": key.issue_no}
    return {"tenant": tenant, **about}


def of_number(connection: Connection, tenant: str, issuer: str, number: str) -> str | None:
    """The statement whose invoice of this issuer has the number, voided ones too."""
    row = connection.execute(
        "SELECT statement_id FROM settlement.invoice WHERE tenant = %s AND issuer = %s AND number = %s",
        (tenant, issuer, number),
    ).fetchone()
    return None if row is None else str(row[0])


def next_number(connection: Connection, tenant: str, issuer: str, year: int) -> str:
    """The issuer's next number of a year, without gaps: whoever takes one has the others wait until it is used."""
    while True:
        row = connection.execute(_NEXT_NUMBER, {"tenant": tenant, "issuer": issuer, "year": year}).fetchone()
        assert row is not None, "a series has a next number"
        number = f"{issuer}-{year}-{row[0]:06d}"
        if of_number(connection, tenant, issuer, number) is None:
            return number


def move(
    connection: Connection, tenant: str, invoice: Invoice, move: InvoiceMove, after: InvoiceState,
    given: tuple[str, date], made: Made,
) -> None:  # fmt: skip
    """Moves an invoice that is held, and writes it down; where it is voided, another is due. `given`: its number and
    day from now on. Its statement waits for those that are left."""
    assert given[0].strip(), "an invoice that moves has a number"
    owner = _owner(tenant, invoice.key)
    told = {
        **owner, "move": move.value, "before": invoice.state.value, "after": after.value, "number": given[0],
        "on": given[1], "by": made.by, "why": made.why, "as_of": made.as_of, "now": made.now,
    }  # fmt: skip
    assert connection.execute(_MOVE, told).rowcount == 1, "a held invoice is there"
    if after is InvoiceState.VOIDED:
        connection.execute(_NEXT, owner)
    suffices = [f"{side} {state}" for side, states in SUFFICES.items() for state in sorted(states)]
    connection.execute(_COUNT, {**owner, "suffices": suffices})


def invoices(connection: Connection, tenant: str, search: InvoiceSearch) -> list[dict[str, object]]:
    """Invoices with their lines, in the order of their statements."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_INVOICES, {"tenant": tenant, **vars(search)}).fetchall()


def moves(connection: Connection, tenant: str, statement_id: str) -> list[dict[str, object]]:
    """All moves of a statement's invoices, in order of time."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_MOVES, (tenant, statement_id.partition("/")[0], statement_id)).fetchall()
