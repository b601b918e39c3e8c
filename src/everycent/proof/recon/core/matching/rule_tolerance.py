"""The rule `tolerance`: amounts that differ a little; what they differ by is written off."""

from everycent.base.money.currency import Currency
from everycent.proof.recon.core.matching.blocks import DIFFERENCE_SQL
from everycent.proof.recon.core.matching.by_currency import PairByCurrency
from everycent.proof.recon.core.matching.pairs import Pairing
from everycent.proof.recon.core.matching.words import clear_by_minor, days, ratio, small_minor
from everycent.proof.recon.rules import ToleranceRuleSpec


def plan_tolerance(spec: ToleranceRuleSpec, currency: Currency) -> PairByCurrency:
    """The further the more is written off. An absolute tolerance says nothing of rows in other currencies.

    ValueError where a number is too large or has too many decimals.
    """
    absolute = small_minor("absolute", spec.absolute, currency)
    clear_by = clear_by_minor(spec.clear_by, currency)
    relative = None if spec.relative is None else _within_part_sql(spec.relative)

    def pairing(code: str | None) -> Pairing:
        minor = None if code is None else absolute.get(code)
        allowed = [] if minor is None else [f"({_APART} <= {minor})"]
        return Pairing(
            by=(*spec.by, "currency"),
            currency=currency.code,
            within_days=days(spec.within),
            later=spec.later,
            pairs_max=spec.pairs,
            budget=spec.budget,
            where=" OR ".join([*allowed, *([] if relative is None else [relative])]) or "false",
            distance=_APART,
            clear_by=None if code is None else clear_by.get(code),
            differences=(("within_tolerance", DIFFERENCE_SQL),),
        )

    codes = sorted({*absolute, *(() if relative is None else clear_by)})
    return PairByCurrency(
        {code: pairing(code) for code in codes}, None if relative is None else pairing(None), currency.code
    )


_APART = f"abs({DIFFERENCE_SQL})"


def _within_part_sql(relative: str) -> str:
    part = ratio("relative", relative)
    smaller = "least(abs(l.amount_minor::HUGEINT), abs(r.amount_minor::HUGEINT))"
    return f"({_APART} * {part.lower} <= {smaller} * {part.upper})"
