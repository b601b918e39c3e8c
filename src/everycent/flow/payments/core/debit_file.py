"""Bank files of direct debits: what is collected under mandates, as ISO 20022 pain.008.001.08 (customer direct debit
initiation)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
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
from everycent.flow.payments.core.plan import PaymentPlan
from everycent.flow.payments.core.text import printable

_MESSAGE = "pain.008.001.08"
NAMESPACE = namespace(_MESSAGE)
#: Debits in this currency are of a SEPA scheme, and say so.
_SEPA_CURRENCY = "EUR"


@dataclass(frozen=True)
class DebitTerms:
    """How a legal entity debits: its identification as a creditor, the SEPA scheme, how many days after the file."""

    creditor_id: str
    scheme: str
    lead_days: int

    def due_on(self, as_of: date) -> date:
        """The day on which a debit of a day's file is due."""
        return as_of + timedelta(days=self.lead_days)


def debit_terms(plan: PaymentPlan, legal_entity: str) -> DebitTerms:
    """As the model says them; an instruction with a mandate is made for legal entities alone that it knows."""
    said = plan.direct_debit
    assert said is not None, "debits are filed under the model that made them"
    return DebitTerms(said.creditor_ids[legal_entity].strip(), said.scheme.upper(), -(-said.lead // timedelta(days=1)))


def write_pain008(out: BinaryIO, head: FileHead, terms: DebitTerms, instructions: pa.Table) -> None:
    """Streams one file: INSTRUCTION rows to collect under mandates, of one legal entity, one block per currency, in the
    order given."""
    INSTRUCTION.check(instructions)
    assert instructions.num_rows > 0, f"{head.file}: a bank file has debits"
    assert pc.unique(instructions["direction"]).to_pylist() == ["collect"], f"{head.file}: only debits go into pain.008"
    assert instructions["mandate"].null_count == 0, f"{head.file}: each debit has its mandate"
    assert pc.unique(instructions["legal_entity"]).to_pylist() == [head.legal_entity], f"{head.file}: one creditor"
    with etree.xmlfile(out, encoding="UTF-8") as xml:
        xml.write_declaration()
        with xml.element("Document", nsmap={None: NAMESPACE}), xml.element("CstmrDrctDbtInitn"):
            xml.write(group_header(head, instructions))
            for code in sorted(pc.unique(instructions["currency"]).to_pylist()):
                block = instructions.filter(pc.equal(instructions["currency"], code))
                with xml.element("PmtInf"):
                    _write_creditor(xml, head, terms, code, block)
                    for row in rows_of(block):
                        xml.write(_debit(row, head))


def validate_pain008(file: BinaryIO) -> None:
    """Checks a file against the schema as a stream. Raises InvalidBankFile."""
    validate(file, _MESSAGE, "DrctDbtTxInf")


def _write_creditor(xml: Any, head: FileHead, terms: DebitTerms, code: str, block: pa.Table) -> None:
    creditor = etree.Element("PmtInf")
    add(creditor, "PmtInfId", f"{head.message_id}-{code}")
    add(creditor, "PmtMtd", "DD")
    add(creditor, "NbOfTxs", str(block.num_rows))
    add_control_sum(creditor, block)
    if code == _SEPA_CURRENCY:
        add(creditor, "PmtTpInf/SvcLvl/Cd", "SEPA")
        add(creditor, "PmtTpInf/LclInstrm/Cd", terms.scheme)
    add(creditor, "PmtTpInf/SeqTp", "RCUR")  # the schemes take it for the first of many, too
    add(creditor, "ReqdColltnDt", terms.due_on(head.as_of).isoformat())
    add(creditor, "Cdtr/Nm", printable(head.legal_entity, NAME_CHARACTERS_MAX))
    add_account(creditor, "CdtrAcct", own_account(head))
    # The account alone tells the bank; this is the way to say that no identification of the bank itself is given.
    add(creditor, "CdtrAgt/FinInstnId/Othr/Id", "NOTPROVIDED")
    scheme = add(creditor, "CdtrSchmeId/Id/PrvtId/Othr/Id", terms.creditor_id).getparent()
    if code == _SEPA_CURRENCY:
        add(scheme, "SchmeNm/Prtry", "SEPA")
    for element in list(creditor):
        xml.write(element)


def _debit(row: Mapping[str, Any], head: FileHead) -> Any:
    debit = etree.Element("DrctDbtTxInf")
    identity = row["instruction_id"].hex
    add(debit, "PmtId/InstrId", identity)
    add(debit, "PmtId/EndToEndId", identity)
    amount = add(debit, "InstdAmt", format_minor(int(row["amount_minor"]), currency(row["currency"])))
    amount.set("Ccy", row["currency"])
    mandate = add(debit, "DrctDbtTx/MndtRltdInf/MndtId", row["mandate"]).getparent()
    add(mandate, "DtOfSgntr", row["mandate_signed_on"].isoformat())
    add(debit, "DbtrAgt/FinInstnId/Othr/Id", "NOTPROVIDED")
    add(debit, "Dbtr/Nm", printable(row["account_name"], NAME_CHARACTERS_MAX))
    add_account(debit, "DbtrAcct", row["account"])
    add(debit, "RmtInf/Ustrd", f"settlement {head.as_of.isoformat()}")
    return debit
