"""What is stored of the records that a batch's refunds refer to."""

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.tables import UUID, TableSchema
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import OBLIGATION, ORIGINAL, REFUNDED, RefundState
from everycent.flow.intake.contract import RECORD
from everycent.flow.rating.contract import CHARGE, HELD, RETRY, WHOLE_RECORD, parked_sql


def refund_state(details: Details, engine: LocalEngine, model: str, refunds: pa.Table) -> RefundState:
    """What was before this batch of the records that `refunds` (RECORD rows) refer to; nothing of the batch is stored.

    A refund that is held as a whole gave nothing back, so it does not count as refunded. `held` are the charges that
    still wait.
    """
    wanted = refunds.column("refund_of").cast(pa.binary(16)).unique().drop_null().cast(UUID)

    def stored(schema: TableSchema, column: str, ids: pa.Array, columns: list[str]) -> pa.Table:
        return details.lookup(engine, schema, model, column, ids, columns)

    records = stored(RECORD, "record_id", wanted, ["record_id", "amount_minor"])
    earlier = stored(RECORD, "refund_of", wanted, ["record_id", "refund_of", "amount_minor"])

    def parked(ids: pa.Array | pa.ChunkedArray) -> pa.Table:
        held, retries = (stored(schema, "record_id", ids, schema.columns.names) for schema in (HELD, RETRY))
        if retries.num_rows == 0:
            return held
        rows = engine.query(f"{parked_sql('held_rows', 'retries')} ORDER BY ALL", held_rows=held, retries=retries)
        return rows.cast(HELD.columns)

    passed_over = parked(earlier.column("record_id"))
    given_back = stored(OBLIGATION, "refund_of", wanted, ["refund_of", "charge", "bearer", "amount_minor"])
    originals = engine.query(
        """
        SELECT record_id, any_value(records.amount_minor) AS amount_minor,
            CAST(coalesce(sum(earlier.amount_minor), 0) AS BIGINT) AS refunded_minor
        FROM records LEFT JOIN (
            SELECT refund_of, amount_minor FROM earlier ANTI JOIN passed_over USING (record_id)
        ) AS earlier ON earlier.refund_of = records.record_id
        GROUP BY record_id ORDER BY record_id
        """,
        records=records,
        earlier=earlier,
        passed_over=passed_over.filter(pc.equal(passed_over.column("charge"), WHOLE_RECORD)),
    )
    refunded = engine.query(
        """
        SELECT refund_of, charge, bearer, CAST(-sum(amount_minor) AS BIGINT) AS refunded_minor
        FROM given_back GROUP BY ALL ORDER BY ALL
        """,
        given_back=given_back,
    )
    return RefundState(
        originals=originals.cast(ORIGINAL),
        charges=stored(CHARGE, "record_id", wanted, CHARGE.columns.names),
        obligations=stored(OBLIGATION, "record_id", wanted, OBLIGATION.columns.names),
        refunded=refunded.cast(REFUNDED),
        held=parked(wanted),
    )
