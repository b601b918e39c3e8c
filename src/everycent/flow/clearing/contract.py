"""What clearing gives to the rest of the house: obligations."""

import pyarrow as pa

from everycent.base.engine.tables import UUID, TableSchema

OBLIGATION = TableSchema(
    name="clearing.obligation",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),
            pa.field("charge", pa.string(), nullable=False),
            pa.field("bearer", pa.int16(), nullable=False),  # place in the declared bearers; 0 where not apportioned
            pa.field("debtor", pa.string(), nullable=False),
            pa.field("creditor", pa.string(), nullable=False),
            pa.field("amount_minor", pa.int64(), nullable=False),  # signed: a refund's is negative
            pa.field("currency", pa.string(), nullable=False),
            pa.field("legal_entity", pa.string(), nullable=False),
            pa.field("booked_on", pa.date32(), nullable=False),
            pa.field("refund_of", UUID),
            pa.field("debtor_statement", pa.string()),  # null: the operator's own books; filled in by settlement
            pa.field("creditor_statement", pa.string()),
        ]
    ),
    key=("record_id", "charge", "bearer"),
)
