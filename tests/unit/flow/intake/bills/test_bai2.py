"""BAI2 in; transactions, and the totals and counts of account, group and file out."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_bills import Bill, needs, read_bill, real

from everycent.flow.intake.bills.bai2 import FORMAT
from everycent.flow.intake.contract import SourceError

FILE = """01,BANK,SHOP,260302,0600,1,80,,2/
02,SHOP,BANK,1,260301,2400,EUR,2/
03,4711,,010,10000,,,015,11050,,/
16,165,1500,V,260303,,B-1,C-1,INV 7, second part
88,and more/with slash
16,475,450,S,100,200,150,B-2,,/
49,23000,5/
03,4712,JPY,010,500,,/
88,015,480,,/
16,495,20,Z,,,/
49,1000,4/
98,24000,2,11/
99,24000,1,13/
"""


def read(tmp_path: Path, text: str, rows_per_part: int = 1000) -> Bill:
    path = tmp_path / "day.bai"
    path.write_text(text)
    return read_bill(FORMAT, path, rows_per_part)


def test_transactions_are_rows_in_their_accounts_currency(tmp_path: Path) -> None:
    bill = read(tmp_path, FILE)
    assert bill.ties
    assert [(row["account"], row["currency"], row["amount"]) for row in bill.rows] == [
        ("4711", "EUR", "15.00"),
        ("4711", "EUR", "-4.50"),
        ("4712", "JPY", "-20"),
    ]
    assert bill.rows[0] == {
        "account": "4711",
        "sender": "BANK",
        "receiver": "SHOP",
        "file_id": "1",
        "originator": "BANK",
        "currency": "EUR",
        "booked_on": "2026-03-01",
        "value_on": "2026-03-03",
        "amount": "15.00",
        "type_code": "165",
        "funds_type": "V",
        "bank_reference": "B-1",
        "customer_reference": "C-1",
        "text": "INV 7, second part\nand more/with slash",
    }
    assert bill.lines == [4, 6, 10]


@pytest.mark.parametrize(
    ("line", "instead", "name", "found"),
    [
        ("49,23000,5/", "49,23001,5/", "account 4711: control total", "23000"),
        ("49,23000,5/", "49,23000,6/", "account 4711: number of records", "5"),
        ("98,24000,2,11/", "98,24000,3,11/", "group: number of accounts", "2"),
        ("99,24000,1,13/", "99,24000,1,12/", "file: number of records", "13"),
    ],
)
def test_a_trailer_that_lies_is_flagged(tmp_path: Path, line: str, instead: str, name: str, found: str) -> None:
    [wrong] = read(tmp_path, FILE.replace(line, instead)).disagreeing
    assert (wrong.name, wrong.found) == (name, found)


def test_a_ledger_balance_that_the_transactions_do_not_give_is_flagged(tmp_path: Path) -> None:
    bill = read(tmp_path, FILE.replace("16,165,1500", "16,475,1500"))
    assert [(each.name, each.stated, each.found) for each in bill.disagreeing] == [
        ("account 4711: closing ledger balance, in minor units", "11050", "8050")
    ]


@pytest.mark.parametrize("cut", [2, 4, 6, 7, 11, 12])
def test_a_file_cut_after_any_line_says_so(tmp_path: Path, cut: int) -> None:
    bill = read(tmp_path, "\n".join(FILE.splitlines()[:cut]))
    assert bill.malformed[-1]["reason"] == "the file has no trailer (record 99): it is cut off"


def test_what_cannot_be_read_does_not_end_the_file(tmp_path: Path) -> None:
    bill = read(tmp_path, FILE.replace("16,475,450,S", "16,ABC,450,S").replace("49,1000,4/\n", ""))
    assert [each["line"] for each in bill.malformed] == [6, 11]  # and an account that is never closed
    assert [row["amount"] for row in bill.rows] == ["15.00", "-20"]
    assert {each.name for each in bill.disagreeing} >= {"account 4711: control total", "group: number of accounts"}
    unknown = read(tmp_path, FILE.replace("4712,JPY", "4712,JPX"))
    assert "how many decimals the amount has is not known: 'JPX'" in unknown.malformed[0]["reason"]


@pytest.mark.parametrize("text", ["", "03,4711,EUR/\n", "no bank's file"])
def test_what_is_no_bai2_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SourceError, match="is not a BAI2 file"):
        read(tmp_path, text)


@given(st.lists(st.integers(-(10**9), 10**9), max_size=8), st.integers(1, 4))
def test_what_was_written_comes_back_and_ties(
    tmp_path_factory: pytest.TempPathFactory, cents: list[int], rows_per_part: int
) -> None:
    moves = "".join(f"16,{'475' if value < 0 else '165'},{abs(value)},0,B{at},,/\n" for at, value in enumerate(cents))
    total, count = sum(map(abs, cents)) + 2000 + sum(cents), len(cents)
    text = (
        f"01,A,B,260302,0600,1,,,2/\n02,B,A,1,260301,,USD,2/\n03,1,,010,1000,,,015,{1000 + sum(cents)},,/\n{moves}"
        f"49,{total},{count + 2}/\n98,{total},1,{count + 4}/\n99,{total},1,{count + 6}/\n"
    )
    bill = read(tmp_path_factory.mktemp("bai2"), text, rows_per_part)
    assert [Decimal(row["amount"]) * 100 for row in bill.rows] == cents
    assert bill.ties


@needs("bai2")
def test_real_files_tie_but_for_one_whose_ledger_balance_leaves_out_its_transaction() -> None:
    bills = {path.stem: read_bill(FORMAT, path) for path in sorted((real("bai2") / "tests" / "data").iterdir())}
    assert {name for name, bill in bills.items() if bill.ties} == {
        "account_trailer_amount_blank_example",
        "nwb_example",
    }
    [wrong] = bills["citi_example"].disagreeing
    assert (wrong.stated, wrong.found) == ("10000", "10001")
    assert bills["nwb_example"].column("amount") == ["-9.71", "-1.00", "-1.23", "-15.71", "0.89"]
