"""A bank that takes pain.001 files and answers as banks do: pain.002, camt.053, camt.054. It knows what it paid."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from lxml import etree

PAIN_001 = "{urn:iso:std:iso:20022:tech:xsd:pain.001.001.09}"
_STATUS = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"
_BOOKED = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"
_OPENING = Decimal(10_000)
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
        by_block.setdefault(one.block, []).append("" if status is None else status_of(one, status))
    whole = "" if group is None else f"<GrpSts>{group}</GrpSts>"
    each = "" if block is None else f"<PmtInfSts>{block}</PmtInfSts>"
    blocks = [
        f"<OrgnlPmtInfAndSts><OrgnlPmtInfId>{name}</OrgnlPmtInfId>{each}{''.join(said)}</OrgnlPmtInfAndSts>"
        for name, said in by_block.items()
    ]
    about = (
        f"<OrgnlGrpInfAndSts><OrgnlMsgId>{payments[0].message}</OrgnlMsgId><OrgnlMsgNmId>pain.001.001.09</OrgnlMsgNmId>"
        f"{whole}</OrgnlGrpInfAndSts>"
    )
    return report([about, *blocks], "B-1")


def report(blocks: list[str], identity: str) -> str:
    """A pain.002 with these blocks."""
    return (
        f"<?xml version='1.0'?><Document xmlns='{_STATUS}'><CstmrPmtStsRpt><GrpHdr><MsgId>{identity}</MsgId></GrpHdr>"
        f"{''.join(blocks)}</CstmrPmtStsRpt></Document>"
    )


def status_of(payment: Payment, status: str) -> str:
    """What a pain.002 says of one payment."""
    return (
        f"<TxInfAndSts><OrgnlEndToEndId>{payment.end_to_end}</OrgnlEndToEndId><TxSts>{status}</TxSts><StsRsnInf><Rsn>"
        f"<Cd>AC04</Cd></Rsn><AddtlInf>account closed</AddtlInf></StsRsnInf><OrgnlTxRef><Amt><InstdAmt "
        f"Ccy='{payment.currency}'>{payment.amount}</InstdAmt></Amt></OrgnlTxRef></TxInfAndSts>"
    )


def notice(entries: list[str], identity: str = "N-1") -> str:
    """A camt.054 with these entries."""
    return (
        f"<?xml version='1.0'?><Document xmlns='{_NOTICE}'><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>{identity}</MsgId>"
        f"</GrpHdr><Ntfctn><Id>{identity}</Id><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>{''.join(entries)}"
        "</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    )


def statement(entries: list[str], moved: Decimal, identity: str) -> str:
    """A camt.053 with these entries, and balances between which the account `moved`."""
    balances = "".join(
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy='CNY'>{amount:f}</Amt>"
        "<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-03-02</Dt></Dt></Bal>"
        for kind, amount in (("OPBD", _OPENING), ("CLBD", _OPENING + moved))
    )
    return (
        f"<?xml version='1.0'?><Document xmlns='{_BOOKED}'><BkToCstmrStmt><GrpHdr><MsgId>{identity}</MsgId></GrpHdr>"
        f"<Stmt><Id>{identity}</Id><Acct><Id><Othr><Id>9558</Id></Othr></Id><Ccy>CNY</Ccy></Acct>{balances}"
        f"{''.join(entries)}</Stmt></BkToCstmrStmt></Document>"
    )


def entry(
    payment: Payment, *, back: bool = False, collected: bool = False, amount: str | None = None, reference: str = ""
) -> str:
    """A payment that was booked, or came back; `collected`: it is one of a party to us. `reference`: the bank's own."""
    way, stated = "CRDT" if back is not collected else "DBIT", amount or payment.amount
    why = "<RtrInf><Rsn><Cd>AC01</Cd></Rsn></RtrInf>" if back else ""
    own = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    return (
        f"<Ntry><Amt Ccy='{payment.currency}'>{stated}</Amt><CdtDbtInd>{way}</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        f"{own}<NtryDtls><TxDtls><Refs><EndToEndId>{payment.end_to_end}</EndToEndId></Refs>"
        f"<Amt Ccy='{payment.currency}'>{stated}</Amt><CdtDbtInd>{way}</CdtDbtInd>{why}</TxDtls></NtryDtls></Ntry>"
    )


def batch_entry(payment: Payment, amount: str) -> str:
    """A block that was booked in one sum, without its payments."""
    return (
        f"<Ntry><Amt Ccy='{payment.currency}'>{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>"
        f"<NtryDtls><Btch><PmtInfId>{payment.block}</PmtInfId></Btch></NtryDtls></Ntry>"
    )
