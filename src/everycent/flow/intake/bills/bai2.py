"""BAI2: an account's balances and transactions as banks of America and Britain report them.

A row is a transaction detail (record 16). Source: Cash Management Balance Reporting Specifications version 2 of the
Bank Administration Institute. Amounts are in minor units of the currency; credits and debits go by the type code.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple

from everycent.base.money.currency import UnknownCurrency, currency
from everycent.flow.intake.bills.amounts import plain
from everycent.flow.intake.bills.bai2_totals import Account, Envelope
from everycent.flow.intake.bills.bank_text import lines
from everycent.flow.intake.bills.mt940_lines import read_date
from everycent.flow.intake.bills.parts import Malformed, Row, in_parts
from everycent.flow.intake.contract import BillPart, Control, SourceError

COLUMNS: Final = (
    *("account", "sender", "receiver", "file_id", "originator", "currency", "booked_on", "value_on", "amount"),
    *("type_code", "funds_type", "bank_reference", "customer_reference", "text"),
)
#: The codes of which money goes in and out: the specification's ranges, and those kept for banks' own codes.
_CREDITS: Final = (range(100, 400), range(920, 960))
_DEBITS: Final = (range(400, 700), range(960, 1000))
_LOAN_PAYMENTS: Final = ("720",)
_INTEGER: Final = re.compile(r"[+-]?\d{1,18}", re.ASCII)
#: How many fields a funds type brings with it; D says it itself.
_FUNDS_FIELDS: Final = {"": 0, "0": 0, "1": 0, "2": 0, "Z": 0, "S": 3, "V": 2}
_DOLLAR: Final = "USD"  # the specification's, where neither account nor group names one
_RECORD_CHARACTERS_MAX: Final = 1 << 20


class _Record(NamedTuple):
    """A record at its line: its fields, and the texts of the continuations (88) that follow it."""

    line: int
    code: str
    fields: list[str]
    more: list[str]

    @property
    def lines(self) -> int:
        return 1 + len(self.more)


@dataclass
class _Reading:
    """What surrounds the next transaction."""

    file: Envelope = field(default_factory=lambda: Envelope("file", "groups"))
    group: Envelope | None = None
    account: Account | None = None
    cells: dict[str, str | None] = field(default_factory=dict)
    group_currency: str = _DOLLAR
    closed: bool = False


class Bai2:
    """The format `bai2`."""

    name: Final = "bai2"
    columns: Final = COLUMNS

    def recognises(self, file: str, head: bytes) -> bool:  # noqa: ARG002  # names say nothing reliable
        return re.match(rb"01,[^,\r\n]*,[^,\r\n]*,\d{6},[\d:]*,[^,\r\n]*,\d*,\d*,2/?", head) is not None

    def parse(self, path: Path, rows_per_part: int) -> Iterator[BillPart]:
        return in_parts(_things(path), COLUMNS, rows_per_part)


FORMAT: Final = Bai2()


def _things(path: Path) -> Iterator[Row | Malformed | Control]:
    reading, found = _Reading(), None
    for found in _records(path):
        if found.code != "01" and not reading.cells:
            raise SourceError(f"{path} is not a BAI2 file: it would begin with a file header, record 01")
        yield from _take(reading, found)
    if found is None:
        raise SourceError(f"{path} is not a BAI2 file: it is empty")
    if not reading.closed:
        yield Malformed(found.line + found.lines, "the file has no trailer (record 99): it is cut off", "")


def _records(path: Path) -> Iterator[_Record]:
    """Records with the continuations (88) that follow them; a slash ends a record's fields."""
    begun, texts, size = 0, [""], 0
    for number, line in lines(path):
        text = line.strip("\x1a\x03 ")
        if not text:
            continue
        if text.startswith("88,") and begun:
            texts.append(text[3:])
            size += len(text)
            if size > _RECORD_CHARACTERS_MAX:
                raise SourceError(f"{path}: the record of line {begun} does not end; is this a BAI2 file?")
            continue
        if begun:
            yield _record(begun, texts)
        begun, texts, size = number, [text], 0
    if begun:
        yield _record(begun, texts)


def _record(line: int, texts: list[str]) -> _Record:
    """A slash ends a record. The fields of a transaction end with its line: its text is what may go on."""
    first, *more = (text.removesuffix("/") for text in texts)
    code, *fields = first.split(",")
    if code != "16":
        fields = [*fields, *(each for text in more for each in text.split(","))]
    return _Record(line, code, fields, more)


def _take(reading: _Reading, record: _Record) -> Iterator[Row | Malformed | Control]:
    for level in (reading.file, reading.group, reading.account):
        if level is not None:
            level.records += record.lines
    padded = [*record.fields, *[""] * 8]
    match record.code:
        case "01":
            reading.cells = {"sender": padded[0], "receiver": padded[1], "file_id": padded[4]}
        case "02":
            yield from _unclosed(reading, record.line)
            day = read_date(padded[3]) if re.fullmatch(r"\d{6}", padded[3]) else None
            reading.group, reading.group_currency = (
                Envelope("group", "accounts", records=record.lines),
                padded[5] or _DOLLAR,
            )
            reading.cells |= {"originator": padded[1], "booked_on": day.isoformat() if day else None}
        case "03":
            yield from _unclosed(reading, record.line)
            code = padded[1] or reading.group_currency
            reading.account = Account(padded[0], code, record.lines)
            reading.account.summaries(record.fields[2:])
        case "16":
            yield from _detail(reading, record, padded)
        case "49":
            if reading.account is not None:
                yield from reading.account.controls(padded, record.line)
                if reading.group is not None:
                    reading.group.add(reading.account.total)
            reading.account = None
        case "98":
            yield from _unclosed(reading, record.line)
            if reading.group is not None:
                yield from reading.group.controls(padded, record.line)
                reading.file.add(reading.group.total)
            reading.group = None
        case "99":
            yield from _unclosed(reading, record.line)
            yield from reading.file.controls(padded, record.line)
            reading.closed = True
        case _:
            yield Malformed(record.line, f"'{record.code}' is not a record's code of BAI2", ",".join(record.fields))


def _unclosed(reading: _Reading, line: int) -> Iterator[Malformed]:
    """An account or a group that the next one begins before it was closed: its figures are missing."""
    if reading.account is not None:
        yield Malformed(line, f"account {reading.account.number} has no trailer (record 49) before this line", "")
        reading.account = None


def _detail(reading: _Reading, record: _Record, padded: list[str]) -> Iterator[Row | Malformed]:
    code, figure, funds = padded[:3]
    raw = ",".join(["16", *record.fields])
    if reading.account is None:
        yield Malformed(record.line, "the transaction belongs to no account (record 03)", raw)
        return
    reading.account.details += 1
    extra = 2 * int(padded[3]) + 1 if funds == "D" and padded[3].isdigit() else _FUNDS_FIELDS.get(funds)
    direction = _direction(code)
    if _INTEGER.fullmatch(figure or "0") is None or extra is None or direction is None:
        would = "a type code of credits (100-399, 920-959) or debits (400-699, 960-999), a whole amount, a funds type"
        yield Malformed(record.line, f"the transaction cannot be read; it would have {would}", raw)
        return
    value = int(figure or "0")
    reading.account.total += value
    reading.account.moved += direction * value
    try:
        exponent = currency(reading.account.currency).exponent
    except UnknownCurrency as error:
        yield Malformed(record.line, f"how many decimals the amount has is not known: {error}", raw)
        return
    bank_reference, customer_reference, *texts = [*record.fields[3 + extra :], "", ""]
    value_on = read_date(padded[3]) if funds == "V" and re.fullmatch(r"\d{6}", padded[3]) else None
    cells = {
        "account": reading.account.number,
        "currency": reading.account.currency,
        "value_on": value_on.isoformat() if value_on else None,
        "amount": plain(Decimal(direction * value).scaleb(-exponent)),
        "type_code": code,
        "funds_type": funds,
        "bank_reference": bank_reference,
        "customer_reference": customer_reference,
        "text": "\n".join(text for text in (",".join(texts).rstrip(","), *record.more) if text),
    }
    yield Row(record.line, {name: cell or None for name, cell in (reading.cells | cells).items()})


def _direction(code: str) -> int | None:
    """1 for money in, -1 for money out."""
    if not (code.isdigit() and len(code) == 3):
        return None
    number = int(code)
    if code in _LOAN_PAYMENTS or any(number in codes for codes in _CREDITS):
        return 1
    return -1 if any(number in codes for codes in _DEBITS) else None
