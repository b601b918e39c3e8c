"""Bank files: payment instructions as ISO 20022 pain.001.001.09 (customer credit transfer initiation).

Accounts are IBANs where they are valid ones, other identifications otherwise. The schema is the one that sepaxml ships.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from lxml import etree

from everycent.base.money.amount import format_minor
from everycent.base.money.currency import currency
from everycent.flow.payments.contract import INSTRUCTION
from everycent.flow.payments.core.iban import as_iban
from everycent.flow.payments.core.text import printable

NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
_NAME_CHARACTERS_MAX = 140
_ACCOUNT_CHARACTERS_MAX = 34
_SUM_DIGITS_MAX = 18


class InvalidBankFile(AssertionError):
    """A bug: a bank file that its schema refuses; the message holds the schema's first complaint."""


@dataclass(frozen=True)
class FileHead:
    """What a bank file says once: its name, who pays, from which account, on which day."""

    file: str
    legal_entity: str
    payer_account: str | None
    as_of: date

    @property
    def message_id(self) -> str:
        """28 characters from the file's name; with "-" and a currency behind it stays within 35."""
        return hashlib.sha256(self.file.encode()).hexdigest()[:28]


def write_pain001(out: BinaryIO, head: FileHead, instructions: pa.Table) -> None:
    """Streams one file: INSTRUCTION rows to pay of one legal entity, one block per currency, in the order given."""
    INSTRUCTION.check(instructions)
    assert instructions.num_rows > 0, f"{head.file}: a bank file has payments"
    assert pc.unique(instructions["direction"]).to_pylist() == ["pay"], f"{head.file}: only payments go into pain.001"
    assert pc.unique(instructions["legal_entity"]).to_pylist() == [head.legal_entity], f"{head.file}: one payer"
    codes = sorted(pc.unique(instructions["currency"]).to_pylist())
    with etree.xmlfile(out, encoding="UTF-8") as xml:
        xml.write_declaration()
        with xml.element("Document", nsmap={None: NAMESPACE}), xml.element("CstmrCdtTrfInitn"):
            _write_header(xml, head, instructions)
            for code in codes:
                block = instructions.filter(pc.equal(instructions["currency"], code))
                with xml.element("PmtInf"):
                    _write_payer(xml, head, code, block)
                    for row in _rows(block):
                        xml.write(_transfer(row, head))


def validate_pain001(file: BinaryIO) -> None:
    """Checks a file against the schema as a stream. Raises InvalidBankFile."""
    try:
        for _, element in etree.iterparse(file, events=("end",), tag=f"{{{NAMESPACE}}}CdtTrfTxInf", schema=_schema()):
            element.clear(keep_tail=False)
            while element.getprevious() is not None:
                del element.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise InvalidBankFile(f"the bank file breaks its schema: {error.msg}") from error


@cache
def _schema() -> Any:
    return etree.XMLSchema(etree.parse(str(files("sepaxml") / "schemas" / "pain.001.001.09.xsd")))


def _write_header(xml: Any, head: FileHead, instructions: pa.Table) -> None:
    header = etree.Element("GrpHdr")
    _add(header, "MsgId", head.message_id)
    _add(header, "CreDtTm", f"{head.as_of.isoformat()}T00:00:00")
    _add(header, "NbOfTxs", str(instructions.num_rows))
    _add_control_sum(header, instructions)
    _add(header, "InitgPty/Nm", printable(head.legal_entity, _NAME_CHARACTERS_MAX))
    xml.write(header)


def _write_payer(xml: Any, head: FileHead, code: str, block: pa.Table) -> None:
    payer = etree.Element("PmtInf")
    _add(payer, "PmtInfId", f"{head.message_id}-{code}")
    _add(payer, "PmtMtd", "TRF")
    _add(payer, "NbOfTxs", str(block.num_rows))
    _add_control_sum(payer, block)
    _add(payer, "ReqdExctnDt/Dt", head.as_of.isoformat())
    _add(payer, "Dbtr/Nm", printable(head.legal_entity, _NAME_CHARACTERS_MAX))
    account = head.payer_account or printable(head.legal_entity, _ACCOUNT_CHARACTERS_MAX)
    _add_account(payer, "DbtrAcct", account)
    # The account alone tells the bank; this is the way to say that no identification of the bank itself is given.
    _add(payer, "DbtrAgt/FinInstnId/Othr/Id", "NOTPROVIDED")
    for element in list(payer):
        xml.write(element)


def _transfer(row: Mapping[str, Any], head: FileHead) -> Any:
    transfer = etree.Element("CdtTrfTxInf")
    identity = row["instruction_id"].hex
    _add(transfer, "PmtId/InstrId", identity)
    _add(transfer, "PmtId/EndToEndId", identity)
    amount = _add(transfer, "Amt/InstdAmt", format_minor(int(row["amount_minor"]), currency(row["currency"])))
    amount.set("Ccy", row["currency"])
    _add(transfer, "Cdtr/Nm", printable(row["account_name"], _NAME_CHARACTERS_MAX))
    _add_account(transfer, "CdtrAcct", row["account"])
    _add(transfer, "RmtInf/Ustrd", f"settlement {head.as_of.isoformat()}")
    return transfer


def _add(parent: Any, path: str, text: str) -> Any:
    """Appends the elements of `path` below `parent`, sharing the first where it is the last one there."""
    for tag in path.split("/"):
        shared = len(parent) > 0 and parent[-1].tag == tag and tag != path
        parent = parent[-1] if shared else etree.SubElement(parent, tag)
    parent.text = text
    return parent


def _add_account(parent: Any, tag: str, account: str) -> None:
    iban = as_iban(account)
    _add(parent, f"{tag}/Id/IBAN" if iban else f"{tag}/Id/Othr/Id", iban or account)


def _add_control_sum(parent: Any, instructions: pa.Table) -> None:
    """The exact sum of the amounts as written, whatever their currencies: ISO 20022 defines CtrlSum so, "irrespective
    of currencies", of the message and of each block. A block is of one currency and one account, so there it is money.
    Left out where the schema cannot hold it.
    """
    totals = instructions.group_by("currency").aggregate([("amount_minor", "sum")])
    written = [
        Decimal(format_minor(int(total), currency(code)))
        for code, total in zip(totals["currency"].to_pylist(), totals["amount_minor_sum"].to_pylist(), strict=True)
    ]
    control = sum(written, Decimal(0))
    if len(control.as_tuple().digits) <= _SUM_DIGITS_MAX:
        _add(parent, "CtrlSum", f"{control:f}")


def _rows(table: pa.Table) -> Iterator[Mapping[str, Any]]:
    for batch in table.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()
