"""The rule `net_of_fees`: one side is gross, the other net of a fee that is stated, worked out, or within bounds."""

from everycent.base.money.currency import Currency
from everycent.proof.recon.core.matching.by_currency import PairByCurrency
from everycent.proof.recon.core.matching.pairs import Pairing
from everycent.proof.recon.core.matching.words import Ratio, amounts_minor, clear_by_minor, days, ratio, small_minor
from everycent.proof.recon.rules import FeeFormula, FeeRange, NetOfFeesRuleSpec

#: The words of a fee's formula that are amounts.
_AMOUNTS = ("fixed", "minimum", "maximum")


def plan_net_of_fees(spec: NetOfFeesRuleSpec, currency: Currency) -> PairByCurrency:
    """The further the more lies between the fee and what was deducted. A formula with amounts says nothing of rows in
    currencies that it does not name.

    ValueError where a number is too large, has too many decimals, or bounds are the wrong way round.
    """
    gross, net = ("l", "r") if spec.gross == "left" else ("r", "l")
    amount = f"{gross}.amount_minor::HUGEINT"
    deducted = f"({amount} - {net}.amount_minor::HUGEINT)"
    tolerance = small_minor("tolerance", spec.tolerance, currency)
    clear_by = clear_by_minor(spec.clear_by, currency)
    bounds = None if spec.range is None else _between_sql(spec.range, amount, f"{net}.amount_minor", deducted)
    worked_out = None if spec.formula is None else _WorkedOut(spec.formula, currency)
    signed = "" if spec.gross == "left" else "-"

    def pairing(code: str | None) -> Pairing:
        if bounds is not None:
            fee, allowed = deducted, bounds
        else:
            stated = f"coalesce({gross}.fee_minor, {net}.fee_minor)::HUGEINT"
            fee = stated if worked_out is None else worked_out.sql(amount, code)
            allowed = f"abs({deducted} - {fee}) <= {tolerance.get(code or '', 0)}"
        return Pairing(
            by=(*(word for word in spec.by if word != "currency"), "currency"),
            currency=currency.code,
            within_days=days(spec.within),
            later=spec.later,
            pairs_max=spec.pairs,
            budget=spec.budget,
            where=allowed,
            distance=f"abs({deducted} - {fee})",
            clear_by=None if code is None else clear_by.get(code),
            differences=(
                ("fee", f"{signed}{fee}"),
                ("within_tolerance", f"{signed}({deducted} - {fee})"),
            ),
        )

    fixed = None if worked_out is None else worked_out.codes
    codes = sorted(fixed if fixed is not None else {*tolerance, *clear_by})
    return PairByCurrency(
        {code: pairing(code) for code in codes}, pairing(None) if fixed is None else None, currency.code
    )


class _WorkedOut:
    """A fee's formula; ValueError where it does not fit."""

    def __init__(self, formula: FeeFormula, currency: Currency) -> None:
        self._rate = ratio("rate", formula.rate)
        self._minor = {word: amounts_minor(word, getattr(formula, word), currency) for word in _AMOUNTS}
        for code, least in self._minor["minimum"].items():
            if least > self._minor["maximum"].get(code, least):
                raise ValueError(f"formula: minimum {formula.minimum} is above maximum {formula.maximum}")

    @property
    def codes(self) -> set[str] | None:
        """The currencies in which it is known: those that all of its amounts name. None: it has none but 0."""
        amounts = [minor for word, minor in self._minor.items() if minor and (word != "fixed" or any(minor.values()))]
        return set.intersection(*(set(minor) for minor in amounts)) if amounts else None

    def sql(self, amount: str, code: str | None) -> str:
        """The fee in minor units, with the sign of the gross amount; rounded half up before its bounds."""
        fixed, minimum, maximum = (None if code is None else self._minor[word].get(code) for word in _AMOUNTS)
        upper, lower = self._rate.upper, self._rate.lower
        fee = f"(((2 * abs({amount}) * {upper} + {lower}) // (2 * {lower})) + {fixed or 0})"
        if minimum is not None:
            fee = f"greatest({fee}, {minimum}::HUGEINT)"
        if maximum is not None:
            fee = f"least({fee}, {maximum}::HUGEINT)"
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
