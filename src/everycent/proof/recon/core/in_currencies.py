"""What breaks are in, and what buckets hold of each currency: minor units of different currencies never add up.

There are lines only where a side has rows in others than the scenario's currency.
"""

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.proof.recon.contract import BREAK_CURRENCY, TOTAL_CURRENCY, Bucket, MatchLabel
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.reconciled import Reconciled
from everycent.proof.recon.core.row_currency import code_sql, has_others

_SIDES = ("left", "right")


@dataclass(frozen=True)
class InCurrencies:
    """`breaks`, `write_offs`: BREAK_CURRENCY of those that are not in the scenario's currency alone, by their place
    among the run's from 1 on; `totals`: TOTAL_CURRENCY."""

    breaks: pa.Table = field(default_factory=BREAK_CURRENCY.empty_table)
    write_offs: pa.Table = field(default_factory=BREAK_CURRENCY.empty_table)
    totals: pa.Table = field(default_factory=TOTAL_CURRENCY.empty_table)


def in_currencies(
    plan: ReconPlan,
    done: Reconciled,
    matched: pa.Table,
    left: pa.Table | str,
    right: pa.Table | str,
    engine: LocalEngine,
) -> InCurrencies:
    """What `done` found between the sides, by currency; `matched` (MATCHED_ROW): what rules claimed.

    Of each currency the buckets add up to the sides, and equal rows are equal (asserted).
    """
    if not any(has_others(side, plan.currency, engine) for side in (left, right)):
        return InCurrencies()
    sides = {"left_rows": left, "right_rows": right}
    codes = [code_sql(side, plan.currency, engine) for side in (left, right)]
    sums = (plan.left_sums, plan.right_sums)
    found = [_worth(one, codes, sums, sides, engine) for one in (done.breaks, done.write_offs)]
    totals = _totals(plan, done, matched, pa.concat_tables(found), codes, sides, engine)
    breaks, write_offs = (_lines(plan, each, engine) for each in found)
    return InCurrencies(breaks, write_offs, totals)


def _worth(
    found: pa.Table,
    codes: list[str],
    sums: tuple[bool, bool],
    sides: dict[str, pa.Table | str],
    engine: LocalEngine,
) -> pa.Table:
    """finding_no, bucket, side, code, n, minor: what each side of each finding (BREAK) has of each currency."""
    numbers = pa.array(range(1, found.num_rows + 1), pa.int64())
    worth = " UNION ALL ".join(
        f"""SELECT finding_no, bucket, '{side}' AS side, {code} AS code, count(*) AS n,
            sum(s.amount_minor)::HUGEINT AS minor
        FROM found AS f JOIN {side}_rows AS s ON {_same(side, "f", summed)} WHERE f.{side}_rows > 0 GROUP BY ALL"""
        for side, code, summed in zip(_SIDES, codes, sums, strict=True)
    )
    listed = ("key", "bucket", *(f"{side}_{what}" for side in _SIDES for what in ("rows", "file", "line")))
    return engine.query(worth, found=found.select(listed).append_column("finding_no", numbers), **sides)


def _same(side: str, finding: str, sums: bool) -> str:
    """That the row `s` of the side is one of the finding's."""
    place = "" if sums else f" AND s.source_file = {finding}.{side}_file AND s.source_line = {finding}.{side}_line"
    return f"s.key = {finding}.key{place}"


def _lines(plan: ReconPlan, worth: pa.Table, engine: LocalEngine) -> pa.Table:
    """BREAK_CURRENCY."""
    told = ", ".join(
        f"""CASE WHEN count(*) FILTER (side = '{side}') = 1 THEN min(code) FILTER (side = '{side}') END
            AS {side}_currency, CASE WHEN count(*) FILTER (side = '{side}') > 1 THEN '{{' || string_agg(
            '"' || code || '": ' || minor, ', ' ORDER BY code) FILTER (side = '{side}') || '}}' END AS {side}_amounts"""
        for side in _SIDES
    )
    return engine.query(
        f"""SELECT {", ".join(BREAK_CURRENCY.names)} FROM (
            SELECT finding_no, {told} FROM worth GROUP BY finding_no
            HAVING bool_or(code <> {literal(plan.currency)})) ORDER BY finding_no""",
        worth=worth,
    ).cast(BREAK_CURRENCY)


def _totals(
    plan: ReconPlan,
    done: Reconciled,
    matched: pa.Table,
    worth: pa.Table,
    codes: list[str],
    sides: dict[str, pa.Table | str],
    engine: LocalEngine,
) -> pa.Table:
    """TOTAL_CURRENCY: what no finding and no rule has is equal, or only on the right; without details all is one."""
    held = " UNION ALL ".join(
        f"SELECT '{side}' AS side, {code} AS code, count(*) AS n, sum(amount_minor)::HUGEINT AS minor "
        f"FROM {side}_rows GROUP BY ALL"
        for side, code in zip(_SIDES, codes, strict=True)
    )
    only_right = f"UNION ALL {_only_right_sql(plan, codes[1])}" if plan.one_way else ""
    rest = literal(Bucket.EQUAL if plan.detail else Bucket.IN_TOTAL)
    sums = ", ".join(
        f"coalesce(sum({what}) FILTER (side = '{side}'), 0)::{kind} AS {side}_{name}"
        for what, kind, name in (("n", "BIGINT", "rows"), ("minor", "DECIMAL(38, 0)", "minor"))
        for side in _SIDES
    )
    found = engine.query(
        f"""WITH sure AS (SELECT * FROM matched WHERE label = {literal(MatchLabel.UNIQUE)}),
        placed AS (
            SELECT bucket, side, code, n, minor FROM worth
            UNION ALL SELECT {literal(Bucket.MATCHED)}, side, coalesce(currency, {literal(plan.currency)}), rows,
                amount_minor::HUGEINT FROM sure
            {only_right}),
        parts AS (
            FROM placed UNION ALL SELECT {rest}, * FROM ({held})
            UNION ALL SELECT {rest}, side, code, -n, -minor FROM placed),
        lines AS (SELECT bucket, code AS currency, {sums} FROM parts GROUP BY ALL)
        SELECT *, left_minor - right_minor AS difference_minor FROM lines WHERE left_rows <> 0 OR right_rows <> 0
        ORDER BY bucket, currency""",
        matched=matched,
        breaks=done.breaks,
        worth=worth,
        **sides,
    ).cast(TOTAL_CURRENCY)
    _assert_adds_up(found, done.totals, engine)
    return found


def _only_right_sql(plan: ReconPlan, code: str) -> str:
    """Of a one-way comparison: the right side's rows whose keys the left does not have, and that nothing claims."""
    claimed = "" if plan.right_sums else " AND (m.source_file, m.source_line) = (s.source_file, s.source_line)"
    return f"""SELECT {literal(Bucket.ONLY_RIGHT)}, 'right', {code}, count(*), sum(s.amount_minor)::HUGEINT
        FROM right_rows AS s ANTI JOIN left_rows AS l ON l.key = s.key
        ANTI JOIN (FROM sure WHERE side = 'right') AS m ON m.key = s.key{claimed}
        ANTI JOIN breaks AS b ON b.right_rows > 0 AND {_same("right", "b", plan.right_sums)} GROUP BY ALL"""


def _assert_adds_up(found: pa.Table, totals: pa.Table, engine: LocalEngine) -> None:
    columns = ("left_rows", "right_rows", "left_minor", "right_minor", "difference_minor")
    summed = ", ".join(f"sum({name})::DECIMAL(38, 0) AS {name}" for name in columns)
    apart = engine.query(
        f"""SELECT bucket FROM (SELECT bucket, {summed} FROM found GROUP BY bucket) AS f
        FULL JOIN (FROM totals WHERE left_rows <> 0 OR right_rows <> 0) AS t USING (bucket)
        WHERE ({", ".join(f"f.{name}" for name in columns)})
            IS DISTINCT FROM ({", ".join(f"t.{name}::DECIMAL(38, 0)" for name in columns)})""",
        found=found,
        totals=totals,
    )["bucket"].to_pylist()
    assert not apart, f"the currencies of {apart} do not add up to what these buckets hold"
    equal = found.filter(pc.equal(found["bucket"], Bucket.EQUAL))
    assert equal["left_minor"].equals(equal["right_minor"]), "equal rows are equal in each currency"
