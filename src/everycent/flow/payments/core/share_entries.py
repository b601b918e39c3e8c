"""What a receiver has by a share of a customer's payment is booked as the wallet says it last: a party is not owed it
any more, and what others got has an account of its own."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from everycent.flow.ledger.contract import BANK_ACCOUNT, PARTY_ACCOUNT, SHARED_ACCOUNT, TRANSFER
from everycent.flow.payments.core.sharing import Does
from everycent.flow.payments.core.wallets import WALLET_CURRENCY


@dataclass(frozen=True)
class KeptPart:
    """What a receiver gets of a kept request; `booked_minor`: what its entries add up to."""

    receiver: str
    amount_minor: int
    party_id: str | None
    booked_minor: int


@dataclass(frozen=True)
class ShareEntry:
    """Above 0 the receiver gave back, and a party is owed it. Below, it has so much already. `party_id`: None of a
    receiver that is no party."""

    entry_id: UUID
    share_id: UUID
    receiver: str
    party_id: str | None
    legal_entity: str
    amount_minor: int


def entries(
    share_id: UUID, move_no: int, does: Does, state: str, parts: Sequence[KeptPart], legal_entity: str
) -> list[ShareEntry]:
    """What the wallet's word changes: booked is what it has done by now, however it came there."""
    made = []
    for part in parts:
        done = part.amount_minor if state == "paid" else 0
        change = (done if does is Does.RETURN else -done) - part.booked_minor
        if change:
            name = f"share\x1f{share_id}\x1f{part.receiver}\x1f{move_no}"
            key = UUID(hashlib.sha256(name.encode()).hexdigest()[:32])
            made.append(ShareEntry(key, share_id, part.receiver, part.party_id, legal_entity, change))
    return made


def share_transfer(entry: ShareEntry, as_of: date) -> Mapping[str, object]:
    """The cells of a TRANSFER row: what the legal entity has at its wallet goes to the party, or to
    others, or comes back."""
    theirs = f"{SHARED_ACCOUNT}{entry.legal_entity}" if entry.party_id is None else f"{PARTY_ACCOUNT}{entry.party_id}"
    ends = [theirs, f"{BANK_ACCOUNT}{entry.legal_entity}"]
    debit, credit = ends if entry.amount_minor < 0 else ends[::-1]
    said = f"share {entry.entry_id}"
    values = (entry.entry_id, as_of, debit, credit, abs(entry.amount_minor), WALLET_CURRENCY, said)
    return dict(zip(TRANSFER.columns.names, values, strict=True))
