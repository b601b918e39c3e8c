"""What a transfer adds to the totals of its two accounts."""

from collections.abc import Iterable, Mapping
from datetime import date
from uuid import UUID

from everycent.flow.ledger.contract import Standing, Transfer, TransferKind

#: (account, currency)
Account = tuple[str, str]


def moves(transfer: Transfer, reserved_minor: int) -> dict[Account, Standing]:
    """What it adds to each of its accounts. `reserved_minor`: the amount of the pending transfer that it settles."""
    match transfer.kind:
        case TransferKind.POSTED:
            amount, pending = transfer.amount_minor, 0
        case TransferKind.PENDING:
            amount, pending = 0, transfer.amount_minor
        case TransferKind.POST_PENDING:
            amount, pending = transfer.amount_minor, -reserved_minor
        case TransferKind.VOID_PENDING:
            amount, pending = 0, -reserved_minor
    return {
        (transfer.debit_account, transfer.currency): Standing(debits_minor=amount, debits_pending_minor=pending),
        (transfer.credit_account, transfer.currency): Standing(credits_minor=amount, credits_pending_minor=pending),
    }


def plus(one: Standing, other: Standing) -> Standing:
    """Both together."""
    return Standing(
        one.debits_minor + other.debits_minor,
        one.credits_minor + other.credits_minor,
        one.debits_pending_minor + other.debits_pending_minor,
        one.credits_pending_minor + other.credits_pending_minor,
    )


def day_totals(
    transfers: Iterable[Transfer], pending: Mapping[UUID, Transfer]
) -> dict[tuple[str, str, date], Standing]:
    """What transfers add to each account (account, currency) on each day, in the order of accounts and days.

    pending: those that they settle, by id.
    """
    totals: dict[tuple[str, str, date], Standing] = {}
    for transfer in transfers:
        reserved = pending[transfer.settles].amount_minor if transfer.settles is not None else 0
        for (account, currency), change in moves(transfer, reserved).items():
            place = account, currency, transfer.booked_on
            before = totals.get(place)
            totals[place] = change if before is None else plus(before, change)
    return dict(sorted(totals.items()))
