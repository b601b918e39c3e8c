"""PayPal's activity report and monthly statement: each row states the balance of its currency after it.

Columns: PayPal's "Activity download" and "Statements" headings. The report is in the account's language and date order;
English headings are read, of either order. Where the dates of a file do not tell the order, name the format that does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.flow.intake.bills.cell_bill import cells
from everycent.flow.intake.bills.figures import DECIMALS, plain
from everycent.flow.intake.bills.moments import Order, joined, moments, numbers
from everycent.flow.intake.bills.reports import OpenReport, Report, ReportRows
from everycent.flow.intake.contract import Control, SourceError

_GIVEN: Final = {
    "date": (),
    "time": (),
    "time_zone": ("TimeZone",),
    "name": (),
    "type": ("Description",),
    "status": (),
    "currency": (),
    "gross": (),
    "fee": (),
    "net": (),
    "from_email_address": (),
    "to_email_address": (),
    "transaction_id": (),
    "reference_txn_id": (),
    "invoice_number": ("Invoice ID",),
    "custom_number": (),
    "receipt_id": (),
    "balance": (),
    "balance_impact": (),
    "item_title": (),
    "item_id": (),
    "shipping_and_handling_amount": (),
    "sales_tax": (),
    "bank_name": (),
    "bank_account": (),
    "subject": (),
    "note": (),
}
_DATES_AT_ONCE: Final = 1 << 14


@dataclass
class _Balance:
    """Of one currency: its last row, how many there were, and where the balance first parts in either direction."""

    balance: int
    net: int
    day: str
    line: int
    first_day: str
    forward: Control | None = None
    backward: Control | None = None


class _PayPal:
    def __init__(self, report: OpenReport, order: Order | None) -> None:
        self._order = order or _order_of(report)
        self._of: dict[str, _Balance] = {}

    def take(self, rows: ReportRows) -> ReportRows:
        read = moments(joined([rows.texts(name) for name in ("date", "time", "time_zone")]), self._order)
        lacks = read.unreadable | pc.is_null(read.texts).to_numpy(zero_copy_only=False)
        rows = rows.without(lacks, "date", "a date that the file writes as its others, and a time")
        rows = rows.with_texts("occurred_at", read.texts.filter(pa.array(~lacks)))
        self._follow(rows)
        return rows.with_texts("amount", rows.texts("net"))

    def _follow(self, rows: ReportRows) -> None:
        """Follows the running balance; a memo moves nothing."""
        balance, net = rows.figures("balance"), rows.figures("net")
        memo = pc.fill_null(pc.equal(pc.utf8_lower(rows.texts("balance_impact")), "memo"), False)
        moves = (balance.status == 0) & (net.status == 0) & ~memo.to_numpy(zero_copy_only=False)
        currencies = rows.texts("currency")
        for code in pc.unique(currencies.drop_null()).to_pylist():
            at = np.flatnonzero(moves & pc.fill_null(pc.equal(currencies, code), False).to_numpy(zero_copy_only=False))
            if at.size:
                days = rows.texts("occurred_at").take(pa.array(at[[0, -1]])).to_pylist()
                self._add(code, balance.values[at], net.values[at], rows.lines[at], days)

    def _add(
        self,
        code: str,
        balances: npt.NDArray[np.int64],
        nets: npt.NDArray[np.int64],
        lines: npt.NDArray[np.int64],
        days: list[str],
    ) -> None:
        before = self._of.get(code)
        if before is not None:
            balances = np.concatenate(([before.balance], balances))
            nets = np.concatenate(([before.net], nets))
            lines = np.concatenate(([before.line], lines))
        forward = _first_apart(code, balances[1:], balances[:-1] + nets[1:], lines[1:])
        backward = _first_apart(code, balances[1:], balances[:-1] - nets[:-1], lines[1:])
        now = _Balance(int(balances[-1]), int(nets[-1]), days[1], int(lines[-1]), days[0], forward, backward)
        if before is not None:
            now.first_day = before.first_day
            now.forward, now.backward = before.forward or forward, before.backward or backward
        self._of[code] = now

    def controls(self) -> Iterator[Control]:
        """One for each currency: the row where the running balance first parts, or else the last row's balance. Newest
        first or oldest first is told by the dates; where they do not, by which of the two ties."""
        for code, at in self._of.items():
            backward = at.day < at.first_day
            if at.day == at.first_day:
                backward = at.forward is not None and at.backward is None
            stated = _text(at.balance)
            yield (at.backward if backward else at.forward) or Control(f"balance {code}", stated, stated, at.line)


def _first_apart(
    code: str, stated: npt.NDArray[np.int64], found: npt.NDArray[np.int64], lines: npt.NDArray[np.int64]
) -> Control | None:
    apart = np.flatnonzero(stated != found)
    if not apart.size:
        return None
    row = int(apart[0])
    return Control(f"balance {code}", _text(int(stated[row])), _text(int(found[row])), int(lines[row]))


def _text(millionths: int) -> str:
    return plain(Decimal(millionths).scaleb(-DECIMALS))


def _order_of(report: OpenReport) -> Order:
    """Whether day or month stands first: a number above 12 tells, or else a file whose days only go one way in one of
    the two. Raises SourceError where neither does."""
    first = second = 0
    steps = {"day first": [False, False], "month first": [False, False]}  # whether days went on, and back
    last: dict[str, int] = {}
    source = report.source("date")
    for shard in source.shards(_DATES_AT_ONCE):
        a, b, year, _ = numbers(cells(shard.table, shard.table.column_names[0]))
        if (a > 31).any() or not a.size:
            return "month first"  # the year stands first, or there is no row
        first, second = max(first, int(a.max())), max(second, int(b.max()))
        for order, days in (("day first", year * 10_000 + b * 100 + a), ("month first", year * 10_000 + a * 100 + b)):
            run = np.concatenate(([last.get(order, days[0])], days))
            steps[order][0] |= bool((run[1:] > run[:-1]).any())
            steps[order][1] |= bool((run[1:] < run[:-1]).any())
            last[order] = int(days[-1])
    if (first > 12) != (second > 12):
        return "day first" if first > 12 else "month first"
    one_way = [order for order, (on, back) in steps.items() if not (on and back)]
    if one_way == ["day first"]:
        return "day first"
    if one_way == ["month first"]:
        return "month first"
    raise SourceError(
        f"{report.path}: its dates could be read day first or month first, and nothing in it tells; name the format "
        f"paypal_activity_dmy or paypal_activity_mdy, whichever the account writes"
    )


def _format(name: str, order: Order | None) -> Report:
    return Report(
        name=name,
        given=_GIVEN,
        needed=("date", "time", "time_zone", "currency", "gross", "fee", "net", "transaction_id", "balance"),
        money=("gross", "fee", "net", "balance", "shipping_and_handling_amount", "sales_tax"),
        own=("occurred_at", "amount"),
        work=lambda report: _PayPal(report, order),
        is_recognised=order is None,
    )


FORMAT: Final = _format("paypal_activity", None)
DAY_FIRST: Final = _format("paypal_activity_dmy", "day first")
MONTH_FIRST: Final = _format("paypal_activity_mdy", "month first")
