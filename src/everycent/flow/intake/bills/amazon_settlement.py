"""Amazon's settlement report, flat file V2: the money of a settlement, order by order and kind by kind.

Columns: Selling Partner API documentation, "Settlement reports", GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2. The first
row of a settlement states its span, its total and its currency; it is not a row of the bill.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.flow.intake.bills.figures import DECIMALS, plain
from everycent.flow.intake.bills.moments import moments
from everycent.flow.intake.bills.reports import Report, ReportRows
from everycent.flow.intake.contract import Control

_GIVEN: Final = {
    "settlement_id": (),
    "settlement_start_date": (),
    "settlement_end_date": (),
    "deposit_date": (),
    "total_amount": (),
    "currency": (),
    "transaction_type": (),
    "order_id": (),
    "merchant_order_id": (),
    "adjustment_id": (),
    "shipment_id": (),
    "marketplace_name": (),
    "amount_type": (),
    "amount_description": (),
    "amount": (),
    "fulfillment_id": (),
    "posted_date": (),
    "posted_date_time": (),
    "order_item_code": (),
    "merchant_order_item_id": (),
    "merchant_adjustment_item_id": (),
    "sku": (),
    "quantity_purchased": (),
    "promotion_id": (),
}
_OF_SETTLEMENT: Final = ("settlement_start_date", "settlement_end_date", "deposit_date", "currency")
_TIMES: Final = ("settlement_start_date", "settlement_end_date", "deposit_date", "posted_date", "posted_date_time")


class _Amazon:
    """Adds up each settlement, and keeps what its first row states."""

    def __init__(self) -> None:
        self._stated: dict[str, tuple[Decimal, int]] = {}
        self._found: dict[str, Decimal] = {}
        self._heads: dict[str, dict[str, str | None]] = {}

    def take(self, rows: ReportRows) -> ReportRows:
        for name in _TIMES:
            read = moments(rows.texts(name), "day first")
            rows = rows.without(read.unreadable, name, "a date like 2026-03-01 or 01.03.2026, maybe with a time")
            rows = rows.with_texts(name, read.texts.filter(pa.array(~read.unreadable)))
        totals = rows.figures("total_amount")
        heads = totals.status == 0
        for row, cells in zip(np.flatnonzero(heads), rows.table.filter(pa.array(heads)).to_pylist(), strict=True):
            settlement = cells["settlement_id"] or ""
            self._heads[settlement] = {name: cells[name] for name in _OF_SETTLEMENT}
            stated = Decimal(int(totals.values[row])).scaleb(-DECIMALS)
            self._stated[settlement] = (stated, int(rows.lines[row]))
        rows = rows.chosen(~heads)
        rows = rows.without(rows.figures("amount").status != 0, "amount", "an amount like 12.34")
        self._add(rows)
        return self._with_heads(rows)

    def _add(self, rows: ReportRows) -> None:
        keys = pc.fill_null(rows.texts("settlement_id"), "").dictionary_encode()
        sums = np.zeros(len(keys.dictionary), np.int64)
        np.add.at(sums, keys.indices.to_numpy(zero_copy_only=False), rows.figures("amount").values)
        for settlement, value in zip(keys.dictionary.to_pylist(), sums.tolist(), strict=True):
            self._found[settlement] = self._found.get(settlement, Decimal(0)) + Decimal(value).scaleb(-DECIMALS)

    def _with_heads(self, rows: ReportRows) -> ReportRows:
        """What the settlement's first row says of all of them: its span, its deposit, its currency."""
        keys = pc.fill_null(rows.texts("settlement_id"), "").dictionary_encode()
        for name in _OF_SETTLEMENT:
            values = [self._heads.get(settlement, {}).get(name) for settlement in keys.dictionary.to_pylist()]
            of_head = pa.array(values, pa.string()).take(keys.indices)
            rows = rows.with_texts(name, pc.coalesce(rows.texts(name), of_head))
        return rows

    def controls(self) -> Iterator[Control]:
        """Each settlement's total; one that states none was cut off at its head."""
        if not self._stated and not self._found:
            yield Control("settlements", "nothing: a settlement report has at least one", "0", None)
        for settlement in dict.fromkeys((*self._stated, *self._found)):
            found = plain(self._found.get(settlement, Decimal(0)))
            stated, line = self._stated.get(settlement, (None, None))
            told = "nothing: its first row is missing" if stated is None else plain(stated)
            yield Control(f"settlement {settlement}: total", told, found, line)


FORMAT: Final = Report(
    name="amazon_settlement",
    given=_GIVEN,
    needed=("settlement_id", "settlement_start_date", "total_amount", "amount_type", "amount_description", "amount"),
    money=("total_amount", "amount"),
    own=(),
    work=lambda _: _Amazon(),
    delimiter="\t",
)
