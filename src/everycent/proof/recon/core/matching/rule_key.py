"""The rule `key`: rows with the same key; the columns in which they differ are named."""

from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.money.currency import Currency
from everycent.proof.recon.core.matching.blocks import DIFFERENCE_SQL, column_sql
from everycent.proof.recon.core.matching.found import Found
from everycent.proof.recon.core.matching.pairs import Pairing, assigned, candidates
from everycent.proof.recon.core.matching.words import days
from everycent.proof.recon.rules import COLUMNS, KeyRuleSpec


@dataclass(frozen=True)
class KeyRule:
    """The further the more columns differ."""

    pairing: Pairing

    def find(self, left: pa.Table, right: pa.Table, engine: LocalEngine) -> Found:
        """Left and right: ITEM."""
        return assigned(self.pairing, *candidates(self.pairing, left, right, engine), engine)


def plan_key(spec: KeyRuleSpec, currency: Currency) -> KeyRule:
    """ValueError where a column must be equal and may differ."""
    both = [word for word in spec.by if word in spec.may_differ and "may_differ" in spec.model_fields_set]
    if both:
        raise ValueError(f"key: '{both[0]}' stands in by and in may_differ; write it in one of them")
    compared = [word for word in (*COLUMNS, "currency") if word not in spec.by]
    unequal = {
        word: f"{column_sql(word, 'l', currency.code)} IS DISTINCT FROM {column_sql(word, 'r', currency.code)}"
        for word in compared
    }
    listed = ", ".join(f"CASE WHEN {unequal[word]} THEN {literal(word)} END" for word in compared)
    fixed = [f"NOT ({unequal[word]})" for word in compared if word not in spec.may_differ]
    same_money = f"NOT ({unequal['currency']})" if "currency" in unequal else "true"
    return KeyRule(
        Pairing(
            by=spec.by,
            currency=currency.code,
            within_days=days(spec.within),
            later=spec.later,
            pairs_max=spec.pairs,
            budget=spec.budget,
            where=" AND ".join(fixed) or "true",
            distance=" + ".join(f"({unequal[word]})::INTEGER" for word in compared),
            clear_by=spec.clear_by,
            differences=(("amount_differs", f"CASE WHEN {same_money} THEN {DIFFERENCE_SQL} ELSE 0 END"),),
            differing=f"nullif(concat_ws('+', {listed}), '')",
        )
    )
