"""Amounts as scenarios write them that hold in one currency each: tolerances, fixed fees, limits (decision 0039)."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Tag

from everycent.base.engine.declaration import Called, NumberText
from everycent.base.money.amount import parse_minor
from everycent.base.money.currency import Currency, UnknownCurrency, all_currencies
from everycent.base.money.currency import currency as currency_of


def _not_negative(text: str) -> str:
    if text.startswith("-"):
        raise ValueError(f"{text} is negative; write 0 or more")
    return text


def _some(given: dict[str, str]) -> dict[str, str]:
    if not given:
        raise ValueError("no currency is named; write for example {CNY: 0.05, JPY: 5}")
    return given


def _way(given: Any) -> str:
    return "[each]" if isinstance(given, dict) else "[one]"


#: Instead of a code: rows are in several currencies, and none of them is the scenario's.
IN_SEVERAL = "several"

NotNegative = Annotated[NumberText, AfterValidator(_not_negative)]

#: In major units: one amount, of the scenario's currency alone, or one for each currency, by its code.
Amounts = Annotated[
    Annotated[NotNegative, Tag("[one]")] | Annotated[dict[str, NotNegative], AfterValidator(_some), Tag("[each]")],
    Discriminator(_way),
    Called("number, or numbers by currency"),
]


def minor_by_currency(given: str | Mapping[str, str], currency: Currency) -> dict[str, int]:
    """By code, in the minor units of each; one amount alone is of the scenario's `currency`, and of no other.

    Where that is none of ISO 4217, as of two files, all amounts have its decimals. ValueError where an amount does not
    fit its currency, or nothing says in which it is.
    """
    if isinstance(given, str) and currency.code == IN_SEVERAL and given.strip("0."):
        raise ValueError(f"{given} is of one currency, and the rows are in several; write for example {{CNY: {given}}}")
    texts = {currency.code: given} if isinstance(given, str) else given
    alike = currency not in all_currencies()
    try:
        return {
            code: parse_minor(text, Currency(code, currency.exponent) if alike else currency_of(code))
            for code, text in sorted(texts.items())
        }
    except UnknownCurrency as unknown:
        raise ValueError(str(unknown)) from unknown
