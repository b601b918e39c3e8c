"""A bank that takes pain.001 files and answers as banks do: pain.002, camt.054. It knows what it paid."""

from dataclasses import dataclass
from pathlib import Path

from lxml import etree

PAIN_001 = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"
_STATUS = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
_NOTICE = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"


@dataclass(frozen=True)
class Payment:
    """A payment of a file."""

    end_to_end: str
    amount: str
    currency: str
    message: str
    block: str


def payments_of(file: Path) -> list[Payment]:
    """The payments of a pain.001, in its order."""
    root = etree.parse(str(file)).getroot()
    message = root.findtext(f".//{PAIN_001}MsgId")
    found = []
    for block in root.iter(f"{PAIN_001}PmtInf"):
        for transfer in block.iter(f"{PAIN_001}CdtTrfTxInf"):
            amount = transfer.find(f".//{PAIN_001}InstdAmt")
            found.append(
                Payment(
                    transfer.findtext(f".//{PAIN_001}EndToEndId"),
                    amount.text,
                    amount.get("Ccy"),
                    message,
                    block.findtext(f"{PAIN_001}PmtInfId"),
                )
            )
    return found


def status_report(
    payments: list[Payment], statuses: dict[str, str], *, group: str | None = None, block: str | None = None
) -> str:
    """A pain.002 about payments of one message: `statuses` by EndToEndId; of the whole message, or of its blocks."""
    by_block: dict[str, list[str]] = {}
    for one in payments:
        status = statuses.get(one.end_to_end)
        said = "" if status is None else (
            f"<TxInfAndSts><OrgnlEndToEndId>{one.end_to_end}</OrgnlEndToEndId><TxSts>{status}</TxSts><StsRsnInf><Rsn>"
            f"<Cd>AC04</Cd></Rsn><AddtlInf>account closed</AddtlInf></StsRsnInf><OrgnlTxRef><Amt><InstdAmt "
            f"Ccy='{one.currency}'>{one.amount}</InstdAmt></Amt></OrgnlTxRef></TxInfAndSts>"
        )  # fmt: skip
        by_block.setdefault(one.block, []).append(said)
    whole = "" if group is None else f"<GrpSts>{group}</GrpSts>"
    each = "" if block is None else f"<PmtInfSts>{block}</PmtInfSts>"
    blocks = "".join(
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{name}</OrgnlPmtInfId>{each}{''.join(said)}</OrgnlPmtInfAndSts>"
        for name, said in by_block.items()
    )
    return (
        f"<?xml version='1.0'?><Document xmlns='{_STATUS}'><CstmrPmtStsRpt><GrpHdr><MsgId>B-1</MsgId></GrpHdr>"
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{payments[0].message}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
        f"{whole}</OrgnlGrpInfAndSts>{blocks}</CstmrPmtStsRpt></Document>"
    )


def notice(entries: list[str], identity: str = "N-1") -> str:
    """A camt.054 with these entries."""
    return (
        f"<?xml version='1.0'?><Document xmlns='{_NOTICE}'><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>{identity}</MsgId>"
        f"</GrpHdr><Ntfctn><Id>{identity}</Id><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>{''.join(entries)}"
        "</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    )


def entry(payment: Payment, *, back: bool = False, amount: str | None = None) -> str:
    """A payment that was booked, or came back."""
    way, stated = "CRDT" if back else "DBIT", amount or payment.amount
    why = "<RtrInf><Rsn><Cd>AC01</Cd></Rsn></RtrInf>" if back else ""
    return (
        f"<Ntry><Amt Ccy='{payment.currency}'>{stated}</Amt><CdtDbtInd>{way}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        f"<NtryDtls><TxDtls><Refs><EndToEndId>{payment.end_to_end}</EndToEndId></Refs>"
        f"<Amt Ccy='{payment.currency}'>{stated}</Amt><CdtDbtInd>{way}</CdtDbtInd>{why}</TxDtls></NtryDtls></Ntry>"
    )


def batch_entry(payment: Payment, amount: str) -> str:
    """A block that was booked in one sum, without its payments."""
    return (
        f"<Ntry><Amt Ccy='{payment.currency}'>{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        f"<NtryDtls><Btch><PmtInfId>{payment.block}</PmtInfId></Btch></NtryDtls></Ntry>"
    )
