"""What the words of rules mean in numbers."""

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

from everycent.base.engine.kernels.assigning import COST_MAX
from everycent.base.money.amount import parse_minor
from everycent.base.money.currency import Currency


@dataclass(frozen=True)
class Ratio:
    """A share, exactly; both parts fit 64 bits and the lower one is above 0."""

    upper: int
    lower: int


def days(within: timedelta | None) -> int | None:
    """A window in days."""
    return None if within is None else within.days


def small_minor(word: str, text: str, currency: Currency) -> int:
    """An amount that rules compare with, in minor units. ValueError where it is more than they count to."""
    minor = parse_minor(text, currency)
    if minor > COST_MAX:
        raise ValueError(
            f"{word}: {text} {currency} is more than rules write off; write at most {COST_MAX} minor units"
        )
    return minor


def clear_by_minor(text: str | None, currency: Currency) -> int | None:
    """By how many minor units a way must be nearer; 0 says nothing of being nearer: ValueError."""
    if text is None:
        return None
    minor = small_minor("clear_by", text, currency)
    if minor == 0:
        raise ValueError("clear_by: 0 leaves ties as they are; write more than 0, or leave the word out")
    return minor


def ratio(word: str, text: str) -> Ratio:
    """A part of an amount. ValueError where it has more than 9 decimals or is above 1,000,000."""
    value = Fraction(text)
    if value > 10**6 or 10**9 % value.denominator:
        raise ValueError(f"{word}: {text} is a part of an amount; write at most 9 decimals, for example 0.006")
    return Ratio(value.numerator, value.denominator)
