"""Pairs the two sides by key: one aggregation per side, one outer join, so that a key that repeats never multiplies."""

from everycent.base.engine.sql import literal
from everycent.proof.recon.contract import Bucket
from everycent.proof.recon.core.buckets import bucket_sql
from everycent.proof.recon.core.plan import ReconPlan

#: No buckets: the key's rows are placed one by one, see repeated.py; where each side's are all alike, see uniform.py.
REPEATED, UNIFORM = "repeated", "uniform"


def groups_sql(plan: ReconPlan) -> str:
    """SQL over recon_left and recon_right (SIDE).

    Gives a row per key that does not agree (or is REPEATED or UNIFORM), and one row with a null key for all that are
    equal: (bucket, key, left_rows, right_rows, left_amount, right_amount, left_status, right_status, status_agrees,
    keys).
    """
    return f"""
    WITH l AS ({_side_sql("recon_left", plan.left_sums, plan.compares_status)}),
    r AS ({_side_sql("recon_right", plan.right_sums, plan.compares_status)}),
    pairs AS (
        SELECT coalesce(l.key, r.key) AS key, coalesce(l.n, 0) AS left_rows, coalesce(r.n, 0) AS right_rows,
            l.amount AS left_amount, r.amount AS right_amount, l.status AS left_status, r.status AS right_status,
            coalesce(l.status, '') = coalesce(r.status, '') AS status_agrees,
            coalesce(l.repeated, false) OR coalesce(r.repeated, false) AS repeated,
            coalesce(l.uniform, true) AND coalesce(r.uniform, true) AS uniform
        FROM l FULL OUTER JOIN r ON l.key = r.key),
    placed AS (
        SELECT CASE WHEN repeated AND uniform THEN {literal(UNIFORM)} WHEN repeated THEN {literal(REPEATED)}
            ELSE {bucket_sql(plan.tolerance_minor)} END AS bucket, *
        FROM pairs)
    SELECT bucket, key_shown AS key, sum(left_rows)::BIGINT AS left_rows, sum(right_rows)::BIGINT AS right_rows,
        sum(left_amount)::DECIMAL(38, 0) AS left_amount, sum(right_amount)::DECIMAL(38, 0) AS right_amount,
        any_value(left_status) AS left_status, any_value(right_status) AS right_status,
        bool_and(status_agrees) AS status_agrees, count(*) AS keys
    FROM (SELECT *, CASE WHEN bucket <> {literal(Bucket.EQUAL)} THEN key END AS key_shown FROM placed)
    GROUP BY bucket, key_shown"""


def _side_sql(side: str, sums: bool, compares_status: bool) -> str:
    """One row per key. Where rows add up, statuses that differ within a key are told apart later, row by row."""
    status = "min(status)" if compares_status else "NULL::VARCHAR"
    mixed = "min(coalesce(status, '')) <> max(coalesce(status, ''))" if compares_status else "false"
    amount, repeated = ("sum(amount_minor)", mixed) if sums else ("min(amount_minor)", "count(*) > 1")
    one_status = "min(hash(coalesce(status, ''))) = max(hash(coalesce(status, '')))" if compares_status else "true"
    uniform = "false" if sums else f"min(amount_minor) = max(amount_minor) AND {one_status}"
    return f"""SELECT key, count(*) AS n, {amount} AS amount, {status} AS status, {repeated} AS repeated,
        {uniform} AS uniform FROM {side} GROUP BY key"""
