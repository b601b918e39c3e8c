"""What a price comes to, one value at a time in plain Python: written from the words of the reference, not the code.

A price is the mapping that a model's author writes. Values are Fractions, in units or in major units of money.
"""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil, inf
from typing import Any

Tiers = Sequence[Mapping[str, str]]


def priced(price: Mapping[str, Any], value: Fraction, before: Fraction = Fraction(0)) -> Fraction:
    """The unrounded price of a value; `before` is the running total of a graduated price with `from`."""
    [(kind, words)] = price.items()
    if value < 0 and "from" not in words:
        return -priced(price, -value)
    match kind:
        case "flat":
            return Fraction(words["amount"])
        case "percentage":
            amount = value * Fraction(words["rate"])
            amount = max(amount, Fraction(words["minimum"])) if "minimum" in words else amount
            return min(amount, Fraction(words["maximum"])) if "maximum" in words else amount
        case "per_unit":
            return max(value - Fraction(words.get("free", 0)), Fraction(0)) * Fraction(words["price"])
        case "package":
            charged = max(value - Fraction(words.get("free", 0)), Fraction(0))
            return ceil(charged / Fraction(words["size"])) * Fraction(words["price"])
        case "volume":
            return volume(words["tiers"], value)
        case "graduated":
            return graduated(words["tiers"], value)
    raise AssertionError(kind)


def graduated(tiers: Tiers, value: Fraction) -> Fraction:
    if value < 0:
        return -graduated(tiers, -value)
    total, lower = Fraction(0), Fraction(0)
    for tier in tiers:
        if value <= lower:
            break
        upper = Fraction(tier["up_to"]) if "up_to" in tier else value
        total += (min(value, upper) - lower) * _each(tier) + Fraction(tier.get("flat", 0))
        lower = upper
    return total


def volume(tiers: Tiers, value: Fraction) -> Fraction:
    if value == 0:
        return Fraction(0)
    chosen = next(tier for tier in tiers if value <= (Fraction(tier["up_to"]) if "up_to" in tier else inf))
    return value * _each(chosen) + Fraction(chosen.get("flat", 0))


def _each(tier: Mapping[str, str]) -> Fraction:
    return Fraction(tier.get("rate", tier.get("price", 0)))
