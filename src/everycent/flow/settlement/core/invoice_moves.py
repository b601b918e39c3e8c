"""The life of an invoice: its states and the moves between them, all in this one table."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class InvoiceState(StrEnum):
    """Where an invoice stands."""

    DUE = "due"  # to be issued, or to be received; it has no number yet
    ISSUED = "issued"  # the legal entity's own
    RECEIVED = "received"  # its party's; somebody has to look at it
    CONFIRMED = "confirmed"  # the other end accepts it
    VOIDED = "voided"  # another takes its place, which is due


class InvoiceMove(StrEnum):
    """What may happen to an invoice."""

    ISSUE = "issue"  # the own one gets its number and day
    RECEIVE = "receive"  # its party gave it, with number, day and total
    CONFIRM = "confirm"
    VOID = "void"  # its number is never used again


#: Who issues an invoice: what a statement's party is owed, the party; what it owes, the legal entity.
PAYABLE, RECEIVABLE = "payable", "receivable"

_S, _M = InvoiceState, InvoiceMove

#: By side and move, the state before -> the state after. What is not here is refused.
INVOICE_MOVES: Mapping[tuple[str, InvoiceMove], Mapping[InvoiceState, InvoiceState]] = MappingProxyType(
    {
        (RECEIVABLE, _M.ISSUE): {_S.DUE: _S.ISSUED},
        (RECEIVABLE, _M.CONFIRM): {_S.ISSUED: _S.CONFIRMED},
        (RECEIVABLE, _M.VOID): {_S.ISSUED: _S.VOIDED, _S.CONFIRMED: _S.VOIDED},
        (PAYABLE, _M.RECEIVE): {_S.DUE: _S.RECEIVED},
        (PAYABLE, _M.CONFIRM): {_S.RECEIVED: _S.CONFIRMED},
        (PAYABLE, _M.VOID): {_S.RECEIVED: _S.VOIDED, _S.CONFIRMED: _S.VOIDED},
    }
)

#: By side, the states in which no statement waits for it.
SUFFICES: Mapping[str, frozenset[InvoiceState]] = MappingProxyType(
    {RECEIVABLE: frozenset({_S.ISSUED, _S.CONFIRMED}), PAYABLE: frozenset({_S.CONFIRMED})}
)
