"""Obligations of charges per share: each bearer's own amount, between it and the charge's other end."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.arrays import uuid_values
from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.clearing.core.columns import days_of, texts
from everycent.flow.clearing.core.legal_entities import settled_by
from everycent.flow.clearing.core.plan import ClearingPlan


def owed_by_share(
    plan: ClearingPlan,
    records: pa.Table,
    charges: pa.Table,
    parts: pa.Table,
    shares: pa.Table,
    engine: LocalEngine,
) -> pa.Table:
    """OBLIGATION rows in the charges' order, then by bearer, who has the number that it has in `shares`."""
    names = charges.column("charge").unique().to_pylist()
    assert len(names) <= 1, "one charge per share at a time"
    settled = [charge.settled for charge in plan.charges if charge.name in names]
    found = engine.query(
        "SELECT place, debtor FROM parts JOIN shares USING (record_id, bearer)",
        parts=parts.append_column("place", pa.array(np.arange(parts.num_rows))),
        shares=shares.select(["record_id", "bearer", "debtor"]),
    )
    assert found.num_rows == parts.num_rows, "who has an amount bears a share"
    bearer = found.column("debtor").take(pa.array(np.argsort(found.column("place").to_numpy())))
    ids = uuid_values(parts.column("record_id"))
    of = charges.take(pa.array(np.cumsum(np.append(False, ids[1:] != ids[:-1])[: len(ids)])))
    nothing = pa.nulls(of.num_rows, pa.string())
    code = np.zeros(of.num_rows, dtype=np.int32)
    entity, entities = settled_by(settled, code, lambda: days_of(of, records))
    rows = pa.table(
        {
            "record_id": of.column("record_id"),
            "charge": of.column("charge"),
            "bearer": parts.column("bearer"),
            "debtor": pc.coalesce(of.column("debtor"), bearer),
            "creditor": pc.coalesce(of.column("creditor"), bearer),
            "amount_minor": parts.column("amount_minor"),
            "currency": of.column("currency"),
            "legal_entity": texts(entity, entities),
            "booked_on": of.column("booked_on"),
            "refund_of": of.column("refund_of"),
            "debtor_statement": nothing,
            "creditor_statement": nothing,
        }
    ).cast(OBLIGATION.columns)
    assert rows.column("record_id").equals(parts.column("record_id")), "parts are in the charges' order"
    owed, charged = (pc.sum(table.column("amount_minor")).as_py() for table in (rows, charges))
    assert owed == charged, "obligations add up to their charges"
    return OBLIGATION.check(rows)
