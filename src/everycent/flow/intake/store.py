"""All SQL of intake: what is known of a batch's ids, and what was refunded so far. Callers own the transaction."""

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.base.platform.details import Details
from everycent.flow.intake.contract import KNOWN, ORIGINALS, RECORD


def known(details: Details, engine: LocalEngine, model: str, record_ids: pa.ChunkedArray) -> pa.Table:
    """KNOWN: the stored records among `record_ids`."""
    return details.lookup(engine, RECORD, model, "record_id", record_ids, KNOWN.names).cast(KNOWN)


def originals(
    details: Details, engine: LocalEngine, model: str, refund_of: pa.ChunkedArray, currency: str | None = None
) -> pa.Table:
    """ORIGINALS: the stored records among `refund_of`, with the sum of their refunds so far.

    `currency`: the column that holds the records' currency, where they have one of their own.
    """
    ids = refund_of.cast(pa.binary(16)).unique().drop_null().cast(pa.uuid())
    body = None if currency is None else pa.struct([pa.field(currency, pa.string())])
    columns = ["record_id", "amount_minor", *([] if body is None else [str(RECORD.body)])]
    records = details.lookup(engine, RECORD, model, "record_id", ids, columns, body)
    own = "NULL" if currency is None else f"records.body.{identifier(currency)}"
    refunds = details.lookup(engine, RECORD, model, "refund_of", ids, ["refund_of", "amount_minor"])
    # No sum passes its original's amount, so each fits 64 bits.
    sql = f"""
        SELECT record_id, records.amount_minor, CAST(coalesce(refunded, 0) AS BIGINT) AS refunded_minor,
            {own} AS currency
        FROM records LEFT JOIN (
            SELECT refund_of, sum(amount_minor) AS refunded FROM refunds GROUP BY refund_of
        ) ON refund_of = record_id
        ORDER BY record_id
    """
    return engine.query(sql, records=records, refunds=refunds).cast(ORIGINALS)
