"""The life of a break: its states and the moves between them, all in this one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """Where a break stands."""

    WAITING = "waiting"  # found, to be looked at again before it counts
    CONFIRMED = "confirmed"  # it counts
    REPAIRING = "repairing"  # a handler has been called, or is about to be
    IN_DOUBT = "in_doubt"  # a handler was called; whether it did anything is not known
    REPAIRED = "repaired"  # a handler says so; to be looked at again
    ALERTED = "alerted"  # people were told
    IN_HAND = "in_hand"  # a person has it
    TO_APPROVE = "to_approve"  # a person would write it off, or leave it as it is; a second one must agree
    CLOSED = "closed"


class Move(StrEnum):
    """What may happen to a break."""

    FIND = "find"
    FIND_AGAIN = "find_again"
    RECHECK = "recheck"
    CONFIRM = "confirm"
    MEND = "mend"
    REPAIR = "repair"
    TRY = "try"
    SUCCEED = "succeed"
    FAIL = "fail"
    DOUBT = "doubt"
    ALERT = "alert"
    ASSIGN = "assign"
    COMMENT = "comment"
    ATTACH = "attach"
    ASK_WRITE_OFF = "ask_write_off"
    WRITE_OFF = "write_off"
    APPROVE = "approve"
    DECLINE = "decline"
    CLOSE = "close"
    REOPEN = "reopen"


class Reason(StrEnum):
    """Why a break is closed."""

    MENDED = "mended"  # both sides agree by themselves
    REPAIRED = "repaired"  # both sides agree after a repair
    WRITTEN_OFF = "written_off"
    ACCEPTED = "accepted"  # it is right that they differ
    DUPLICATE = "duplicate"  # another break tells the same
    HANDLED = "handled"  # put right outside, a person says


#: A person decided about these figures: they stay closed as long as a run finds the very same ones.
DECIDED = frozenset({Reason.WRITTEN_OFF, Reason.ACCEPTED, Reason.DUPLICATE})
#: Those that a person may close a break with by hand.
BY_HAND = (Reason.ACCEPTED, Reason.DUPLICATE, Reason.HANDLED)

_S = State
_OPEN = tuple(state for state in State if state is not State.CLOSED)
_AT_REST = tuple(state for state in _OPEN if state is not State.REPAIRING)  # nobody else is working on it
_STAY = {state: state for state in State}


def _all(states: tuple[State, ...], after: State) -> dict[State, State]:
    return dict.fromkeys(states, after)


#: By move, the state before -> the state after. What is not here is refused. FIND makes a break: it has none before.
MOVES: Mapping[Move, Mapping[State, State]] = MappingProxyType(
    {
        Move.FIND: {},
        Move.FIND_AGAIN: {_S.CLOSED: _S.WAITING},
        Move.RECHECK: {_S.WAITING: _S.WAITING},
        Move.CONFIRM: {_S.WAITING: _S.CONFIRMED, _S.REPAIRED: _S.CONFIRMED},
        Move.MEND: _all(_AT_REST, _S.CLOSED),
        Move.REPAIR: _all((_S.CONFIRMED, _S.ALERTED, _S.IN_HAND), _S.REPAIRING),
        Move.TRY: {state: state for state in (_S.CONFIRMED, _S.ALERTED, _S.IN_HAND)},
        Move.SUCCEED: {_S.REPAIRING: _S.REPAIRED, _S.IN_DOUBT: _S.REPAIRED},
        Move.FAIL: {_S.REPAIRING: _S.CONFIRMED, _S.IN_DOUBT: _S.CONFIRMED},
        Move.DOUBT: {_S.REPAIRING: _S.IN_DOUBT},
        Move.ALERT: {_S.CONFIRMED: _S.ALERTED, _S.IN_DOUBT: _S.IN_DOUBT},
        Move.ASSIGN: {
            **{state: state for state in _OPEN},
            **_all((_S.CONFIRMED, _S.ALERTED), _S.IN_HAND),
        },
        Move.COMMENT: _STAY,
        Move.ATTACH: _STAY,
        Move.ASK_WRITE_OFF: _all(tuple(s for s in _AT_REST if s is not _S.TO_APPROVE), _S.TO_APPROVE),
        Move.WRITE_OFF: _all(tuple(s for s in _AT_REST if s is not _S.TO_APPROVE), _S.CLOSED),
        Move.APPROVE: {_S.TO_APPROVE: _S.CLOSED},
        Move.DECLINE: {_S.TO_APPROVE: _S.IN_HAND},
        Move.CLOSE: _all(tuple(s for s in _AT_REST if s is not _S.TO_APPROVE), _S.CLOSED),
        Move.REOPEN: {_S.CLOSED: _S.IN_HAND},
    }
)


@dataclass(frozen=True)
class NotAllowed:
    """A move that a break's state does not allow, and from which states it would be."""

    move: Move
    state: State

    def __str__(self) -> str:
        right = ", ".join(MOVES[self.move]) or "nothing: a run alone does that"
        return f"it is {self.state}; {self.move} is allowed from {right}"


def moved(state: State, move: Move) -> State | NotAllowed:
    """The state after the move."""
    return MOVES[move].get(state) or NotAllowed(move, state)


def first_state(rechecks: bool) -> State:
    """Where a break begins: it waits for a recheck where one is declared, else it counts at once."""
    return State.WAITING if rechecks else State.CONFIRMED
