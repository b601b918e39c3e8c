"""What a break is worth, as people read it: each amount with the decimals of its own currency, and none added to
another currency's."""

from collections.abc import Mapping

from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import currency
from everycent.proof.recon.breaks.standing import StandingBreak
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.limits import minor_by_currency


def amount_said(minor: int, code: str) -> str:
    """`1.234 KWD`."""
    return f"{grouped_minor(minor, currency(code))} {code}"


def amounts_said(amounts: Mapping[str, int]) -> str:
    """`200 JPY + 1.00 USD`."""
    return " + ".join(amount_said(minor, code) for code, minor in amounts.items())


def side_said(found: StandingBreak, side: str) -> str:
    """What a side (left or right) has; nothing where it has no row."""
    return amounts_said(found.amounts_of(side))


def difference_said(found: StandingBreak) -> str:
    """Left less right; where the sides are in several currencies that is left to the reader: `5.00 CNY - 6.00 USD`."""
    if found.currency is not None and found.difference_minor is not None:
        return amount_said(found.difference_minor, found.currency)
    left, right = found.amounts_of("left"), found.amounts_of("right")
    subtracted = f"({amounts_said(right)})" if len(right) > 1 else amounts_said(right)
    return " - ".join(part for part in (amounts_said(left), subtracted) if part)


def currencies_said(found: StandingBreak) -> str:
    """`CNY and USD`: all that the sides are in."""
    return " and ".join(sorted({*found.amounts_of("left"), *found.amounts_of("right")}))


def limit_of(given: str | Mapping[str, str], words: Words, code: str | None) -> tuple[str, int] | None:
    """What a limit says for a currency, as it is written and in minor units; None where it says nothing of it: one that
    is written once is of the scenario's currency alone (decision 0041)."""
    minor = minor_by_currency(given, currency(words.currency)).get(code or "")
    if minor is None or code is None:
        return None
    return (f"{given if isinstance(given, str) else given[code]} {code}", minor)
