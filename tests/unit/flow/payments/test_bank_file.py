"""Instructions in, a file that the schema accepts out, and the instructions read back from it."""

import io
from collections.abc import Callable
from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from everycent.base.money.amount import parse_minor
from everycent.base.money.currency import all_currencies, currency
from everycent.flow.payments.core.bank_file import NAMESPACE, validate_pain001, write_pain001
from everycent.flow.payments.core.iban import as_iban
from everycent.flow.payments.core.iso20022 import FileHead, InvalidBankFile

Rows = Callable[[list[dict[str, object]]], pa.Table]

HEAD = FileHead("payments-shanghai-2026-03-09-0a1b2c3d", "shanghai", None, date(2026, 3, 9))
IBAN = "DE89370400440532013000"


def written(instructions: pa.Table, head: FileHead = HEAD) -> bytes:
    out = io.BytesIO()
    write_pain001(out, head, instructions)
    validate_pain001(io.BytesIO(out.getvalue()))
    return out.getvalue()


def texts(file: bytes, path: str) -> list[str]:
    steps = "/".join(f"{{{NAMESPACE}}}{tag}" for tag in path.split("/"))
    return [element.text for element in etree.fromstring(file).iterfind(f".//{steps}")]


def read_back(file: bytes) -> list[tuple[str, str, int, str, str]]:
    found = []
    for transfer in etree.fromstring(file).iterfind(f".//{{{NAMESPACE}}}CdtTrfTxInf"):
        amount = transfer.find(f".//{{{NAMESPACE}}}InstdAmt")
        account = transfer.find(f"{{{NAMESPACE}}}CdtrAcct/{{{NAMESPACE}}}Id")
        found.append(
            (
                transfer.findtext(f".//{{{NAMESPACE}}}EndToEndId"),
                amount.get("Ccy"),
                parse_minor(amount.text, currency(amount.get("Ccy"))),
                "".join(account.itertext()),
                transfer.findtext(f"{{{NAMESPACE}}}Cdtr/{{{NAMESPACE}}}Nm"),
            )
        )
    return found


def test_a_file_holds_its_instructions_and_their_exact_sums(instructions: Rows) -> None:
    file = written(
        instructions(
            [
                {
                    "amount_minor": 10000001,
                    "currency": "CNY",
                    "account": "6222 0001",
                    "account_name": "晨光 <文具> & Co",
                },
                {"amount_minor": 1, "currency": "CNY", "account": IBAN},
                {"amount_minor": 1234567, "currency": "KWD", "account": "k"},
                {"amount_minor": 42, "currency": "JPY", "account": "j"},
            ]
        )
    )
    assert texts(file, "InstdAmt") == ["100000.01", "0.01", "42", "1234.567"]
    assert texts(file, "GrpHdr/NbOfTxs") == ["4"]
    assert texts(file, "GrpHdr/CtrlSum") == ["101276.587"]
    assert texts(file, "PmtInf/NbOfTxs") == ["2", "1", "1"]
    assert texts(file, "PmtInf/CtrlSum") == ["100000.02", "42", "1234.567"]
    assert texts(file, "CdtrAcct/Id/IBAN") == [IBAN]
    assert texts(file, "Cdtr/Nm")[0] == "晨光 <文具> & Co"
    assert texts(file, "GrpHdr/CreDtTm") == ["2026-03-09T00:00:00"]
    assert texts(file, "ReqdExctnDt/Dt") == ["2026-03-09"] * 3
    assert texts(file, "DbtrAcct/Id/Othr/Id") == ["shanghai"] * 3


def test_the_same_instructions_make_the_same_bytes(instructions: Rows) -> None:
    rows = instructions([{"amount_minor": 5, "currency": "CNY", "account": "a"}])
    assert written(rows) == written(rows)


def test_the_payers_own_account_is_named(instructions: Rows) -> None:
    head = FileHead(HEAD.file, "shanghai", IBAN, HEAD.as_of)
    file = written(instructions([{"amount_minor": 5, "currency": "CNY", "account": "a"}]), head)
    assert texts(file, "DbtrAcct/Id/IBAN") == [IBAN]


def test_a_sum_of_more_digits_than_the_schema_takes_is_left_out(instructions: Rows) -> None:
    row = {"amount_minor": 10**18 - 1, "currency": "JPY", "account": "a"}
    file = written(instructions([row, row]))
    assert texts(file, "InstdAmt") == ["9" * 18] * 2
    assert texts(file, "GrpHdr/CtrlSum") == []


def test_collections_do_not_go_into_a_payment_file(instructions: Rows) -> None:
    rows = instructions([{"amount_minor": 5, "currency": "CNY", "account": "a", "direction": "collect"}])
    with pytest.raises(AssertionError, match="only payments"):
        written(rows)


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda text: text.replace(b"<NbOfTxs>1</NbOfTxs>", b"<NbOfTxs>one</NbOfTxs>", 1), "The value 'one'"),
        (lambda text: text.replace(b'Ccy="CNY"', b""), "'Ccy' is required"),
        (lambda text: text[: len(text) // 2], "Premature end"),
        (lambda text: text.replace(b"<EndToEndId>", b"<EndToEndId>" + b"x" * 20), "maximum length of '35'"),
    ],
)
def test_a_spoilt_file_is_a_bug(instructions: Rows, spoil: Callable[[bytes], bytes], complaint: str) -> None:
    good = written(instructions([{"amount_minor": 5, "currency": "CNY", "account": "a"}]))
    with pytest.raises(InvalidBankFile, match=complaint):
        validate_pain001(io.BytesIO(spoil(good)))


payment = st.fixed_dictionaries(
    {
        "amount_minor": st.integers(1, 10**18 - 1),
        "currency": st.sampled_from([each.code for each in all_currencies()]),
        "account": st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=34),
        "account_name": st.text(max_size=200),
    }
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.lists(payment, min_size=1, max_size=6))
def test_any_instructions_can_be_read_back(instructions: Rows, rows: list[dict[str, object]]) -> None:
    table = instructions(rows)
    file = written(table)
    expected = [
        (
            row["instruction_id"].hex,
            row["currency"],
            int(row["amount_minor"]),
            as_iban(row["account"]) or row["account"],
        )
        for row in table.to_pylist()
    ]
    found = read_back(file)
    assert sorted(row[:4] for row in found) == sorted(expected)
    assert all(1 <= len(row[4]) <= 140 for row in found)
    sums = texts(file, "GrpHdr/CtrlSum")
    assert sums in ([], [str(sum((Decimal(text) for text in texts(file, "InstdAmt")), Decimal(0)))])


@pytest.mark.parametrize(
    ("account", "iban"),
    [
        (IBAN, IBAN),
        ("gb29 nwbk 6016 1331 9268 19", "GB29NWBK60161331926819"),
        ("NO9386011117947", "NO9386011117947"),
        ("DE89370400440532013001", None),
        ("6222020200112233445", None),
        ("", None),
    ],
)
def test_ibans_are_told_by_their_check_digits(account: str, iban: str | None) -> None:
    assert as_iban(account) == iban
