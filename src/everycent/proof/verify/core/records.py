"""Batches and records: every row read ended somewhere, once."""

from everycent.proof.verify.core.rule import Rule

BATCH_COUNTS = Rule(
    "each row read ended as accepted, duplicate, conflict or quarantined",
    "platform.batch",
    """SELECT batch_no AS place, format('batch {} ({}): {} rows read, but {} accepted + {} duplicates + {} conflicts'
            || ' + {} quarantined', batch_no, source_file, rows_read, accepted, duplicates, conflicts, quarantined)
                AS message
    FROM platform.batch WHERE rows_read <> accepted + duplicates + conflicts + quarantined""",
)

BATCH_ROWS = Rule(
    "each batch's counts are its stored rows",
    "platform.batch",
    """WITH counted AS (
        SELECT batch_no, 'accepted' AS outcome, count(*) AS stored FROM intake.record GROUP BY batch_no
        UNION ALL SELECT batch_no, outcome, count(*) FROM intake.quarantine GROUP BY batch_no, outcome),
    named AS (
        UNPIVOT (SELECT batch_no, accepted, duplicates AS duplicate, conflicts AS conflict, quarantined
            FROM platform.batch)
        ON accepted, duplicate, conflict, quarantined INTO NAME outcome VALUE said)
    SELECT {'batch': batch_no, 'outcome': outcome} AS place,
        format('batch {}: {} rows {} are counted, {} are stored', batch_no, coalesce(said, 0), outcome,
            coalesce(stored, 0))
        AS message
    FROM named FULL JOIN counted USING (batch_no, outcome) WHERE coalesce(said, 0) <> coalesce(stored, 0)""",
)

RECORD_ONCE = Rule(
    "each record is stored once",
    "intake.record",
    """SELECT record_id AS place, format('record {} is stored {} times', record_id, count(*)) AS message
    FROM intake.record GROUP BY record_id HAVING count(*) > 1""",
)

REFUNDED_RECORD = Rule(
    "each refund is of a record that is there",
    "intake.record",
    """SELECT r.record_id AS place,
        format('record {} ({} {}) refunds {}, which is not stored', r.record_id, r.kind, r.key, r.refund_of) AS message
    FROM intake.record r ANTI JOIN intake.record o ON o.record_id = r.refund_of WHERE r.refund_of IS NOT NULL""",
)

RULES = (BATCH_COUNTS, BATCH_ROWS, RECORD_ONCE, REFUNDED_RECORD)
