"""UnionPay's files of trades: a merchant's on the all-channel platform (INN...ZM), an institution's (IND...ACOMN).

GBK, one trade a line, cells filled up to their widths with one blank between them. Of ZM: UnionPay's access
specification for the all-channel platform, part 3 (file interface), 6.1, and its sample program; of COMN: its card
interchange specification, part 3 (file interface), as programs read it. The files state no totals; but a line's
settlement in ZM is by definition its amount and fee, so that the totals of these must agree.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from everycent.flow.intake.bills.fixed_width import FixedWidth
from everycent.flow.intake.layouts import FixedColumnSpec, FixedControlSpec, FixedRecordSpec, FixedWidthSpec, SignSpec

#: Names and widths in order. `=` marks money, `+` money whose first byte is C (credit, to the merchant) or D (debit).
_ZM: Final = """
    交易代码 3  代理机构标识码 11  发送机构标识码 11  系统跟踪号 6  交易传输时间 10  帐号 19  交易金额 =12  商户类别 4
    终端类型 2  查询流水号 21  支付方式旧 2  商户订单号 32  支付卡类型 2  原始交易的系统跟踪号 6  原始交易日期时间 10
    商户手续费 +13  结算金额 +13  支付方式 4  集团商户代码 15  交易类型 2  交易子类 2  业务类型 6  帐号类型 2
    账单类型 4  账单号码 32  交互方式 1  原交易查询流水号 21  商户代码 15  分账入账方式 1  二级商户代码 15
    二级商户简称 32  二级商户分账入账金额 +13  清算净额 +13  终端号 8  商户自定义域 32  优惠金额 +13  发票金额 +13
    分期付款附加手续费 +12  分期付款期数 2  交易介质 1  原始交易订单号 32
"""
_COMN: Final = """
    代理机构标识码 11  发送机构标识码 11  系统跟踪号 6  交易传输时间 10  主账号 19  交易金额 =12
    部分代收时的承兑金额 =12  持卡人交易手续费 12  报文类型 4  交易类型码 6  商户类型 4  受卡机终端标识码 8
    受卡方标识码 15  检索参考号 12  服务点条件码 2  授权应答码 6  接收机构标识码 11  原始交易的系统跟踪号 6
    交易返回码 2  服务点输入方式 3  受理方应收手续费 12  受理方应付手续费 12  转接服务费 12
"""
_TRADED, _SETTLED, _FEE = "交易金额", "结算金额", "商户手续费"


def _columns(written: str) -> Iterator[tuple[str, FixedColumnSpec]]:
    start = 1
    for name, money, width in re.findall(r"(\S+) ([+=]?)(\d+)", written):
        length = int(width)
        if money:
            sign = SignSpec(at=start, minus="D", plus="C ") if money == "+" else None
            yield name, FixedColumnSpec(start=start, length=length, type="amount", decimals=2, sign=sign)
        else:
            yield name, FixedColumnSpec(start=start, length=length)
        start += length + 1


def _zm() -> FixedWidthSpec:
    columns = dict(_columns(_ZM))
    signed = SignSpec(at=columns[_SETTLED].start, minus="D", plus="C ")
    columns["amount"] = columns[_TRADED].model_copy(update={"sign": signed})
    return FixedWidthSpec(
        encoding="gb18030",
        records={"trade": FixedRecordSpec(columns=columns)},
        controls={_SETTLED: FixedControlSpec(column=_SETTLED, sums=("amount", _FEE))},
    )


def _comn() -> FixedWidthSpec:
    return FixedWidthSpec(encoding="gb18030", records={"trade": FixedRecordSpec(columns=dict(_columns(_COMN)))})


@dataclass(frozen=True)
class UnionPayTrades(FixedWidth):
    """A format that knows its files by what stands at its places; `shows`, for each of some cells, which bytes."""

    shows: tuple[tuple[str, bytes], ...]

    def recognises(self, file: str, head: bytes) -> bool:  # noqa: ARG002 - the content says it
        line = head.split(b"\n", 1)[0].rstrip(b"\r")
        columns = self.spec.records["trade"].columns
        cells = {name: (column.start - 1, column.start - 1 + column.length) for name, column in columns.items()}
        if len(line) < max(end for _, end in cells.values()):
            return False
        parted = all(line[end : end + 1] in (b" ", b"") for _, end in cells.values())
        return parted and all(re.fullmatch(shown, line[slice(*cells[name])]) for name, shown in self.shows)


TRADES: Final = UnionPayTrades(
    "unionpay_zm",
    _zm(),
    shows=(("交易代码", rb"[A-Z]\d\d"), (_TRADED, rb"\d{12}"), (_FEE, rb"[CD ]\d{12}"), (_SETTLED, rb"[CD]\d{12}")),
)
INSTITUTION: Final = UnionPayTrades(
    "unionpay_comn",
    _comn(),
    shows=(("系统跟踪号", rb"\d{6}"), ("交易传输时间", rb"\d{10}"), (_TRADED, rb"\d{12}"), ("报文类型", rb"0\d{3}")),
)
