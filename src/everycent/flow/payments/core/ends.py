"""What others are told of what became of instructions: statements of their sides, source systems of each end."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from everycent.flow.payments.contract import ENDS, Booking
from everycent.flow.payments.core.following import Followed, Known
from everycent.flow.settlement.contract import SideEnd


@dataclass(frozen=True)
class Covered:
    """A side of a statement that an instruction pays; `opened`: that it was to pay, and did not."""

    instruction_id: UUID
    statement_id: str
    side: str
    amount_minor: int
    opened: bool


@dataclass(frozen=True)
class Event:
    """What source systems are told of an instruction that reached an end. `content` is for JSON."""

    event_id: UUID
    model: str
    kind: str
    instruction_id: UUID
    content: Mapping[str, Any]


def is_statement(statement_id: str) -> bool:
    """Whether it is a statement's id: a non-order charge stands among sides under its own, a UUID."""
    return "/" in statement_id


def side_ends(
    followed: Followed, known: Mapping[UUID, Known], covered: Sequence[Covered]
) -> Mapping[str, list[SideEnd]]:
    """By model, the sides that are settled or open again, because their instruction's money is elsewhere now.

    `covered`: of the instructions that changed, as they stand now.
    """
    ends: dict[str, list[SideEnd]] = {}
    for side in covered:
        now, was = followed.now[side.instruction_id], known[side.instruction_id].standing.booking
        booking = now.standing.booking
        if not is_statement(side.statement_id) or booking is was or side.opened is not (booking is Booking.BACK):
            continue
        why = f"payment {now.instruction_id} {now.standing.state}" + (f": {now.reason}" if now.reason else "")
        cause = f"payment {now.instruction_id}, move {now.moves}"
        settled = booking is Booking.PAID
        ends.setdefault(now.model, []).append(SideEnd(side.statement_id, side.side, settled, cause, why))
    return dict(sorted(ends.items()))


def events(followed: Followed, known: Mapping[UUID, Known], covered: Sequence[Covered], as_of: date) -> list[Event]:
    """One for each instruction that reached an end, by their ids."""
    told = []
    sides: dict[UUID, list[Mapping[str, Any]]] = {}
    for each in covered:
        side = {"statement_id": each.statement_id, "side": each.side, "amount_minor": each.amount_minor}
        sides.setdefault(each.instruction_id, []).append(side)
    for key, now in followed.now.items():
        state = now.standing.state
        if state not in ENDS or state is known[key].standing.state:
            continue
        content = {
            "instruction_id": str(key), "party_id": now.party_id, "legal_entity": now.legal_entity,
            "direction": now.direction, "amount_minor": now.amount_minor, "currency": now.currency,
            "channel": now.channel, "state": state.value, "reason": now.reason, "as_of": as_of.isoformat(),
            "statements": sides.get(key, []),
        }  # fmt: skip
        name = hashlib.sha256(f"event\x1f{key}\x1f{now.moves}".encode()).digest()
        told.append(Event(UUID(bytes=name[:16]), now.model, f"payment_{state}", key, content))
    return told
