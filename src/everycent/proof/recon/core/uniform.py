"""Keys that repeat where rows are unique, each side's rows of the key being all alike: the usual duplicates.

Where both sides have as many and they agree, all of them are equal. Else each side's row of the lowest source file and
line is the first, and the others are its duplicates: what `repeated.py` would find, with less to look at.
"""

from everycent.base.engine.sql import literal
from everycent.proof.recon.contract import Bucket
from everycent.proof.recon.core.buckets import bucket_sql
from everycent.proof.recon.core.plan import ReconPlan

#: SQL over recon_uniform (a row per key, as `groups_sql` gives it): key, rows, minor of those with the same rows on
#: both sides.
ALIKE_SQL = """SELECT key, left_rows AS rows, (left_amount::HUGEINT * left_rows)::DECIMAL(38, 0) AS minor
    FROM recon_uniform WHERE left_rows = right_rows AND left_amount = right_amount AND status_agrees"""


def uniform_sql(plan: ReconPlan) -> str:
    """SQL over recon_left, recon_right (SIDE) and recon_uniform (without those of ALIKE_SQL): a row per key for its
    firsts, one per duplicate. Columns as `repeated_sql` has them, and keys: 1 where it is the first of its key in this
    bucket."""
    return f"""
    WITH {_ranked_sql("left")}, {_ranked_sql("right")},
    firsts AS (
        SELECT key, least(left_rows, 1) AS left_rows, least(right_rows, 1) AS right_rows, left_amount, right_amount,
            nullif(left_status, '') AS left_status, nullif(right_status, '') AS right_status, status_agrees,
            l.file AS left_file, l.line AS left_line, r.file AS right_file, r.line AS right_line
        FROM recon_uniform LEFT JOIN (FROM left_ranked WHERE place = 1) AS l USING (key)
            LEFT JOIN (FROM right_ranked WHERE place = 1) AS r USING (key))
    SELECT {bucket_sql(plan.tolerance_minor)} AS bucket, 1 AS keys, * FROM firsts
    UNION ALL BY NAME
    SELECT key, {literal(Bucket.DUPLICATED_LEFT)} AS bucket, 1 AS left_rows, 0 AS right_rows, left_amount,
        nullif(left_status, '') AS left_status, file AS left_file, line AS left_line, true AS status_agrees,
        (place = 2)::INTEGER AS keys
    FROM left_ranked JOIN recon_uniform USING (key) WHERE place > 1
    UNION ALL BY NAME
    SELECT key, {literal(Bucket.DUPLICATED_RIGHT)} AS bucket, 0 AS left_rows, 1 AS right_rows, right_amount,
        nullif(right_status, '') AS right_status, file AS right_file, line AS right_line, true AS status_agrees,
        (place = 2)::INTEGER AS keys
    FROM right_ranked JOIN recon_uniform USING (key) WHERE place > 1"""


def _ranked_sql(side: str) -> str:
    """The side's rows of these keys, in the order of their places."""
    return f"""{side}_ranked AS (
        SELECT key, source_file AS file, source_line AS line,
            row_number() OVER (PARTITION BY key ORDER BY source_file, source_line) AS place
        FROM recon_{side} SEMI JOIN recon_uniform USING (key))"""
