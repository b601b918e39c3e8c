"""The rule `net_of_fees`: one side is gross, the other net of a fee that is stated, worked out, or within bounds."""

from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.money.amount import parse_minor
from everycent.base.money.currency import Currency
from everycent.proof.recon.core.matching.found import Found
from everycent.proof.recon.core.matching.pairs import Pairing, assigned, candidates
from everycent.proof.recon.core.matching.words import Ratio, clear_by_minor, days, ratio, small_minor
from everycent.proof.recon.rules import FeeFormula, FeeRange, NetOfFeesRuleSpec


@dataclass(frozen=True)
class NetOfFeesRule:
    """The further the more lies between the fee and what was deducted."""

    pairing: Pairing

    def find(self, left: pa.Table, right: pa.Table, engine: LocalEngine) -> Found:
        """Left and right: ITEM."""
        return assigned(self.pairing, *candidates(self.pairing, left, right, engine), engine)


def plan_net_of_fees(spec: NetOfFeesRuleSpec, currency: Currency) -> NetOfFeesRule:
    """ValueError where a number is too large, has too many decimals, or bounds are the wrong way round."""
    gross, net = ("l", "r") if spec.gross == "left" else ("r", "l")
    amount = f"{gross}.amount_minor::HUGEINT"
    deducted = f"({amount} - {net}.amount_minor::HUGEINT)"
    tolerance = small_minor("tolerance", spec.tolerance, currency)
    if spec.range is not None:
        fee, allowed = deducted, _between_sql(spec.range, amount, f"{net}.amount_minor", deducted)
    else:
        stated = f"coalesce({gross}.fee_minor, {net}.fee_minor)::HUGEINT"
        fee = stated if spec.formula is None else _formula_sql(spec.formula, amount, currency)
        allowed = f"abs({deducted} - {fee}) <= {tolerance}"
    signed = "" if spec.gross == "left" else "-"
    return NetOfFeesRule(
        Pairing(
            by=(*(word for word in spec.by if word != "currency"), "currency"),
            currency=currency.code,
            within_days=days(spec.within),
            later=spec.later,
            pairs_max=spec.pairs,
            budget=spec.budget,
            where=allowed,
            distance=f"abs({deducted} - {fee})",
            clear_by=clear_by_minor(spec.clear_by, currency),
            differences=(
                ("fee", f"{signed}{fee}"),
                ("within_tolerance", f"{signed}({deducted} - {fee})"),
            ),
        )
    )


def _formula_sql(formula: FeeFormula, amount: str, currency: Currency) -> str:
    """The fee in minor units, with the sign of the gross amount; rounded half up before its bounds."""
    rate = ratio("rate", formula.rate)
    bounds = {
        word: parse_minor(text, currency)
        for word, text in (("minimum", formula.minimum), ("maximum", formula.maximum))
        if text is not None
    }
    if len(bounds) == 2 and bounds["minimum"] > bounds["maximum"]:
        raise ValueError(f"formula: minimum {formula.minimum} is above maximum {formula.maximum}")
    part = f"((2 * abs({amount}) * {rate.upper} + {rate.lower}) // (2 * {rate.lower}))"
    fee = f"({part} + {parse_minor(formula.fixed, currency)})"
    if "minimum" in bounds:
        fee = f"greatest({fee}, {bounds['minimum']}::HUGEINT)"
    if "maximum" in bounds:
        fee = f"least({fee}, {bounds['maximum']}::HUGEINT)"
    return f"(sign({amount}) * {fee})"


def _between_sql(bounds: FeeRange, amount: str, net: str, deducted: str) -> str:
    """least <= deducted / gross <= most, multiplied out; a fee of an amount of 0 is 0."""
    least, most = ratio("least", bounds.least), ratio("most", bounds.most)
    if least.upper * most.lower > most.upper * least.lower:
        raise ValueError(f"range: least {bounds.least} is above most {bounds.most}")
    deducted = f"(sign({amount}) * {deducted})"

    def part(of: Ratio) -> str:
        return f"abs({amount}) * {of.upper}"

    above = f"{deducted} * {least.lower} >= {part(least)}"
    below = f"{deducted} * {most.lower} <= {part(most)}"
    return f"CASE WHEN {amount} = 0 THEN {net} = 0 ELSE {above} AND {below} END"
