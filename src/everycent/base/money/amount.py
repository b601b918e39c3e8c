"""Amounts as text and as minor units, exactly.

An amount is an int64 count of its currency's minor units. Text is what people write: `-12.30`. Nothing is rounded here:
text that the currency cannot hold is refused, each refusal named after the rule that was broken. Zeros beyond the
currency's decimals say nothing, so `12.300` is a fine amount of CNY and `12.305` is not.
"""

import re

from everycent.base.money.currency import Currency

INT64_MIN = -(2**63)
INT64_MAX = 2**63 - 1

_PLAIN = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_EXPONENT = re.compile(r"[+-]?[0-9]*\.?[0-9]*[eE][+-]?[0-9]+")
_SHOWN = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:\.(?P<decimals>[0-9]+))?")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}([,' \u00a0\u202f_.][0-9]{3})+([.,][0-9]+)?")


class NotAnAmount(ValueError):
    """Text that does not say an exact amount of its currency."""


class EmptyAmount(NotAnAmount):
    """There is nothing to read."""


class NotFinite(NotAnAmount):
    """NaN or infinity."""


class ExponentNotAllowed(NotAnAmount):
    """Scientific notation: it comes from floating point, which has lost digits already."""


class ThousandsSeparatorNotAllowed(NotAnAmount):
    """Grouped digits: the same text means different amounts in different countries."""


class TooManyDecimals(NotAnAmount):
    """A part of a minor unit."""


class BeyondInt64(NotAnAmount):
    """More minor units than 64 bits hold."""


def parse_minor(text: str, currency: Currency) -> int:
    """The minor units that `text` says, between INT64_MIN and INT64_MAX. Spaces around it are ignored.

    Raises a NotAnAmount named after the rule that was broken.
    """
    written = text.strip()
    found = _PLAIN.fullmatch(written)
    if found is None:
        raise _refusal(text, written, currency)
    sign, whole, decimals = found[1], found[2], found[3] or ""
    kept, beyond = decimals[: currency.exponent], decimals[currency.exponent :]
    if beyond.strip("0"):
        given = len(decimals.rstrip("0"))
        raise TooManyDecimals(
            f"'{text}' has {given} decimals, {currency} has {currency.exponent}; {_example(currency)}"
        )
    digits = (whole + kept.ljust(currency.exponent, "0")).lstrip("0") or "0"
    if len(digits) > 19:  # the longest int64 has 19 digits; also keeps int() away from absurd lengths
        raise _beyond_int64(text, currency)
    minor = -int(digits) if sign == "-" else int(digits)
    if not INT64_MIN <= minor <= INT64_MAX:
        raise _beyond_int64(text, currency)
    return minor


def format_minor(minor: int, currency: Currency) -> str:
    """The amount as plain text with all of the currency's decimals: -1230 of CNY is `-12.30`."""
    sign = "-" if minor < 0 else ""
    whole, part = divmod(abs(minor), currency.units)
    return f"{sign}{whole}.{part:0{currency.exponent}d}" if currency.exponent else f"{sign}{whole}"


def grouped_minor(minor: int, currency: Currency) -> str:
    """The amount as people read it, its thousands apart: -123456 of CNY is `-1,234.56`."""
    return grouped(minor, currency.exponent)


def grouped(minor: int, decimals: int) -> str:
    """As `grouped_minor`, of an amount whose currency is not known but for its decimals."""
    whole, part = divmod(abs(minor), 10**decimals)
    return f"{'-' if minor < 0 else ''}{whole:,}{f'.{part:0{decimals}}' if decimals else ''}"


def parse_typed(text: str, currency: Currency) -> int:
    """As `parse_minor`, of what a person types or copies from a table: thousands may be apart as `grouped_minor` writes
    them, with all of the currency's decimals, so that they are no other country's decimals. Raises a NotAnAmount."""
    return parse_minor(ungrouped(text, currency), currency)


def ungrouped(text: str, currency: Currency) -> str:
    """The text without its separators where they stand as `grouped_minor` writes them; else as it is."""
    found = _SHOWN.fullmatch(text.strip())
    shown = found is not None and len(found["decimals"] or "") == currency.exponent
    return text.replace(",", "") if shown else text


def _refusal(text: str, written: str, currency: Currency) -> NotAnAmount:
    example = _example(currency)
    if not written:
        return EmptyAmount(f"the amount is empty; {example}")
    if _NOT_FINITE.fullmatch(written):
        return NotFinite(f"'{text}' is not a number; {example}")
    if _EXPONENT.fullmatch(written):
        return ExponentNotAllowed(f"'{text}' is in scientific notation; write all digits, {example}")
    if _GROUPED.fullmatch(written):
        return ThousandsSeparatorNotAllowed(f"'{text}' has thousands separators; write the digits together, {example}")
    return NotAnAmount(f"'{text}' is not an amount; {example}")


def _example(currency: Currency) -> str:
    return f"write for example {format_minor(1234567, currency)}"


def _beyond_int64(text: str, currency: Currency) -> BeyondInt64:
    shown = text if len(text) <= 40 else f"{text[:37]}..."
    low, high = format_minor(INT64_MIN, currency), format_minor(INT64_MAX, currency)
    return BeyondInt64(f"'{shown}' does not fit; an amount of {currency} lies between {low} and {high}")
