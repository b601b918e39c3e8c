"""Statements that hold a record which is held back stay open; the others close."""

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.flow.settlement.contract import STATEMENT, Held, HeldStatement


def hold(
    due: pa.Table, held: Held | None, obligations: str, engine: LocalEngine
) -> tuple[pa.Table, tuple[HeldStatement, ...]]:
    """Of `due` (STATEMENT rows) those that may close, and why the others may not, by statement_id.

    `obligations`: the engine's view of OBLIGATION columns, record_id among them.
    """
    STATEMENT.check(due)
    if held is None:
        return due, ()
    if held.all_for is not None:
        return due.slice(0, 0), tuple(HeldStatement(each, held.all_for, 0) for each in due["statement_id"].to_pylist())
    if held.records.num_rows == 0 or due.num_rows == 0:
        return due, ()
    stopped = engine.query(
        f"""WITH ends AS (
            SELECT record_id, unnest([debtor_statement, creditor_statement]) AS statement_id
            FROM {obligations} SEMI JOIN held USING (record_id))
        SELECT statement_id, min(reason) AS reason, count(DISTINCT record_id) AS records
        FROM ends JOIN due USING (statement_id) JOIN held USING (record_id)
        GROUP BY statement_id ORDER BY statement_id""",
        due=due.select(["statement_id"]),
        held=held.records,
    )
    free = due.filter(pc.invert(pc.is_in(due["statement_id"], value_set=stopped["statement_id"])))
    assert free.num_rows + stopped.num_rows == due.num_rows, "a statement closes or is held"
    return free, tuple(HeldStatement(**row) for row in stopped.to_pylist())
