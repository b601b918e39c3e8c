"""The statement line (:61:) of an MT940 message and the information that follows it (:86:)."""

import re
from calendar import monthrange
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Final, NamedTuple

from everycent.flow.intake.bills.amounts import EXACT, amount, plain

#: Some banks break the line before the amount, and put more after the references than the standard's 34 characters.
_LINE: Final = re.compile(
    r"(\d{6})(\d{4}|[ ]{4})?(R?[DC])([A-Z])?[\n ]?(\d{0,15}(?:,\d*)?)([A-Z][A-Z0-9 ]{3})?"
    r"((?:(?!//)[^\n]){0,16})(?://([^\n]{0,23}))?\n?(.*)",
    re.ASCII | re.DOTALL,
)
#: 166?00TEXT?10…: a business transaction code, then sub-fields of two digits behind a separator of the bank's choice.
_STRUCTURED: Final = re.compile(r"(\d{3})([^A-Za-z0-9\s])(?=\d{2})", re.ASCII)
_KEYWORDS: Final = {
    "EREF": "end_to_end_id",
    "KREF": "customer_id",
    "MREF": "mandate_id",
    "CRED": "creditor_id",
    "SVWZ": "purpose",
}
_ALL_KEYWORDS: Final = (*_KEYWORDS, "DEBT", "COAM", "OAMT", "ABWA", "ABWE")
#: At a sub-field's begin or after a blank; the bank may have broken it between two sub-fields.
_KEYWORD: Final = re.compile(r"(?:^|(?<=[\n ]))(" + "|".join(r"\n?".join(each) for each in _ALL_KEYWORDS) + r")\n?\+")
_SINGLE: Final = {"00": "posting_text", "10": "prima_nota", "30": "counterparty_bank", "31": "counterparty_account"}
_PURPOSE: Final = tuple(str(number) for number in range(20, 30))
_PURPOSE_GOES_ON: Final = tuple(str(number) for number in range(60, 64))

ENTRY_COLUMNS: Final = (
    *("value_on", "booked_on", "amount", "mark", "funds_code", "kind", "customer_reference", "bank_reference"),
    *("supplementary", "details", "transaction_code", "posting_text", "prima_nota", "counterparty"),
    *("counterparty_account", "counterparty_bank", "purpose", *list(_KEYWORDS.values())[:-1], "return_code"),
)


class Entry(NamedTuple):
    """A statement line, read: the amount is signed, money in as positive."""

    amount: Decimal
    cells: dict[str, str | None]


def read_entry(text: str) -> Entry | None:
    """The line's parts; None where it is none."""
    match = _LINE.fullmatch(text)
    if match is None:
        return None
    valued, booked, mark, funds, figure, kind, customer, bank, rest = match.groups()
    value_on, value = read_date(valued), amount(figure)
    if value_on is None or value is None:
        return None
    booked_on = _booked(booked, value_on) if booked and booked.strip() else None
    signed = EXACT.minus(value) if mark in ("D", "RC") else value  # the reversal of a credit takes money out
    cells: dict[str, str | None] = {
        "value_on": value_on.isoformat(),
        "booked_on": booked_on.isoformat() if booked_on else None,
        "amount": plain(signed),
        "mark": mark,
        "funds_code": funds,
        "kind": kind,
        "customer_reference": customer.strip() or None,
        "bank_reference": (bank or "").strip() or None,
        "supplementary": rest.strip() or None,
    }
    return Entry(signed, cells)


@cache
def read_date(text: str) -> date | None:
    """YYMMDD, 1980 to 2079. German banks count interest to a 30 February; it stands for the month's last day."""
    year = int(text[:2]) + (2000 if text[:2] < "80" else 1900)
    return _day(year, int(text[2:4]), int(text[4:]))


@cache
def _booked(text: str, near: date) -> date | None:
    """MMDD in the year that puts it nearest to the value date."""
    days = [_day(year, int(text[:2]), int(text[2:])) for year in (near.year - 1, near.year, near.year + 1)]
    return min((day for day in days if day is not None), key=lambda day: abs(day - near), default=None)


def _day(year: int, month: int, day: int) -> date | None:
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        return None
    last = monthrange(year, month)[1]
    if day > last and month != 2:
        return None
    return date(year, month, min(day, last))


def entry_cells(entry: Entry, details: str | None) -> dict[str, str | None]:
    """The entry's cells with what its information says."""
    if not details or not details.strip():
        return entry.cells
    return entry.cells | {"details": details.strip()} | _structured(details)


def _structured(details: str) -> dict[str, str | None]:
    """The sub-fields, where the information has them; line ends only wrap it then."""
    text = details.replace("\n", "").lstrip()
    match = _STRUCTURED.match(text)
    if match is None:
        return {}
    code, separator = match.groups()
    parts: dict[str, str] = {}
    for part in text[match.end() - 1 :].split(separator):
        if len(part) > 1 and part[:2].isdigit():
            parts[part[:2]] = parts.get(part[:2], "") + part[2:]
    cells: dict[str, str | None] = {name: parts[number] for number, name in _SINGLE.items() if number in parts}
    cells |= {"transaction_code": code, "return_code": parts.get("34")}
    cells["counterparty"] = (parts.get("32", "") + parts.get("33", "")).strip() or None
    goes_on = "".join(parts.get(number, "") for number in _PURPOSE_GOES_ON)
    return cells | _purpose("\n".join(parts[number] for number in _PURPOSE if number in parts), goes_on)


def _purpose(text: str, goes_on: str) -> dict[str, str | None]:
    """SEPA's keywords within the purpose, whose sub-fields are lines here; text before the first is purpose too."""
    before, *rest = _KEYWORD.split(text)
    found: dict[str, str] = {"purpose": before}
    for keyword, value in zip(rest[::2], rest[1::2], strict=True):
        if (name := _KEYWORDS.get(keyword.replace("\n", ""))) is not None:
            found[name] = found.get(name, "") + value
    found["purpose"] += goes_on
    return {name: value.replace("\n", "").strip() or None for name, value in found.items()}
