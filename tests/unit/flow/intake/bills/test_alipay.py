"""Alipay's bills: made from the published layout, in GBK, with the tabs that fill up cells; and a real export."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from bill_reading import Read, read

from everycent.flow.intake.bills.alipay import BILL, FUND_FLOW, PERSONAL, SUMMARY
from everycent.flow.intake.bills.cell_bill import CellBill
from everycent.flow.intake.bills.registry import format_of

RULE = "#-----------------------------------------"
FIRST = ["#账号：[20880000000000000156]", "#起始日期：[2026年03月05日 00:00:00]   终止日期：[2026年03月06日 00:00:00]"]


def text(bill_format: CellBill, title: str, rows: Sequence[dict[str, str]], *after: str) -> str:
    """A bill as Alipay writes it; keys name columns without their unit."""
    lines = [f"#支付宝{title}查询", *FIRST, f"{RULE}{title}列表------", ",".join(bill_format.given)]
    for row in rows:
        named = {name: row.get(name.partition("（")[0], "") for name in bill_format.given}
        lines.append(",".join(f"{value}\t" if not value or value[0].isalpha() else value for value in named.values()))
    return "\r\n".join([*lines, f"{RULE}{title}列表结束------", *after, "#导出时间：[2026年03月07日 05:46:49]"])


def trade(kind: str, amount: str, discount: str = "0.00") -> dict[str, str]:
    return {"支付宝交易号": "2026", "商户订单号": "A1", "业务类型": kind, "商家实收": amount, "商家优惠": discount}


TRADES = [trade("交易", "10.00", "1.00"), trade("交易", "5.00"), trade("退款", "-2.50")]
PAID = "#交易合计：2笔，商家实收共15.00元，商家优惠共1.00元"
REFUNDED = "#退款合计：1笔，商家实收退款共-2.50元，商家优惠退款共0.00元"


def test_a_trade_bill(bill: Callable[..., Read]) -> None:
    found = bill(BILL, text(BILL, "业务明细", TRADES, PAID, REFUNDED), "gbk")
    assert found.column("amount") == ["10.00", "5.00", "-2.50"]
    assert found.column("商户订单号") == ["A1", "A1", "A1"]
    assert found.column("门店编号") == [None, None, None]
    assert found.lines == [6, 7, 8]
    assert [(each.name, each.stated, each.line) for each in found.controls] == [
        ("交易合计 笔", "2", 10),
        ("交易合计 商家实收", "15.00", 10),
        ("交易合计 商家优惠", "1.00", 10),
        ("退款合计 笔", "1", 11),
        ("退款合计 商家实收退款", "-2.50", 11),
        ("退款合计 商家优惠退款", "0.00", 11),
    ]
    assert (found.malformed, found.disagreeing) == ([], [])


@pytest.mark.parametrize(
    ("said", "instead", "disagreeing"),
    [
        ("2笔", "3笔", ("交易合计 笔", "3", "2")),
        ("15.00", "15.01", ("交易合计 商家实收", "15.01", "15.00")),
        ("共1.00", "共x", ("交易合计 商家优惠", "x", "1.00")),
        ("退款共-2.50", "退款共-2.51", ("退款合计 商家实收退款", "-2.51", "-2.50")),
        ("退款共-2.50", "退款共2.60", ("退款合计 商家实收退款", "2.60", "2.50")),
    ],
)
def test_a_lying_trailer(bill: Callable[..., Read], said: str, instead: str, disagreeing: Any) -> None:
    lying = text(BILL, "业务明细", TRADES, PAID, REFUNDED).replace(said, instead)
    assert bill(BILL, lying, "gbk").disagreeing == [disagreeing]


def test_refunds_may_be_stated_without_their_sign(bill: Callable[..., Read]) -> None:
    unsigned = text(BILL, "业务明细", TRADES, PAID, REFUNDED.replace("-", ""))
    assert bill(BILL, unsigned, "gbk").disagreeing == []


@pytest.mark.parametrize("encoding", ["gbk", "utf-8", "utf-8-sig"])
def test_brackets_of_half_width_and_other_encodings(bill: Callable[..., Read], encoding: str) -> None:
    halved = text(BILL, "业务明细", TRADES, PAID, REFUNDED).replace("（", "(").replace("）", ")")
    assert bill(BILL, halved, encoding).column("amount") == ["10.00", "5.00", "-2.50"]


def test_a_bill_that_is_cut_off_or_empty(bill: Callable[..., Read]) -> None:
    whole = text(BILL, "业务明细", TRADES, PAID, REFUNDED)
    torn = bill(BILL, whole[: whole.rindex("退款\t")], "gbk")
    assert (torn.lines, [at for at, _ in torn.malformed]) == ([6, 7], [8])
    assert torn.disagreeing == [("交易合计 笔", "nothing: the file ends without its summary", "2")]
    nothing = "#交易合计：0笔，商家实收共0.00元，商家优惠共0.00元"
    empty = bill(BILL, text(BILL, "业务明细", [], nothing), "gbk")
    assert (empty.rows, empty.disagreeing) == ([], [])


def test_rows_after_the_trailer_are_told(bill: Callable[..., Read]) -> None:
    whole = text(BILL, "业务明细", TRADES, PAID, REFUNDED)
    twice = bill(BILL, f"{whole}\r\n{whole}", "gbk")
    assert any(name.startswith("a line after the summary") for name, _, _ in twice.disagreeing)


def store(number: str, trades: str, refunds: str, received: str, net: str) -> dict[str, str]:
    counts = {"交易订单总笔数": trades, "退款订单总笔数": refunds}
    return {"门店编号": number, **counts, "商家实收": received, "实收净额": net}


def test_the_summary_by_store(bill: Callable[..., Read]) -> None:
    stores = [store("s1", "2", "0", "15.00", "14.90"), store("s2", "1", "1", "-2.50", "-2.50")]
    total = "合计,,3,1,,12.50,,,,,,12.40"
    end = f"\r\n{RULE}业务汇总列表结束"
    whole = text(SUMMARY, "业务汇总", stores).replace(end, f"\r\n{total}{end}")
    found = bill(SUMMARY, whole, "gbk")
    assert found.column("amount") == ["15.00", "-2.50"]
    assert found.disagreeing == []
    assert {each.name: each.stated for each in found.controls} == {
        "交易订单总笔数": "3",
        "退款订单总笔数": "1",
        "商家实收（元）": "12.50",
        "实收净额（元）": "12.40",
    }
    lying = bill(SUMMARY, whole.replace("12.50", "12.51"), "gbk")
    assert lying.disagreeing == [("商家实收（元）", "12.51", "12.50")]


@pytest.mark.parametrize("sign", ["-", ""])
def test_a_fund_flow(bill: Callable[..., Read], sign: str) -> None:
    rows = [{"账务流水号": "1", "收入金额": "3.00", "支出金额": "0.00"}]
    rows += [{"账务流水号": "2", "收入金额": "", "支出金额": f"{sign}0.14"}]
    after = (f"#支出合计：1笔，共{sign}0.14元", "#收入合计：1笔，共3.00元")
    found = bill(FUND_FLOW, text(FUND_FLOW, "账务明细", rows, *after), "gbk")
    assert found.column("amount") == ["3.00", "-0.14"]
    assert (len(found.controls), found.disagreeing) == (4, [])
    lying = bill(FUND_FLOW, text(FUND_FLOW, "账务明细", rows, *after).replace("共3.00", "共3.01"), "gbk")
    assert lying.disagreeing == [("收入合计 共", "3.01", "3.00")]


def test_a_real_personal_export(real: Callable[[str], Path]) -> None:
    """The example was shortened by hand, so that its count is not so; its bookkeeping stands beside it."""
    path = real("cn-bills/example/alipay/example-alipay-records.csv")
    assert format_of(path) is PERSONAL
    found = read(PERSONAL, path)
    assert (len(found.rows), found.malformed, found.lines[0]) == (10, [], 26)
    assert found.disagreeing == [("笔记录", "66", "10")]
    amounts = dict(zip(found.column("商品说明"), found.column("amount"), strict=True))
    booked = path.with_name("example-alipay-output.beancount").read_text()
    assert (amounts["亲情卡"], amounts["转账"], amounts["退款-亲情卡"]) == ("-49.74", "222228.50", None)
    assert "Liabilities:CC:COMM:7449 -49.74 CNY" in booked
    assert "Assets:Alipay 222228.50 CNY" in booked
