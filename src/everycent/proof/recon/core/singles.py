"""Keys that each side has at most once: a row of the left side and one of the right, or one of them alone."""

from everycent.proof.recon.core.buckets import bucket_sql
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.stated import Stated


def singles_sql(plan: ReconPlan, stated: Stated) -> str:
    """SQL over recon_left_singles and recon_right_singles (SIDE, each key once): a row per key.

    Columns: key, bucket, left_rows, right_rows, left_amount, right_amount, left_status, right_status, status_agrees,
    left_file, left_line, right_file, right_line. Keys with bucket equal are among them.
    """
    status = stated.agree("l.status", "r.status") if plan.compares_status else "true"
    shown = "{}.status" if plan.compares_status else "NULL::VARCHAR"
    sides = ", ".join(
        f"{short}.amount_minor AS {side}_amount, {shown.format(short)} AS {side}_status, "
        f"{short}.source_file AS {side}_file, {short}.source_line AS {side}_line"
        for short, side in (("l", "left"), ("r", "right"))
    )
    return f"""SELECT {bucket_sql(plan.tolerance_minor)} AS bucket, * FROM (
        SELECT coalesce(l.key, r.key) AS key, (l.key IS NOT NULL)::BIGINT AS left_rows,
            (r.key IS NOT NULL)::BIGINT AS right_rows, {status} AS status_agrees, {sides}
        FROM recon_left_singles AS l FULL JOIN recon_right_singles AS r USING (key))"""
