"""From one line of a bank to what it is made of: gross, fees, refunds, reserves, exchange, order by order; and back."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.kernels.assigning import knots
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.proof.recon.contract import Bucket, MatchLabel
from everycent.proof.recon.core.row_currency import code_sql

#: What a payout is made of, in the order in which it is told. `other`: rows of a kind that the scenario does not name.
PARTS = ("gross", "refunds", "fees", "reserves", "exchange", "other", "written_off", "unexplained")

#: What a payment's difference from its payouts is a part of, by the cause that the match names.
_PART_OF_CAUSE = {
    "fee": "fees",
    "conversion_difference": "exchange",
    "within_tolerance": "written_off",
}

#: A line for each payout, currency, part and order; in each currency the parts of a payment's payouts, with those of no
#: payout, add up to `paid_minor`. Ordered by payout, payment, currency (the scenario's first), part, order.
PAYOUT_PART = pa.schema(
    [
        pa.field("payout", pa.string()),  # the report's key; null: of a payment that several or none make up
        pa.field("paid_key", pa.string()),  # the bank's, several joined by " + "; null: not paid, or not found there
        pa.field("paid_minor", pa.decimal128(38, 0)),  # all that was paid so in the currency; null: nothing
        pa.field("part", pa.string()),
        pa.field("order", pa.string()),  # the report's reference; null: of no order
        pa.field("rows", pa.int64()),
        pa.field("amount_minor", pa.decimal128(38, 0)),
        pa.field("currency", pa.string()),  # null: the scenario's
    ]
)

#: The parts that are not in the scenario's currency, by their place among all from 1 on. Ordered by it.
PAYOUT_CURRENCY = pa.schema([pa.field("part_no", pa.int64()), pa.field("currency", pa.string())])


@dataclass(frozen=True)
class PayoutPlan:
    """`report`: the side that has the rows of the settlement report. `part_of`: by a row's kind, its part. `currency`:
    the scenario's."""

    report: str
    part_of: Mapping[str, str]
    currency: str


def decompose(
    plan: PayoutPlan,
    report: pa.Table | str,
    bank: pa.Table | str,
    matched: pa.Table,
    differences: pa.Table,
    by_key: pa.Table,
    engine: LocalEngine,
) -> pa.Table:
    """PAYOUT_PART. `report` and `bank`: SIDE, the report with `kind` and, where it has them, `reference`, `fee_minor`.

    A row's amount is net: what it says as its fee is a part of its own, and the rest is of the part of its kind. A
    payout is found at the bank by sure matches (`matched`, MATCHED_ROW), else by its key: one payout in one line or in
    several, or several payouts in a line. What a payment and its payouts differ by is of the part of the cause that the
    match names (`differences`, MATCH_DIFFERENCE), or is written off by key (`by_key`, BREAK: the breaks and write-offs
    that are left). Where a match converts, what is given in one currency and got in another is `exchange`. What no
    cause names, what is paid and not in the report, or the other way round, is `unexplained`.
    """
    payments = _payments(plan, report, bank, matched, by_key, engine)
    places = ", ".join(f"({number}, {literal(name)})" for number, name in enumerate(PARTS))
    result = engine.query(
        f"""WITH parts AS ({_parts_sql(plan, report, engine)}),
        paid AS (
            SELECT key AS paid_key, {code_sql(bank, plan.currency, engine)} AS code, sum(amount_minor)::HUGEINT AS minor
            FROM bank GROUP BY ALL),
        payment AS (
            SELECT knot, string_agg(DISTINCT p.paid_key, ' + ' ORDER BY p.paid_key) AS paid_key,
                CASE WHEN count(DISTINCT payout) = 1 THEN any_value(payout) END AS of_one
            FROM payments AS p GROUP BY knot),
        of_lines AS (
            SELECT knot, code, sum(minor) AS paid
            FROM (SELECT DISTINCT knot, paid_key FROM payments) JOIN paid USING (paid_key)
            GROUP BY ALL),
        listed AS (
            SELECT DISTINCT knot, payout FROM payments WHERE payout IS NOT NULL),
        told AS (
            SELECT knot, payout, code, part, of_order, n, minor FROM parts JOIN listed ON listed.payout = parts.key),
        {_named_sql(plan)},
        {_rest_sql(plan)},
        every AS (
            FROM told
            UNION ALL
            SELECT knot, of_one, code, part, NULL, 0, minor FROM (FROM named UNION ALL FROM rest)
            JOIN payment USING (knot) WHERE minor <> 0)
        SELECT payout, paid_key, paid::DECIMAL(38, 0) AS paid_minor, part, of_order AS "order",
            sum(n)::BIGINT AS rows, sum(minor)::DECIMAL(38, 0) AS amount_minor,
            nullif(code, {literal(plan.currency)}) AS currency, knot
        FROM every JOIN payment USING (knot) LEFT JOIN of_lines USING (knot, code)
        JOIN (VALUES {places}) AS p(place, part) USING (part)
        GROUP BY ALL ORDER BY payout NULLS LAST, paid_key, currency NULLS FIRST, min(place), of_order NULLS FIRST""",
        report=report,
        bank=bank,
        payments=payments,
        matched=matched,
        differences=differences,
        by_key=by_key,
    )
    _assert_adds_up(result, engine)
    return result.drop_columns(["knot"]).cast(PAYOUT_PART)


def _named_sql(plan: PayoutPlan) -> str:
    """named: knot, code, part, minor: what payments and their payouts differ by, where a match or the tolerance names
    it."""
    sign = -1 if plan.report == "left" else 1  # of left - right, in what the payouts lack of the payment
    causes = ", ".join(f"({literal(cause)}, {literal(part)})" for cause, part in _PART_OF_CAUSE.items())
    return f"""caused AS (
            SELECT knot, coalesce(currency, {literal(plan.currency)}) AS code, cause, difference_minor FROM differences
            JOIN (SELECT DISTINCT match_no, knot FROM payments) USING (match_no)
            UNION ALL
            SELECT knot, code, 'within_tolerance', difference_minor
            FROM by_key AS b JOIN payments AS p ON p.payout = b.key AND p.paid_key = b.key
            JOIN (SELECT key, any_value(code) AS code FROM parts GROUP BY key) AS of_key ON of_key.key = b.key
            WHERE b.bucket = {literal(Bucket.WITHIN_TOLERANCE)}),
        named AS (
            SELECT knot, code, part, {sign} * sum(difference_minor)::HUGEINT AS minor
            FROM caused JOIN (VALUES {causes}) AS c(cause, part) USING (cause) GROUP BY ALL)"""


def _rest_sql(plan: PayoutPlan) -> str:
    """rest: knot, code, part, minor: what was paid beyond what is told and named."""
    return f"""converted AS (
            SELECT knot FROM payments SEMI JOIN (
                SELECT match_no FROM matched WHERE label = {literal(MatchLabel.UNIQUE)} GROUP BY match_no
                HAVING count(DISTINCT coalesce(currency, {literal(plan.currency)})) > 1) USING (match_no)),
        rest AS (
            SELECT knot, code,
                CASE WHEN knot IN (SELECT knot FROM converted) THEN 'exchange' ELSE 'unexplained' END AS part,
                sum(minor) AS minor
            FROM (
                SELECT knot, code, paid AS minor FROM of_lines
                UNION ALL SELECT knot, code, -minor FROM told
                UNION ALL SELECT knot, code, -minor FROM named)
            GROUP BY ALL)"""


def _parts_sql(plan: PayoutPlan, report: pa.Table | str, engine: LocalEngine) -> str:
    """key, code, part, of_order, n, minor: the report's rows by part."""
    has = engine.query("FROM report LIMIT 0", report=report).column_names
    order = identifier("reference") if "reference" in has else "NULL::VARCHAR"
    fee = f"coalesce({identifier('fee_minor')}, 0)" if "fee_minor" in has else "0"
    named = " ".join(f"WHEN {literal(kind)} THEN {literal(part)}" for kind, part in sorted(plan.part_of.items()))
    part = f"coalesce(CASE kind {named} END, 'other')" if named else "'other'"
    code = code_sql(report, plan.currency, engine)
    rows = f"""SELECT key, {code} AS code, {part} AS part, {order} AS of_order, amount_minor::HUGEINT AS minor,
            {fee}::HUGEINT AS fee
        FROM report"""
    return f"""SELECT key, code, part, of_order, count(*) AS n, sum(minor + fee) AS minor FROM ({rows}) GROUP BY ALL
        UNION ALL
        SELECT key, code, 'fees', of_order, count(*), -sum(fee) FROM ({rows}) WHERE fee <> 0 GROUP BY ALL"""


def _payments(
    plan: PayoutPlan,
    report: pa.Table | str,
    bank: pa.Table | str,
    matched: pa.Table,
    by_key: pa.Table,
    engine: LocalEngine,
) -> pa.Table:
    """(knot, payout, paid_key, match_no): which payouts and which of the bank's keys belong together, every one of both
    in one knot; a payout or a key without the other is alone there."""
    other = {"left": "right", "right": "left"}[plan.report]
    found = engine.query(
        f"""WITH claims AS (
            SELECT DISTINCT mine.key AS payout, theirs.key AS paid_key, match_no
            FROM (FROM matched WHERE side = {literal(plan.report)} AND label = 'unique') AS mine
            JOIN (FROM matched WHERE side = {literal(other)} AND label = 'unique') AS theirs USING (match_no)),
        own AS (  -- a match may have had a further line of a key whose first one is its payout's
            SELECT key AS payout, key AS paid_key, NULL::BIGINT AS match_no
            FROM (SELECT DISTINCT key FROM report) SEMI JOIN bank USING (key)
            WHERE key NOT IN (SELECT payout FROM claims)
                AND key NOT IN (SELECT key FROM by_key WHERE bucket = {literal(f"missing_{other}")})),
        met AS (FROM claims UNION ALL FROM own)
        FROM met
        UNION ALL
        SELECT DISTINCT key, NULL, NULL FROM report WHERE key NOT IN (SELECT payout FROM met)
        UNION ALL
        SELECT DISTINCT NULL, key, NULL FROM bank WHERE key NOT IN (SELECT paid_key FROM met)
        ORDER BY ALL""",
        report=report,
        bank=bank,
        matched=matched,
        by_key=by_key,
    )
    together = found["paid_key"].is_valid().to_numpy() & found["payout"].is_valid().to_numpy()
    knot = -1 - np.arange(found.num_rows, dtype=np.int64)
    ends = (
        np.unique(found[name].filter(pa.array(together)).to_numpy().astype(str), return_inverse=True)[1].astype(
            np.int64
        )
        for name in ("payout", "paid_key")
    )
    knot[together] = knots(*ends)
    return found.append_column("knot", pa.array(knot))


def _assert_adds_up(parts: pa.Table, engine: LocalEngine) -> None:
    wrong = engine.query(
        """SELECT knot, any_value(paid_key) AS paid FROM parts GROUP BY knot, currency
        HAVING sum(amount_minor) <> coalesce(max(paid_minor), 0)""",
        parts=parts,
    )
    assert not wrong.num_rows, f"payouts {wrong['paid'].to_pylist()[:3]} do not add up to what was paid"


def payouts_of(parts: pa.Table, order: str, engine: LocalEngine) -> pa.Table:
    """Back: the lines (PAYOUT_PART) in which an order is, of all payouts that it is in."""
    return engine.query(f'SELECT * FROM parts WHERE "order" = {literal(order)}', parts=parts).cast(PAYOUT_PART)


def without_currency(parts: pa.Table) -> tuple[pa.Table, pa.Table]:
    """PAYOUT_PART as it is kept: numbered, and what is not in the scenario's currency beside it (PAYOUT_CURRENCY)."""
    numbered = parts.append_column("part_no", pa.array(range(1, parts.num_rows + 1), pa.int64()))
    others = numbered.filter(pc.is_valid(numbered["currency"])).select(PAYOUT_CURRENCY.names)
    return numbered.drop_columns(["currency"]), others


def with_currency(kept: pa.Table, others: pa.Table) -> pa.Table:
    """PAYOUT_PART of what was kept, in its order."""
    codes = np.full(kept.num_rows, None, dtype=object)
    codes[others["part_no"].to_numpy() - 1] = others["currency"].to_pylist()
    return kept.append_column("currency", pa.array(codes, pa.string())).cast(PAYOUT_PART)
