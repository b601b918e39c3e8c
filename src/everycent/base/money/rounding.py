"""Named rounding."""

from enum import StrEnum
from fractions import Fraction


class Rounding(StrEnum):
    """How a fraction of a minor unit is rounded; ties and directions are symmetric around zero."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    DOWN = "down"
    UP = "up"


def round_fraction(value: Fraction, rounding: Rounding) -> int:
    """`value` as a whole number of minor units; the rounding of -x is minus the rounding of x.

    half_up takes ties away from zero, half_even to the even neighbour; down goes towards zero, up away from it.
    """
    whole, rest = divmod(abs(value.numerator), value.denominator)
    twice = 2 * rest
    match rounding:
        case Rounding.DOWN:
            more = False
        case Rounding.UP:
            more = rest > 0
        case Rounding.HALF_UP:
            more = twice >= value.denominator
        case Rounding.HALF_EVEN:
            more = twice > value.denominator or (twice == value.denominator and whole % 2 == 1)
    rounded = whole + more
    return -rounded if value < 0 else rounded
