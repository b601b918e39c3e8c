"""From one line of a bank to what it is made of: gross, fees, refunds, reserves, exchange, order by order; and back."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal

#: What a payout is made of, in the order in which it is told. `other`: rows of a kind that the scenario does not name.
PARTS = ("gross", "refunds", "fees", "reserves", "exchange", "other", "unexplained")

#: A line for each payout, part and order; the parts of a payout add up to `paid_minor`. Ordered by payout, part, order.
PAYOUT_PART = pa.schema(
    [
        pa.field("payout", pa.string()),  # the report's key
        pa.field("paid_key", pa.string()),  # the bank's; null: not paid, or not found there
        pa.field("paid_minor", pa.decimal128(38, 0)),
        pa.field("part", pa.string()),
        pa.field("order", pa.string()),  # the report's reference; null: of no order
        pa.field("rows", pa.int64()),
        pa.field("amount_minor", pa.decimal128(38, 0)),
    ]
)


@dataclass(frozen=True)
class PayoutPlan:
    """`report`: the side that has the rows of the settlement report. `part_of`: by a row's kind, its part."""

    report: str
    part_of: Mapping[str, str]


def decompose(
    plan: PayoutPlan, report: pa.Table | str, bank: pa.Table | str, matched: pa.Table, engine: LocalEngine
) -> pa.Table:
    """PAYOUT_PART. `report` and `bank`: SIDE, the report with `kind` and, where it has them, `reference`, `fee_minor`.

    A row's amount is net: what it says as its fee is a part of its own, and the rest is of the part of its kind. A
    payout is found at the bank by a sure match (`matched`, MATCHED_ROW) of one report's key and one of the bank's, else
    by its key. What is paid and not in the report, or the other way round, is `unexplained`.
    """
    has = engine.query("FROM report LIMIT 0", report=report).column_names
    order = identifier("reference") if "reference" in has else "NULL::VARCHAR"
    fee = f"coalesce({identifier('fee_minor')}, 0)" if "fee_minor" in has else "0"
    named = " ".join(f"WHEN {literal(kind)} THEN {literal(part)}" for kind, part in sorted(plan.part_of.items()))
    part = f"coalesce(CASE kind {named} END, 'other')" if named else "'other'"
    other = {"left": "right", "right": "left"}[plan.report]
    places = ", ".join(f"({number}, {literal(name)})" for number, name in enumerate(PARTS))
    result = engine.query(
        f"""WITH told AS (
            SELECT key, {part} AS part, {order} AS of_order, amount_minor::HUGEINT AS minor, {fee}::HUGEINT AS fee
            FROM report),
        parts AS (
            SELECT key, part, of_order, count(*) AS n, sum(minor + fee) AS minor FROM told GROUP BY ALL
            UNION ALL
            SELECT key, 'fees', of_order, count(*), -sum(fee) FROM told WHERE fee <> 0 GROUP BY ALL),
        paid AS (SELECT key AS paid_key, sum(amount_minor)::HUGEINT AS paid FROM bank GROUP BY key),
        claims AS (
            SELECT mine.key, theirs.key AS paid_key, count(*) OVER (PARTITION BY mine.match_no) AS pairs
            FROM (FROM matched WHERE side = {literal(plan.report)} AND label = 'unique') AS mine
            JOIN (FROM matched WHERE side = {literal(other)} AND label = 'unique') AS theirs USING (match_no)),
        found AS (
            SELECT k.key AS payout, coalesce(claims.paid_key, own.paid_key) AS paid_key
            FROM (SELECT DISTINCT key FROM told) AS k
            LEFT JOIN claims ON claims.key = k.key AND pairs = 1
            LEFT JOIN paid AS own ON own.paid_key = k.key
                AND own.paid_key NOT IN (SELECT paid_key FROM claims WHERE pairs = 1)
            UNION ALL
            SELECT NULL, paid_key FROM paid WHERE paid_key NOT IN (SELECT key FROM told)
                AND paid_key NOT IN (SELECT paid_key FROM claims WHERE pairs = 1)),
        with_paid AS (SELECT found.*, paid.paid FROM found LEFT JOIN paid USING (paid_key)),
        rest AS (
            SELECT f.payout, f.paid_key, f.paid, 'unexplained' AS part, NULL AS of_order, 0 AS n,
                coalesce(f.paid, 0) - coalesce(s.minor, 0) AS minor
            FROM with_paid AS f
            LEFT JOIN (SELECT key, sum(minor) AS minor FROM parts GROUP BY key) AS s ON s.key = f.payout),
        listed AS (
            SELECT f.payout, f.paid_key, f.paid, part, of_order, sum(n) AS n, sum(minor) AS minor
            FROM parts JOIN with_paid AS f ON f.payout = parts.key GROUP BY ALL
            UNION ALL SELECT * FROM rest WHERE minor <> 0)
        SELECT payout, paid_key, paid::DECIMAL(38, 0) AS paid_minor, part, of_order AS "order", n::BIGINT AS rows,
            minor::DECIMAL(38, 0) AS amount_minor
        FROM listed JOIN (VALUES {places}) AS p(place, part) USING (part)
        ORDER BY payout NULLS LAST, paid_key, place, of_order NULLS FIRST""",
        report=report,
        bank=bank,
        matched=matched,
    ).cast(PAYOUT_PART)
    _assert_adds_up(result, engine)
    return result


def _assert_adds_up(parts: pa.Table, engine: LocalEngine) -> None:
    wrong = engine.query(
        """SELECT payout, paid_key FROM parts GROUP BY payout, paid_key
        HAVING sum(amount_minor) <> coalesce(max(paid_minor), 0)""",
        parts=parts,
    )
    assert not wrong.num_rows, f"payouts {wrong.to_pylist()[:3]} do not add up to what was paid"


def payouts_of(parts: pa.Table, order: str, engine: LocalEngine) -> pa.Table:
    """Back: the lines (PAYOUT_PART) in which an order is, of all payouts that it is in."""
    return engine.query(f'SELECT * FROM parts WHERE "order" = {literal(order)}', parts=parts).cast(PAYOUT_PART)
