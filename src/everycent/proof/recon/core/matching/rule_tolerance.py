"""The rule `tolerance`: amounts that differ a little; what they differ by is written off."""

from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.money.currency import Currency
from everycent.proof.recon.core.matching.blocks import DIFFERENCE_SQL
from everycent.proof.recon.core.matching.found import Found
from everycent.proof.recon.core.matching.pairs import Pairing, assigned, candidates
from everycent.proof.recon.core.matching.words import clear_by_minor, days, ratio, small_minor
from everycent.proof.recon.rules import ToleranceRuleSpec


@dataclass(frozen=True)
class ToleranceRule:
    """The further the more is written off."""

    pairing: Pairing

    def find(self, left: pa.Table, right: pa.Table, engine: LocalEngine) -> Found:
        """Left and right: ITEM."""
        return assigned(self.pairing, *candidates(self.pairing, left, right, engine), engine)


def plan_tolerance(spec: ToleranceRuleSpec, currency: Currency) -> ToleranceRule:
    """An absolute tolerance is one of the scenario's currency and says nothing of rows in others.

    ValueError where a number is too large or has too many decimals.
    """
    apart, allowed = f"abs({DIFFERENCE_SQL})", []
    if spec.absolute is not None:
        minor = small_minor("absolute", spec.absolute, currency)
        allowed.append(f"(l.money = {literal(currency.code)} AND {apart} <= {minor})")
    if spec.relative is not None:
        part = ratio("relative", spec.relative)
        smaller = "least(abs(l.amount_minor::HUGEINT), abs(r.amount_minor::HUGEINT))"
        allowed.append(f"({apart} * {part.lower} <= {smaller} * {part.upper})")
    return ToleranceRule(
        Pairing(
            by=(*spec.by, "currency"),
            currency=currency.code,
            within_days=days(spec.within),
            later=spec.later,
            pairs_max=spec.pairs,
            budget=spec.budget,
            where=" OR ".join(allowed),
            distance=apart,
            clear_by=clear_by_minor(spec.clear_by, currency),
            differences=(("within_tolerance", DIFFERENCE_SQL),),
        )
    )
