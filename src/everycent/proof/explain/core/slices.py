"""A graduated price told slice by slice: which part of a total fell into which tier, and what that comes to."""

import re
from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def slices_told(graduated: Mapping[str, Any], before: str, after: str) -> str | None:
    """`300.00 at 0.05 = 15.00; 200.00 at 0.08 = 16.00`, of a total that goes from `before` to `after`.

    None where this would not say how the amount came about: the total falls, or a tier's price is no plain number.
    """
    tiers = graduated.get("tiers")
    if not (isinstance(tiers, list) and _NUMBER.fullmatch(before) and _NUMBER.fullmatch(after)):
        return None
    low, high, start = Fraction(before), Fraction(after), Fraction(0)
    places = len(after.partition(".")[2])
    told: list[str] = []
    if not 0 <= low < high:
        return None
    for tier in tiers:
        each, flat = str(tier.get("rate", tier.get("price", "0"))), tier.get("flat")
        if not _NUMBER.fullmatch(each) or not (flat is None or _NUMBER.fullmatch(str(flat))):
            return None
        end = Fraction(str(tier["up_to"])) if "up_to" in tier else high
        width = min(high, end) - max(low, start)
        if flat is not None and low <= start < high:
            told.append(f"{flat} for entering the tier from {_shown(start, places)} on")
        if width > 0:
            told.append(f"{_shown(width, places)} at {each} = {_shown(width * Fraction(each), places)}")
        start = end
    return "; ".join(told)


def _shown(value: Fraction, places: int) -> str:
    """All decimals of a number that has finitely many, and `places` at least."""
    with localcontext(prec=60):
        exact = (Decimal(value.numerator) / Decimal(value.denominator)).normalize()
    decimals = max(places, -int(exact.as_tuple().exponent))
    return f"{exact:.{decimals}f}"
