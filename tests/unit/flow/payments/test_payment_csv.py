"""CSV that a spreadsheet opens without running it."""

import csv
import io
from collections.abc import Callable

import pyarrow as pa
import pytest

from everycent.flow.payments.core.payment_csv import COLUMNS, write_csv
from everycent.flow.payments.core.text import printable, spreadsheet_safe

Rows = Callable[[list[dict[str, object]]], pa.Table]


def cells(instructions: pa.Table) -> list[dict[str, str]]:
    out = io.BytesIO()
    write_csv(out, instructions)
    return list(csv.DictReader(io.StringIO(out.getvalue().decode("utf-8"), newline="")))


def test_amounts_have_all_their_decimals(instructions: Rows) -> None:
    rows = cells(
        instructions(
            [
                {"amount_minor": 10, "currency": "CNY", "account": "a"},
                {"amount_minor": 10, "currency": "JPY", "account": "a", "direction": "collect"},
                {"amount_minor": 10, "currency": "KWD", "account": 'a,"b"', "account_name": "商户"},
            ]
        )
    )
    assert [row["amount"] for row in rows] == ["0.10", "10", "0.010"]
    assert [row["direction"] for row in rows] == ["pay", "collect", "pay"]
    assert (rows[2]["account"], rows[2]["account_name"]) == ('a,"b"', "商户")
    assert tuple(rows[0]) == COLUMNS


def test_formulas_are_kept_from_running(instructions: Rows) -> None:
    (row,) = cells(
        instructions([{"amount_minor": 1, "currency": "CNY", "account": "+86", "account_name": "=cmd|' /C calc'!A0"}])
    )
    assert (row["account"], row["account_name"], row["amount"]) == ("'+86", "'=cmd|' /C calc'!A0", "0.01")


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", " =1", "\r\n=1"])
def test_what_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert spreadsheet_safe(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=1", "1-1", "m-7/s-1", "'=1"])
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert spreadsheet_safe(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\x07c", "abc"),
        ("a\r\n  b\tc ", "a b c"),
        ("evil‮txt", "eviltxt"),
        ("晨光文具", "晨光文具"),
        ("\x07", "-"),
        ("a" * 150, "a" * 140),
        ("a" * 139 + " b", "a" * 139),
    ],
)
def test_names_are_printable(text: str, shown: str) -> None:
    assert printable(text, 140) == shown
