"""MT940 and MT942 in, statement lines and the figures that prove them out."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_bills import Bill, read_bill

from everycent.flow.intake.bills.mt940 import FORMAT

STATEMENT = """:20:MONDAY
:25:DE02120300000000202051
:28C:7/1
:60F:C260301EUR100,00
:61:2603020302D30,50NTRFINV-1//B-1
late fee
:86:105?00LASTSCHRIFT?10931?20EREF+E-77?21MREF+M-1?22SVWZ+Invoice 1
?23 of March?30BYLADEM1001?31DE02?32Anna ?33Mueller?34992
:61:2603020302RC1,25NCHGNONREF
:61:2512310102CR12,NTRFNONREF
:62F:C260302EUR80,25
-
"""


def read(tmp_path: Path, text: str, rows_per_part: int = 1000) -> Bill:
    path = tmp_path / "statement.sta"
    path.write_text(text, "utf-8")
    return read_bill(FORMAT, path, rows_per_part)


def test_a_statement_line_with_its_information_is_a_row(tmp_path: Path) -> None:
    bill = read(tmp_path, STATEMENT)
    assert bill.ties
    assert bill.lines == [5, 9, 10]
    assert bill.rows[0] == {
        "account": "DE02120300000000202051",
        "statement": "7/1",
        "reference": "MONDAY",
        "currency": "EUR",
        "value_on": "2026-03-02",
        "booked_on": "2026-03-02",
        "amount": "-30.50",
        "mark": "D",
        "kind": "NTRF",
        "customer_reference": "INV-1",
        "bank_reference": "B-1",
        "supplementary": "late fee",
        "details": "105?00LASTSCHRIFT?10931?20EREF+E-77?21MREF+M-1?22SVWZ+Invoice 1\n?23 of March?30BYLADEM1001?31DE02"
        "?32Anna ?33Mueller?34992",
        "transaction_code": "105",
        "posting_text": "LASTSCHRIFT",
        "prima_nota": "931",
        "counterparty": "Anna Mueller",
        "counterparty_account": "DE02",
        "counterparty_bank": "BYLADEM1001",
        "purpose": "Invoice 1 of March",
        "end_to_end_id": "E-77",
        "mandate_id": "M-1",
        "return_code": "992",
    }


def test_the_reversal_of_a_credit_takes_money_out_and_an_entry_is_booked_in_the_nearest_year(tmp_path: Path) -> None:
    rows = read(tmp_path, STATEMENT).rows
    assert [row["amount"] for row in rows] == ["-30.50", "-1.25", "12"]
    assert (rows[2]["value_on"], rows[2]["booked_on"], rows[2]["funds_code"]) == ("2025-12-31", "2026-01-02", "R")


def test_a_closing_balance_that_the_lines_do_not_give_is_flagged_with_both_figures(tmp_path: Path) -> None:
    [wrong] = read(tmp_path, STATEMENT.replace("C260302EUR80,25", "C260302EUR80,26")).disagreeing
    assert (wrong.stated, wrong.found, wrong.line) == ("80.26", "80.25", 11)
    assert wrong.name == "statement 7/1 of account DE02120300000000202051: closing balance"


@pytest.mark.parametrize("cut", [1, 2, 4, 5, 8, 9, 10])
def test_a_file_cut_after_any_line_says_so(tmp_path: Path, cut: int) -> None:
    bill = read(tmp_path, "\n".join(STATEMENT.splitlines()[:cut]))
    assert "has no closing balance (:62F:): it is cut off" in bill.malformed[-1]["reason"]


def test_a_page_that_goes_on_and_a_message_that_is_not_closed_are_cut_off(tmp_path: Path) -> None:
    assert (
        "the page that would follow is not there"
        in read(tmp_path, STATEMENT.replace("62F", "62M")).malformed[0]["reason"]
    )
    swift = "{1:F01BANKDEFFAXXX0000000000}{2:O940}{4:\n" + STATEMENT.replace("\n-\n", "\n-}\n")
    assert read(tmp_path, swift).ties
    assert "is not closed by '-}'" in read(tmp_path, swift.replace("-}\n", "")).malformed[0]["reason"]


def test_a_line_that_cannot_be_read_does_not_end_the_file_but_the_balance_tells(tmp_path: Path) -> None:
    bill = read(tmp_path, STATEMENT.replace(":61:2603020302RC1,25", ":61:2613020302RC1,25"))
    assert [(each["line"], each["raw"]) for each in bill.malformed] == [(9, "2613020302RC1,25NCHGNONREF")]
    assert len(bill.rows) == 2
    assert bill.disagreeing[0].found == "81.50"


def test_an_mt942_is_proven_by_its_counts_and_sums(tmp_path: Path) -> None:
    text = """:20:DAY\n:25:A\n:28C:1\n:34F:CHFD0,\n:13D:2603021200+0100\n:61:260302C5,NTRFA\n:61:260302D2,NTRFB
:90D:1CHF2,00\n:90C:1CHF5,01\n-\n"""
    bill = read(tmp_path, text)
    assert bill.column("currency") == ["CHF", "CHF"]
    assert [(each.name.split(": ")[1], each.agrees) for each in bill.controls] == [
        ("number of debits", True),
        ("sum of debits", True),
        ("number of credits", True),
        ("sum of credits", False),
    ]


def test_an_mt942_without_the_sum_of_lines_that_it_has_proves_nothing(tmp_path: Path) -> None:
    text = ":20:DAY\n:25:A\n:28C:1\n:34F:CHFD0,\n:61:260302C5,NTRFA\n"
    assert [(each.name.split(": ")[1], each.stated) for each in read(tmp_path, text).disagreeing] == [
        ("sum of credits", "nothing: there is no :90C:")
    ]
    assert read(tmp_path, text + ":90C:1CHF5,\n").ties


def test_a_bank_that_writes_windows_letters_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.sta"
    path.write_bytes(STATEMENT.replace("Mueller", "Müller").replace("\n", "\r\n").encode("cp1252"))
    bill = read_bill(FORMAT, path)
    assert bill.ties
    assert bill.rows[0]["counterparty"] == "Anna Müller"


CENTS = st.lists(st.integers(-(10**9), 10**9).filter(bool), max_size=12)


@given(CENTS, st.integers(-(10**9), 10**9), st.integers(1, 5))
def test_what_was_written_comes_back_and_ties(
    tmp_path_factory: pytest.TempPathFactory, cents: list[int], opening: int, rows_per_part: int
) -> None:
    def figure(value: int) -> str:
        return f"{abs(value) // 100},{abs(value) % 100:02}"

    def balance(value: int) -> str:
        return f"{'D' if value < 0 else 'C'}260302EUR{figure(value)}"

    day = date(2026, 3, 2)
    moves = "".join(
        f":61:{day + timedelta(days=at):%y%m%d}{'D' if value < 0 else 'C'}{figure(value)}NTRFR{at}\n:86:text {at}\n"
        for at, value in enumerate(cents)
    )
    text = f":20:X\n:25:A\n:28C:1\n:60F:{balance(opening)}\n{moves}:62F:{balance(opening + sum(cents))}\n-\n"
    bill = read(tmp_path_factory.mktemp("mt940"), text, rows_per_part)
    assert [Decimal(row["amount"]) * 100 for row in bill.rows] == cents
    assert [row["customer_reference"] for row in bill.rows] == [f"R{at}" for at in range(len(cents))]
    assert bill.ties
