"""A bank's files: a report of what it took and refused (pain.002), a statement of what it booked (camt.053)."""

from collections.abc import Sequence
from decimal import Decimal

from lxml import etree

from everycent.flow.payments.contract import Order

_REPORT = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
_STATEMENT = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
_OPENING = Decimal(10_000)
_STATUSES = {"accepted": "ACSP", "refused": "RJCT"}


def report(number: int, news: Sequence[tuple[Order, str]]) -> bytes:
    """pain.002 of orders that were accepted or refused."""
    document = etree.Element("Document", nsmap={None: _REPORT})
    told = etree.SubElement(document, "CstmrPmtStsRpt")
    _text(told, "GrpHdr/MsgId", f"report {number}")
    block = etree.SubElement(told, "OrgnlPmtInfAndSts")
    for order, status in news:
        one = etree.SubElement(block, "TxInfAndSts")
        _text(one, "OrgnlEndToEndId", order.key.hex)
        _text(one, "TxSts", _STATUSES[status])
        _text(one, "OrgnlTxRef/Amt/InstdAmt", _major(order)).set("Ccy", order.currency)
    return bytes(etree.tostring(document))


def statement(number: int, news: Sequence[tuple[Order, str]]) -> bytes:
    """camt.053 of orders that were paid, or came back: balances and entries that add up."""
    document = etree.Element("Document", nsmap={None: _STATEMENT})
    message = etree.SubElement(document, "BkToCstmrStmt")
    _text(message, "GrpHdr/MsgId", f"statement {number}")
    told = etree.SubElement(message, "Stmt")
    _text(told, "Id", f"statement {number}")
    _text(told, "Acct/Id/Othr/Id", "9558")
    _text(told, "Acct/Ccy", "CNY")
    moved = sum(
        (Decimal(_major(order)) * (1 if _comes_in(order, status) else -1) for order, status in news), Decimal(0)
    )
    for kind, amount in (("OPBD", _OPENING), ("CLBD", _OPENING + moved)):
        balance = etree.SubElement(told, "Bal")
        _text(balance, "Tp/CdOrPrtry/Cd", kind)
        _text(balance, "Amt", f"{amount:f}").set("Ccy", "CNY")
        _text(balance, "CdtDbtInd", "CRDT")
        _text(balance, "Dt/Dt", "2026-03-02")
    for order, status in news:
        entry = etree.SubElement(told, "Ntry")
        _text(entry, "Amt", _major(order)).set("Ccy", order.currency)
        way = "CRDT" if _comes_in(order, status) else "DBIT"
        _text(entry, "CdtDbtInd", way)
        _text(entry, "Sts/Cd", "BOOK")
        details = etree.SubElement(etree.SubElement(entry, "NtryDtls"), "TxDtls")
        _text(details, "Refs/EndToEndId", order.key.hex)
        _text(details, "Amt", _major(order)).set("Ccy", order.currency)
        _text(details, "CdtDbtInd", way)
    return bytes(etree.tostring(document))


def _comes_in(order: Order, status: str) -> bool:
    return (order.direction == "collect") is (status == "paid")


def _major(order: Order) -> str:
    return f"{Decimal(order.amount_minor) / 100:.2f}"


def _text(parent: etree._Element, path: str, text: str) -> etree._Element:
    for tag in path.split("/"):
        parent = etree.SubElement(parent, tag)
    parent.text = text
    return parent
