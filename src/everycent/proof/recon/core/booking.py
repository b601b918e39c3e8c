"""What is written off, charged or lost in exchange, as entries for the books: one for each difference."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.proof.recon.contract import ENTRY


@dataclass(frozen=True)
class BookPlan:
    """`against`: the account whose open item a difference closes; `account_of`: by cause, the one that takes it."""

    against: str
    account_of: Mapping[str, str]
    currency: str  # of differences that name none


@dataclass(frozen=True)
class Booking:
    """Where what a person writes off is booked: `account` takes it, `against` has the open item; on the business day of
    this time zone and day cut."""

    against: str
    account: str
    time_zone: str
    day_cut: str


def entries(
    plan: BookPlan,
    write_offs: tuple[pa.Table, pa.Table],
    matched: pa.Table,
    differences: pa.Table,
    engine: LocalEngine,
) -> pa.Table:
    """ENTRY of the write-offs of pass one (BREAK, and BREAK_CURRENCY of those in others than the scenario's), and of
    what sure matches (`matched`, MATCHED_ROW) leave by cause (`differences`, MATCH_DIFFERENCE). Where the left side has
    more, the cause's account is debited and `against` is credited; where the right has more, the other way round. By
    cause and currency, debits less credits are the differences (asserted).
    """
    accounts = ", ".join(f"({literal(cause)}, {literal(account)})" for cause, account in plan.account_of.items())
    against = literal(plan.against)
    off, in_others = write_offs
    numbered = off.append_column("finding_no", pa.array(range(1, off.num_rows + 1), pa.int64()))
    sides = {"write_offs": numbered, "in_others": in_others, "matched": matched, "differences": differences}
    apart = f"""WITH keys AS (
            SELECT match_no, coalesce(min(key) FILTER (side = 'left'), min(key)) AS key FROM matched GROUP BY match_no),
        apart AS (
            SELECT NULL AS match_no, 'within_tolerance' AS cause, key, difference_minor, left_currency AS currency
            FROM write_offs LEFT JOIN in_others USING (finding_no)
            UNION ALL
            SELECT match_no, cause, key, difference_minor, currency FROM differences JOIN keys USING (match_no))
        SELECT apart.*, account FROM apart JOIN (VALUES {accounts}) AS a(cause, account) USING (cause)
        WHERE difference_minor <> 0"""
    found = engine.query(
        f"""SELECT row_number() OVER (ORDER BY match_no NULLS FIRST, cause, key) AS entry_no, cause, key, match_no,
            CASE WHEN difference_minor > 0 THEN account ELSE {against} END AS debit_account,
            CASE WHEN difference_minor > 0 THEN {against} ELSE account END AS credit_account,
            abs(difference_minor)::DECIMAL(38, 0) AS amount_minor,
            coalesce(currency, {literal(plan.currency)}) AS currency
        FROM ({apart}) ORDER BY entry_no""",
        **sides,
    ).cast(ENTRY)
    unlike = engine.query(
        f"""SELECT cause FROM (
            SELECT cause, coalesce(currency, {literal(plan.currency)}) AS currency, difference_minor AS minor
            FROM ({apart})
            UNION ALL
            SELECT cause, currency, CASE credit_account WHEN {against} THEN -amount_minor ELSE amount_minor END
            FROM booked)
        GROUP BY cause, currency HAVING sum(minor) <> 0""",
        **sides,
        booked=found,
    )
    assert not unlike.num_rows, f"entries of {unlike['cause'].to_pylist()} do not add up to what they book"
    return found
