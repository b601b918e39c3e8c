"""Money on account goes back to its party: what of a receipt may, and what the ledger moves for it.

What is paid back leaves the party's account `on_account/` for `party/`, as something that the house owes; from there an
instruction of its own pays it. Where that fails or comes back, it is on account again.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import currency
from everycent.flow.ledger.contract import ON_ACCOUNT, PARTY_ACCOUNT, TRANSFER
from everycent.flow.payments.core.receipts import NotReceived, ReceiptRefused


@dataclass(frozen=True)
class PayBack:
    """What of a receipt goes back to its party."""

    key: UUID
    receipt_id: UUID
    model: str
    party_id: str
    legal_entity: str
    currency: str
    amount_minor: int


@dataclass(frozen=True)
class Kept:
    """A receipt that is stored: what of it is free, how many times something of it was to be paid back, and whether
    something is being."""

    receipt_id: UUID
    model: str
    party_id: str
    legal_entity: str
    currency: str
    free_minor: int
    pay_backs: int
    under_way: bool


def paid_back(kept: Kept, amount_minor: int | None) -> PayBack:
    """What goes back of a receipt; all that is free where no amount is given. Raises ReceiptRefused.

    One at a time: a command that is given twice does not pay twice.
    """
    money = currency(kept.currency)
    free = f"{grouped_minor(kept.free_minor, money)} {money}"
    if kept.under_way:
        said = f"something of {kept.receipt_id} is being paid back; wait for its end, or cancel it"
        raise ReceiptRefused(NotReceived.BEING_PAID_BACK, said)
    if kept.free_minor <= 0:
        raise ReceiptRefused(NotReceived.NOTHING_FREE, f"nothing of {kept.receipt_id} is free")
    if amount_minor is not None and not 0 < amount_minor <= kept.free_minor:
        said = f"{free} of {kept.receipt_id} are free; give an amount above 0 and no more than that"
        raise ReceiptRefused(NotReceived.NOT_FREE, said)
    key = UUID(hashlib.sha256(f"pay back\x1f{kept.receipt_id}\x1f{kept.pay_backs + 1}".encode()).hexdigest()[:32])
    place = (kept.model, kept.party_id, kept.legal_entity, kept.currency)
    return PayBack(key, kept.receipt_id, *place, amount_minor or kept.free_minor)


def owed_again(one: PayBack, as_of: date) -> Mapping[str, object]:
    """The cells of a TRANSFER row: the house owes it to the party."""
    values = (one.key, as_of, f"{ON_ACCOUNT}{one.party_id}", f"{PARTY_ACCOUNT}{one.party_id}", one.amount_minor)
    return dict(zip(TRANSFER.columns.names, (*values, one.currency, f"pay back {one.key}"), strict=True))


def kept_again(one: PayBack, as_of: date) -> Mapping[str, object]:
    """The cells of a TRANSFER row: it was not paid, or came back."""
    key = UUID(hashlib.sha256(f"pay back undone\x1f{one.key}".encode()).hexdigest()[:32])
    values = (key, as_of, f"{PARTY_ACCOUNT}{one.party_id}", f"{ON_ACCOUNT}{one.party_id}", one.amount_minor)
    return dict(zip(TRANSFER.columns.names, (*values, one.currency, f"pay back {one.key} undone"), strict=True))
