"""Pass two: what equal rows left over, taken through the rules in their order; each row is claimed once."""

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.proof.recon.contract import ITEM, MATCH, MATCH_ALTERNATIVE, MATCH_DIFFERENCE, MatchLabel
from everycent.proof.recon.core.matching.plan import MatchPlan, NamedRule


@dataclass(frozen=True)
class Matched:
    """What the rules explain, and what is left (ITEM, by row_no).

    `matches` (MATCH) has the rows of each match, `differences` (MATCH_DIFFERENCE) what unique ones leave between left
    and right, by cause, `alternatives` (MATCH_ALTERNATIVE) the ways to explain the rows of those that are not unique.
    """

    matches: pa.Table
    differences: pa.Table
    alternatives: pa.Table
    left_over: pa.Table
    right_over: pa.Table


def match(plan: MatchPlan, left: pa.Table, right: pa.Table, engine: LocalEngine) -> Matched:
    """`left` and `right`: ITEM, `row_no` naming each row of a side once; in any order, which changes nothing."""
    left, right = _checked(left, engine), _checked(right, engine)
    rows = {"left": left.num_rows, "right": right.num_rows}
    result = Matched(MATCH.empty_table(), MATCH_DIFFERENCE.empty_table(), MATCH_ALTERNATIVE.empty_table(), left, right)
    for rule in plan.rules:
        if result.left_over.num_rows and result.right_over.num_rows:
            result = _applied(rule, result, plan.currency, engine)
    for side, over in (("left", result.left_over), ("right", result.right_over)):
        claimed = pc.sum(pc.equal(result.matches["side"], side)).as_py() or 0
        assert claimed + over.num_rows == rows[side], f"each {side} row is claimed once, or it is left"
    return result


def _checked(items: pa.Table, engine: LocalEngine) -> pa.Table:
    assert items.column_names == ITEM.names, f"items have columns {items.column_names}, want {ITEM.names}"
    assert not items["row_no"].null_count and not items["amount_minor"].null_count, "they are never null"
    assert pc.count_distinct(items["row_no"]).as_py() == items.num_rows, "row_no names each row once"
    return engine.query("FROM items ORDER BY row_no", items=items.cast(ITEM)).cast(ITEM)


def _applied(rule: NamedRule, so_far: Matched, currency: str, engine: LocalEngine) -> Matched:
    """What one more rule claims, behind what was claimed before it."""
    found = rule.rule.find(so_far.left_over, so_far.right_over, engine)
    if not found.verdicts.num_rows and not found.given_up.num_rows:
        return so_far
    claims = engine.query(
        _claims_sql(rule.claims_undecided, _last(so_far.matches)),
        explanations=found.explanations,
        verdicts=found.verdicts,
        given_up=found.given_up,
    )
    matches = engine.query(_matches_sql(rule.name), claims=claims).cast(MATCH)
    differences = engine.query(_DIFFERENCES, claims=claims, differences=found.differences).cast(MATCH_DIFFERENCE)
    alternatives = engine.query(_ALTERNATIVES, claims=claims).cast(MATCH_ALTERNATIVE)
    _assert_adds_up(so_far, matches, differences, currency, engine)
    return Matched(
        matches=pa.concat_tables([so_far.matches, matches]),
        differences=pa.concat_tables([so_far.differences, differences]),
        alternatives=pa.concat_tables([so_far.alternatives, alternatives]),
        left_over=_without(so_far.left_over, matches, "left", engine),
        right_over=_without(so_far.right_over, matches, "right", engine),
    )


def _last(matches: pa.Table) -> int:
    return int(pc.max(matches["match_no"]).as_py()) if matches.num_rows else 0


def _without(items: pa.Table, matches: pa.Table, side: str, engine: LocalEngine) -> pa.Table:
    claimed = f"(FROM matches WHERE side = {literal(side)})"
    sql = f"SELECT i.* FROM items AS i ANTI JOIN {claimed} USING (row_no) ORDER BY row_no"
    return engine.query(sql, items=items, matches=matches).cast(ITEM)


def _assert_adds_up(
    so_far: Matched, matches: pa.Table, differences: pa.Table, currency: str, engine: LocalEngine
) -> None:
    """A unique match in one currency: left - right is what its differences add up to."""
    wrong = engine.query(
        f"""WITH items AS (SELECT 'left' AS side, * FROM l UNION ALL SELECT 'right', * FROM r),
        sums AS (
            SELECT match_no, sum(CASE side WHEN 'left' THEN 1 ELSE -1 END * amount_minor::HUGEINT) AS difference
            FROM matches JOIN items USING (side, row_no) WHERE label = {literal(MatchLabel.UNIQUE)}
            GROUP BY match_no HAVING count(DISTINCT coalesce(currency, {literal(currency)})) = 1),
        named AS (SELECT match_no, sum(difference_minor)::HUGEINT AS difference FROM differences GROUP BY match_no)
        SELECT match_no FROM sums LEFT JOIN named USING (match_no)
        WHERE sums.difference <> coalesce(named.difference, 0)""",
        l=so_far.left_over,
        r=so_far.right_over,
        matches=matches,
        differences=differences,
    )
    assert not wrong.num_rows, f"matches {wrong['match_no'].to_pylist()[:5]} leave a difference that has no name"


def _claims_sql(undecided: bool, last: int) -> str:
    """(match_no, explanation, label, differing, proposed, nearness, side, row_no): matches are numbered by their first
    left row, else the first right."""
    unique, exhausted = literal(MatchLabel.UNIQUE), literal(MatchLabel.BUDGET_EXHAUSTED)
    return f"""WITH claims AS (
        SELECT explanation, label, differing, proposed, nearness, side, row_no,
            CASE WHEN label = {unique} THEN {{'one': explanation, 'knot': NULL}}
                ELSE {{'one': NULL, 'knot': knot}} END AS claim
        FROM verdicts JOIN explanations USING (explanation)
        UNION ALL
        SELECT NULL, {exhausted}, NULL, NULL, NULL, side, row_no, {{'one': NULL, 'knot': knot}} FROM given_up),
    numbers AS (
        SELECT claim, {int(last)} + row_number() OVER (ORDER BY
            min(row_no) FILTER (side = 'left') NULLS LAST, min(row_no) FILTER (side = 'right') NULLS LAST) AS match_no
        FROM claims WHERE {"true" if undecided else f"label = {unique}"} GROUP BY claim)
    SELECT * EXCLUDE (claim) FROM claims JOIN numbers USING (claim)"""


def _matches_sql(rule: str) -> str:
    """MATCH of claims; columns that differ are those of a pair that is sure."""
    return f"""SELECT DISTINCT match_no, {literal(rule)} AS rule, label, side, row_no,
        CASE WHEN label = {literal(MatchLabel.UNIQUE)} THEN differing END AS differing
        FROM claims ORDER BY match_no, side, row_no"""


#: MATCH_DIFFERENCE of claims.
_DIFFERENCES = f"""
    SELECT match_no, cause, difference_minor, currency FROM differences
    JOIN (SELECT DISTINCT match_no, explanation FROM claims WHERE label = {literal(MatchLabel.UNIQUE)})
        USING (explanation)
    ORDER BY match_no, cause"""

#: MATCH_ALTERNATIVE of claims: what is proposed comes first, then what is nearer; what is as near goes by its rows.
_ALTERNATIVES = f"""
    WITH ways AS (
        SELECT match_no, explanation, NOT any_value(proposed) AS further, any_value(nearness) AS nearness,
            list(row_no ORDER BY row_no) FILTER (side = 'left') AS lefts,
            list(row_no ORDER BY row_no) FILTER (side = 'right') AS rights
        FROM claims WHERE label <> {literal(MatchLabel.UNIQUE)} AND explanation IS NOT NULL
        GROUP BY match_no, explanation),
    numbered AS (
        SELECT explanation, row_number() OVER (
            PARTITION BY match_no ORDER BY further, nearness, lefts, rights) AS alternative_no FROM ways)
    SELECT match_no, alternative_no, side, row_no FROM claims JOIN numbered USING (explanation)
    ORDER BY match_no, alternative_no, side, row_no"""
