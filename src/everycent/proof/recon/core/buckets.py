"""The rule that puts a pair of rows (or summed groups) into its bucket, and names the cause."""

from everycent.base.engine.sql import literal
from everycent.proof.recon.contract import CAUSES, Bucket


def bucket_sql(tolerance_minor: int) -> str:
    """SQL over left_rows, right_rows, left_amount, right_amount (HUGEINT or BIGINT) and status_agrees.

    Checked in a fixed order: is it there on both sides, does the amount agree, does the status agree. The wide
    subtraction is reached only by amounts that are not equal.
    """
    assert tolerance_minor >= 0
    return f"""CASE
        WHEN left_rows = 0 THEN {literal(Bucket.MISSING_LEFT)}
        WHEN right_rows = 0 THEN {literal(Bucket.MISSING_RIGHT)}
        WHEN left_amount <> right_amount AND abs(left_amount::HUGEINT - right_amount::HUGEINT) > {tolerance_minor}
            THEN {literal(Bucket.AMOUNT_DIFFERS)}
        WHEN NOT status_agrees THEN {literal(Bucket.STATUS_DIFFERS)}
        WHEN left_amount <> right_amount THEN {literal(Bucket.WITHIN_TOLERANCE)}
        ELSE {literal(Bucket.EQUAL)} END"""


#: SQL over bucket, left_amount, right_amount and status_agrees: the key of CAUSES.
CAUSE_SQL = f"""CASE
    WHEN bucket <> {literal(Bucket.AMOUNT_DIFFERS)} THEN bucket
    WHEN NOT status_agrees THEN 'amount_and_status_differ'
    WHEN left_amount::HUGEINT = -right_amount::HUGEINT THEN 'opposite_sign'
    ELSE 'amount_differs' END"""


def cause_texts_sql() -> str:
    """The declared table of causes as an SQL relation (cause, cause_en, cause_zh)."""
    rows = ", ".join(f"({literal(cause)}, {literal(text.en)}, {literal(text.zh)})" for cause, text in CAUSES.items())
    return f"(VALUES {rows}) AS causes(cause, cause_en, cause_zh)"
