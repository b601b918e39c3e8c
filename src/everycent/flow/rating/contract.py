"""What rating gives to the rest of the house: charges, held charges, and the factor values they were computed from."""

import pyarrow as pa

from everycent.base.engine.tables import UUID, TableSchema

CHARGE = TableSchema(
    name="rating.charge",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),
            pa.field("charge", pa.string(), nullable=False),  # the charge's name in the model
            pa.field("rule", pa.string(), nullable=False),  # the rule that matched; the charge's name where it has one
            pa.field("amount_minor", pa.int64(), nullable=False),  # signed; a refund's is negative to its original's
            pa.field("currency", pa.string(), nullable=False),
            pa.field("debtor", pa.string()),  # party id; null where bearers carry it (apportioned)
            pa.field("creditor", pa.string()),  # party id
            pa.field("booked_on", pa.date32(), nullable=False),
            pa.field("refund_of", UUID),  # the record whose charge this one gives back
        ]
    ),
    key=("record_id", "charge"),
)

HELD = TableSchema(
    name="rating.held_charge",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),
            pa.field("charge", pa.string(), nullable=False),
            pa.field("state", pa.string(), nullable=False),  # held (a factor is missing, no rule) | quarantined
            pa.field("reason", pa.string(), nullable=False),
        ]
    ),
    key=("record_id", "charge"),
)

SNAPSHOT = TableSchema(
    name="rating.snapshot",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),
            pa.field("body", pa.struct([]), nullable=False),  # factor name -> the value used, frozen
        ]
    ),
    key=("record_id",),
    body="body",
)
