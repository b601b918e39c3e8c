"""What is stored of the records that a batch's refunds refer to."""

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.tables import UUID, TableSchema
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import (
    ACCUMULATOR,
    OBLIGATION,
    ORDERED_OBLIGATION,
    ORIGINAL,
    REFUNDED,
    SEQUENCED_RECORD,
    RefundState,
)
from everycent.flow.intake.contract import RECORD
from everycent.flow.rating.contract import CHARGE, HELD, RETRY, WHOLE_RECORD, parked_sql


def refund_state(details: Details, engine: LocalEngine, model: str, refunds: pa.Table) -> RefundState:
    """What was before this batch of the records that `refunds` (RECORD rows) refer to; nothing of the batch is stored.

    A refund that is held as a whole gave nothing back, so it does not count as refunded. `held` are the charges that
    still wait. What is cleared in strict order is left out: see `ordered_state`.
    """
    wanted = refunds.column("refund_of").cast(pa.binary(16)).unique().drop_null().cast(UUID)

    def stored(schema: TableSchema, column: str, ids: pa.Array, columns: list[str]) -> pa.Table:
        return details.lookup(engine, schema, model, column, ids, columns, plain=True)

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


#: The obligations of a charge's bearer as one row each: what stands in closed statements, and what adjusts it.
_AS_ONE = """
    SELECT record_id, charge, bearer, arg_max(debtor, booked_on) AS debtor, arg_max(creditor, booked_on) AS creditor,
        CAST(sum(amount_minor) AS BIGINT) AS amount_minor, arg_max(currency, booked_on) AS currency,
        arg_max(legal_entity, booked_on) AS legal_entity, max(booked_on) AS booked_on,
        any_value(refund_of) AS refund_of,
        NULL AS debtor_statement, NULL AS creditor_statement, max(sequence_no) AS sequence_no,
        arg_max(total_before_minor, booked_on) AS total_before_minor,
        arg_max(total_after_minor, booked_on) AS total_after_minor,
        arg_max(budget, booked_on) AS budget, arg_max(pot, booked_on) AS pot, arg_max(period, booked_on) AS period,
        arg_max(leaf, booked_on) AS leaf
    FROM owed GROUP BY record_id, charge, bearer ORDER BY record_id, charge, bearer
"""


def ordered_state(
    details: Details, engine: LocalEngine, model: str, refund_of: pa.Array, inside: pa.Array, first_no: int
) -> RefundState:
    """What is known of the originals `refund_of` from records with lower numbers than `first_no`, as far as these are
    effective. `inside`: the window's own records, of which only what rating held is told.
    """
    before = f"{details.effective(model)} AND sequence_no < {first_no}"

    def numbered(schema: TableSchema, column: str, ids: pa.Array | pa.ChunkedArray) -> pa.Table:
        rows = details.lookup(engine, schema, model, column, ids, schema.columns.names)
        return engine.query(f"SELECT * FROM rows WHERE {before}", rows=rows).cast(rows.schema)

    outside = refund_of.cast(pa.binary(16))
    outside = outside.filter(pc.invert(pc.is_in(outside, value_set=inside.cast(pa.binary(16))))).cast(UUID)
    known = numbered(SEQUENCED_RECORD, "record_id", outside).column("record_id")
    records = details.lookup(engine, RECORD, model, "record_id", known, ["record_id", "amount_minor"])
    earlier = details.lookup(engine, RECORD, model, "refund_of", known, ["record_id", "refund_of", "amount_minor"])
    taken = numbered(SEQUENCED_RECORD, "record_id", earlier.column("record_id"))
    passed_over = numbered(HELD.ordered, "record_id", earlier.column("record_id"))
    originals = engine.query(
        """
        SELECT records.record_id, any_value(records.amount_minor) AS amount_minor,
            CAST(coalesce(sum(earlier.amount_minor), 0) AS BIGINT) AS refunded_minor
        FROM records LEFT JOIN (
            SELECT refund_of, amount_minor FROM earlier SEMI JOIN taken USING (record_id)
                ANTI JOIN passed_over USING (record_id)
        ) AS earlier ON earlier.refund_of = records.record_id
        GROUP BY records.record_id ORDER BY records.record_id
        """,
        records=records,
        earlier=earlier,
        taken=taken,
        passed_over=passed_over.filter(pc.equal(passed_over.column("charge"), WHOLE_RECORD)),
    )
    refunded = engine.query(
        """
        SELECT refund_of, charge, bearer, CAST(-sum(amount_minor) AS BIGINT) AS refunded_minor
        FROM given_back GROUP BY ALL ORDER BY ALL
        """,
        given_back=numbered(OBLIGATION.ordered, "refund_of", known),
    )
    owed = numbered(OBLIGATION.ordered, "record_id", known)
    rated = details.lookup(engine, HELD, model, "record_id", refund_of, HELD.columns.names, plain=True)
    held = numbered(HELD.ordered, "record_id", known).select(HELD.columns.names)
    return RefundState(
        originals=originals.cast(ORIGINAL),
        charges=numbered(CHARGE.ordered, "record_id", known).select(CHARGE.columns.names),
        obligations=engine.query(_AS_ONE, owed=owed).cast(ORDERED_OBLIGATION.columns),
        refunded=refunded.cast(REFUNDED),
        held=pa.concat_tables([rated, held]),
    )


def accumulators(details: Details, engine: LocalEngine, model: str, first_no: int) -> pa.Table:
    """ACCUMULATOR rows as they were before a number: the sums of the effective obligations with lower ones."""
    columns = ["budget", "pot", "period", "leaf", "amount_minor", "sequence_no", "generation"]
    details.attach(engine, "accumulated", OBLIGATION.ordered, model, columns=columns)
    return engine.query(
        f"""
        SELECT budget, pot, period, leaf AS bearer, CAST(sum(amount_minor) AS BIGINT) AS total_minor FROM accumulated
        WHERE budget IS NOT NULL AND sequence_no < {first_no} AND {details.effective(model)} GROUP BY ALL ORDER BY ALL
        """
    ).cast(ACCUMULATOR.columns)
