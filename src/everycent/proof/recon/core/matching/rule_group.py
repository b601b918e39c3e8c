"""The rule `group`: all rows of a group on the one side against all on the other, where their sums agree."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.money.currency import Currency
from everycent.proof.recon.contract import MatchLabel
from everycent.proof.recon.core.matching.blocks import block_columns, blocked_sql, same_block
from everycent.proof.recon.core.matching.found import DIFFERENCE, EXPLANATION, VERDICT, Found
from everycent.proof.recon.core.matching.words import small_minor
from everycent.proof.recon.rules import GroupRuleSpec


@dataclass(frozen=True)
class GroupRule:
    """A group is explained as a whole or not at all, so that no other way is as good: it is unique."""

    by: tuple[str, ...]
    currency: str
    tolerance_minor: Mapping[str, int]  # by code; 0 in other currencies

    def find(self, left: pa.Table, right: pa.Table, engine: LocalEngine) -> Found:
        """Left and right: ITEM."""
        columns = ", ".join(block_columns(self.by))
        groups = engine.query(
            f"""WITH l AS ({self._sums_sql("left_items")}), r AS ({self._sums_sql("right_items")})
            SELECT row_number() OVER (ORDER BY {columns}) AS explanation, {columns}, l.money AS money,
                (l.total - r.total)::DECIMAL(38, 0) AS difference_minor
            FROM l JOIN r USING ({columns}) WHERE abs(l.total - r.total) <= {self._tolerance_sql()}""",
            left_items=left,
            right_items=right,
        )
        rows = " UNION ALL ".join(
            f"""SELECT explanation, '{side}' AS side, row_no
            FROM ({blocked_sql(f"{side}_items", self.by, self.currency)}) AS i
            JOIN groups AS g ON {same_block(self.by, "i", "g")}"""
            for side in ("left", "right")
        )
        return Found(
            explanations=engine.query(rows, left_items=left, right_items=right, groups=groups).cast(EXPLANATION),
            verdicts=engine.query(
                f"""SELECT explanation, '{MatchLabel.UNIQUE}' AS label, -1 AS knot, NULL::VARCHAR AS differing,
                    true AS proposed, 0 AS nearness FROM groups""",
                groups=groups,
            ).cast(VERDICT),
            differences=engine.query(
                """SELECT explanation, 'within_tolerance' AS cause, difference_minor, money AS currency FROM groups
                WHERE difference_minor <> 0""",
                groups=groups,
            ).cast(DIFFERENCE),
        )

    def _tolerance_sql(self) -> str:
        arms = " ".join(f"WHEN {literal(code)} THEN {minor}" for code, minor in self.tolerance_minor.items())
        return f"CASE l.money {arms} ELSE 0 END"

    def _sums_sql(self, items: str) -> str:
        columns = ", ".join(block_columns(self.by))
        return f"""SELECT {columns}, any_value(money) AS money, sum(amount_minor::HUGEINT) AS total
            FROM ({blocked_sql(items, self.by, self.currency)}) GROUP BY {columns}"""


def plan_group(spec: GroupRuleSpec, currency: Currency) -> GroupRule:
    """ValueError where the tolerance is too large or has too many decimals."""
    return GroupRule(
        by=(*(word for word in spec.by if word != "currency"), "currency"),
        currency=currency.code,
        tolerance_minor=small_minor("tolerance", spec.tolerance, currency),
    )
