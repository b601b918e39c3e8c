"""camt.052, .053 and .054: a bank's account report, statement and notification in ISO 20022's XML, all versions.

A row is an entry; an entry whose details (the payments of a batch) add up to it gives one row for each. Rows are
numbered in the file's order. Source: the message definitions camt.05x.001.01 to .13 of ISO 20022.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from lxml import etree

from everycent.flow.intake.bills.camt_entries import COLUMNS, Leaves, entry_rows, negative, signed
from everycent.flow.intake.bills.camt_totals import Totals
from everycent.flow.intake.bills.parts import Malformed, Row, in_parts
from everycent.flow.intake.contract import BillPart, Control, SourceError

_STATEMENTS: Final = ("Stmt", "Rpt", "Ntfctn")
_WATCHED: Final = ("Document", *_STATEMENTS, "Id", "ElctrncSeqNb", "Acct", "Bal", "TxsSummry", "TxDtls", "Ntry")


@dataclass
class _Statement:
    """What is known of the statement that is being read. `kind`: its element, of _STATEMENTS."""

    kind: str
    identity: str | None = None
    sequence: str | None = None
    account: str | None = None
    currency: str | None = None
    totals: Totals = field(default_factory=Totals)

    def cells(self) -> dict[str, str | None]:
        return {"account": self.account, "statement": self.identity, "sequence": self.sequence}

    def controls(self) -> Iterator[Control]:
        named = f"statement {self.identity or 'without id'}"
        named = f"{named} of account {self.account}" if self.account else named
        yield from self.totals.controls(named, booked_in_full=self.kind == "Stmt")


class Camt:
    """The format `camt`."""

    name: Final = "camt"
    columns: Final = COLUMNS

    def recognises(self, file: str, head: bytes) -> bool:  # noqa: ARG002  # names say nothing reliable
        return re.search(rb"""["']urn:[^"']*:camt\.05[234]\.""", head) is not None

    def parse(self, path: Path, rows_per_part: int) -> Iterator[BillPart]:
        return in_parts(_things(path), COLUMNS, rows_per_part)


FORMAT: Final = Camt()


def _things(path: Path) -> Iterator[Row | Malformed | Control]:
    with path.open("rb") as file:
        reading = _Reading(path)
        try:
            for event, element in _events(file):
                yield from reading.take(event, element)
        except etree.XMLSyntaxError as error:
            if not reading.seen:
                raise SourceError(f"{path} is not a camt file: {error.msg}; it would be XML with a Document") from None
            yield Malformed(reading.number + 1, f"the XML cannot be read on from here: {error.msg}", "")
            yield from reading.left_open()
        if not reading.seen:
            raise SourceError(f"{path} is not a camt file: it has no statement, report or notification")


def _events(file: IO[bytes]) -> "etree.iterparse[tuple[str, etree._Element]]":
    """Nothing is fetched or expanded; depth (256) and the length of one text (10 MB) are libxml2's own limits."""
    return etree.iterparse(
        file,
        events=("start", "end"),
        tag=tuple(f"{{*}}{name}" for name in _WATCHED),
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )


class _Reading:
    """Walks the elements in the file's order; holds the open statement and the open entry's details, no more."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.number = 0
        self.seen = False
        self._open: _Statement | None = None
        self._details: list[Leaves] = []

    def take(self, event: str, element: etree._Element) -> Iterator[Row | Malformed | Control]:
        name = etree.QName(element).localname
        if event == "start":
            self._start(name, element)
        elif name in _STATEMENTS and self._open is not None:
            yield from self._open.controls()
            self._open = None
            _forget(element)
        elif self._open is not None:
            yield from self._end(self._open, name, element)

    def left_open(self) -> Iterator[Control]:
        """The figures of a statement that the file breaks off in."""
        if self._open is not None:
            yield from self._open.controls()

    def _start(self, name: str, element: etree._Element) -> None:
        if element.getroottree().docinfo.doctype:
            raise SourceError(f"{self._path} has a document type declaration; no bank's camt file has one")
        if name in _STATEMENTS:
            self._open, self.seen = _Statement(name), True

    def _end(self, statement: _Statement, name: str, element: etree._Element) -> Iterator[Row | Malformed | Control]:
        above = etree.QName(element.getparent()).localname
        match name:
            case "Id" if above in _STATEMENTS:
                statement.identity = element.text
            case "ElctrncSeqNb" if above in _STATEMENTS:
                statement.sequence = element.text
            case "Acct" if above in _STATEMENTS:
                leaves = Leaves.of(element)
                statement.account = leaves.first(
                    "Id/IBAN", "Id/Othr/Id", "Id/PrtryAcct/Id", "Id/BBAN", "Id/UPIC", "Prxy/Id"
                )
                statement.currency = leaves.first("Ccy")
            case "Bal":
                leaves = Leaves.of(element)
                value = signed(leaves, "Amt", None)
                if value is not None:
                    statement.totals.balance(leaves, value)
            case "TxsSummry" if above in _STATEMENTS:
                statement.totals.summary = Leaves.of(element)
            case "TxDtls":
                self._details.append(Leaves.of(element))
                _forget(element)
            case "Ntry" if above in _STATEMENTS:
                yield from self._entry(statement, element)
                _forget(element)

    def _entry(self, statement: _Statement, element: etree._Element) -> Iterator[Row | Malformed | Control]:
        entry, details = Leaves.of(element), self._details
        self._details = []
        value = None if negative(entry, "Amt") else signed(entry, "Amt", None)
        if value is None:
            self.number += 1
            said = f"the entry's amount {entry.first('Amt')!r} with {entry.first('CdtDbtInd')!r} cannot be read"
            yield Malformed(self.number, f"{said}; it would be a decimal, 0 or more, with CRDT or DBIT", str(entry))
            statement.totals.unread += 1
            return
        statement.totals.entry(entry, value)
        rows, controls = entry_rows(entry, value, details, statement.totals.entries)
        for cells in rows:
            self.number += 1
            yield Row(self.number, {**cells, **statement.cells()})
        yield from controls


def _forget(element: etree._Element) -> None:
    """Frees what has been read, and the like before it: memory holds one entry, not the file."""
    element.clear()
    parent = element.getparent()
    while (before := element.getprevious()) is not None and before.tag == element.tag:
        parent.remove(before)
