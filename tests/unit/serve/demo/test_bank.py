"""The bank that is made up: what becomes of a payment goes by its account's last digit, and its statement adds up."""

from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app
from everycent.serve.demo.bank import Fate, answered

BLOCK = """<PmtInf><PmtInfId>B-{code}</PmtInfId><ReqdExctnDt><Dt>2026-03-10</Dt></ReqdExctnDt>
  <DbtrAcct><Id><Othr><Id>{payer}</Id></Othr></Id></DbtrAcct>{transfers}</PmtInf>"""
TRANSFER = """<CdtTrfTxInf><PmtId><EndToEndId>{name}</EndToEndId></PmtId>
  <Amt><InstdAmt Ccy="{code}">{amount}</InstdAmt></Amt>
  <CdtrAcct><Id><Othr><Id>{account}</Id></Othr></Id></CdtrAcct></CdtTrfTxInf>"""


def order(name: str, amount: str, account: str, code: str = "CNY") -> str:
    return TRANSFER.format(name=name, amount=amount, account=account, code=code)


def payment_file(folder: Path, *blocks: str) -> Path:
    path = folder / "payments-1.xml"
    path.write_text(
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>'
        f"<GrpHdr><MsgId>M1</MsgId></GrpHdr>{''.join(blocks)}</CstmrCdtTrfInitn></Document>",
        encoding="utf-8",
    )
    return path


def texts(path: Path, tag: str) -> list[str]:
    return [element.text for element in etree.parse(str(path)).getroot().iter("{*}" + tag)]


def test_paid_refused_and_returned(tmp_path: Path) -> None:
    orders = order("E1", "100.00", "6220"), order("E2", "20.50", "6228"), order("E3", "3.25", "6229")
    yen = order("E4", "500", "7001", "JPY")
    file = payment_file(
        tmp_path,
        BLOCK.format(code="CNY", payer="P1", transfers="".join(orders)),
        BLOCK.format(code="JPY", payer="P1", transfers=yen),
    )
    (report, cny, jpy), read = answered(file, tmp_path / "bank")
    assert [one.fate for one in read] == [Fate.PAID, Fate.REFUSED, Fate.RETURNED, Fate.PAID]
    assert texts(report, "TxSts") == ["ACSP", "RJCT", "ACSP", "ACSP"] and texts(report, "OrgnlMsgId") == ["M1"]

    opening, closing, *entries = map(Decimal, texts(cny, "Amt"))
    assert closing == opening - 100, "what was refused is not booked, what came back is booked twice"
    assert texts(cny, "CdtDbtInd")[2::2] == ["DBIT", "DBIT", "CRDT"]
    assert sum(entries[::2]) == Decimal("106.50")
    assert texts(cny, "EndToEndId") == ["E1", "E3", "E3"] and texts(jpy, "EndToEndId") == ["E4"]

    before = [path.read_bytes() for path in (report, cny, jpy)]
    answered(file, tmp_path / "bank")
    assert [path.read_bytes() for path in (report, cny, jpy)] == before, "the same file has the same answers"


DEBITS = """<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.008.001.08"><CstmrDrctDbtInitn>
  <GrpHdr><MsgId>M2</MsgId></GrpHdr><PmtInf><PmtInfId>D</PmtInfId><ReqdColltnDt>2026-03-10</ReqdColltnDt>
  <CdtrAcct><Id><Othr><Id>P1</Id></Othr></Id></CdtrAcct>{}</PmtInf></CstmrDrctDbtInitn></Document>"""
DEBIT = """<DrctDbtTxInf><PmtId><EndToEndId>{}</EndToEndId></PmtId><InstdAmt Ccy="CNY">{}</InstdAmt>
  <DbtrAcct><Id><Othr><Id>{}</Id></Othr></Id></DbtrAcct></DrctDbtTxInf>"""


def test_debits_come_in_and_go_back_for_want_of_money(tmp_path: Path) -> None:
    debits = ("E1", "100.00", "6220"), ("E2", "20.50", "6228"), ("E3", "3.25", "6229")
    file = tmp_path / "direct_debits-1.xml"
    file.write_text(DEBITS.format("".join(DEBIT.format(*one) for one in debits)), encoding="utf-8")
    (report, statement, notice), _ = answered(file, tmp_path / "bank")
    assert texts(report, "TxSts") == ["ACSP", "RJCT", "ACSP"] and texts(report, "OrgnlMsgNmId") == ["pain.008.001.08"]
    opening, closing, *_ = map(Decimal, texts(statement, "Amt"))
    assert closing == opening + 100 and texts(statement, "CdtDbtInd")[2::2] == ["CRDT", "CRDT", "DBIT"]
    for path in (statement, notice):
        assert texts(path, "Cd")[-1] == "AM04" and texts(path, "AcctSvcrRef")[-1] == "R-E3"
    assert texts(notice, "EndToEndId") == ["E3"], "the notice tells what came back, and no more"


def test_a_file_without_orders_is_accepted_with_nothing_in_it(tmp_path: Path) -> None:
    file = tmp_path / "direct_debits-1.xml"
    file.write_text(DEBITS.format(""), encoding="utf-8")
    (report,), orders = answered(file, tmp_path / "bank")
    assert orders == [] and texts(report, "OrgnlMsgNmId") == ["pain.008.001.08"] and texts(report, "TxSts") == []


@pytest.mark.parametrize("text", ["no xml", "<Document/>"])
def test_another_file_is_refused_by_name(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "other.xml"
    file.write_text(text, encoding="utf-8")
    assert run_app(["payments", "simulate", str(file), "--to", str(tmp_path / "bank")]) == exits.REFUSED
    assert "other.xml is no payment file (pain.001, pain.008)" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "bank").exists()
