"""Adyen's settlement details report: what a batch settles, and its payout.

Columns: Adyen's documentation, "Settlement details report". Debits and credits are apart there; `gross` and
`amount`, which is the net, are signed here.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.flow.intake.bills.figures import DECIMALS, difference, plain
from everycent.flow.intake.bills.moments import joined, moments
from everycent.flow.intake.bills.reports import Report, ReportRows
from everycent.flow.intake.contract import Control

_GIVEN: Final = {
    "company_account": (),
    "merchant_account": (),
    "psp_reference": (),
    "merchant_reference": (),
    "payment_method": (),
    "creation_date": (),
    "timezone": (),
    "type": (),
    "modification_reference": (),
    "gross_currency": (),
    "gross_debit_gc": (),
    "gross_credit_gc": (),
    "exchange_rate": (),
    "net_currency": (),
    "net_debit_nc": (),
    "net_credit_nc": (),
    "commission_nc": (),
    "markup_nc": (),
    "scheme_fees_nc": (),
    "interchange_nc": (),
    "payment_method_variant": (),
    "modification_merchant_reference": (),
    "batch_number": (),
}
_FEES: Final = ("commission_nc", "markup_nc", "scheme_fees_nc", "interchange_nc")
#: What takes the batch's money away: to the bank, or on to the next batch. What comes from the one before is no payout.
_TAKES_AWAY: Final = {
    "type": r"(?i)^merchant ?payout$",
    "modification_reference": r"(?i)^balance ?transfer to ",
    "modification_merchant_reference": r"(?i)^balance ?transfer to ",
}


class _Adyen:
    """Adds up each batch in each currency: what comes, and what is paid out or carried on, with the line of that."""

    def __init__(self) -> None:
        self._totals: dict[tuple[str, str], tuple[Decimal, Decimal, int | None]] = {}
        self._apart: Control | None = None
        self._tied = 0

    def take(self, rows: ReportRows) -> ReportRows:
        read = moments(joined([rows.texts("creation_date"), rows.texts("timezone")]), "month first")
        rows = rows.without(read.unreadable, "creation_date", "a time like 2026-03-01 12:00:00")
        rows = rows.with_texts("occurred_at", read.texts.filter(pa.array(~read.unreadable)))
        for name, of in (("gross", "gross_{}_gc"), ("amount", "net_{}_nc")):
            credit, debit = of.format("credit"), of.format("debit")
            signed = difference(rows.texts(credit), rows.texts(debit), rows.figures(credit), rows.figures(debit))
            rows = rows.with_texts(name, signed)
        self._check_fees(rows)
        self._add(rows)
        return rows

    def _check_fees(self, rows: ReportRows) -> None:
        """Gross less fees is net, where both are in one currency and the row has a gross."""
        gross, net = rows.figures("gross"), rows.figures("amount")
        fees = np.sum([rows.figures(name).values for name in _FEES], axis=0)
        same = pc.fill_null(pc.equal(rows.texts("gross_currency"), rows.texts("net_currency")), False)
        judged = same.to_numpy(zero_copy_only=False) & (gross.status == 0) & (net.status == 0)
        found = gross.values - fees
        apart = np.flatnonzero(judged & (found != net.values))
        self._tied += int(judged.sum()) - apart.size
        if apart.size and self._apart is None:
            row = int(apart[0])
            stated = _text(int(net.values[row]))
            self._apart = Control("net of gross and fees", stated, _text(int(found[row])), int(rows.lines[row]))

    def _add(self, rows: ReportRows) -> None:
        keys = pc.binary_join_element_wise(
            pc.fill_null(rows.texts("batch_number"), ""), pc.fill_null(rows.texts("net_currency"), ""), "\x1f"
        ).dictionary_encode()
        places, nets = keys.indices.to_numpy(zero_copy_only=False), rows.figures("amount").values
        out = np.zeros(len(nets), np.bool_)
        for name, pattern in _TAKES_AWAY.items():
            out |= pc.fill_null(pc.match_substring_regex(rows.texts(name), pattern), False).to_numpy(
                zero_copy_only=False
            )
        came, went = np.zeros(len(keys.dictionary), np.int64), np.zeros(len(keys.dictionary), np.int64)
        np.add.at(came, places[~out], nets[~out])
        np.add.at(went, places[out], nets[out])
        for place, key in enumerate(keys.dictionary.to_pylist()):
            batch, code = key.split("\x1f")
            before = self._totals.get((batch, code), (Decimal(0), Decimal(0), None))
            lines = rows.lines[out & (places == place)]
            self._totals[batch, code] = (
                before[0] + Decimal(int(came[place])).scaleb(-DECIMALS),
                before[1] - Decimal(int(went[place])).scaleb(-DECIMALS),
                int(lines[-1]) if lines.size else before[2],
            )

    def controls(self) -> Iterator[Control]:
        """Each batch: what it pays out or carries on against what it settles. A batch without either is cut off."""
        if self._apart is not None or self._tied:
            tied = str(self._tied)
            yield self._apart or Control("rows where gross less fees is net", tied, tied, None)
        if not self._totals:
            yield Control("batches", "nothing: a settlement report has at least one", "0", None)
        for (batch, code), (came, went, line) in self._totals.items():
            yield Control(f"batch {batch}: payout in {code}", plain(went), plain(came), line)


def _text(millionths: int) -> str:
    return plain(Decimal(millionths).scaleb(-DECIMALS))


FORMAT: Final = Report(
    name="adyen_settlement",
    given=_GIVEN,
    needed=("psp_reference", "type", "net_currency", "net_debit_nc", "net_credit_nc", "batch_number"),
    money=("gross_debit_gc", "gross_credit_gc", "net_debit_nc", "net_credit_nc", *_FEES),
    own=("occurred_at", "gross", "amount"),
    work=lambda _: _Adyen(),
)
