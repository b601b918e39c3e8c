"""pain.002: a bank's report on the payments of a file, in ISO 20022's XML, all versions.

A status stands at a payment, at a block (for all of its payments that have none) or at the message. Source: the message
definitions pain.002.001.03 to .14 of ISO 20022.
"""

from collections.abc import Iterator
from pathlib import Path

from lxml import etree

from everycent.flow.payments.contract import ComeBackRefused
from everycent.flow.payments.core.bank_answers import STATUSES, BankLine

_GROUP, _BLOCK, _PAYMENT = "OrgnlGrpInfAndSts", "OrgnlPmtInfAndSts", "TxInfAndSts"
_HEAD_BYTES = 1 << 16


def is_status_report(head: bytes) -> bool:
    """Whether a file of these first bytes is one."""
    return b":pain.002." in head[:_HEAD_BYTES]


def read_status_report(path: Path) -> list[BankLine]:
    """All that the report says. Raises ComeBackRefused where it is cut off or is no report: then nothing counts."""
    lines: list[BankLine] = []
    message = "?"
    try:
        for _, element in etree.iterparse(
            str(path), events=("end",), tag=tuple(f"{{*}}{name}" for name in ("GrpHdr", _GROUP, _BLOCK)),
            resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False,
        ):  # fmt: skip
            name = etree.QName(element).localname
            if element.getroottree().docinfo.doctype:
                raise ComeBackRefused(f"{path} has a document type declaration; no bank's report has one")
            if name == "GrpHdr":
                message = _text(element, "MsgId") or "?"
            elif name == _GROUP:
                lines += _of_group(element, f"pain.002 {message}")
            else:
                lines += _of_block(element, f"pain.002 {message}")
                element.clear()
    except etree.XMLSyntaxError as error:
        raise ComeBackRefused(f"{path} is cut off or is no XML: {error.msg}; nothing of it was taken in") from None
    if not lines:
        raise ComeBackRefused(f"{path} reports the status of nothing; is it a pain.002?")
    return lines


def _of_group(element: etree._Element, cause: str) -> Iterator[BankLine]:
    move = STATUSES.get(_text(element, "GrpSts") or "")
    if move is not None:
        group = _text(element, "OrgnlMsgId")
        yield BankLine(f"{cause} {group}", None, group, move, why=_why(element))


def _of_block(element: etree._Element, cause: str) -> Iterator[BankLine]:
    block = _text(element, "OrgnlPmtInfId")
    for payment in element.iterchildren(f"{{*}}{_PAYMENT}"):
        move = STATUSES.get(_text(payment, "TxSts") or "")
        key = _text(payment, "OrgnlEndToEndId") or _text(payment, "OrgnlInstrId")
        if move is not None:
            amount = payment.find("./{*}OrgnlTxRef/{*}Amt/{*}InstdAmt")
            text, code = (None, None) if amount is None else (amount.text, amount.get("Ccy"))
            yield BankLine(f"{cause} {key}", key, None, move, None, text, code, _why(payment))
    move = STATUSES.get(_text(element, "PmtInfSts") or "")
    if move is not None:
        yield BankLine(f"{cause} {block}", None, block, move, why=_why(element))


def _why(element: etree._Element) -> str | None:
    reason = "./{*}StsRsnInf/{*}"
    found = [
        *(child.text for child in element.iterfind(f"{reason}Rsn/*")),
        *(child.text for child in element.iterfind(f"{reason}AddtlInf")),
    ]
    return " ".join(text.strip() for text in found if text) or None


def _text(element: etree._Element, name: str) -> str | None:
    found = element.find(f"./{{*}}{name}")
    return None if found is None or not found.text else found.text.strip()
