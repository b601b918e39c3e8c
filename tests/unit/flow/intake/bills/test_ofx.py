"""OFX of both kinds in, transactions out."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_bills import Bill, needs, read_bill, real

from everycent.flow.intake.bills.ofx import FORMAT
from everycent.flow.intake.contract import SourceError

SGML = """OFXHEADER:100
DATA:OFXSGML
VERSION:102
ENCODING:USASCII
CHARSET:1252

<OFX><SIGNONMSGSRSV1><SONRS><STATUS><CODE>0<SEVERITY>INFO</STATUS></SONRS></SIGNONMSGSRSV1>
<BANKMSGSRSV1><STMTTRNRS><TRNUID>U-1<STATUS><CODE>0<SEVERITY>INFO</STATUS><STMTRS><CURDEF>USD
<BANKACCTFROM><BANKID>021<ACCTID>4711<ACCTTYPE>CHECKING</BANKACCTFROM>
<BANKTRANLIST><DTSTART>20260301<DTEND>20260302
<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>20260301120000.000[-5:EST]<TRNAMT>+10.50<FITID>F-1<NAME>Tom &amp; Co<MEMO></STMTTRN>
<STMTTRN><TRNTYPE>XFER<DTPOSTED>20260302<TRNAMT>-3,25<FITID>F-2<PAYEE><NAME>Anna</PAYEE>
<BANKACCTTO><BANKID>022<ACCTID>99</BANKACCTTO><ORIGCURRENCY><CURRATE>1.1<CURSYM>CAD</ORIGCURRENCY></STMTTRN>
</BANKTRANLIST><LEDGERBAL><BALAMT>100.00<DTASOF>20260302</LEDGERBAL></STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>
"""


def xml(*statements: str) -> str:
    head = '<?xml version="1.0"?><?OFX OFXHEADER="200" VERSION="211"?>'
    return f"{head}<OFX><BANKMSGSRSV1>{''.join(statements)}</BANKMSGSRSV1></OFX>"


def statement(start: str, end: str, balance: str, *amounts: str) -> str:
    moves = "".join(
        f"<STMTTRN><TRNTYPE>CREDIT</TRNTYPE><DTPOSTED>{end}</DTPOSTED><TRNAMT>{amount}</TRNAMT><FITID>{at}</FITID>"
        f"</STMTTRN>"
        for at, amount in enumerate(amounts)
    )
    return (
        f"<STMTTRNRS><STMTRS><CURDEF>EUR</CURDEF><BANKACCTFROM><ACCTID>1</ACCTID></BANKACCTFROM><BANKTRANLIST><DTSTART>"
        f"{start}</DTSTART><DTEND>{end}</DTEND>{moves}</BANKTRANLIST><LEDGERBAL><BALAMT>{balance}</BALAMT></LEDGERBAL>"
        f"</STMTRS></STMTTRNRS>"
    )


def read(tmp_path: Path, text: str, rows_per_part: int = 1000) -> Bill:
    path = tmp_path / "statement.ofx"
    path.write_text(text)
    return read_bill(FORMAT, path, rows_per_part)


@pytest.mark.parametrize("lost", ["<STMTTRN>", "</STMTTRN>"])
@pytest.mark.parametrize("place", [0, 1])
def test_a_transaction_whose_tag_is_lost_is_told(tmp_path: Path, lost: str, place: int) -> None:
    head, first, *more = SGML.replace(lost, f"\0{lost}").split("\0")
    parts = [first, *more]
    parts[place] = parts[place].removeprefix(lost)
    bill = read(tmp_path, head + "".join(parts))
    assert len(bill.malformed) == 1 and len(bill.rows) == 1


def test_a_transaction_is_not_made_of_two(tmp_path: Path) -> None:
    bill = read(tmp_path, SGML.replace("</STMTTRN>\n<STMTTRN>", ""))
    assert bill.rows == [] and bill.malformed


def test_what_is_pending_is_no_row_and_no_fault(tmp_path: Path) -> None:
    pending = "<BANKTRANLISTP><STMTTRNP><TRNTYPE>DEBIT<TRNAMT>-1.00<NAME>Shop</STMTTRNP></BANKTRANLISTP></STMTRS>"
    bill = read(tmp_path, SGML.replace("</STMTRS>", pending))
    assert (len(bill.rows), bill.malformed) == (2, [])


def test_values_without_closing_tags_are_read(tmp_path: Path) -> None:
    bill = read(tmp_path, SGML)
    account = {"bank": "021", "account": "4711", "account_type": "CHECKING", "statement": "U-1", "currency": "USD"}
    assert bill.rows == [
        account
        | {
            "kind": "CREDIT",
            "booked_at": "2026-03-01T12:00:00-05:00",
            "amount": "10.50",
            "transaction_id": "F-1",
            "name": "Tom & Co",
        },
        account
        | {
            "kind": "XFER",
            "booked_at": "2026-03-02",
            "amount": "-3.25",
            "transaction_id": "F-2",
            "name": "Anna",
            "counterparty_bank": "022",
            "counterparty_account": "99",
            "rate": "1.1",
            "original_currency": "CAD",
        },
    ]
    assert not bill.malformed


def test_the_ledger_balance_is_checked_against_the_statement_before(tmp_path: Path) -> None:
    first = statement("20260301", "20260302", "10.00", "4")
    assert read(tmp_path, xml(first)).controls == []
    assert read(tmp_path, xml(first, statement("20260303", "20260304", "13.50", "4", "-0.5"))).ties
    [wrong] = read(tmp_path, xml(first, statement("20260303", "20260304", "13.51", "4", "-0.5"))).disagreeing
    assert (wrong.name, wrong.stated, wrong.found) == ("account 1: ledger balance of 20260304", "13.51", "13.50")
    assert read(tmp_path, xml(first, statement("20260305", "20260306", "99", "4"))).controls == []


def test_comments_and_cdata_hold_no_tags(tmp_path: Path) -> None:
    text = xml(statement("20260301", "20260302", "1", "4")).replace("<FITID>0", "<!-- <TRNAMT>9</TRNAMT> --><FITID>0")
    assert read(tmp_path, text).column("amount") == ["4"]
    named = text.replace("</STMTTRN>", "<NAME><![CDATA[A <B> &amp; C]]></NAME></STMTTRN>")
    assert read(tmp_path, named).column("name") == ["A <B> &amp; C"]


@pytest.mark.parametrize("left", [0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("text", [SGML, xml(statement("20260301", "20260302", "1", *["1"] * 50))])
def test_a_file_cut_anywhere_says_so(tmp_path: Path, text: str, left: float) -> None:
    bill = read(tmp_path, text.strip()[: int(len(text.strip()) * left)])
    assert bill.malformed[-1]["reason"] == "the file has no </OFX>: it is cut off"


@pytest.mark.parametrize("wrong", ["<TRNAMT>1.2.3<FITID>F-2", "<TRNAMT>-3,25<FITID>F-2<DTUSER>20260230"])
def test_a_transaction_that_cannot_be_read_does_not_end_the_file(tmp_path: Path, wrong: str) -> None:
    bill = read(tmp_path, SGML.replace("<TRNAMT>-3,25<FITID>F-2", wrong))
    assert (bill.lines, [each["line"] for each in bill.malformed]) == ([1], [2])


def test_a_banks_error_and_an_investment_statement_are_told(tmp_path: Path) -> None:
    refused = "<STMTTRNRS><STATUS><CODE>2003</CODE><SEVERITY>ERROR</SEVERITY></STATUS></STMTTRNRS>"
    assert "error 2003 instead of a statement" in read(tmp_path, xml(refused)).malformed[0]["reason"]
    assert "not read" in read(tmp_path, xml("<INVSTMTRS></INVSTMTRS>")).malformed[0]["reason"]


def test_what_is_no_ofx_is_refused(tmp_path: Path) -> None:
    for text in ("", "no bank's file", "<html></html>"):
        with pytest.raises(SourceError, match="is not an OFX file"):
            read(tmp_path, text)
    with pytest.raises(SourceError, match="document type declaration"):
        read(tmp_path, "<!DOCTYPE x [<!ENTITY a 'b'>]>" + xml())
    with pytest.raises(SourceError, match="characters without a tag"):
        read(tmp_path, "<OFX>" + "x" * 2_000_000)


@given(st.lists(st.integers(-(10**9), 10**9), max_size=10), st.integers(1, 4))
def test_what_was_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[int], rows_per_part: int
) -> None:
    text = xml(statement("20260301", "20260302", "1", *map(str, amounts)))
    bill = read(tmp_path_factory.mktemp("ofx"), text, rows_per_part)
    assert bill.column("amount") == [str(each) for each in amounts]
    assert bill.lines == list(range(1, len(amounts) + 1))


@needs("ofx")
def test_real_files_give_their_transactions_and_what_lacks_an_amount_is_told() -> None:
    whole = read_bill(FORMAT, real("ofx") / "test_ofx.ofx")
    assert whole.column("amount") == ["-80", "-90", "-100", "-90"]
    assert whole.column("transaction_id") == ["219378", "219379", "219380", "219381"]
    assert read_bill(FORMAT, real("ofx") / "test_ofx_iban.ofx").rows[0]["branch"] == "00794"
    wrong = read_bill(FORMAT, real("ofx") / "test_ofx_wrong.ofx")
    assert (len(wrong.rows), [each["line"] for each in wrong.malformed]) == (3, [2])
