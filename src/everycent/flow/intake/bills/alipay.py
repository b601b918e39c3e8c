"""Alipay's bills for merchants (trades, their summary by store, fund flow) and its export for persons.

GBK. Lines with `#` stand before and after the rows, cells are filled up with tabs. Layout: Alipay's open platform,
"download bills" (`trade` and `signcustomer`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.flow.intake.bills.cell_bill import CellBill, Counted, cells
from everycent.flow.intake.bills.cell_rows import heads
from everycent.flow.intake.bills.figures import Figures, difference, directed, figures

_TRADE: Final = (
    "支付宝交易号",
    "商户订单号",
    "业务类型",
    "商品名称",
    "创建时间",
    "完成时间",
    "门店编号",
    "门店名称",
    "操作员",
    "终端号",
    "对方账户",
    "订单金额（元）",
    "商家实收（元）",
    "支付宝红包（元）",
    "集分宝（元）",
    "支付宝优惠（元）",
    "商家优惠（元）",
    "券核销金额（元）",
    "券名称",
    "商家红包消费金额（元）",
    "卡消费金额（元）",
    "退款批次号/请求号",
    "服务费（元）",
    "分润（元）",
    "备注",
)
_SUMMARY: Final = (
    "门店编号",
    "门店名称",
    "交易订单总笔数",
    "退款订单总笔数",
    "订单金额（元）",
    "商家实收（元）",
    "支付宝优惠（元）",
    "商家优惠（元）",
    "卡消费金额（元）",
    "服务费（元）",
    "分润（元）",
    "实收净额（元）",
)
_FLOW: Final = (
    "账务流水号",
    "业务流水号",
    "商户订单号",
    "商品名称",
    "发生时间",
    "对方账号",
    "收入金额（+元）",
    "支出金额（-元）",
    "账户余额（元）",
    "交易渠道",
    "业务类型",
    "备注",
    "业务基础订单号",
    "业务订单号",
    "业务账单来源",
    "业务描述",
    "付款备注",
)
_PERSONAL: Final = (
    "交易时间",
    "交易分类",
    "交易对方",
    "对方账号",
    "商品说明",
    "收/支",
    "金额",
    "收/付款方式",
    "交易状态",
    "交易订单号",
    "商家订单号",
    "备注",
)
_ENDS: Final = b"#"


def _money(columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in columns if name.endswith("元）"))


def _half_width(columns: Sequence[str]) -> dict[str, str]:
    """The names as a file has them whose brackets are not full width."""
    return {name.replace("（", "(").replace("）", ")"): name for name in columns if "（" in name}


def _trades(table: pa.Table, read: Mapping[str, Figures]) -> Counted:
    """What the merchant receives; negative in the rows of refunds."""
    kind = cells(table, "业务类型")
    totals: dict[str, Decimal] = {}
    for title, word, received, reduced in (
        ("交易合计", "交易", "商家实收", "商家优惠"),
        ("退款合计", "退款", "商家实收退款", "商家优惠退款"),
    ):
        rows = pc.fill_null(pc.equal(kind, word), False).to_numpy(zero_copy_only=False)
        totals[f"{title} 笔"] = Decimal(int(rows.sum()))
        totals[f"{title} {received}"] = read["商家实收（元）"].total(rows)
        totals[f"{title} {reduced}"] = read["商家优惠（元）"].total(rows)
    return Counted(cells(table, "商家实收（元）"), totals)


def _flows(table: pa.Table, read: Mapping[str, Figures]) -> Counted:
    """Income is positive, spending negative, however the file signs it."""
    came, gone = cells(table, "收入金额（+元）"), pc.ascii_ltrim(cells(table, "支出金额（-元）"), characters="- \t")
    income, spent = read["收入金额（+元）"], figures(gone)
    totals = {}
    for word, each, sign in (("支出合计", spent, -1), ("收入合计", income, 1)):
        totals[f"{word} 笔"] = Decimal(int(np.count_nonzero(each.values)))
        totals[f"{word} 共"] = each.total() * sign
    return Counted(difference(came, gone, income, spent), totals)


def _stores(table: pa.Table, read: Mapping[str, Figures]) -> Counted:
    return Counted(cells(table, "商家实收（元）"), {name: each.total() for name, each in read.items()})


def _persons(table: pa.Table, read: Mapping[str, Figures]) -> Counted:  # noqa: ARG001
    """Income is positive, spending negative; what the export counts as neither has no amount."""
    amount, _ = directed(cells(table, "收/支"), cells(table, "金额"), "收入", "支出")
    return Counted(amount, {"笔记录": Decimal(table.num_rows)})


def _stated(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[str, str, int]]:
    """`#交易合计：6笔，商家实收共0.06元，商家优惠共0.00元`, `#支出合计：11笔，共-0.14元`, and lines without `#`."""
    for line, text in lines:
        title, colon, told = text.lstrip("#").partition("：")
        if not text.startswith("#"):
            yield f"a line after the summary: {text[:40]}", text[:40], line
        if colon and title in ("交易合计", "退款合计", "支出合计", "收入合计"):
            for part in told.split("，"):
                if found := re.fullmatch(r"\s*(\S*)笔", part):
                    yield f"{title} 笔", found[1], line
                elif found := re.fullmatch(r"\s*(商家实收退款|商家优惠退款|商家实收|商家优惠|)共(\S*)元\s*", part):
                    yield f"{title} {found[1] or '共'}", found[2], line


def _stated_by_store(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[str, str, int]]:
    """The line `合计` has each column's total."""
    for line, text in lines:
        if (told := heads(text))[0] == "合计":
            for name, figure in zip(_SUMMARY, told, strict=False):
                if name in _COUNTED and figure:
                    yield name, figure, line


def _stated_before(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[str, str, int]]:
    """`共66笔记录`. The sums beside it are no controls: the export itself says that its rows may not add up to them."""
    for line, text in lines:
        if found := re.match(r"共(\d+)笔记录", text):
            yield "笔记录", found[1], line


_COUNTED: Final = ("交易订单总笔数", "退款订单总笔数", *_money(_SUMMARY))

BILL: Final = CellBill(
    name="alipay_bill",
    given=_TRADE,
    header=("支付宝交易号", "商户订单号"),
    no_row=_ENDS,
    money=("商家实收（元）", *(name for name in _money(_TRADE) if name != "商家实收（元）")),
    count=_trades,
    stated=_stated,
    earlier={**_half_width(_TRADE), "退款批次号": "退款批次号/请求号"},
    either_sign=frozenset({"退款合计 商家实收退款", "退款合计 商家优惠退款"}),
    padded=True,
)
SUMMARY: Final = CellBill(
    name="alipay_summary",
    given=_SUMMARY,
    header=("门店编号", "门店名称", "交易订单总笔数"),
    no_row=_ENDS + "合".encode()[:1],
    money=_COUNTED,
    count=_stores,
    stated=_stated_by_store,
    earlier=_half_width(_SUMMARY),
    padded=True,
)
FUND_FLOW: Final = CellBill(
    name="alipay_fundflow",
    given=_FLOW,
    header=("账务流水号", "业务流水号"),
    no_row=_ENDS,
    money=_money(_FLOW),
    count=_flows,
    stated=_stated,
    earlier=_half_width(_FLOW),
    either_sign=frozenset({"支出合计 共"}),
    padded=True,
)
PERSONAL: Final = CellBill(
    name="alipay_personal",
    given=_PERSONAL,
    header=("交易时间", "交易分类", "交易对方"),
    no_row=b"-",
    money=("金额",),
    count=_persons,
    stated=_stated_before,
    padded=True,
)
