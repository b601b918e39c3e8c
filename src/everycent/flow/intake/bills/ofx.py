"""OFX: bank and credit card statements, in the SGML of versions 1 and the XML of versions 2.

A row is a STMTTRN; rows are numbered in the file's order. Source: the Open Financial Exchange specification, 1.6 and
2.3, chapter 11. Nothing is fetched or expanded; only the five entities of XML and numbered characters are letters.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from everycent.flow.intake.bills.amounts import EXACT, ZERO, amount, plain
from everycent.flow.intake.bills.ofx_tags import Leaf, Tag, tags
from everycent.flow.intake.bills.parts import Malformed, Row, in_parts
from everycent.flow.intake.contract import BillPart, Control, SourceError

#: Where a value stands -> the column; PAYEE's name is the name.
_TRANSACTION: Final = {
    ("STMTTRN", "TRNTYPE"): "kind",
    ("STMTTRN", "DTPOSTED"): "booked_at",
    ("STMTTRN", "DTUSER"): "initiated_at",
    ("STMTTRN", "DTAVAIL"): "available_at",
    ("STMTTRN", "TRNAMT"): "amount",
    ("STMTTRN", "FITID"): "transaction_id",
    ("STMTTRN", "CORRECTFITID"): "corrects",
    ("STMTTRN", "CORRECTACTION"): "correction",
    ("STMTTRN", "SRVRTID"): "server_id",
    ("STMTTRN", "CHECKNUM"): "cheque_number",
    ("STMTTRN", "REFNUM"): "reference",
    ("STMTTRN", "NAME"): "name",
    ("PAYEE", "NAME"): "name",
    ("STMTTRN", "MEMO"): "memo",
    ("BANKACCTTO", "BANKID"): "counterparty_bank",
    ("BANKACCTTO", "ACCTID"): "counterparty_account",
    ("CCACCTTO", "ACCTID"): "counterparty_account",
    ("CURRENCY", "CURSYM"): "currency",
    ("CURRENCY", "CURRATE"): "rate",
    ("ORIGCURRENCY", "CURSYM"): "original_currency",
    ("ORIGCURRENCY", "CURRATE"): "rate",
}
_ACCOUNT: Final = {"BANKID": "bank", "BRANCHID": "branch", "ACCTID": "account", "ACCTTYPE": "account_type"}
_TIMES: Final = ("booked_at", "initiated_at", "available_at")
COLUMNS: Final = (*_ACCOUNT.values(), "statement", *dict.fromkeys(("currency", *_TRANSACTION.values())))
_STATEMENTS: Final = ("STMTRS", "CCSTMTRS", "INVSTMTRS")
_ACCOUNTS: Final = ("BANKACCTFROM", "CCACCTFROM", "INVACCTFROM")
_PENDING: Final = "STMTTRNP"  # what is not booked yet is no row
_NAMED: Final = {
    "OFX",
    "STMTTRN",
    _PENDING,
    "STATUS",
    "LEDGERBAL",
    *_STATEMENTS,
    *_ACCOUNTS,
    *(at for at, _ in _TRANSACTION),
}
_TIME: Final = re.compile(
    r"(\d{8})(?:(\d{2})(\d{2})(\d{2})?(?:\.\d+)?)?(?:\[([+-]?\d{1,2}(?:\.\d{1,2})?)(?::\w*)?\])?", re.A
)


class Ofx:
    """The format `ofx`."""

    name: Final = "ofx"
    columns: Final = COLUMNS

    def recognises(self, file: str, head: bytes) -> bool:  # noqa: ARG002  # names say nothing reliable
        return re.search(rb"^\s*OFXHEADER:|<\?OFX\s|<OFX>", head[:4096]) is not None

    def parse(self, path: Path, rows_per_part: int) -> Iterator[BillPart]:
        return in_parts(_things(path), COLUMNS, rows_per_part)


FORMAT: Final = Ofx()


@dataclass
class _Statement:
    """The statement that is being read. `span` is DTSTART and DTEND, `ledger` its balance."""

    cells: dict[str, str | None] = field(default_factory=dict)
    span: dict[str, str] = field(default_factory=dict)
    moved: Decimal = ZERO
    ledger: Decimal | None = None


def _things(path: Path) -> Iterator[Row | Malformed | Control]:
    reading = _Reading()
    for tag in tags(path):
        yield from reading.take(tag)
    if not reading.seen:
        raise SourceError(f"{path} is not an OFX file: it has no <OFX>")
    if not reading.closed:
        yield Malformed(reading.number + 1, "the file has no </OFX>: it is cut off", "")


class _Reading:
    """Walks the tags; `inside` holds the aggregates of interest that are open."""

    def __init__(self) -> None:
        self.number = 0
        self.seen = self.closed = False
        self._inside: list[str] = []
        self._statement = _Statement()
        self._transaction: dict[str, str | None] = {}
        self._trn_uid: str | None = None
        self._code: str | None = None
        self._before: dict[tuple[str | None, ...], _Statement] = {}

    def take(self, tag: Tag | Leaf) -> Iterator[Row | Malformed | Control]:
        if isinstance(tag, Leaf):
            yield from self._leaf(tag.name, html.unescape(tag.text).strip())
        elif tag.name not in _NAMED:
            return
        elif tag.opens:
            yield from self._open(tag.name)
        elif tag.name in self._inside:
            while (closed := self._inside.pop()) != tag.name:
                if closed == "STMTTRN":
                    yield self._unended()
            yield from self._close(tag.name)

    def _open(self, name: str) -> Iterator[Malformed]:
        if name == "STMTTRN" and name in self._inside:
            yield self._unended()
            del self._inside[self._inside.index(name) :]
        self.seen = self.seen or name == "OFX"
        self._inside.append(name)
        if name in _STATEMENTS:
            self._statement = _Statement({"statement": self._trn_uid})
        elif name == "STMTTRN":
            self._transaction = {}

    def _leaf(self, name: str, text: str) -> Iterator[Malformed]:
        at = self._inside[-1] if self._inside else ""
        if "STMTTRN" in self._inside:
            if (column := _TRANSACTION.get((at, name))) is not None:
                if name == "TRNAMT" and column in self._transaction:
                    yield self._unended()
                    self._transaction = {}
                self._transaction[column] = text
        elif name == "TRNAMT" and _PENDING not in self._inside and any(one in self._inside for one in _STATEMENTS):
            yield self._malformed("a TRNAMT stands outside of a STMTTRN: its transaction is lost", f"amount={text}")
        elif at in _ACCOUNTS and name in _ACCOUNT:
            self._statement.cells[_ACCOUNT[name]] = text
        elif name == "CURDEF":
            self._statement.cells["currency"] = text
        elif name in ("DTSTART", "DTEND"):
            self._statement.span[name] = text[:8]
        elif at == "LEDGERBAL" and name == "BALAMT":
            self._statement.ledger = amount(text)
        elif name == "TRNUID":
            self._trn_uid = text
        elif name == "CODE":
            self._code = text
        elif at == "STATUS" and name == "SEVERITY" and text == "ERROR":
            yield self._malformed(f"the bank answered with error {self._code} instead of a statement", "")

    def _close(self, name: str) -> Iterator[Row | Malformed | Control]:
        if name == "STMTTRN":
            yield self._row()
        elif name in _STATEMENTS:
            yield from self._controls()
            if name == "INVSTMTRS":
                yield self._malformed("an investment statement's purchases and sales are not read", "")
        elif name == "OFX":
            self.closed = True

    def _row(self) -> Row | Malformed:
        cells = self._transaction
        value = amount(cells.get("amount"))
        times = {name: _time(cells[name] or "") for name in _TIMES if name in cells}
        if value is None or times.get("booked_at") is None or None in times.values():
            return self._malformed("the transaction has no TRNAMT or DTPOSTED that can be read", self._raw)
        self.number += 1
        self._statement.moved = EXACT.add(self._statement.moved, value)
        return Row(self.number, self._statement.cells | cells | times | {"amount": plain(value)})

    @property
    def _raw(self) -> str:
        return " ".join(f"{name}={cell}" for name, cell in self._transaction.items())

    def _unended(self) -> Malformed:
        return self._malformed("the transaction has no </STMTTRN>, so that two could stand for one", self._raw)

    def _malformed(self, reason: str, raw: str) -> Malformed:
        self.number += 1
        return Malformed(self.number, reason, raw)

    def _controls(self) -> Iterator[Control]:
        """A ledger balance can be checked where the file holds the same account's statement that ends where this one
        begins."""
        now = self._statement
        account = tuple(now.cells.get(name) for name in (*_ACCOUNT.values(), "currency"))
        before = self._before.get(account)
        if before is not None and before.ledger is not None and now.ledger is not None and _adjoin(before, now):
            found = EXACT.add(before.ledger, now.moved)
            name = f"account {now.cells.get('account')}: ledger balance of {now.span.get('DTEND')}"
            yield Control(name, plain(now.ledger), plain(found), None)
        self._before[account] = now


def _adjoin(before: _Statement, now: _Statement) -> bool:
    end, begin = _day(before.span.get("DTEND", "")), _day(now.span.get("DTSTART", ""))
    return end is not None and begin is not None and begin - end in (timedelta(0), timedelta(1))


def _day(text: str) -> date | None:
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def _time(text: str) -> str | None:
    """YYYYMMDD, then maybe HHMMSS, then maybe an offset in hours such as [-3.5:NST]; None where it is none."""
    match = _TIME.fullmatch(text)
    day = _day(match[1]) if match else None
    if match is None or day is None:
        return None
    if match[2] is None:
        return day.isoformat()
    try:
        moment = datetime(day.year, day.month, day.day, int(match[2]), int(match[3]), int(match[4] or "0")).isoformat()  # noqa: DTZ001
    except ValueError:
        return None
    if match[5] is None:
        return moment
    minutes = abs(int(Decimal(match[5]) * 60)) if "." in match[5] else abs(int(match[5])) * 60
    return f"{moment}{'-' if match[5].startswith('-') else '+'}{minutes // 60:02}:{minutes % 60:02}"
