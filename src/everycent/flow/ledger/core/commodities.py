"""How many decimals a commodity has."""

from collections.abc import Mapping

from everycent.base.money.currency import Currency, UnknownCurrency, currency


def commodity(name: str, decimals: Mapping[str, int]) -> Currency:
    """A commodity of the ledger: with the decimals that are said for it, else those of ISO 4217, else none: then an
    amount counts whole units."""
    if name in decimals:
        return Currency(name, decimals[name])
    try:
        return currency(name)
    except UnknownCurrency:
        return Currency(name, 0)
