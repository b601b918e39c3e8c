"""Named rounding."""

from enum import StrEnum


class Rounding(StrEnum):
    """How a fraction of a minor unit is rounded; ties and directions are symmetric around zero."""

    HALF_UP = "half_up"
    HALF_EVEN = "half_even"
    DOWN = "down"
    UP = "up"
