"""A bank to try things with: takes payment files (pain.001) and writes what a bank would send back.

Of each file a status report (pain.002) and a statement of the account that pays (camt.053), with balances that add up.
What becomes of a payment goes by the last digit of the account it goes to, so that a demo needs no configuration.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any

from lxml import etree

STATUS = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
STATEMENT = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
_ORDER = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"

#: What every account holds before a file's payments.
_OPENING = Decimal(10_000_000)
_RETURNED_AFTER = timedelta(days=2)


class Fate(StrEnum):
    """What becomes of a payment."""

    PAID = "paid"
    REFUSED = "refused"  # the report says so, and nothing is booked
    RETURNED = "returned"  # booked, and back two days later


#: By the last character of the account; to all others it is paid.
_BY_LAST = {"8": Fate.REFUSED, "9": Fate.RETURNED}


@dataclass(frozen=True)
class Order:
    """A payment of a file. `amount`: as it is written there."""

    block: str
    end_to_end: str
    payer: str
    currency: str
    amount: str
    account: str
    day: date

    @property
    def fate(self) -> Fate:
        return _BY_LAST.get(self.account[-1:], Fate.PAID)


def answered(file: Path, folder: Path) -> tuple[list[Path], list[Order]]:
    """Writes a bank's answers to one file into the folder; gives these files, the report first, and the orders. The
    same file has the same answers. Raises OSError, ValueError: the file is no pain.001."""
    message, orders = _read(file)
    folder.mkdir(parents=True, exist_ok=True)
    answers = [(folder / f"{file.stem}-report.xml", _report(message, orders))]
    by_account = groupby(sorted(orders, key=_account), _account)
    for number, ((payer, code), some) in enumerate(by_account, 1):
        name = f"{file.stem}-statement-{number}.xml"
        answers.append((folder / name, _statement(f"{message}-{number}", payer, code, list(some))))
    for path, document in answers:
        path.write_bytes(etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True))
    return [path for path, _ in answers], orders


def _account(order: Order) -> tuple[str, str]:
    return order.payer, order.currency


def _read(file: Path) -> tuple[str, list[Order]]:
    try:
        root = etree.parse(str(file)).getroot()
    except etree.XMLSyntaxError as error:
        raise ValueError(f"{file} is no pain.001 file: {error.msg}") from error
    message = root.findtext(f".//{_ORDER}MsgId")
    if message is None:
        raise ValueError(f"{file} is no pain.001 file; `everycent run` writes them as payments-*.xml")
    return message, list(_orders(root))


def _orders(root: Any) -> Iterator[Order]:
    for block in root.iter(f"{_ORDER}PmtInf"):
        payer = "".join(block.find(f"{_ORDER}DbtrAcct/{_ORDER}Id").itertext())
        day = date.fromisoformat(block.findtext(f"{_ORDER}ReqdExctnDt/{_ORDER}Dt"))
        for transfer in block.iter(f"{_ORDER}CdtTrfTxInf"):
            amount = transfer.find(f"{_ORDER}Amt/{_ORDER}InstdAmt")
            yield Order(
                block.findtext(f"{_ORDER}PmtInfId"),
                transfer.findtext(f"{_ORDER}PmtId/{_ORDER}EndToEndId"),
                payer,
                amount.get("Ccy"),
                amount.text,
                "".join(transfer.find(f"{_ORDER}CdtrAcct/{_ORDER}Id").itertext()),
                day,
            )


def _report(message: str, orders: Sequence[Order]) -> Any:
    """The whole file is accepted, but for what is refused."""
    document = etree.Element("Document", nsmap={None: STATUS})
    report = etree.SubElement(document, "CstmrPmtStsRpt")
    _text(report, "GrpHdr/MsgId", f"S-{message}")
    original = etree.SubElement(report, "OrgnlGrpInfAndSts")
    _text(original, "OrgnlMsgId", message)
    _text(original, "OrgnlMsgNmId", "pain.001.001.09")
    for name, some in groupby(orders, lambda order: order.block):
        block = etree.SubElement(report, "OrgnlPmtInfAndSts")
        _text(block, "OrgnlPmtInfId", name)
        for order in some:
            one = etree.SubElement(block, "TxInfAndSts")
            _text(one, "OrgnlEndToEndId", order.end_to_end)
            _text(one, "TxSts", "RJCT" if order.fate == Fate.REFUSED else "ACSP")
            if order.fate == Fate.REFUSED:
                _text(one, "StsRsnInf/Rsn/Cd", "AC04")
            _text(one, "OrgnlTxRef/Amt/InstdAmt", order.amount).set("Ccy", order.currency)
    return document


def _statement(identity: str, payer: str, code: str, orders: Sequence[Order]) -> Any:
    """What was booked on one account, from its opening balance to its closing one."""
    booked = [(order, False) for order in orders if order.fate != Fate.REFUSED]
    back = [(order, True) for order in orders if order.fate == Fate.RETURNED]
    closing = _OPENING - sum((Decimal(order.amount) for order, _ in booked), Decimal(0))
    closing += sum((Decimal(order.amount) for order, _ in back), Decimal(0))
    document = etree.Element("Document", nsmap={None: STATEMENT})
    message = etree.SubElement(document, "BkToCstmrStmt")
    _text(message, "GrpHdr/MsgId", identity)
    statement = etree.SubElement(message, "Stmt")
    _text(statement, "Id", identity)
    _text(statement, "Acct/Id/Othr/Id", payer)
    _text(statement, "Acct/Ccy", code)
    first = min(order.day for order in orders)
    last = max(order.day + (_RETURNED_AFTER if order.fate == Fate.RETURNED else timedelta(0)) for order in orders)
    for kind, amount, day in (("OPBD", _OPENING, first), ("CLBD", closing, last)):
        balance = etree.SubElement(statement, "Bal")
        _text(balance, "Tp/CdOrPrtry/Cd", kind)
        _text(balance, "Amt", f"{abs(amount):f}").set("Ccy", code)
        _text(balance, "CdtDbtInd", "CRDT" if amount >= 0 else "DBIT")
        _text(balance, "Dt/Dt", day.isoformat())
    for order, returned in booked + back:
        _entry(statement, order, order.day + _RETURNED_AFTER if returned else order.day, returned=returned)
    return document


def _entry(statement: Any, order: Order, day: date, *, returned: bool) -> None:
    way = "CRDT" if returned else "DBIT"
    entry = etree.SubElement(statement, "Ntry")
    _text(entry, "Amt", order.amount).set("Ccy", order.currency)
    _text(entry, "CdtDbtInd", way)
    _text(entry, "Sts/Cd", "BOOK")
    _text(entry, "BookgDt/Dt", day.isoformat())
    _text(entry, "ValDt/Dt", day.isoformat())
    _text(entry, "AcctSvcrRef", f"{'R' if returned else 'P'}-{order.end_to_end}"[:35])
    details = etree.SubElement(etree.SubElement(entry, "NtryDtls"), "TxDtls")
    _text(details, "Refs/EndToEndId", order.end_to_end)
    _text(details, "Amt", order.amount).set("Ccy", order.currency)
    _text(details, "CdtDbtInd", way)
    if returned:
        _text(details, "RtrInf/Rsn/Cd", "AC01")


def _text(parent: Any, path: str, text: str) -> Any:
    """Appends an element of this path, and says the text in it."""
    for tag in path.split("/"):
        parent = etree.SubElement(parent, tag)
    parent.text = text
    return parent
