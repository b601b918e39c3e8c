"""Allotment: splitting an amount without losing or making a unit."""

from enum import StrEnum


class RemainderPolicy(StrEnum):
    """Who receives the odd units after each share was rounded down."""

    LARGEST_REMAINDER = "largest_remainder"
    FIRST_IN_ORDER = "first_in_order"
