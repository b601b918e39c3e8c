"""What the bank of tests/house writes of orders: which it took and refused (pain.002), which it booked (camt.053)."""

from collections.abc import Sequence
from decimal import Decimal

import bank

from everycent.flow.payments.contract import Order

_STATUSES = {"accepted": "ACSP", "refused": "RJCT"}


def report(number: int, news: Sequence[tuple[Order, str]]) -> bytes:
    """pain.002 of orders that were accepted or refused."""
    told = "".join(bank.status_of(_payment(order), _STATUSES[status]) for order, status in news)
    return bank.report([f"<OrgnlPmtInfAndSts>{told}</OrgnlPmtInfAndSts>"], f"report {number}").encode()


def statement(number: int, news: Sequence[tuple[Order, str]]) -> bytes:
    """camt.053 of orders that were paid, or came back: balances and entries that add up."""
    entries, moved = [], Decimal(0)
    for order, status in news:
        back, collected = status == "returned", order.direction == "collect"
        entries.append(bank.entry(_payment(order), back=back, collected=collected))
        moved += Decimal(_payment(order).amount) * (1 if back is not collected else -1)
    return bank.statement(entries, moved, f"statement {number}").encode()


def _payment(order: Order) -> bank.Payment:
    return bank.Payment(order.key.hex, f"{Decimal(order.amount_minor) / 100:.2f}", order.currency, "", "")
