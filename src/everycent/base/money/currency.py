"""Currencies: the current ISO 4217 list, each with the number of decimals its minor unit has.

Source: the table that the `iso4217` package ships. Codes without a minor unit (XXX, XAU, XDR, XTS ...) are not money
that can be settled and are refused by name.
"""

import difflib
from dataclasses import dataclass

import iso4217


class UnknownCurrency(ValueError):
    """The code is not that of a current ISO 4217 currency."""


class CurrencyWithoutMinorUnit(UnknownCurrency):
    """The code is in ISO 4217 but has no minor unit: a metal, a fund's unit, a test code, `no currency`."""


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency: its three-letter code, and how many decimals one unit is divided into (JPY 0, CNY 2, KWD 3)."""

    code: str
    exponent: int

    @property
    def units(self) -> int:
        """How many minor units make one."""
        return 10**self.exponent  # type: ignore[no-any-return]  # int ** int is Any to the checker

    def __str__(self) -> str:
        return self.code


_ALL = {entry.code: Currency(entry.code, entry.exponent) for entry in iso4217.Currency if entry.exponent is not None}
#: What currencies are called where ISO 4217 is not at hand.
_OTHER_NAMES = {"RMB": "CNY", "CNH": "CNY", "人民币": "CNY"}
_WITHOUT_MINOR_UNIT = frozenset(entry.code for entry in iso4217.Currency if entry.exponent is None)


def currency(code: str) -> Currency:
    """The currency of a code, written in capitals as ISO 4217 does. Raises UnknownCurrency."""
    found = _ALL.get(code)
    if found is not None:
        return found
    if code in _WITHOUT_MINOR_UNIT:
        raise CurrencyWithoutMinorUnit(f"'{code}' has no minor unit in ISO 4217, so nothing can be settled in it")
    near = [_OTHER_NAMES[code]] if code in _OTHER_NAMES else difflib.get_close_matches(code.strip().upper(), _ALL, n=3)
    advice = f"; did you mean {' or '.join(near)}?" if near else "; write a code like CNY, USD or JPY"
    raise UnknownCurrency(f"'{code}' is not a current ISO 4217 currency{advice}")


def all_currencies() -> tuple[Currency, ...]:
    """Every currency that can be settled, ordered by code."""
    return tuple(_ALL[code] for code in sorted(_ALL))
