"""WeChat Pay's bills for merchants: trades (all, successful, refunds) and fund flow.

Cells begin with a back-tick. Two lines follow the rows: what is stated, and the figures. Layout: WeChat Pay's merchant
documentation, "download trade bill" and "download fund flow bill".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import pyarrow as pa

from everycent.flow.intake.bills.cell_bill import CellBill, Counted, cells
from everycent.flow.intake.bills.cell_rows import heads
from everycent.flow.intake.bills.figures import Figures, difference, directed

_TRADE: Final = (
    "交易时间",
    "公众账号ID",
    "商户号",
    "特约商户号",
    "设备号",
    "微信订单号",
    "商户订单号",
    "用户标识",
    "交易类型",
    "交易状态",
    "付款银行",
    "货币种类",
    "应结订单金额",
    "代金券金额",
    "退款申请时间",
    "退款成功时间",
    "微信退款单号",
    "商户退款单号",
    "退款金额",
    "充值券退款金额",
    "退款类型",
    "退款状态",
    "商品名称",
    "商户数据包",
    "手续费",
    "费率",
    "订单金额",
    "申请退款金额",
    "费率备注",
)
#: Names that earlier bills have for the same columns.
_EARLIER: Final = {
    "子商户号": "特约商户号",
    "总金额": "应结订单金额",
    "企业红包金额": "代金券金额",
    "代金券或立减优惠金额": "代金券金额",
    "企业红包退款金额": "充值券退款金额",
    "代金券或立减优惠退款金额": "充值券退款金额",
}
#: What the line after the rows states, and the column whose sum it is.
_TRADE_TOTALS: Final = {
    "应结订单总金额": "应结订单金额",
    "总交易额": "应结订单金额",
    "退款总金额": "退款金额",
    "总退款金额": "退款金额",
    "充值券退款总金额": "充值券退款金额",
    "总企业红包退款金额": "充值券退款金额",
    "总代金券或立减优惠退款金额": "充值券退款金额",
    "手续费总金额": "手续费",
    "订单总金额": "订单金额",
    "申请退款总金额": "申请退款金额",
}
_FLOW: Final = (
    "记账时间",
    "微信支付业务单号",
    "资金流水单号",
    "业务名称",
    "业务类型",
    "收支类型",
    "收支金额(元)",
    "账户结余(元)",
    "资金变更提交申请人",
    "备注",
    "业务凭证号",
)
_PERSONAL: Final = (
    "交易时间",
    "交易类型",
    "交易对方",
    "商品",
    "收/支",
    "金额(元)",
    "支付方式",
    "当前状态",
    "交易单号",
    "商户单号",
    "备注",
)


def _trades(table: pa.Table, read: Mapping[str, Figures]) -> Counted:
    """A payment brings what is settled of it, a refund takes what is given back; each row has one of the two."""
    settled, refunded = "应结订单金额", "退款金额"
    amount = difference(cells(table, settled), cells(table, refunded), read[settled], read[refunded])
    totals = {stated: read[column].total() for stated, column in _TRADE_TOTALS.items()}
    return Counted(amount, {"总交易单数": Decimal(table.num_rows), **totals})


def _flows(table: pa.Table, read: Mapping[str, Figures]) -> Counted:  # noqa: ARG001
    """Money in is positive, money out negative; a row that is neither has no amount."""
    amount, moved = directed(cells(table, "收支类型"), cells(table, "收支金额(元)"), "收入", "支出")
    totals = {"资金流水总笔数": Decimal(table.num_rows)}
    for word, (count, total) in moved.items():
        totals |= {f"{word}笔数": count, f"{word}金额": total}
    return Counted(amount, totals)


def _stated(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[str, str, int]]:
    """What the lines after the rows state: names, then figures."""
    if len(lines) < 2:
        return
    (_, names), (line, figures_stated), *more = lines
    cells_stated = figures_stated.removeprefix("`").split(",`" if figures_stated.startswith("`") else ",")
    for at, name in enumerate(heads(names)):
        yield name, cells_stated[at].strip(' \t"') if at < len(cells_stated) else "", line
    if more:
        yield f"{len(more)} lines after the summary", more[0][1][:40], more[0][0]


BILL: Final = CellBill(
    name="wechat_bill",
    given=_TRADE,
    header=("交易时间", "公众账号ID"),
    no_row=bytes(range(128, 256)),
    money=(*dict.fromkeys(_TRADE_TOTALS.values()), "代金券金额"),
    count=_trades,
    stated=_stated,
    earlier=_EARLIER,
)
FUND_FLOW: Final = CellBill(
    name="wechat_fundflow",
    given=_FLOW,
    header=("记账时间", "微信支付业务单号"),
    no_row=bytes(range(128, 256)),
    money=("收支金额(元)", "账户结余(元)"),
    count=_flows,
    stated=_stated,
)


def _personal(table: pa.Table, read: Mapping[str, Figures]) -> Counted:  # noqa: ARG001
    """As for a fund flow; what is neither income nor spending, a top-up or a withdrawal, has no amount."""
    amount, moved = directed(cells(table, "收/支"), cells(table, "金额(元)"), "收入", "支出")
    totals = {"笔记录": Decimal(table.num_rows)}
    for word, (count, total) in moved.items():
        totals |= {f"{word}笔数": count, f"{word}金额": total}
    return Counted(amount, totals)


def _stated_before(lines: Sequence[tuple[int, str]]) -> Iterator[tuple[str, str, int]]:
    """What the lines before the header state: `共43笔记录`, `收入：1笔 0.35元`."""
    for line, text in lines:
        if found := re.match(r"共(\d+)笔记录", text):
            yield "笔记录", found[1], line
        elif found := re.match(r"(收入|支出)：(\d+)笔 ([\d.]+)元", text):
            yield f"{found[1]}笔数", found[2], line
            yield f"{found[1]}金额", found[3], line


PERSONAL: Final = CellBill(
    name="wechat_personal",
    given=_PERSONAL,
    header=("交易时间", "交易类型", "交易对方"),
    no_row=b"",
    money=("金额(元)",),
    count=_personal,
    stated=_stated_before,
    padded=True,
    symbol="¥￥",
)
