"""Braintree's transaction-level fee report: settlements with their fees.

Columns: Braintree's documentation, "Transaction-level fee report". The report states no total of itself, and its fees
are rounded in ways that it does not tell, so it has no controls: a file cut off between two rows cannot be told.
"""

from collections.abc import Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from everycent.flow.intake.bills.figures import negated
from everycent.flow.intake.bills.moments import moments
from everycent.flow.intake.bills.reports import Report, ReportRows
from everycent.flow.intake.contract import Control

_GIVEN: Final = {
    "merchant_account_id": (),
    "transaction_id": (),
    "original_transaction_id": (),
    "transaction_type": (),
    "presentment_currency": (),
    "presentment_amount": (),
    "settlement_currency": (),
    "original_sale_amount": (),
    "settlement_amount": (),
    "settlement_date": (),
    "disbursement_date": (),
    "deposit_id": (),
    "payment_instrument": (),
    "card_brand": (),
    "card_type": (),
    "issuing_bank": (),
    "refunded_amount": (),
    "refund_type": (),
    "exchange_rate": (),
    "order_id": (),
    "acquirer_reference_number": (),
    "card_issuing_country": (),
    "discount": (),
    "discount_credit": (),
    "per_transaction_fee": (),
    "per_transaction_fee_credit": (),
    "multicurrency_fee_amount": (),
    "multicurrency_fee_credit": (),
    "braintree_total_amount": (),
    "total_fee_amount": (),
}
_MONEY: Final = (
    *("presentment_amount", "original_sale_amount", "settlement_amount", "refunded_amount", "per_transaction_fee"),
    *("per_transaction_fee_credit", "multicurrency_fee_amount", "multicurrency_fee_credit", "braintree_total_amount"),
    "total_fee_amount",
)
#: Transaction types that take money back; the report writes their amounts without a sign.
_BACK: Final = "(?i)credit|refund|chargeback"


class _Braintree:
    def take(self, rows: ReportRows) -> ReportRows:
        for name in ("settlement_date", "disbursement_date"):
            read = moments(rows.texts(name), "month first")
            rows = rows.without(read.unreadable, name, "a date like 2026-03-01")
            rows = rows.with_texts(name, read.texts.filter(pa.array(~read.unreadable)))
        settled = rows.figures("settlement_amount")
        back = pc.fill_null(pc.match_substring_regex(rows.texts("transaction_type"), _BACK), False)
        back = pc.and_(back, pa.array(settled.values > 0))
        texts = rows.texts("settlement_amount")
        return rows.with_texts("amount", pc.if_else(back, negated(texts, settled), texts))

    def controls(self) -> Iterator[Control]:
        return iter(())


FORMAT: Final = Report(
    name="braintree_settlement",
    given=_GIVEN,
    needed=("transaction_id", "transaction_type", "settlement_amount", "settlement_currency", "disbursement_date"),
    money=_MONEY,
    own=("amount",),
    work=lambda _: _Braintree(),
)
