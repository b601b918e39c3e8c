"""The rule `dates`: the same amount, some days apart."""

from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import Currency
from everycent.proof.recon.core.matching.found import Found
from everycent.proof.recon.core.matching.pairs import Pairing, assigned, candidates
from everycent.proof.recon.core.matching.words import days
from everycent.proof.recon.rules import DatesRuleSpec


@dataclass(frozen=True)
class DatesRule:
    """The further the more days lie between."""

    pairing: Pairing

    def find(self, left: pa.Table, right: pa.Table, engine: LocalEngine) -> Found:
        """Left and right: ITEM."""
        return assigned(self.pairing, *candidates(self.pairing, left, right, engine), engine)


def plan_dates(spec: DatesRuleSpec, currency: Currency) -> DatesRule:
    """A row without a date takes no part."""
    return DatesRule(
        Pairing(
            by=("amount", *(word for word in spec.by if word not in ("amount", "currency")), "currency"),
            currency=currency.code,
            within_days=days(spec.within),
            later=spec.later,
            pairs_max=spec.pairs,
            budget=spec.budget,
            where="true",
            distance="abs(l.occurred_on - r.occurred_on)",
            clear_by=spec.clear_by,
        )
    )
