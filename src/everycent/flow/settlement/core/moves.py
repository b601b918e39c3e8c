"""The life of a statement: its states and the moves between them, all in this one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from everycent.flow.settlement.contract import Refusal, Refused, StatementState


class Move(StrEnum):
    """What may happen to a statement."""

    CLOSE = "close"  # at the day cut, once its recount agrees
    CONFIRM = "confirm"  # its party agrees, or is silent for as long as was agreed
    DISPUTE = "dispute"  # its party says what is wrong
    RESOLVE = "resolve"  # operations say what was done about it; its party is asked again
    APPROVE = "approve"  # all levels said yes
    DECLINE = "decline"  # a level said no, or nobody decided in time, or the request was taken back
    INVOICE = "invoice"  # what it waits for; its invoices move by themselves (invoice_moves.py)
    RELEASE = "release"  # nothing is left to ask: it may be paid
    PARK = "park"  # a person holds it back from payment
    UNPARK = "unpark"  # and lets it go
    SETTLE = "settle"  # a side of it was paid, collected, or settled without payment
    REOPEN = "reopen"  # what was to settle a side of it failed, or came back: it is instructed anew


_S = StatementState
_ENDS = (StatementState.CLOSED, StatementState.CONFIRMED, StatementState.APPROVED)

#: By move, the state before -> the state after. What is not here is refused.
MOVES: Mapping[Move, Mapping[StatementState, StatementState]] = MappingProxyType(
    {
        Move.CLOSE: {_S.OPEN: _S.CLOSED},
        Move.CONFIRM: {_S.CLOSED: _S.CONFIRMED},
        Move.DISPUTE: {_S.CLOSED: _S.DISPUTED, _S.CONFIRMED: _S.DISPUTED},
        Move.RESOLVE: {_S.DISPUTED: _S.CLOSED},
        Move.APPROVE: {_S.CLOSED: _S.APPROVED, _S.CONFIRMED: _S.APPROVED},
        Move.DECLINE: {_S.CLOSED: _S.DISPUTED, _S.CONFIRMED: _S.DISPUTED},
        Move.INVOICE: {},
        Move.RELEASE: {state: state for state in _ENDS},
        **{move: {state: state for state in _ENDS} for move in (Move.PARK, Move.UNPARK, Move.SETTLE, Move.REOPEN)},
    }
)
#: Moves that say nothing without a reason.
NEED_REASON = frozenset({Move.DISPUTE, Move.RESOLVE, Move.DECLINE, Move.PARK})
#: Moves of what is released.
OF_RELEASED = frozenset({Move.PARK, Move.UNPARK, Move.SETTLE, Move.REOPEN})


@dataclass(frozen=True)
class Life:
    """Where a statement stands, and what was frozen on it when it closed. `released`: it may be paid;
    `parked`: it may, but a person holds it back; `settled`: all its sides are; `uninvoiced`: it waits for invoices."""

    state: StatementState
    confirms: bool = False
    approves: bool = False
    released: bool = False
    parked: bool = False
    settled: bool = False
    uninvoiced: bool = False

    @property
    def waits_for(self) -> Move:
        """The move that comes next where all goes well."""
        if self.state is _S.OPEN:
            return Move.CLOSE
        if self.state is _S.DISPUTED:
            return Move.RESOLVE
        if self.state is _S.CLOSED and self.confirms:
            return Move.CONFIRM
        if self.approves and self.state is not _S.APPROVED:
            return Move.APPROVE
        return Move.INVOICE if self.uninvoiced else Move.RELEASE


def moved(life: Life, move: Move) -> StatementState | Refused:
    """The state after the move, or why it is not allowed."""
    after = MOVES[move].get(life.state)
    if move in OF_RELEASED:
        return _of_released(life, move)
    if life.released:
        said = "it is released for payment; what is wrong with it is put right on the next statement"
        return Refused(Refusal.RELEASED, said)
    if after is None:
        right = ", ".join(MOVES[move]) or "no state"
        return Refused(Refusal.WRONG_STATE, f"it is {life.state}; {move} is allowed from {right}")
    if move is Move.CONFIRM and not life.confirms:
        return Refused(Refusal.NOT_ASKED, "its model asks nobody to confirm it")
    if move in (Move.APPROVE, Move.DECLINE) and not life.approves:
        return Refused(Refusal.NOT_ASKED, "its model asks nobody to approve it")
    if move in (Move.APPROVE, Move.DECLINE, Move.RELEASE) and life.waits_for is Move.CONFIRM:
        return Refused(Refusal.NOT_CONFIRMED, "its party has not confirmed it yet")
    if move is Move.RELEASE and life.waits_for is not Move.RELEASE:
        return Refused(Refusal.WRONG_STATE, f"it waits for {life.waits_for} first")
    return after


def _of_released(life: Life, move: Move) -> StatementState | Refused:
    after = MOVES[move].get(life.state)
    if not life.released or after is None:
        return Refused(Refusal.NOT_RELEASED, "it is not released for payment, so nothing pays it")
    if move is Move.PARK and life.settled:
        return Refused(Refusal.SETTLED, "it is paid; what is wrong with it is put right on the next statement")
    if move is Move.PARK and life.parked:
        return Refused(Refusal.PARKED, "it is parked already; unpark lets it go")
    if move is Move.UNPARK and not life.parked:
        return Refused(Refusal.NOT_PARKED, "nobody holds it back")
    return after
