"""An entry of a camt message as rows: itself, or each payment of its batch."""

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Final, Self

from lxml import etree

from everycent.flow.intake.bills.amounts import EXACT, amount, plain, total
from everycent.flow.intake.contract import Control

#: Column -> where it stands, by version. Version 8 put parties into Pty and codes into Cd.
_OF_ENTRY: Final = {
    "currency": ("Amt@Ccy",),
    "status": ("Sts", "Sts/Cd", "Sts/Prtry"),
    "booked_on": ("BookgDt/Dt", "BookgDt/DtTm"),
    "value_on": ("ValDt/Dt", "ValDt/DtTm"),
    "reversal": ("RvslInd",),
    "entry_reference": ("NtryRef",),
    "servicer_reference": ("AcctSvcrRef",),
    "batch_message": ("NtryDtls/Btch/MsgId", "Btch/MsgId"),
    "batch_reference": ("NtryDtls/Btch/PmtInfId", "Btch/PmtInfId"),
    "batch_count": ("NtryDtls/Btch/NbOfTxs", "Btch/NbOfTxs"),
    "proprietary_code": ("BkTxCd/Prtry/Cd",),
    "information": ("AddtlNtryInf",),
}
_OF_DETAIL: Final = {
    "payment_reference": ("Refs/AcctSvcrRef",),
    "message_id": ("Refs/MsgId",),
    "payment_id": ("Refs/PmtInfId",),
    "instruction_id": ("Refs/InstrId",),
    "end_to_end_id": ("Refs/EndToEndId",),
    "transaction_id": ("Refs/TxId",),
    "uetr": ("Refs/UETR",),
    "mandate_id": ("Refs/MndtId",),
    "cheque_number": ("Refs/ChqNb",),
    "clearing_reference": ("Refs/ClrSysRef",),
    "debtor": ("RltdPties/Dbtr/Nm", "RltdPties/Dbtr/Pty/Nm", "RltdPties/Dbtr/Agt/FinInstnId/Nm"),
    "debtor_account": ("RltdPties/DbtrAcct/Id/IBAN", "RltdPties/DbtrAcct/Id/Othr/Id"),
    "debtor_bank": ("RltdAgts/DbtrAgt/FinInstnId/BICFI", "RltdAgts/DbtrAgt/FinInstnId/BIC"),
    "creditor": ("RltdPties/Cdtr/Nm", "RltdPties/Cdtr/Pty/Nm", "RltdPties/Cdtr/Agt/FinInstnId/Nm"),
    "creditor_account": ("RltdPties/CdtrAcct/Id/IBAN", "RltdPties/CdtrAcct/Id/Othr/Id"),
    "creditor_bank": ("RltdAgts/CdtrAgt/FinInstnId/BICFI", "RltdAgts/CdtrAgt/FinInstnId/BIC"),
    "ultimate_debtor": ("RltdPties/UltmtDbtr/Nm", "RltdPties/UltmtDbtr/Pty/Nm"),
    "ultimate_creditor": ("RltdPties/UltmtCdtr/Nm", "RltdPties/UltmtCdtr/Pty/Nm"),
    "remittance": ("RmtInf/Ustrd",),
    "creditor_reference": ("RmtInf/Strd/CdtrRefInf/Ref", "RmtInf/Strd/CdtrRefInf/CdtrRef"),
    "document_number": ("RmtInf/Strd/RfrdDocInf/Nb", "RmtInf/Strd/RfrdDocInf/RfrdDocNb"),
    "instructed_amount": ("AmtDtls/InstdAmt/Amt",),
    "instructed_currency": ("AmtDtls/InstdAmt/Amt@Ccy",),
    "return_reason": ("RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry", "RtrInf/RtrRsn/Cd"),
    "proprietary_code": ("BkTxCd/Prtry/Cd",),
    "information": ("AddtlTxInf",),
}
_MOMENT: Final = re.compile(r"(\d{4}-\d\d-\d\d)(T\d\d:\d\d:\d\d)?(\.\d{1,6})?\d*(Z|[+-]\d\d:\d\d)?", re.ASCII)
_ENTRY_AT: Final = {path: name for name, paths in _OF_ENTRY.items() for path in paths}
_DETAIL_AT: Final = {path: name for name, paths in _OF_DETAIL.items() for path in paths}
COLUMNS: Final = (
    *("account", "statement", "sequence", "currency", "status", "booked_on", "value_on", "amount", "reversal"),
    *("entry", "entry_amount", "detail", "details", "entry_reference", "servicer_reference"),
    *("batch_message", "batch_reference", "batch_count", "code", "proprietary_code", "counterparty"),
    *("counterparty_account", *(name for name in _OF_DETAIL if name not in _OF_ENTRY and name != "return_reason")),
    *("return_reason", "information"),
)


class Leaves(dict[str, list[str]]):
    """The texts below an element by their path of local names; an attribute's path ends in @NAME."""

    @classmethod
    def of(cls, element: etree._Element) -> Self:
        """All below the element; payments of a batch are read by themselves and left out here."""
        found = cls()
        found._take(element, "")
        return found

    def first(self, *paths: str) -> str | None:
        """The first text of the first path that has one."""
        for path in paths:
            if path in self:
                return self[path][0]
        return None

    def _take(self, element: etree._Element, above: str) -> None:
        for child in element:
            name = _local(child.tag)
            if name == "TxDtls":
                continue
            path = above + name
            text = child.text
            if text and (text := text.strip()):
                self.setdefault(path, []).append(text)
            for key, value in child.items():
                self.setdefault(f"{path}@{key}", []).append(value)
            if len(child):
                self._take(child, path + "/")


@cache
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def signed(leaves: Leaves, path: str, otherwise: str | None) -> Decimal | None:
    """The amount at the path, money in as positive. `otherwise` is the direction where there is none of its own."""
    value, direction = amount(leaves.first(path)), leaves.first("CdtDbtInd") or otherwise
    if value is None or direction not in ("CRDT", "DBIT"):
        return None
    return EXACT.minus(value) if direction == "DBIT" else value


def negative(leaves: Leaves, path: str) -> bool:
    """Whether the amount at the path has a minus of its own: then nobody can tell whether money went out or came in."""
    value = amount(leaves.first(path))
    return value is not None and value < 0


def entry_rows(
    entry: Leaves, value: Decimal, details: list[Leaves], number: int
) -> tuple[Iterator[dict[str, str | None]], list[Control]]:
    """The rows of the entry, which is the statement's so manieth, and the figures that it states of its details."""
    direction, currency = entry.first("CdtDbtInd"), entry.first("Amt@Ccy")
    amounts = [_detail_amount(detail, direction, currency) for detail in details]
    known = [each for each in amounts if each is not None]
    controls = _of_batch(entry, details, number)
    base: dict[str, str | None] = {}
    for path, texts in entry.items():
        if (name := _ENTRY_AT.get(path)) is not None:
            base.setdefault(name, texts[0])
    base |= {name: _iso(base[name]) for name in ("booked_on", "value_on") if name in base}
    base |= {"entry": str(number), "entry_amount": plain(value), "details": str(len(details)), "code": _code(entry)}
    if len(details) > 1 and len(known) == len(details):
        if total(known) == value:
            return _split(base, details, known, direction), controls
        controls.append(Control(f"entry {number}: its details' sum", plain(value), plain(total(known)), None))
    return iter([base | {"amount": plain(value)} | _cells(details, direction)]), controls


def _iso(text: str | None) -> str | None:
    """A date without its zone, or a time with it and with microseconds at most."""
    match = _MOMENT.fullmatch(text or "")
    if match is None:
        return text
    day, time, fraction, zone = match.groups()
    return day if time is None else day + time + (fraction or "") + (zone or "")


def _split(
    base: dict[str, str | None], details: list[Leaves], amounts: list[Decimal], direction: str | None
) -> Iterator[dict[str, str | None]]:
    for place, (detail, value) in enumerate(zip(details, amounts, strict=True), 1):
        yield base | {"amount": plain(value), "detail": str(place)} | _cells([detail], direction)


def _cells(details: list[Leaves], direction: str | None) -> dict[str, str | None]:
    """What the details say; where an entry that cannot be split has several, their different values in a row."""
    found: dict[str, list[str]] = {}
    for detail in details:
        for path, texts in detail.items():
            if (name := _DETAIL_AT.get(path)) is not None:
                found.setdefault(name, []).extend(texts)
    cells: dict[str, str | None] = {}
    for name, texts in found.items():
        is_one_text = len(details) == 1 and name == "remittance"  # in lines, of which two may be alike
        cells[name] = " ".join(texts if is_one_text else dict.fromkeys(texts))
    codes = [code for detail in details if (code := _code(detail))]
    if codes:
        cells["code"] = codes[0]
    other = "debtor" if direction == "CRDT" else "creditor"
    cells["counterparty"], cells["counterparty_account"] = cells.get(other), cells.get(f"{other}_account")
    return cells


def _code(leaves: Leaves) -> str | None:
    """Domain, family and sub-family, as in PMNT/RCDT/ESCT."""
    parts = [leaves.first(f"BkTxCd/Domn/{path}") for path in ("Cd", "Fmly/Cd", "Fmly/SubFmlyCd")]
    return "/".join(part for part in parts if part) or None


def _detail_amount(detail: Leaves, direction: str | None, currency: str | None) -> Decimal | None:
    """The detail's amount where it is in the entry's currency; version 2 has it only among the amount's details."""
    for path in ("Amt", "AmtDtls/TxAmt/Amt"):
        if negative(detail, path):
            continue
        if detail.first(f"{path}@Ccy") == currency and (value := signed(detail, path, direction)) is not None:
            return value
    return None


def _of_batch(entry: Leaves, details: list[Leaves], number: int) -> list[Control]:
    """What the entry says of its batch against the details that are there; a batch told only in sum has none."""
    if not details:
        return []
    controls = []
    counts = [amount(text) for text in entry.get("NtryDtls/Btch/NbOfTxs", [])]
    if counts and None not in counts:
        stated = total(each for each in counts if each is not None)
        controls.append(Control(f"entry {number}: payments of the batch", plain(stated), str(len(details)), None))
    stated_sum, currency = amount(entry.first("NtryDtls/Btch/TtlAmt")), entry.first("NtryDtls/Btch/TtlAmt@Ccy")
    one_batch = len(entry.get("NtryDtls/Btch/TtlAmt", [])) == 1
    amounts = [_detail_amount(detail, "CRDT", currency) for detail in details]
    if stated_sum is not None and one_batch and None not in amounts:
        found = abs(total(each for each in amounts if each is not None))
        controls.append(Control(f"entry {number}: total of the batch", plain(stated_sum), plain(found), None))
    return controls
