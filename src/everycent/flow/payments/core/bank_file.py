"""Bank files: payment instructions as ISO 20022 pain.001.001.09 (customer credit transfer initiation)."""

from collections.abc import Mapping
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
from lxml import etree

from everycent.base.money.amount import format_minor
from everycent.base.money.currency import currency
from everycent.flow.payments.contract import INSTRUCTION
from everycent.flow.payments.core.iso20022 import (
    NAME_CHARACTERS_MAX,
    FileHead,
    add,
    add_account,
    add_control_sum,
    group_header,
    namespace,
    own_account,
    rows_of,
    validate,
)
from everycent.flow.payments.core.text import printable

_MESSAGE = "pain.001.001.09"
NAMESPACE = namespace(_MESSAGE)


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
            xml.write(group_header(head, instructions))
            for code in codes:
                block = instructions.filter(pc.equal(instructions["currency"], code))
                with xml.element("PmtInf"):
                    _write_payer(xml, head, code, block)
                    for row in rows_of(block):
                        xml.write(_transfer(row, head))


def validate_pain001(file: BinaryIO) -> None:
    """Checks a file against the schema as a stream. Raises InvalidBankFile."""
    validate(file, _MESSAGE, "CdtTrfTxInf")


def _write_payer(xml: Any, head: FileHead, code: str, block: pa.Table) -> None:
    payer = etree.Element("PmtInf")
    add(payer, "PmtInfId", f"{head.message_id}-{code}")
    add(payer, "PmtMtd", "TRF")
    add(payer, "NbOfTxs", str(block.num_rows))
    add_control_sum(payer, block)
    add(payer, "ReqdExctnDt/Dt", head.as_of.isoformat())
    add(payer, "Dbtr/Nm", printable(head.legal_entity, NAME_CHARACTERS_MAX))
    add_account(payer, "DbtrAcct", own_account(head))
    # The account alone tells the bank; this is the way to say that no identification of the bank itself is given.
    add(payer, "DbtrAgt/FinInstnId/Othr/Id", "NOTPROVIDED")
    for element in list(payer):
        xml.write(element)


def _transfer(row: Mapping[str, Any], head: FileHead) -> Any:
    transfer = etree.Element("CdtTrfTxInf")
    identity = row["instruction_id"].hex
    add(transfer, "PmtId/InstrId", identity)
    add(transfer, "PmtId/EndToEndId", identity)
    amount = add(transfer, "Amt/InstdAmt", format_minor(int(row["amount_minor"]), currency(row["currency"])))
    amount.set("Ccy", row["currency"])
    add(transfer, "Cdtr/Nm", printable(row["account_name"], NAME_CHARACTERS_MAX))
    add_account(transfer, "CdtrAcct", row["account"])
    add(transfer, "RmtInf/Ustrd", f"settlement {head.as_of.isoformat()}")
    return transfer
