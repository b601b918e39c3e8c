"""Sends orders to a channel that takes them one by one, and finds out what became of them.

The key of an order is written down, and committed, before anything is sent. So an order whose sender died stands as
submitted with nobody at work: it becomes unknown, is asked about, and goes out again only to a channel that takes a key
once. Where a channel can do neither, a person finds out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from everycent.flow.payments.contract import (
    Came,
    Channel,
    InstructionState,
    Move,
    NoAnswer,
    NotSent,
    Order,
    Said,
    Taken,
)
from everycent.flow.payments.core.next_step import Step, after_denial, next_step, without_answer

HOUSE = "everycent"


class Desk(Protocol):
    """Where instructions stand. Only one sender of a channel is at work at a time."""

    def ready(self) -> Sequence[Order]:
        """Those that may be sent now, the oldest first."""

    def at(self, state: InstructionState) -> Sequence[Order]:
        """Those that stand there, the oldest first."""

    def say(self, said: Said) -> Taken:
        """Takes in what is said, and commits it."""

    def refusal(self, order: Order) -> str | None:
        """Why an order may not be sent now: payments are stopped, a limit is reached."""


@dataclass
class Sent:
    """What a pass did. `refused`: orders that were not sent, and why; `unreachable`: why the pass ended early."""

    taken: list[Taken] = field(default_factory=list)
    refused: list[tuple[Order, str]] = field(default_factory=list)
    unreachable: str | None = None


def submit(desk: Desk, channel: Channel) -> Sent:
    """Finds out about what is unknown, then sends what is ready."""
    sent = Sent()
    for order in desk.at(InstructionState.SUBMITTED):  # whoever wrote its key is gone
        sent.taken.append(_lost(desk, order, "its sender ended before an answer came"))
    try:
        for order in desk.at(InstructionState.UNKNOWN):
            _find_out(desk, channel, order, sent)
        for order in desk.ready():
            refusal = desk.refusal(order)
            if refusal is None:
                _send(desk, channel, order, Move.BEGIN, sent)
            else:
                sent.refused.append((order, refusal))
    except NotSent as down:
        sent.unreachable = str(down)
    return sent


def ask(desk: Desk, channel: Channel) -> Sent:
    """Asks the channel about all that it has, and all that nobody can tell of."""
    sent = Sent()
    try:
        for order in desk.at(InstructionState.UNKNOWN):
            _find_out(desk, channel, order, sent)
        for order in desk.at(InstructionState.PROCESSING):
            if next_step(InstructionState.PROCESSING, channel.capabilities) is Step.ASK:
                _ask(desk, channel, order, sent)
    except NotSent as down:
        sent.unreachable = str(down)
    return sent


def _find_out(desk: Desk, channel: Channel, order: Order, sent: Sent) -> None:
    step = next_step(InstructionState.UNKNOWN, channel.capabilities)
    if step is Step.ASK:
        answer = _ask(desk, channel, order, sent)
        if answer is not Move.DENY:
            return
        step = after_denial(channel.capabilities)
    if step is Step.SEND_AGAIN:
        refusal = desk.refusal(order)
        if refusal is None:
            _send(desk, channel, order, Move.SEND_AGAIN, sent)
        else:
            sent.refused.append((order, refusal))
        return
    why = "nobody can tell whether the channel has it, and it cannot be sent again safely; find out and judge it"
    sent.taken.append(desk.say(Said(order.key, Move.PARK, "unresolved", HOUSE, why)))


def _ask(desk: Desk, channel: Channel, order: Order, sent: Sent) -> Move | None:
    """What the channel said; None where it did not answer."""
    try:
        said = channel.ask(order)
    except NoAnswer:
        return None
    sent.taken.append(desk.say(said))
    return said.move


def _send(desk: Desk, channel: Channel, order: Order, move: Move, sent: Sent) -> None:
    assert move is Move.BEGIN or channel.capabilities.idempotent, "nothing is sent again blindly"
    begun = desk.say(Said(order.key, move, f"key {order.key.hex}", HOUSE))
    sent.taken.append(begun)
    if begun.came is not Came.MOVED:  # an answer or a person came first
        return
    try:
        said = channel.submit(order)
    except NotSent as down:
        sent.taken.append(desk.say(Said(order.key, without_answer(move), "unreachable", HOUSE, str(down))))
        raise
    except NoAnswer as silence:
        sent.taken.append(_lost(desk, order, str(silence)))
        return
    sent.taken.append(desk.say(said))


def _lost(desk: Desk, order: Order, why: str) -> Taken:
    return desk.say(Said(order.key, Move.LOSE, "no answer", HOUSE, why))
