"""UnionPay's file of a merchant's trades on its all-channel platform (INN...ZM).

GBK, one trade a line, cells filled up to their widths with one blank between them. Widths and meanings: UnionPay's
access specification for the all-channel platform, part 3 (file interface), 6.1. The file states no totals; but each
line's settlement is by definition its amount and fee, so that the totals of these must agree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from everycent.flow.intake.bills.fixed_width import FixedWidth
from everycent.flow.intake.contract import (
    FixedColumnSpec,
    FixedControlSpec,
    FixedRecordSpec,
    FixedWidthSpec,
    SignSpec,
)

#: Names and widths in order; `+` marks money whose first byte is C (credit, to the merchant) or D (debit).
_ZM: Final = """
    交易代码 3  代理机构标识码 11  发送机构标识码 11  系统跟踪号 6  交易传输时间 10  帐号 19  交易金额 12  商户类别 4
    终端类型 2  查询流水号 21  支付方式旧 2  商户订单号 32  支付卡类型 2  原始交易的系统跟踪号 6  原始交易日期时间 10
    商户手续费 +13  结算金额 +13  支付方式 4  集团商户代码 15  交易类型 2  交易子类 2  业务类型 6  帐号类型 2
    账单类型 4  账单号码 32  交互方式 1  原交易查询流水号 21  商户代码 15  分账入账方式 1  二级商户代码 15
    二级商户简称 32  二级商户分账入账金额 +13  清算净额 +13  终端号 8  商户自定义域 32  优惠金额 +13  发票金额 +13
    分期付款附加手续费 +12  分期付款期数 2  交易介质 1  原始交易订单号 32
"""
#: Unsigned in the file; it goes where the settlement goes.
_TRADED, _SETTLED, _FEE = "交易金额", "结算金额", "商户手续费"


def _columns() -> Iterator[tuple[str, FixedColumnSpec]]:
    words, start = _ZM.split(), 1
    for name, width in zip(words[::2], words[1::2], strict=True):
        length = int(width)
        if width.startswith("+") or name == _TRADED:
            sign = SignSpec(at=start, minus="D", plus="C ") if width.startswith("+") else None
            yield name, FixedColumnSpec(start=start, length=length, type="amount", decimals=2, sign=sign)
        else:
            yield name, FixedColumnSpec(start=start, length=length)
        start += length + 1


def _layout() -> FixedWidthSpec:
    columns = dict(_columns())
    signed = SignSpec(at=columns[_SETTLED].start, minus="D", plus="C ")
    columns["amount"] = columns[_TRADED].model_copy(update={"sign": signed})
    return FixedWidthSpec(
        encoding="gb18030",
        records={"trade": FixedRecordSpec(columns=columns)},
        controls={_SETTLED: FixedControlSpec(column=_SETTLED, sums=("amount", _FEE))},
    )


@dataclass(frozen=True)
class UnionPayTrades(FixedWidth):
    """The format; it knows its files by the blanks and digits at their places."""

    def recognises(self, file: str, head: bytes) -> bool:  # noqa: ARG002 - the content says it
        line = head.split(b"\n", 1)[0].rstrip(b"\r")
        columns = list(self.spec.records["trade"].columns.items())[:-1]
        ends = [column.start - 1 + column.length for _, column in columns]
        if len(line) < ends[-1] or any(line[end : end + 1] not in (b" ", b"") for end in ends):
            return False
        cells = {name: line[column.start - 1 : end] for (name, column), end in zip(columns, ends, strict=True)}
        return cells[_TRADED].isdigit() and cells[_SETTLED][:1] in (b"C", b"D") and cells[_SETTLED][1:].isdigit()


TRADES: Final = UnionPayTrades("unionpay_zm", _layout())
