"""Keys that repeat on a side where rows are unique: which row is the first, and which are its duplicates.

Where both sides have the same rows, however many, they agree. Else the first rows of the two sides are, in this order:
two that agree in amount and status; two that agree in amount, or nearest within the tolerance; each side's lowest
source file and line. Ties go to the smallest amount, so swapping the sides gives the same pair. Nothing here pairs
every row with every row: equal amounts meet by grouping, near ones as neighbours in the order of amounts.
"""

from everycent.base.engine.sql import literal
from everycent.proof.recon.contract import Bucket
from everycent.proof.recon.core.buckets import bucket_sql
from everycent.proof.recon.core.plan import ReconPlan


def repeated_sql(plan: ReconPlan) -> str:
    """SQL over recon_left, recon_right (SIDE) and recon_repeated(key): a row per key for its firsts, one per duplicate.

    Columns: key, bucket, left_rows, right_rows, left_amount, right_amount, left_status, right_status, status_agrees,
    left_file, left_line, right_file, right_line. Groups with bucket equal are among them.
    """
    return f"""
    WITH side_rows AS (
        {_rows_sql("recon_left", 0, plan.left_sums, plan.compares_status)}
        UNION ALL {_rows_sql("recon_right", 1, plan.right_sums, plan.compares_status)}),
    alike AS (
        SELECT key, min({{'amount': amount, 'status': status}}) AS a FROM (
            SELECT key, amount, status FROM side_rows GROUP BY ALL HAVING min(side) <> max(side)) GROUP BY key),
    steps AS (
        SELECT key, side, amount, lag(amount) OVER w AS amount_before, lag(side) OVER w AS side_before
        FROM (SELECT DISTINCT key, side, amount FROM side_rows)
        WINDOW w AS (PARTITION BY key ORDER BY amount, side)),
    near AS (
        SELECT key, min({{'apart': amount - amount_before, 'low': amount_before, 'side': side, 'high': amount}}) AS a
        FROM steps WHERE side <> side_before AND amount - amount_before <= {plan.tolerance_minor} GROUP BY key),
    chosen AS (
        SELECT key, alike.a.status AS status,
            coalesce(alike.a.amount, CASE WHEN near.a.side = 1 THEN near.a.low ELSE near.a.high END) AS left_chosen,
            coalesce(alike.a.amount, CASE WHEN near.a.side = 1 THEN near.a.high ELSE near.a.low END) AS right_chosen
        FROM recon_repeated LEFT JOIN alike USING (key) LEFT JOIN near USING (key)),
    ranked AS (
        SELECT side_rows.*, row_number() OVER (PARTITION BY key, side ORDER BY
            (amount IS NOT DISTINCT FROM CASE WHEN side = 0 THEN left_chosen ELSE right_chosen END) DESC,
            (side_rows.status IS NOT DISTINCT FROM chosen.status) DESC, file, line) AS place
        FROM side_rows JOIN chosen USING (key)),
    firsts AS (
        SELECT key, {_columns_of(0, "left")}, {_columns_of(1, "right")} FROM ranked WHERE place = 1 GROUP BY key),
    shown AS (
        SELECT *, coalesce(left_status, '') = coalesce(right_status, '') AS status_agrees
        FROM firsts)
    SELECT key, {bucket_sql(plan.tolerance_minor)} AS bucket, {_SHOWN} FROM shown
    UNION ALL BY NAME
    SELECT key, {literal(Bucket.DUPLICATED_LEFT)} AS bucket, n AS left_rows, 0 AS right_rows, amount AS left_amount,
        status AS left_status, file AS left_file, line AS left_line, true AS status_agrees
    FROM ranked WHERE place > 1 AND side = 0
    UNION ALL BY NAME
    SELECT key, {literal(Bucket.DUPLICATED_RIGHT)} AS bucket, 0 AS left_rows, n AS right_rows, amount AS right_amount,
        status AS right_status, file AS right_file, line AS right_line, true AS status_agrees
    FROM ranked WHERE place > 1 AND side = 1"""


def same_rows_sql(plan: ReconPlan) -> str:
    """SQL over recon_left, recon_right (SIDE) and recon_repeated(key): key, rows, minor of keys that repeat with the
    same rows on both sides. These agree. A side that adds up its rows has none of them."""
    if plan.left_sums or plan.right_sums:
        return "SELECT ''::VARCHAR AS key, 0::BIGINT AS rows, 0::DECIMAL(38, 0) AS minor WHERE false"
    status = "coalesce(status, '')" if plan.compares_status else "''"
    bags = [
        f"""SELECT key, list_sort(list({{'amount': amount_minor, 'status': {status}}})) AS bag,
            count(*) AS rows, sum(amount_minor)::DECIMAL(38, 0) AS minor
        FROM {side} SEMI JOIN recon_repeated USING (key) GROUP BY key"""
        for side in ("recon_left", "recon_right")
    ]
    return f"""SELECT key, l.rows, l.minor FROM ({bags[0]}) AS l JOIN ({bags[1]}) AS r USING (key, bag) ORDER BY key"""


_SHOWN = """left_rows, right_rows, left_amount, right_amount, left_status, right_status, status_agrees,
    left_file, left_line, right_file, right_line"""


def _rows_sql(side: str, number: int, sums: bool, compares_status: bool) -> str:
    """The side's rows of repeated keys; where rows add up, one row per key with all of its statuses."""
    status = "coalesce(status, '')" if compares_status else "''"
    if not sums:
        return f"""SELECT {number} AS side, key, amount_minor::HUGEINT AS amount, {status} AS status,
            source_file AS file, source_line AS line, 1::BIGINT AS n
            FROM {side} SEMI JOIN recon_repeated USING (key)"""
    all_statuses = f"string_agg(DISTINCT {status}, '+' ORDER BY {status})" if compares_status else "''"
    return f"""SELECT {number} AS side, key, sum(amount_minor)::HUGEINT AS amount, {all_statuses} AS status,
            min({{'file': source_file, 'line': source_line}}).file AS file,
            min({{'file': source_file, 'line': source_line}}).line AS line, count(*) AS n
            FROM {side} SEMI JOIN recon_repeated USING (key) GROUP BY key"""


def _columns_of(side: int, prefix: str) -> str:
    """A key has at most one first row per side, so max() picks it."""
    picked = ", ".join(
        f"max({column}) FILTER (side = {side}) AS {prefix}_{name}"
        for column, name in (("amount", "amount"), ("nullif(status, '')", "status"), ("file", "file"), ("line", "line"))
    )
    return f"coalesce(max(n) FILTER (side = {side}), 0) AS {prefix}_rows, {picked}"
