"""What intake gives to the rest of the house: records, and the rows it set aside."""

import pyarrow as pa

from everycent.base.engine.tables import UTC, UUID, TableSchema

RECORD = TableSchema(
    name="intake.record",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),  # from (tenant, source, kind, key, revision)
            pa.field("kind", pa.string(), nullable=False),
            pa.field("key", pa.string(), nullable=False),  # the id columns as text, joined by "/"
            pa.field("occurred_at", UTC, nullable=False),  # business time
            pa.field("business_date", pa.date32(), nullable=False),  # of occurred_at, by time zone and day cut
            pa.field("booked_on", pa.date32(), nullable=False),  # accounting date: business_date, moved on by the day cut
            pa.field("refund_of", UUID),  # the record that this one refunds
            pa.field("content_hash", UUID, nullable=False),  # of the body's canonical text
            pa.field("source_file", pa.string(), nullable=False),
            pa.field("source_line", pa.int64(), nullable=False),  # 1-based line (row, where a file has no lines)
            pa.field("body", pa.struct([]), nullable=False),  # the kind's own columns: money as <name>, int64 minor units
        ]
    ),
    key=("record_id",),
    body="body",
)

QUARANTINE = TableSchema(
    name="intake.quarantine",
    columns=pa.schema(
        [
            pa.field("source_file", pa.string(), nullable=False),
            pa.field("source_line", pa.int64(), nullable=False),
            pa.field("outcome", pa.string(), nullable=False),  # duplicate | conflict | quarantined
            pa.field("reason", pa.string(), nullable=False),  # what, where, what would be right
            pa.field("kind", pa.string()),
            pa.field("key", pa.string()),
            pa.field("record_id", UUID),
            pa.field("raw", pa.string(), nullable=False),  # the row as it came, as a JSON object or the raw line
        ]
    ),
    key=("source_file", "source_line", "outcome"),
)
