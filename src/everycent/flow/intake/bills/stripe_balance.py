"""Stripe's itemised balance and payout reconciliation reports, and its balance history.

Columns: Stripe's documentation, "Balance report" and "Payout reconciliation report". In each row gross less fee is net;
a payout in the report is what the rows of its id add up to.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.flow.intake.bills.figures import DECIMALS, figures, plain
from everycent.flow.intake.bills.moments import moments
from everycent.flow.intake.bills.reports import OpenReport, Report, ReportRows
from everycent.flow.intake.contract import Control

_GIVEN: Final = {
    "balance_transaction_id": ("id",),
    "created_utc": (),
    "created": (),
    "available_on_utc": (),
    "available_on": (),
    "currency": (),
    "gross": ("Amount",),
    "fee": ("Fees",),
    "net": (),
    "reporting_category": ("Type",),
    "source_id": ("Source",),
    "description": (),
    "customer_facing_amount": (),
    "customer_facing_currency": (),
    "automatic_payout_id": ("Transfer", "payout_id"),
    "automatic_payout_effective_at_utc": (),
    "automatic_payout_effective_at": ("Transfer Date (UTC)",),
    "charge_id": (),
    "payment_intent_id": (),
    "refund_id": (),
    "transfer_id": (),
    "transfer_group": ("Transfer Group",),
    "invoice_id": (),
    "subscription_id": (),
    "customer_id": (),
    "customer_email": (),
    "connected_account_id": ("connected_account",),
    "payment_method_type": (),
    "statement_descriptor": (),
}
_MONEY: Final = ("gross", "fee", "net", "customer_facing_amount")
_IN_UTC: Final = ("created_utc", "available_on_utc", "automatic_payout_effective_at_utc")
_TIMES: Final = (*_IN_UTC, "created", "available_on", "automatic_payout_effective_at")


class _Stripe:
    """Adds up the nets of each payout; `_apart` is the first row that does not tie."""

    def __init__(self, report: OpenReport) -> None:
        self._has_payouts = "automatic_payout_id" in report.at
        self._apart: Control | None = None
        self._totals = dict.fromkeys(("gross", "fee", "net"), Decimal(0))
        self._of_payout: dict[str, Decimal] = {}
        self._payouts: dict[str, tuple[Decimal, int]] = {}

    def take(self, rows: ReportRows) -> ReportRows:
        for name in _TIMES:
            read = moments(_in_utc(rows, name), "month first")
            rows = rows.without(read.unreadable, name, "a time like 2026-03-01 12:00:00")
            rows = rows.with_texts(name, read.texts.filter(pa.array(~read.unreadable)))
        rows = rows.with_texts("currency", pc.utf8_upper(rows.texts("currency")))
        gross, fee, net = (rows.figures(name) for name in self._totals)
        for name, each in (("gross", gross), ("fee", fee), ("net", net)):
            self._totals[name] += each.total()
        apart = np.flatnonzero(gross.values - fee.values != net.values)
        if apart.size and self._apart is None:
            row = int(apart[0])
            found = plain(Decimal(int(gross.values[row] - fee.values[row])).scaleb(-DECIMALS))
            self._apart = Control(
                "net of gross and fee", rows.texts("net")[row].as_py() or "0", found, int(rows.lines[row])
            )
        if self._has_payouts:
            self._add_payouts(rows)
        return rows.with_texts("amount", rows.texts("net"))

    def _add_payouts(self, rows: ReportRows) -> None:
        """A payout's own row has it as its source; what it pays out bears its id."""
        is_payout = pc.fill_null(pc.equal(rows.texts("reporting_category"), "payout"), False)
        is_payout = is_payout.to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(is_payout):
            payout = rows.texts("source_id")[int(row)].as_py() or rows.texts("automatic_payout_id")[int(row)].as_py()
            value = figures(rows.texts("net").slice(int(row), 1)).total()
            if payout:
                self._payouts[payout] = (-value, int(rows.lines[row]))
        parts = rows.texts("automatic_payout_id").filter(pa.array(~is_payout)).dictionary_encode()
        nets = rows.figures("net").values[~is_payout]
        places = pc.fill_null(parts.indices, -1).to_numpy(zero_copy_only=False)
        sums = np.zeros(len(parts.dictionary), np.int64)
        np.add.at(sums, places[places >= 0], nets[places >= 0])
        for payout, millionths in zip(parts.dictionary.to_pylist(), sums.tolist(), strict=True):
            value = Decimal(millionths).scaleb(-DECIMALS)
            self._of_payout[payout] = self._of_payout.get(payout, Decimal(0)) + value

    def controls(self) -> Iterator[Control]:
        total = self._totals
        yield self._apart or Control(
            "net of gross and fee, all rows", plain(total["net"]), plain(total["gross"] - total["fee"]), None
        )
        for payout, (stated, line) in self._payouts.items():
            if payout in self._of_payout:
                yield Control(f"payout {payout}", plain(stated), plain(self._of_payout[payout]), line)


def _in_utc(rows: ReportRows, name: str) -> pa.Array:
    """The times of a column, with their zone where its name says it."""
    texts = rows.texts(name)
    if name not in _IN_UTC:
        return texts
    return pc.if_else(pc.match_substring(texts, ":"), pc.binary_join_element_wise(texts, "UTC", " "), texts)


FORMAT: Final = Report(
    name="stripe_balance",
    given=_GIVEN,
    needed=("balance_transaction_id", "gross", "fee", "net", "currency", "reporting_category", "available_on_utc"),
    money=_MONEY,
    own=("amount",),
    work=_Stripe,
)
