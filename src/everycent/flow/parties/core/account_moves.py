"""The life of a payout account: its states and moves, in one table."""

from dataclasses import dataclass
from enum import StrEnum


class AccountState(StrEnum):
    """How far an account is."""

    GIVEN = "given"  # a second person has to say yes
    CONFIRMED = "confirmed"  # the verification service is to be asked
    VERIFYING = "verifying"  # it was asked
    VERIFIED = "verified"  # may be paid to, from its `usable_on` on
    REFUSED = "refused"  # the service says no
    DECLINED = "declined"  # the second person said no
    WITHDRAWN = "withdrawn"  # taken back; nobody is paid there


#: The states that an account does not leave, and in which it is not used.
ENDED_STATES = (AccountState.REFUSED, AccountState.DECLINED, AccountState.WITHDRAWN)


class AccountMove(StrEnum):
    """What leads from one state to another."""

    CONFIRM = "confirm"
    DECLINE = "decline"
    ASK = "ask"
    ACCEPT = "accept"
    REFUSE = "refuse"
    WITHDRAW = "withdraw"


_S, _M = AccountState, AccountMove

#: Every move there is: (from, move) -> to.
MOVES: dict[tuple[AccountState, AccountMove], AccountState] = {
    (_S.GIVEN, _M.CONFIRM): _S.CONFIRMED,
    (_S.GIVEN, _M.DECLINE): _S.DECLINED,
    (_S.CONFIRMED, _M.ASK): _S.VERIFYING,
    (_S.VERIFYING, _M.ASK): _S.VERIFYING,  # asked again, by the same reference, where no answer came
    (_S.VERIFYING, _M.ACCEPT): _S.VERIFIED,
    (_S.VERIFYING, _M.REFUSE): _S.REFUSED,
    (_S.GIVEN, _M.WITHDRAW): _S.WITHDRAWN,
    (_S.CONFIRMED, _M.WITHDRAW): _S.WITHDRAWN,
    (_S.VERIFYING, _M.WITHDRAW): _S.WITHDRAWN,
    (_S.VERIFIED, _M.WITHDRAW): _S.WITHDRAWN,
}

#: Where a move that is asked for again finds its work done.
DONE: dict[AccountMove, AccountState] = {
    _M.CONFIRM: _S.CONFIRMED,
    _M.DECLINE: _S.DECLINED,
    _M.ACCEPT: _S.VERIFIED,
    _M.REFUSE: _S.REFUSED,
    _M.WITHDRAW: _S.WITHDRAWN,
}


class AccountRefused(StrEnum):
    """The rule that a command about an account broke."""

    UNKNOWN_PARTY = "unknown_party"
    UNKNOWN_ACCOUNT = "unknown_account"
    NUMBER_MALFORMED = "number_malformed"
    NAME_MISSING = "name_missing"
    NAME_TOO_LONG = "name_too_long"
    CHANGE_UNDER_WAY = "change_under_way"
    OWN_CHANGE = "own_change"
    NOT_ALLOWED = "not_allowed"
    NOT_DEBITED = "not_debited"
    MANDATE_MALFORMED = "mandate_malformed"
    MANDATE_TO_COME = "mandate_to_come"
    MANDATE_STANDS = "mandate_stands"
    NO_MANDATE = "no_mandate"


@dataclass(frozen=True)
class NotMoved:
    """Why nothing was done, and what would be right."""

    name: AccountRefused
    message: str


def moved(state: AccountState, move: AccountMove) -> AccountState | NotMoved:
    """The state that the move leads to; its own state where that was done before. NOT_ALLOWED names what is."""
    reached = MOVES.get((state, move))
    if reached is not None:
        return reached
    if DONE.get(move) is state:
        return state
    allowed = [str(name) for (at, name) in MOVES if at is state]
    right = f"what can be done is: {', '.join(allowed)}" if allowed else "give another account instead"
    return NotMoved(AccountRefused.NOT_ALLOWED, f"an account that is {state} cannot {move}; {right}")
