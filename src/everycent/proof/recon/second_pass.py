"""Pass two, on top of `reconcile`: what it leaves goes through the scenario's rules, and lands in buckets again."""

from dataclasses import dataclass, replace
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import BREAK, MATCH_ALTERNATIVE, MATCH_DIFFERENCE, MATCHED_ROW, Bucket, MatchLabel
from everycent.proof.recon.core.leftovers import (
    breaks_left,
    items_of,
    matched_rows,
    numbered,
    totals_of,
    with_conversions,
)
from everycent.proof.recon.core.matching.matching import match
from everycent.proof.recon.core.matching.plan import MatchPlan
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.stage import Reconciled


@dataclass(frozen=True)
class Explained:
    """What rules claimed: `matches` (MATCHED_ROW), what unique ones leave between left and right by cause
    (`differences`, MATCH_DIFFERENCE), and the ways to explain the others (`alternatives`, MATCH_ALTERNATIVE)."""

    matches: pa.Table
    differences: pa.Table
    alternatives: pa.Table

    @classmethod
    def nothing(cls) -> Self:
        """Where there are no rules."""
        return cls(MATCHED_ROW.empty_table(), MATCH_DIFFERENCE.empty_table(), MATCH_ALTERNATIVE.empty_table())

    def matches_with(self, label: MatchLabel) -> int:
        """How many there are."""
        found = self.matches.filter(pc.equal(self.matches["label"], label))
        return int(pc.count_distinct(found["match_no"]).as_py())


def explain_leftovers(
    plan: ReconPlan,
    rules: MatchPlan,
    found: Reconciled,
    left: pa.Table | str,
    right: pa.Table | str,
    engine: LocalEngine,
) -> tuple[Reconciled, Explained]:
    """Takes the breaks of `found` through the rules; `left` and `right` are the sides that were compared.

    What agrees within the tolerance is no break, and no rule sees it. Still every row is in one bucket, and the
    residual is 0 (asserted).
    """
    breaks = numbered(found.breaks)
    items = (
        items_of("left", breaks, left, plan.left_sums, plan.currency, engine),
        items_of("right", breaks, right, plan.right_sums, plan.currency, engine),
    )
    said = match(rules, *items, engine)
    matched = matched_rows(said.matches, breaks, items, engine)
    assert matched.num_rows == said.matches.num_rows, "each row that is claimed is a side of a break"
    still = breaks_left(matched, breaks, engine)
    buckets = tuple(Bucket)[: tuple(Bucket).index(Bucket.ONLY_RIGHT)]
    totals = totals_of(found.totals, still, matched, BREAK.empty_table(), buckets, engine)
    result = replace(found, breaks=still, totals=totals)
    for side, total in (("left", result.left_total), ("right", result.right_total)):
        placed = pc.sum(result.totals[f"{side}_rows"]).as_py(), int(pc.sum(result.totals[f"{side}_minor"]).as_py())
        assert placed == (total.rows, total.amount_minor), f"rules lose or make rows of the {side} side"
    assert result.residual_minor == 0, f"{result.residual_minor} minor units of the difference have no name"
    differences = with_conversions(said.differences, matched, rules.currency, engine)
    return result, Explained(matched, differences, said.alternatives)
