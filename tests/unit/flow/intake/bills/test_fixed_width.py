"""Fixed-width files by declaration: a made-up one, the point-of-sale files of a government, and UnionPay's trades."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bill_reading import Read, read
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from everycent.flow.intake.bills.fixed_width import FixedWidth
from everycent.flow.intake.bills.registry import format_of, format_written
from everycent.flow.intake.bills.unionpay import INSTITUTION, TRADES
from everycent.flow.intake.layouts import FixedWidthSpec, LayoutSpec

TILL: dict[str, Any] = {
    "records": {
        "sale": {
            "prefix": "2",
            "columns": {
                "shop": {"start": 2, "length": 6},
                "amount": {"start": 8, "length": 7, "type": "amount", "decimals": 2, "sign": {"at": 15}},
            },
        },
        "fee": {"prefix": "3", "columns": {"amount": {"start": 2, "length": 5, "type": "amount", "decimals": 2}}},
    },
    "others": ["1"],
    "controls": {
        "number of sales": {"prefix": "7", "cell": {"start": 2, "length": 3, "type": "amount"}, "counts": "sale"},
        "total": {
            "prefix": "7",
            "cell": {"start": 5, "length": 9, "type": "amount", "decimals": 2, "sign": {"at": 14}},
            "sums": "amount",
        },
    },
}
LINES = ["1 header", "2Gümli 0001000 ", "2B     0000250-", "3-0105", "7002000000645 "]


def till(**changes: Any) -> FixedWidth:
    return FixedWidth("till", FixedWidthSpec.model_validate({**TILL, **changes}))


def test_record_types_by_prefix_and_figures_at_the_end(bill: Callable[..., Read]) -> None:
    found = bill(till(encoding="latin-1"), "\n".join(LINES), "latin-1")
    assert found.rows == [
        {"record": "sale", "shop": "Gümli", "amount": "10.00"},
        {"record": "sale", "shop": "B", "amount": "-2.50"},
        {"record": "fee", "shop": None, "amount": "-1.05"},
    ]
    assert found.lines == [2, 3, 4]
    assert found.malformed == []
    assert [(each.name, each.stated, each.found, each.line, each.agrees) for each in found.controls] == [
        ("number of sales", "2", "2", 5, True),
        ("total", "6.45", "6.45", 5, True),
    ]


@pytest.mark.parametrize(
    ("line", "instead", "disagreeing"),
    [
        (5, "7003000000645 ", [("number of sales", "3", "2")]),
        (5, "7002000000645-", [("total", "-6.45", "6.45")]),
        (5, "700200000X645 ", [("total", "00000X645", "6.45")]),
        (5, "7002", [("total", "nothing", "6.45")]),
    ],
)
def test_a_lying_trailer(bill: Callable[..., Read], line: int, instead: str, disagreeing: Any) -> None:
    lines = [*LINES[: line - 1], instead, *LINES[line:]]
    assert bill(till(encoding="latin-1"), "\n".join(lines), "latin-1").disagreeing == disagreeing


def test_a_file_without_its_trailer(bill: Callable[..., Read]) -> None:
    found = bill(till(), "\n".join(LINES[:1]))
    assert found.rows == []
    assert [name for name, _, _ in found.disagreeing] == ["number of sales", "total"]
    assert found.disagreeing[0][1] == "nothing: there is no line that begins with '7'"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("2A     00010O0 ", "amount at 8 to 14 is no amount"),
        ("2A     0001000x", "amount at 8 to 14 is no amount"),
        ("2A     0001", "amount at 8 to 14 is no amount"),
        ("9A     0001000 ", "no record type begins so; there are: '2', '3', '7', '1'"),
    ],
)
def test_a_line_that_cannot_be_read_is_malformed_and_missed_in_the_total(
    bill: Callable[..., Read], line: str, reason: str
) -> None:
    found = bill(till(), "\n".join([*LINES[:1], line, *LINES[2:]]))
    assert found.malformed == [(2, reason)]
    assert ("number of sales", "2", "1") in found.disagreeing


def test_a_blank_amount_has_no_value(bill: Callable[..., Read]) -> None:
    assert bill(till(), "3     ").rows == [{"record": "fee", "shop": None, "amount": None}]


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(-(10**14), 10**14)), max_size=30), st.integers(0, 6))
def test_amounts_and_totals_are_exact(tmp_path_factory: Any, sales: list[tuple[str, int]], decimals: int) -> None:
    amount = {"start": 2, "length": 16, "type": "amount", "decimals": decimals}
    total = {"start": 2, "length": 18, "type": "amount", "decimals": decimals}
    spec = {
        "records": {shop: {"prefix": shop, "columns": {"amount": amount}} for shop in "AB"},
        "controls": {"total": {"prefix": "7", "cell": total, "sums": "amount"}},
    }
    lines = [f"{shop}{units:>+16d}" for shop, units in sales] + [f"7{sum(units for _, units in sales):>+18d}"]
    path = tmp_path_factory.mktemp("till") / "till.txt"
    path.write_text("\n".join(lines))
    found = read(FixedWidth("till", FixedWidthSpec.model_validate(spec)), path, rows_per_shard=7)
    scaled = [Decimal(units).scaleb(-decimals) for _, units in sales]
    assert [Decimal(text) for text in found.column("amount")] == scaled
    assert found.column("record") == [shop for shop, _ in sales]
    assert found.disagreeing == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"controls": {"t": {"prefix": "7", "counts": "sale"}}}, "a control stands in a line"),
        ({"controls": {"t": {"column": "shop", "sums": "amount"}}}, "'shop' is no column of type amount"),
        ({"controls": {"t": {"column": "amount"}}}, "either 'counts' a record type or 'sums'"),
        ({"controls": {"t": {"column": "amount", "counts": "sail"}}}, "there is no record type 'sail'"),
        ({"records": {"a": {"columns": {"record": {"start": 1, "length": 1}}}}}, "name yours otherwise"),
        ({"records": {}}, "at least 1 item"),
    ],
)
def test_a_declaration_that_makes_no_sense(changes: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        till(**changes)


def test_a_model_declares_its_own() -> None:
    written = LayoutSpec.model_validate({"fixed_width": TILL})
    assert format_written(written).columns == ("record", "shop", "amount")


def amount_at(start: int, length: int, sign: int | None = None) -> dict[str, Any]:
    cell = {"start": start, "length": length, "type": "amount", "decimals": 2}
    return cell if sign is None else {**cell, "sign": {"at": sign}}


def cells(**places: tuple[int, int]) -> dict[str, Any]:
    return {name: {"start": start, "length": length} for name, (start, length) in places.items()}


#: The bank's file of cash, and the acquirer's of cards.
TDI17 = {
    "records": {
        "deposit": {
            "prefix": "2",
            "columns": {
                **cells(deposit_date=(8, 8), location_id=(19, 2), deposit_time=(21, 4), location_desc=(28, 40)),
                "amount": amount_at(68, 12, sign=80),
                "deposit_amt_cdn": amount_at(96, 12, sign=108),
                **cells(batch_no=(113, 9), jv_no=(123, 9)),
            },
        }
    },
    "others": "1",
    "controls": {
        "count": {"prefix": "7", "cell": {"start": 2, "length": 6, "type": "amount"}, "counts": "deposit"},
        "total": {"prefix": "7", "cell": amount_at(8, 13), "sums": "deposit_amt_cdn"},
    },
}
TDI34 = {
    "records": {
        "card": {
            "prefix": "2",
            "columns": {
                **cells(merchant_id=(2, 8), terminal_no=(10, 12), card_vendor=(27, 2), card_id=(29, 19)),
                **cells(transaction_date=(48, 8), transaction_time=(56, 4), approval_code=(73, 8)),
                "amount": amount_at(81, 9),
                **cells(invoice_no=(90, 10)),
            },
        }
    },
    "others": "1",
    "controls": {
        "count": {"prefix": "7", "cell": {"start": 4, "length": 6, "type": "amount"}, "counts": "card"},
        "total": {"prefix": "7", "cell": amount_at(13, 10), "sums": "amount"},
    },
}

FIXTURES = "bcgov-pos-recon/apps/backend/test/fixtures"


@pytest.mark.parametrize(
    ("spec", "name", "amounts"),
    [
        (TDI17, "TDI17.TXT", ["558.31", "12222.90"]),
        (TDI17, "PROD_SBC_F08TDI17_20230309.DAT", ["-31.50", "230.00", "10970.80"]),
        (TDI34, "TDI34.TXT", ["17.00", "50.00", "15.00"]),
        (TDI34, "PROD_SBC_F08TDI34_20230309.DAT", ["113.00", "75.00", "84.00", "16.80", "27.00", "150.00"]),
    ],
)
def test_real_point_of_sale_files_tie(real: Callable[[str], Path], spec: Any, name: str, amounts: list[str]) -> None:
    found = read(FixedWidth("tdi", FixedWidthSpec.model_validate(spec)), real(f"{FIXTURES}/{name}"))
    assert found.column("amount") == amounts
    assert (len(found.controls), found.disagreeing, found.malformed) == (2, [], [])


@pytest.mark.parametrize(("spec", "kind"), [(TDI17, "TDI17"), (TDI34, "TDI34")])
def test_real_point_of_sale_files_hold_what_their_own_parser_found(
    real: Callable[[str], Path], spec: Any, kind: str
) -> None:
    """The rows that stand in the file and in the expected ones beside it, cell by cell."""
    found = read(FixedWidth("tdi", FixedWidthSpec.model_validate(spec)), real(f"{FIXTURES}/{kind}.TXT"))
    expected = json.loads(real(f"{FIXTURES}/{kind}.json").read_text())["details"]
    total = "deposit_amt_curr" if kind == "TDI17" else "transaction_amt"
    for row, known in zip(found.rows, expected, strict=False):
        assert Decimal(row["amount"]) == Decimal(known[total])
        for name in row.keys() & known.keys() - {"amount"}:
            plain = str(known[name]).replace("-", "").replace(":", "")
            assert (row[name] or "").replace("-", "") == plain, name


def zm_line(order: str, traded: str, fee: str, settled: str, group: str = "") -> str:
    """A trade as UnionPay writes it."""
    given = {"交易代码": "S22", "交易金额": traded, "商户手续费": fee, "结算金额": settled, "商户订单号": order}
    given |= {"二级商户简称": group}
    columns = list(TRADES.spec.records["trade"].columns.items())[:-1]
    padded = [given.get(name, "").encode("gbk").ljust(column.length).decode("gbk") for name, column in columns]
    return " ".join([*padded, " " * 98])


PAID = zm_line("A1", "000000476800", "D000000002861", "C000000473939", "茶馆")
GIVEN_BACK = zm_line("A2", "000000001000", "C000000000006", "D000000000994")


def test_unionpay_trades(bill: Callable[..., Read], tmp_path: Path) -> None:
    text = f"{PAID}\r\n{GIVEN_BACK}\r\n"
    found = bill(TRADES, text, "gbk")
    assert found.column("amount") == ["4768.00", "-10.00"]
    assert found.column("交易金额") == ["4768.00", "10.00"]
    assert found.column("商户手续费") == ["-28.61", "0.06"]
    assert found.column("结算金额") == ["4739.39", "-9.94"]
    assert found.column("二级商户简称") == ["茶馆", None]
    assert found.column("商户订单号") == ["A1", "A2"]
    assert (found.malformed, found.disagreeing) == ([], [])
    path = tmp_path / "INN15090588ZM_802310048993424"
    path.write_bytes(text.encode("gbk"))
    assert format_of(path) is TRADES


def test_unionpay_trades_whose_settlement_is_not_amount_and_fee(bill: Callable[..., Read]) -> None:
    wrong = zm_line("A3", "000000001000", "D000000000006", "C000000000995")
    assert bill(TRADES, f"{PAID}\n{wrong}\n", "gbk").disagreeing == [("结算金额", "4749.34", "4749.33")]


def test_unionpay_trades_cut_off(bill: Callable[..., Read]) -> None:
    found = bill(TRADES, f"{PAID}\n{GIVEN_BACK[:200]}", "gbk")
    assert (found.lines, [at for at, _ in found.malformed]) == ([1], [2])


def test_an_institutions_trades_know_no_sign(bill: Callable[..., Read], tmp_path: Path) -> None:
    given = {"系统跟踪号": "000123", "交易传输时间": "0301120000", "交易金额": "000000012345", "报文类型": "0200"}
    columns = INSTITUTION.spec.records["trade"].columns.items()
    line = " ".join(given.get(name, "").ljust(column.length) for name, column in columns)
    found = bill(INSTITUTION, f"{line}\n")
    (row,) = found.rows
    assert (row["交易金额"], row["报文类型"], row["部分代收时的承兑金额"]) == ("123.45", "0200", None)
    assert "amount" not in row
    assert (found.controls, found.malformed) == ((), [])
    path = tmp_path / "IND15090501ACOMN"
    path.write_text(line)
    assert format_of(path) is INSTITUTION
    path.write_text(PAID)
    assert format_of(path) is TRADES
