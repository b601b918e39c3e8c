"""A bank to try things with: takes files of payments (pain.001) and of direct debits (pain.008), and writes what a bank
would send back.

Of each file a status report (pain.002) and a statement of our account (camt.053), with balances that add up; of debits
that came back a notice besides (camt.054). What becomes of a payment or a debit goes by the last digit of the other's
account, so that a demo needs no configuration.
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
NOTICE = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"


@dataclass(frozen=True)
class _Kind:
    """How files of one kind name what they hold. `collects`: the money comes to our account."""

    message: str
    order: str
    own: str
    other: str
    amount: str
    day: str
    returned_why: str
    collects: bool

    @property
    def namespace(self) -> str:
        return f"{{urn:iso:std:iso:20022:tech:xsd:{self.message}}}"


_PAYMENTS = _Kind(
    "pain.001.001.09", "CdtTrfTxInf", "DbtrAcct", "CdtrAcct", "Amt/InstdAmt", "ReqdExctnDt/Dt", "AC01", False
)
#: A debit comes back for want of money.
_DEBITS = _Kind("pain.008.001.08", "DrctDbtTxInf", "CdtrAcct", "DbtrAcct", "InstdAmt", "ReqdColltnDt", "AM04", True)

#: What every account holds before a file's payments.
_OPENING = Decimal(10_000_000)
_RETURNED_AFTER = timedelta(days=2)


class Fate(StrEnum):
    """What becomes of a payment or a debit."""

    PAID = "paid"
    REFUSED = "refused"  # the report says so, and nothing is booked
    RETURNED = "returned"  # booked, and back two days later


#: By the last character of the account; to all others it is paid.
_BY_LAST = {"8": Fate.REFUSED, "9": Fate.RETURNED}


@dataclass(frozen=True)
class Order:
    """A payment or debit of a file. `amount`: as it is written there. `own`: our account; `account`: the other's."""

    kind: _Kind
    block: str
    end_to_end: str
    own: str
    currency: str
    amount: str
    account: str
    day: date

    @property
    def fate(self) -> Fate:
        return _BY_LAST.get(self.account[-1:], Fate.PAID)


def answered(file: Path, folder: Path) -> tuple[list[Path], list[Order]]:
    """Writes a bank's answers to one file into the folder; gives these files, the report first, and the orders. The
    same file has the same answers. Raises OSError, ValueError: the file is neither a pain.001 nor a pain.008."""
    kind, message, orders = _read(file)
    folder.mkdir(parents=True, exist_ok=True)
    answers = [(folder / f"{file.stem}-report.xml", _report(kind, message, orders))]
    by_account = groupby(sorted(orders, key=_account), _account)
    for number, ((own, code), some) in enumerate(by_account, 1):
        booked = list(some)
        name = f"{message}-{number}"
        answers.append((folder / f"{file.stem}-statement-{number}.xml", _statement(name, own, code, booked)))
        back = [order for order in booked if order.kind.collects and order.fate == Fate.RETURNED]
        if back:
            answers.append((folder / f"{file.stem}-notice-{number}.xml", _notice(f"{name}-R", own, code, back)))
    for path, document in answers:
        path.write_bytes(etree.tostring(document, xml_declaration=True, encoding="UTF-8", pretty_print=True))
    return [path for path, _ in answers], orders


def _account(order: Order) -> tuple[str, str]:
    return order.own, order.currency


def _read(file: Path) -> tuple[_Kind, str, list[Order]]:
    try:
        root = etree.parse(str(file)).getroot()
    except etree.XMLSyntaxError as error:
        raise ValueError(f"{file} is no payment file (pain.001, pain.008): {error.msg}") from error
    for kind in (_PAYMENTS, _DEBITS):
        message = root.findtext(f".//{kind.namespace}MsgId")
        if message is not None:
            return kind, message, list(_orders(root, kind))
    raise ValueError(
        f"{file} is no payment file (pain.001, pain.008); `everycent run` writes them as payments-*.xml and "
        "direct_debits-*.xml"
    )


def _orders(root: Any, kind: _Kind) -> Iterator[Order]:
    def at(path: str) -> str:
        return "/".join(f"{kind.namespace}{tag}" for tag in path.split("/"))

    for block in root.iter(at("PmtInf")):
        own = "".join(block.find(at(f"{kind.own}/Id")).itertext())
        day = date.fromisoformat(block.findtext(at(kind.day)))
        for one in block.iter(at(kind.order)):
            amount = one.find(at(kind.amount))
            yield Order(
                kind,
                block.findtext(at("PmtInfId")),
                one.findtext(at("PmtId/EndToEndId")),
                own,
                amount.get("Ccy"),
                amount.text,
                "".join(one.find(at(f"{kind.other}/Id")).itertext()),
                day,
            )


def _report(kind: _Kind, message: str, orders: Sequence[Order]) -> Any:
    """The whole file is accepted, but for what is refused."""
    document = etree.Element("Document", nsmap={None: STATUS})
    report = etree.SubElement(document, "CstmrPmtStsRpt")
    _text(report, "GrpHdr/MsgId", f"S-{message}")
    original = etree.SubElement(report, "OrgnlGrpInfAndSts")
    _text(original, "OrgnlMsgId", message)
    _text(original, "OrgnlMsgNmId", kind.message)
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


def _statement(identity: str, own: str, code: str, orders: Sequence[Order]) -> Any:
    """What was booked on one account, from its opening balance to its closing one."""
    booked = [(order, False) for order in orders if order.fate != Fate.REFUSED]
    back = [(order, True) for order in orders if order.fate == Fate.RETURNED]
    closing = _OPENING + sum((_moved(order, returned=returned) for order, returned in booked + back), Decimal(0))
    document, statement = _message(STATEMENT, "BkToCstmrStmt", "Stmt", identity)
    _text(statement, "Acct/Id/Othr/Id", own)
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


def _notice(identity: str, own: str, code: str, back: Sequence[Order]) -> Any:
    """Debits that came back; the statement tells the same."""
    document, notice = _message(NOTICE, "BkToCstmrDbtCdtNtfctn", "Ntfctn", identity)
    _text(notice, "Acct/Id/Othr/Id", own)
    _text(notice, "Acct/Ccy", code)
    for order in back:
        _entry(notice, order, order.day + _RETURNED_AFTER, returned=True)
    return document


def _message(namespace: str, name: str, part: str, identity: str) -> tuple[Any, Any]:
    """A message of one part: the document, and the part."""
    document = etree.Element("Document", nsmap={None: namespace})
    message = etree.SubElement(document, name)
    _text(message, "GrpHdr/MsgId", identity)
    inside = etree.SubElement(message, part)
    _text(inside, "Id", identity)
    return document, inside


def _moved(order: Order, *, returned: bool) -> Decimal:
    """What an entry moves on our account."""
    amount = Decimal(order.amount)
    return amount if order.kind.collects is not returned else -amount


def _entry(statement: Any, order: Order, day: date, *, returned: bool) -> None:
    way = "CRDT" if _moved(order, returned=returned) > 0 else "DBIT"
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
        _text(details, "RtrInf/Rsn/Cd", order.kind.returned_why)


def _text(parent: Any, path: str, text: str) -> Any:
    """Appends an element of this path, and says the text in it."""
    for tag in path.split("/"):
        parent = etree.SubElement(parent, tag)
    parent.text = text
    return parent
