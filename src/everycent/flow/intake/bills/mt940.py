"""MT940 and MT942: an account's statement, and its report within the day, as SWIFT messages in many banks' dialects.

A row is a statement line (:61:) with its information (:86:). Source: SWIFT's category 9 message reference; the
structured :86: is the German banks' (DFÜ agreement, appendix 3).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from everycent.flow.intake.bills.bank_text import lines
from everycent.flow.intake.bills.mt940_lines import ENTRY_COLUMNS, Entry, entry_cells, read_entry
from everycent.flow.intake.bills.mt940_totals import Totals
from everycent.flow.intake.bills.parts import Malformed, Row, in_parts
from everycent.flow.intake.contract import BillPart, Control, SourceError

COLUMNS: Final = ("account", "statement", "reference", "related_reference", "currency", *ENTRY_COLUMNS)
_TAG: Final = re.compile(r":(\d{2}[A-Z]?|NS):")
_KNOWS: Final = re.compile(rb"^:(?:25P?|28C?|60[FM]|61|34F):.*[\r\n]+:(?:28C?|60[FM]|61|86|NS|13D?|34F|62[FM]):", re.M)
_PLAIN: Final = {"20": "reference", "21": "related_reference", "25": "account", "28": "statement"}
#: A field is held whole; the longest that SWIFT allows has 400 characters.
_FIELD_CHARACTERS_MAX: Final = 1 << 20


class _Field(NamedTuple):
    """A field at its line; tag "" is the end of a message."""

    line: int
    tag: str
    text: str


@dataclass
class _Message:
    """The statement that is being read; `entry` waits for its :86:."""

    cells: dict[str, str | None] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    entry: tuple[int, Entry] | None = None
    details: str | None = None
    seen: bool = False


class Mt940:
    """The format `mt940`."""

    name: Final = "mt940"
    columns: Final = COLUMNS

    def recognises(self, file: str, head: bytes) -> bool:  # noqa: ARG002  # names say nothing reliable
        return _KNOWS.search(head) is not None

    def parse(self, path: Path, rows_per_part: int) -> Iterator[BillPart]:
        return in_parts(_things(path), COLUMNS, rows_per_part)


FORMAT: Final = Mt940()


def _things(path: Path) -> Iterator[Row | Malformed | Control]:
    message, seen, goes_on, found = _Message(), False, False, _Field(0, "", "")
    for found in _fields(path):
        seen = seen or found.tag != ""
        if found.tag in ("", "20") or (found.tag in ("60F", "60M") and message.totals.opening):
            yield from _ended(message, found.line)
            message = _Message()
        if found.tag:
            message.seen = True
            yield from _take(message, found)
            goes_on = message.totals.goes_on
    yield from _ended(message, found.line)
    if not seen:
        raise SourceError(f"{path} is not an MT940 or MT942 file: no line begins with a field such as :20: or :61:")
    if goes_on:
        yield Malformed(found.line, "the statement goes on (:62M:) and the page that would follow is not there", "")


def _fields(path: Path) -> Iterator[_Field]:
    """The fields, each with the lines that continue it. What stands between two messages is the bank's own."""
    begun, tag, texts, size = 0, "", [""], 0
    number, in_block = 0, False
    for number, line in lines(path):
        match = _TAG.match(line)
        if match or line.strip("\x01\x03 ") == "-" or line.startswith(("-}", "{")):
            if tag:
                yield _Field(begun, tag, "\n".join(texts))
            begun, tag, texts, size = number, "", [""], 0
            if match:
                tag, texts = match[1], [line[match.end() :]]
            else:
                in_block = line.startswith("{") and "{4:" in line
                yield _Field(number, "", "")
        elif tag:
            texts.append(line)
        size += len(line)
        if size > _FIELD_CHARACTERS_MAX:
            raise SourceError(f"{path}: the field :{tag}: of line {begun} does not end; is this an MT940 file?")
    if tag:
        yield _Field(begun, tag, "\n".join(texts).rstrip("\n"))
    if in_block:
        yield _Field(number, "cut", "")


def _take(message: _Message, found: _Field) -> Iterator[Row | Malformed]:
    text, tag = found.text.rstrip("\n"), found.tag
    if tag in ("86", "NS") and message.entry is not None:
        message.details = text if message.details is None else f"{message.details}\n{text}"
        return
    yield from _given(message)
    if tag == "61":
        entry = read_entry(text)
        if entry is None:
            would = "a value date YYMMDD, C, D, RC or RD, and an amount"
            yield Malformed(found.line, f"the statement line (:61:) cannot be read; it would have {would}", text)
            message.totals.unread = True
        else:
            message.entry = found.line, entry
    elif tag == "cut":
        yield Malformed(found.line, "the message is not closed by '-}': the file is cut off", "")
    elif (name := _PLAIN.get(tag[:2])) is not None:
        message.cells[name] = text.strip() or None
    elif not message.totals.take(tag, text, found.line):
        yield Malformed(found.line, f"the figure (:{tag}:) cannot be read", text)


def _given(message: _Message) -> Iterator[Row]:
    """The waiting entry as a row."""
    if message.entry is not None:
        line, entry = message.entry
        message.totals.add(entry.amount)
        cells = message.cells | {"currency": message.totals.currency}
        yield Row(line, cells | entry_cells(entry, message.details))
        message.entry = message.details = None


def _ended(message: _Message, line: int) -> Iterator[Row | Malformed | Control]:
    yield from _given(message)
    if not message.seen:
        return
    named = f"statement {message.cells.get('statement') or message.cells.get('reference') or 'without number'}"
    account = message.cells.get("account")
    yield from message.totals.controls(f"{named} of account {account}" if account else named, line)
