"""What is to be done next with an instruction, by where it stands and by what its channel can do."""

from enum import StrEnum

from everycent.flow.payments.contract import Capabilities, InstructionState, Move


class Step(StrEnum):
    """What is to be done."""

    SEND = "send"
    SEND_AGAIN = "send_again"  # under the same key
    ASK = "ask"
    PARK = "park"  # a person finds out
    WAIT = "wait"  # for a file, a call-back or a person


def next_step(state: InstructionState, channel: Capabilities) -> Step:
    """The next step with an instruction of a channel that takes orders one by one.

    Of a submitted one nobody knows whether it was sent: whoever wrote its key is gone. It becomes unknown first.
    """
    match state:
        case InstructionState.CREATED | InstructionState.APPROVED:
            return Step.SEND
        case InstructionState.UNKNOWN if channel.queryable:
            return Step.ASK
        case InstructionState.UNKNOWN:
            return Step.SEND_AGAIN if channel.idempotent else Step.PARK
        case InstructionState.PROCESSING if channel.queryable:
            return Step.ASK
        case _:
            return Step.WAIT


def after_denial(channel: Capabilities) -> Step:
    """Of an unknown one that the channel, asked, does not know. It may still be under way to the channel, so it goes
    out again only where the channel takes a key once."""
    return Step.SEND_AGAIN if channel.idempotent else Step.PARK


def without_answer(sent_as: Move) -> Move:
    """What it is when a channel could not be reached: a first try was not sent, of a further one nobody can tell."""
    assert sent_as in (Move.BEGIN, Move.SEND_AGAIN), sent_as
    return Move.UNSEND if sent_as is Move.BEGIN else Move.LOSE
