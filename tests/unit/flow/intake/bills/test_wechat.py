"""WeChat Pay's bills: made from the published layout, and real ones of which some contradict themselves."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from bill_reading import Read, read
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everycent.flow.intake.bills.registry import format_named, format_of
from everycent.flow.intake.bills.wechat import BILL, FUND_FLOW, PERSONAL
from everycent.flow.intake.contract import EmptyFile, SourceError

TRADE = [name for name in BILL.given if name not in ("退款申请时间", "退款成功时间")]
SUMMARY = "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"


def line(values: Sequence[str]) -> str:
    return ",".join(f"`{value}" for value in values)


def trade(order: str, paid: str = "0.00", refunded: str = "0.00", goods: str = "茶") -> list[str]:
    """A row of a bill of all trades."""
    cells = dict.fromkeys(TRADE, "")
    cells |= {"交易时间": "2021-01-28 17:07:11", "商户订单号": order, "商品名称": goods, "货币种类": "CNY"}
    cells |= {"交易状态": "REFUND" if refunded != "0.00" else "SUCCESS", "手续费": "0.00600", "费率": "0.60%"}
    cells |= {"应结订单金额": paid, "订单金额": paid, "退款金额": refunded, "申请退款金额": refunded}
    cells |= {"代金券金额": "0.00", "充值券退款金额": "0.00"}
    return [cells[name] for name in TRADE]


def bill_text(rows: Sequence[Sequence[str]], totals: Sequence[str], header: Sequence[str] = TRADE) -> str:
    lines = [",".join(header), *(line(row) for row in rows)]
    return "\n".join([*lines, *([SUMMARY, line(totals)] if totals else [])]) + "\n"


TWO = [trade("A1", paid="10.00"), trade("A1", refunded="2.50")]
TOTALS = ["2", "10.00", "2.50", "0.00", "0.01200", "10.00", "2.50"]


def test_a_payment_is_money_in_and_a_refund_money_out(bill: Callable[..., Read]) -> None:
    found = bill(BILL, bill_text(TWO, TOTALS))
    assert found.column("amount") == ["10.00", "-2.50"]
    assert found.column("商户订单号") == ["A1", "A1"]
    assert found.column("微信订单号") == [None, None]
    assert found.column("退款申请时间") == [None, None]
    assert found.lines == [2, 3]
    assert found.malformed == []
    assert [control.name for control in found.controls] == SUMMARY.split(",")
    assert found.disagreeing == []
    assert {control.line for control in found.controls} == {5}


@pytest.mark.parametrize("at", range(7))
def test_each_figure_of_the_summary_is_checked(bill: Callable[..., Read], at: int) -> None:
    lying = [*TOTALS[:at], "9", *TOTALS[at + 1 :]]
    name = SUMMARY.split(",")[at]
    ((told, stated, found),) = bill(BILL, bill_text(TWO, lying)).disagreeing
    assert (told, stated, float(found)) == (name, "9", float(TOTALS[at]))


def test_a_bill_that_is_cut_off(bill: Callable[..., Read]) -> None:
    text = bill_text(TWO, TOTALS)
    assert bill(BILL, text[: text.index(SUMMARY)]).disagreeing == [
        ("总交易单数", "nothing: the file ends without its summary", "2")
    ]
    torn = bill(BILL, text[: text.index("\n`", text.index("A1")) + 80])
    assert torn.lines == [2]
    assert [at for at, _ in torn.malformed] == [3]
    assert "is the file cut off" in torn.malformed[0][1]
    assert torn.disagreeing
    half = bill(BILL, text[: text.index(SUMMARY) + len(SUMMARY) + 1])
    assert half.disagreeing


def test_a_comma_or_a_quote_within_a_cell(bill: Callable[..., Read]) -> None:
    goods = ['茶,"红', 'a "b" c,', '"', "x,y,z", "`", ",,"]
    rows = [trade(f"A{at}", paid="1.00", goods=text) for at, text in enumerate(goods)]
    found = bill(BILL, bill_text(rows, ["6", "6.00", "0.00", "0.00", "0.036", "6.00", "0.00"]))
    assert found.column("商品名称") == goods
    assert (found.malformed, found.disagreeing) == ([], [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("ticks", [True, False])
def test_a_bill_saved_anew_in_another_way(bill: Callable[..., Read], encoding: str, ending: str, ticks: bool) -> None:
    text = bill_text(TWO, TOTALS).replace("\n", ending)
    found = bill(BILL, text if ticks else text.replace("`", ""), encoding)
    assert (found.column("amount"), found.column("商品名称")) == (["10.00", "-2.50"], ["茶", "茶"])
    assert found.disagreeing == []


def test_a_row_without_its_back_ticks(bill: Callable[..., Read]) -> None:
    text = bill_text(TWO, TOTALS).replace("\n`2021-01-28 17:07:11,`", "\n2021-01-28 17:07:11,", 2)
    text = text.replace("\n2021", "\n`2021", 1)
    found = bill(BILL, text)
    assert found.malformed[0][1].startswith("the row has 26 cells, the header has 27")
    assert found.malformed[1][1].startswith("the row does not begin with a back-tick")


def test_a_line_without_end_is_malformed_by_itself(bill: Callable[..., Read]) -> None:
    found = bill(BILL, bill_text([TWO[0], trade("A2", goods="茶" * 400_000), TWO[1]], TOTALS))
    assert found.malformed == [(3, "the row is longer than 1 MiB")]
    assert (found.lines, found.column("amount")) == ([2, 4], ["10.00", "-2.50"])


def test_a_bill_without_trades(bill: Callable[..., Read]) -> None:
    found = bill(BILL, bill_text([], ["0", *["0.00"] * 6]))
    assert (found.rows, found.disagreeing) == ([], [])
    assert bill(BILL, bill_text([], TOTALS)).disagreeing[0] == ("总交易单数", "2", "0")


def test_columns_that_are_added_and_columns_with_earlier_names(bill: Callable[..., Read]) -> None:
    header = ["总金额" if name == "应结订单金额" else name for name in TRADE] + ["明天的列"]
    found = bill(BILL, bill_text([[*row, "x"] for row in TWO], TOTALS, header))
    assert found.column("应结订单金额") == ["10.00", "0.00"]
    assert found.disagreeing == []
    with pytest.raises(SourceError, match="the header on line 1 has no 应结订单金额"):
        bill(BILL, bill_text([], [], [name for name in TRADE if name != "应结订单金额"]))
    with pytest.raises(EmptyFile, match="it has no line at all"):
        bill(BILL, "\n")
    with pytest.raises(SourceError, match="is no wechat_bill"):
        bill(BILL, "a,b,c\n1,2,3\n")


def test_rows_after_the_summary_are_not_lost(bill: Callable[..., Read]) -> None:
    text = bill_text(TWO, TOTALS)
    assert bill(BILL, text + text).disagreeing[0][0] == "5 lines after the summary"


def test_an_amount_that_is_none(bill: Callable[..., Read]) -> None:
    found = bill(BILL, bill_text([trade("A1", paid="10.00"), trade("A2", paid="1O.00")], TOTALS))
    assert found.malformed == [(3, "应结订单金额 '1O.00' is no amount; it would be one like 12.34")]
    assert ("总交易单数", "2", "1") in found.disagreeing


@pytest.mark.parametrize("rows_per_shard", [1, 3, 1000])
def test_any_cut_gives_the_same_rows(bill: Callable[..., Read], rows_per_shard: int) -> None:
    rows = [trade(f"A{at}", paid=f"{at}.10") for at in range(20)]
    totals = ["20", "192.00", "0.00", "0.00", "0.12", "192.00", "0.00"]
    found = bill(BILL, bill_text(rows, totals), rows_per_shard=rows_per_shard)
    assert found.column("商户订单号") == [f"A{at}" for at in range(20)]
    assert found.lines == list(range(2, 22))
    assert found.disagreeing == []


CELL = st.text(alphabet='a,"茶 `;', max_size=5).filter(lambda text: ",`" not in text and not text.endswith(","))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(goods=st.lists(CELL, min_size=1, max_size=8))
def test_whatever_stands_in_a_cell_comes_back(bill: Callable[..., Read], goods: list[str]) -> None:
    """The oracle is the rule itself: two cells are parted by a comma and a back-tick."""
    rows = [trade(f"A{at}", paid="1.00", goods=text) for at, text in enumerate(goods)]
    count = len(goods)
    totals = [str(count), f"{count}.00", "0.00", "0.00", f"{count * 6}E-3", f"{count}.00", "0.00"]
    found = bill(BILL, bill_text(rows, totals))
    assert found.column("商品名称") == [text or None for text in goods]
    assert (found.malformed, found.disagreeing) == ([], [])


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paid=st.lists(st.integers(1, 10**6), min_size=2, max_size=8),
    at=st.integers(0, 7),
    fault=st.sampled_from(["dropped", "doubled", "a cent more", "its sign"]),
)
def test_any_one_fault_in_a_row_shows_in_the_figures(
    bill: Callable[..., Read], paid: list[int], at: int, fault: str
) -> None:
    amounts = [f"{fen // 100}.{fen % 100:02d}" for fen in paid]
    total = f"{sum(paid) // 100}.{sum(paid) % 100:02d}"
    totals = [str(len(paid)), total, "0.00", "0.00", f"{len(paid) * 6}E-3", total, "0.00"]
    rows = [trade(f"A{no}", paid=amount) for no, amount in enumerate(amounts)]
    assert bill(BILL, bill_text(rows, totals)).disagreeing == []
    at %= len(rows)
    fen = paid[at]
    wrong = {
        "dropped": [],
        "doubled": [rows[at], rows[at]],
        "a cent more": [trade("A", paid=f"{(fen + 1) // 100}.{(fen + 1) % 100:02d}")],
        "its sign": [trade("A", paid=f"-{amounts[at]}")],
    }[fault]
    assert bill(BILL, bill_text([*rows[:at], *wrong, *rows[at + 1 :]], totals)).disagreeing


def flow(kind: str, amount: str) -> list[str]:
    cells = dict.fromkeys(FUND_FLOW.given, "")
    cells |= {"记账时间": "2021-02-01 13:54:01", "收支类型": kind, "收支金额(元)": amount, "账户结余(元)": "1.00"}
    return [cells[name] for name in FUND_FLOW.given]


def test_a_fund_flow(bill: Callable[..., Read]) -> None:
    rows = [flow("收入", "1.00"), flow("支出", "0.40"), flow("支出", "0.10")]
    lines = [",".join(FUND_FLOW.given), *map(line, rows), "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"]
    good = bill(FUND_FLOW, "\n".join([*lines, line(["3", "1", "1.00", "2", "0.50"])]))
    assert good.column("amount") == ["1.00", "-0.40", "-0.10"]
    assert good.disagreeing == []
    lying = bill(FUND_FLOW, "\n".join([*lines, line(["4", "1", "1.00", "3", "0.51"])]))
    assert lying.disagreeing == [("资金流水总笔数", "4", "3"), ("支出笔数", "3", "2"), ("支出金额", "0.51", "0.50")]


#: The real bills: columns they have, signed amounts, rows that cannot be read, and the first figure that is not so.
REAL = {
    "wechat_ALL27_20210128": (BILL, ["0.01"] * 3, [], None),
    "wechat_ALL27_bad_count": (BILL, ["0.01"] * 3, [], ("总交易单数", "a3", "3")),
    "wechat_ALL27_bad_variant": (BILL, ["0.01"] * 2, [4], ("总交易单数", "3", "2")),
    "wechat_FUNDFLOW_bad_amount": (FUND_FLOW, ["-0.01"], [3], ("资金流水总笔数", "3", "1")),
    "wechat_FUNDFLOW_bad_summary": (FUND_FLOW, ["-0.01"] * 2, [], ("资金流水总笔数", "3", "2")),
    "wechat_FUNDFLOW_missing_row": (FUND_FLOW, ["-0.01"] * 2, [], ("资金流水总笔数", "3", "2")),
    "wechat_REFUND29_20210201": (BILL, ["-0.01"] * 2, [], None),
    "wechat_REFUND29_bad_variant": (BILL, ["-0.01"], [3], ("总交易单数", "2", "1")),
    "wechat_SUCCESS20": (BILL, ["0.01"], [], None),
    "wechat_SUCCESS20_bad_summary": (BILL, [], [2], ("总交易单数", "1", "0")),
}


@pytest.mark.parametrize("name", REAL)
def test_real_bills_are_known_read_and_found_out(real: Callable[[str], Path], name: str) -> None:
    path = real(f"wechat-merchant/{name}.csv")
    bill_format, amounts, torn, wrong = REAL[name]
    assert format_of(path) is format_named(bill_format.name) is bill_format
    found = read(bill_format, path)
    assert found.column("amount") == amounts
    assert [at for at, _ in found.malformed] == torn
    assert (found.disagreeing or [None])[0] == wrong


def test_a_real_personal_export(real: Callable[[str], Path]) -> None:
    """The example was shortened by hand, so that it does not tie; its bookkeeping stands beside it."""
    path = real("cn-bills/example/wechat/example-wechat-records.csv")
    assert format_of(path) is PERSONAL
    found = read(PERSONAL, path)
    assert (len(found.rows), found.malformed, found.lines[0]) == (27, [], 18)
    first = found.rows[0]
    assert (first["交易单号"], first["商户单号"], first["金额(元)"], first["amount"]) == (
        *("3985734", "129847129", "28.16", "-28.16"),
    )
    assert ("笔记录", "43", "27") in found.disagreeing
    booked = path.with_name("example-wechat-output.beancount").read_text()
    for row in found.rows:
        if row["当前状态"] == "支付成功" and row["收/支"] == "支出" and row["金额(元)"] != "0.01":
            assert f"{float(row['金额(元)']):.2f} CNY" in booked


def test_a_real_personal_export_as_a_workbook_is_the_same(real: Callable[[str], Path]) -> None:
    folder = real("cn-bills/example/wechat")
    sheet, text = (read(PERSONAL, folder / f"example-wechat-records.{ending}") for ending in ("xlsx", "csv"))
    assert sheet.column("交易单号") == text.column("交易单号")
    assert sheet.disagreeing == text.disagreeing
    assert [float(amount or 0) for amount in sheet.column("amount")] == [float(a or 0) for a in text.column("amount")]
