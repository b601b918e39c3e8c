"""What the words of rules mean in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from everycent.base.engine.kernels.assigning import COST_MAX
from everycent.base.money.currency import Currency
from everycent.proof.recon.limits import minor_by_currency


@dataclass(frozen=True)
class Ratio:
    """A share, exactly; both parts fit 64 bits and the lower one is above 0."""

    upper: int
    lower: int


def days(within: timedelta | None) -> int | None:
    """A window in days."""
    return None if within is None else within.days


def amounts_minor(word: str, given: str | Mapping[str, str] | None, currency: Currency) -> dict[str, int]:
    """An amount in minor units, by code; none where it is not given. ValueError names the word."""
    try:
        return {} if given is None else minor_by_currency(given, currency)
    except ValueError as refusal:
        raise ValueError(f"{word}: {refusal}") from refusal


def small_minor(word: str, given: str | Mapping[str, str] | None, currency: Currency) -> dict[str, int]:
    """Amounts that rules compare with, as `amounts_minor`. ValueError where one is more than they count to."""
    found = amounts_minor(word, given, currency)
    for code, minor in found.items():
        if minor > COST_MAX:
            text = given if isinstance(given, str) or given is None else given[code]
            raise ValueError(
                f"{word}: {text} {code} is more than rules write off; write at most {COST_MAX} minor units"
            )
    return found


def clear_by_minor(given: str | Mapping[str, str] | None, currency: Currency) -> dict[str, int]:
    """By how many minor units a way must be nearer, by code; 0 says nothing of being nearer: ValueError."""
    found = small_minor("clear_by", given, currency)
    if 0 in found.values():
        raise ValueError("clear_by: 0 leaves ties as they are; write more than 0, or leave the word out")
    return found


def ratio(word: str, text: str) -> Ratio:
    """A part of an amount. ValueError where it has more than 9 decimals or is above 1,000,000."""
    value = Fraction(text)
    if value > 10**6 or 10**9 % value.denominator:
        raise ValueError(f"{word}: {text} is a part of an amount; write at most 9 decimals, for example 0.006")
    return Ratio(value.numerator, value.denominator)
