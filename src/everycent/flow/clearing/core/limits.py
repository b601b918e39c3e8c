"""Limits as a model writes them: amounts of its currency, zero or more."""

from everycent.base.money.amount import NotAnAmount, parse_minor
from everycent.base.money.currency import Currency
from everycent.flow.clearing.contract import ClearingRefused


def limit_minor(text: str, currency: Currency, path: tuple[str | int, ...]) -> int:
    """A limit in minor units. Raises ClearingRefused where it is no amount of the currency, or below zero."""
    try:
        minor = parse_minor(text, currency)
    except NotAnAmount as refusal:
        raise ClearingRefused(str(refusal), path) from None
    if minor < 0:
        raise ClearingRefused(f"'{text}' is below zero; a limit is 0 or more", path)
    return minor
