"""The SQL of what stands on statements beside obligations. Callers own the transaction."""

from datetime import date

import pyarrow as pa
from psycopg.rows import dict_row

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.bulk import copy_in, copy_out
from everycent.base.platform.database import Connection
from everycent.flow.settlement.contract import LINE, LineKind
from everycent.flow.settlement.store import ClosedStatement

_COLUMNS = ", ".join(["tenant", "model", *(identifier(name) for name in LINE.columns.names)])
_INSERT = f"INSERT INTO settlement.statement_line ({_COLUMNS}) SELECT {_COLUMNS} FROM staged_line ORDER BY line_id"

#: Rows are locked in the order of their key, as accruals lock them.
_ADD = """
    WITH added AS (
        SELECT statement_id, sum(amount_minor) AS amount_minor FROM staged_line GROUP BY statement_id
    ), locked AS (
        SELECT held.statement_id FROM settlement.statement AS held JOIN added USING (statement_id)
        WHERE held.tenant = %(tenant)s AND held.model = %(model)s AND held.state = 'open'
        ORDER BY held.statement_id FOR UPDATE OF held
    )
    UPDATE settlement.statement AS held SET lines_minor = held.lines_minor + added.amount_minor
    FROM added JOIN locked USING (statement_id)
    WHERE held.tenant = %(tenant)s AND held.model = %(model)s AND held.statement_id = added.statement_id
"""
_RELEASE = """
    UPDATE settlement.statement_line AS held SET settled_by = free.line_id
    FROM staged_line AS free
    WHERE free.kind = 'reserve_released' AND held.tenant = %(tenant)s AND held.model = %(model)s
        AND held.kind = 'reserve_held' AND held.statement_id = free.other_statement AND held.settled_by IS NULL
"""
_LINES = """
    SELECT kind, amount_minor, currency, other_statement, as_of, release_on, settled_by IS NOT NULL AS is_released
    FROM settlement.statement_line WHERE tenant = %s AND model = %s AND statement_id = %s
    ORDER BY as_of, kind, other_statement COLLATE "C"
"""


def write(connection: Connection, tenant: str, model: str, lines: pa.Table) -> None:
    """Puts LINE rows on open statements. Raises ClosedStatement, a bug."""
    LINE.check(lines)
    if lines.num_rows == 0:
        return
    owner = {"tenant": tenant, "model": model}
    connection.execute("CREATE TEMPORARY TABLE staged_line (LIKE settlement.statement_line) ON COMMIT DROP")
    copy_in(connection, "pg_temp.staged_line", lines, owner)
    connection.execute(_INSERT)
    stood = len(lines["statement_id"].unique())
    reached = connection.execute(_ADD, owner).rowcount
    if reached != stood:
        raise ClosedStatement(f"lines would stand on {stood} statements, {reached} of them are open")
    released = connection.execute(_RELEASE, owner).rowcount
    connection.execute("DROP TABLE pg_temp.staged_line")
    expected = lines["kind"].to_pylist().count(LineKind.RESERVE_RELEASED.value)
    assert released == expected, f"{expected} reserves would be released, {released} are held"


def held_until(connection: Connection, tenant: str, model: str, day: date) -> pa.Table:
    """What is held back until `day` or an earlier one: LINE rows by line_id."""
    columns = ", ".join(identifier(name) for name in LINE.columns.names)
    query = f"""
        SELECT {columns} FROM settlement.statement_line
        WHERE tenant = {literal(tenant)} AND model = {literal(model)} AND kind = 'reserve_held'
            AND settled_by IS NULL AND release_on <= {literal(day.isoformat())}
        ORDER BY line_id
    """
    return LINE.check(copy_out(connection, query, LINE.columns))


def lines(connection: Connection, tenant: str, model: str, statement_id: str) -> list[dict[str, object]]:
    """The lines of a statement, in the order in which they came."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_LINES, (tenant, model, statement_id)).fetchall()
