"""Amounts as files write them, exact: decimals of up to 24 places before the mark and 17 after it."""

import re
from collections.abc import Iterable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation
from typing import Final

#: Sums in it are exact: they would raise before they lost a digit.
EXACT: Final = Context(prec=80, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[Inexact, InvalidOperation])
ZERO: Final = Decimal(0)
_NUMBER: Final = re.compile(r"[+-]?(?:\d{1,24}(?:[.,]\d{0,17})?|[.,]\d{1,17})", re.ASCII)


def amount(text: str | None) -> Decimal | None:
    """A decimal with a point or a comma as its mark and nothing between thousands; None where it is not one."""
    if text is None or _NUMBER.fullmatch(text) is None:
        return None
    return Decimal(text.replace(",", "."))


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    found = ZERO
    for each in amounts:
        found = EXACT.add(found, each)
    return found


def plain(value: Decimal) -> str:
    """The decimal in plain digits, with the places that it was written with, and never minus zero."""
    return format(value if value else abs(value), "f")
