"""Reconciliation runs: the buckets add up to both sides, and the findings to their buckets."""

from everycent.proof.verify.core.rule import Rule

RUN_SUMS = Rule(
    "each reconciliation's buckets add up to both sides, without a residual",
    "recon.run",
    """WITH added AS (
        SELECT run_id, sum(left_rows) AS l, sum(right_rows) AS r, sum(left_minor) AS lm, sum(right_minor) AS rm,
            sum(difference_minor) AS d
        FROM recon.total GROUP BY run_id)
    SELECT {'s': scenario, 'n': run_no} AS place,
        format('{} run {}: {} and {} rows, {} - {} = {}; its buckets add up to {} and {} rows, {} - {} = {}',
            scenario, run_no,
            left_rows, right_rows, left_minor, right_minor, difference_minor, l, r, lm, rm, d) AS message
    FROM recon.run LEFT JOIN added USING (run_id)
    WHERE left_minor - right_minor <> difference_minor OR (left_rows, right_rows, left_minor, right_minor,
        difference_minor)
        IS DISTINCT FROM (l::BIGINT, r::BIGINT, lm, rm, d)""",
)

FINDINGS = Rule(
    "each reconciliation's breaks and write-offs add up to their buckets",
    "recon.total",
    """WITH found AS (
        SELECT run_id, bucket, sum(left_rows) AS l, sum(right_rows) AS r, sum(coalesce(left_amount_minor, 0)) AS lm,
            sum(coalesce(right_amount_minor, 0)) AS rm, sum(difference_minor) AS d
        FROM (FROM recon.break UNION ALL FROM recon.write_off) GROUP BY run_id, bucket)
    SELECT {'r': run_id, 'b': bucket} AS place,
        format('run {}, {}: {} and {} rows, {} - {} = {}; the findings add up to {} and {} rows, {} - {} = {}',
            run_id, bucket,
            coalesce(t.left_rows, 0), coalesce(t.right_rows, 0), coalesce(t.left_minor, 0), coalesce(t.right_minor, 0),
            coalesce(t.difference_minor, 0), coalesce(l, 0), coalesce(r, 0), coalesce(lm, 0), coalesce(rm, 0),
            coalesce(d, 0)) AS message
    FROM (FROM recon.total WHERE bucket <> 'equal') t FULL JOIN found USING (run_id, bucket)
    WHERE coalesce(t.left_rows, 0) <> coalesce(l, 0) OR coalesce(t.right_rows, 0) <> coalesce(r, 0)
        OR coalesce(t.left_minor, 0) <> coalesce(lm, 0) OR coalesce(t.right_minor, 0) <> coalesce(rm, 0)
        OR coalesce(t.difference_minor, 0) <> coalesce(d, 0)""",
)

FINDING_DIFFERENCE = Rule(
    "each finding's difference is left less right",
    "(FROM recon.break UNION ALL FROM recon.write_off)",
    """SELECT {'r': run_id, 'k': key, 'b': bucket} AS place,
        format('run {}, key {}: left {}, right {}, difference {}', run_id, key, coalesce(left_amount_minor, 0),
            coalesce(right_amount_minor, 0), difference_minor) AS message
    FROM (FROM recon.break UNION ALL FROM recon.write_off)
    WHERE coalesce(left_amount_minor, 0) - coalesce(right_amount_minor, 0) <> difference_minor""",
)

EQUAL_IS_EQUAL = Rule(
    "what a reconciliation calls equal is equal",
    "recon.total",
    """SELECT run_id AS place, format('run {}: equal rows of {} and {}', run_id, left_minor, right_minor) AS message
    FROM recon.total WHERE bucket = 'equal' AND (left_minor <> right_minor OR difference_minor <> 0)""",
)

RULES = (RUN_SUMS, FINDINGS, FINDING_DIFFERENCE, EQUAL_IS_EQUAL)
