"""Obligations of charges per share: each bearer's own amount, between it and the charge's other end."""

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.clearing.core.plan import ClearingPlan


def owed_by_share(
    plan: ClearingPlan, charges: pa.Table, parts: pa.Table, shares: pa.Table, engine: LocalEngine
) -> pa.Table:
    """OBLIGATION rows in the charges' order, then by bearer, who has the number that it has in `shares`."""
    names = charges.column("charge").unique().to_pylist()
    assert len(names) <= 1, "one charge per share at a time"
    entity = next((charge.legal_entity for charge in plan.charges if [charge.name] == names), "")
    rows = engine.query(
        f"""
        SELECT c.record_id, c.charge, p.bearer, coalesce(c.debtor, s.debtor) AS debtor,
            coalesce(c.creditor, s.debtor) AS creditor, p.amount_minor, c.currency, {literal(entity)} AS legal_entity,
            c.booked_on, c.refund_of, NULL AS debtor_statement, NULL AS creditor_statement
        FROM charges AS c JOIN parts AS p USING (record_id)
            JOIN shares AS s ON s.record_id = p.record_id AND s.bearer = p.bearer
        ORDER BY c.place, p.bearer
        """,
        charges=charges.append_column("place", pa.array(range(charges.num_rows), pa.int64())),
        parts=parts,
        shares=shares.select(["record_id", "bearer", "debtor"]),
    ).cast(OBLIGATION.columns)
    owed, charged = (pc.sum(table.column("amount_minor")).as_py() for table in (rows, charges))
    assert rows.num_rows == parts.num_rows, "who has an amount bears a share"
    assert owed == charged, "obligations add up to their charges"
    return OBLIGATION.check(rows)
