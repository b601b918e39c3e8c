"""Follows what is said of instructions, one thing after another: where each then stands, what is kept and what moves.

What changes nothing leaves no trace; so what is said again and again stays one row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from everycent.flow.approvals.contract import HOUSE
from everycent.flow.ledger.contract import TRANSFER
from everycent.flow.payments.contract import (
    ANSWERS,
    BALANCE,
    ENDS,
    BankBooking,
    Booking,
    Came,
    InstructionState,
    Move,
    Said,
    Taken,
)
from everycent.flow.payments.core.moves import Standing, judge
from everycent.flow.payments.core.results import place_of, result_cause, result_id

#: What a person is told of an instruction that stands there.
_WITH_REASON = (InstructionState.PARKED, InstructionState.FAILED, InstructionState.RETURNED)
_KEPT = (Came.MOVED, Came.NOTED, Came.CONTRADICTED)


@dataclass(frozen=True)
class Known:
    """An instruction as it is stored. `heard`: the (move, cause) that its history has of answers that contradicted.

    `moves`: how many its history has. `ended_on`: the day on which its end was booked. `booked`: what banks said they
    booked of it.
    """

    instruction_id: UUID
    model: str
    party_id: str
    legal_entity: str
    currency: str
    direction: str
    amount_minor: int
    channel: str
    standing: Standing
    moves: int = 0
    reason: str | None = None
    proposed_by: str | None = None
    released_by: str | None = None
    sent_on: date | None = None
    ended_on: date | None = None
    heard: frozenset[tuple[str, str]] = frozenset()
    booked: frozenset[tuple[Move, BankBooking]] = frozenset()


@dataclass(frozen=True)
class Moved:
    """A row of an instruction's history."""

    said: Said
    model: str
    move_no: int
    came: Came
    before: Standing
    after: Standing


@dataclass(frozen=True)
class Followed:
    """`taken`: what came of each thing that was said, in order. `now`: the instructions that changed, by id. `booked`:
    those of which a bank said that it booked something that was not known, each once."""

    taken: tuple[Taken, ...]
    moved: tuple[Moved, ...]
    now: Mapping[UUID, Known]
    booked: tuple[Said, ...] = ()


def follow(known: Mapping[UUID, Known], said: Sequence[Said], as_of: date) -> Followed:
    """`as_of`: the day on which an instruction that goes to its channel does so, and on which its end is booked."""
    current, taken, moved, booked = dict(known), [], [], []
    for each in said:
        at = current.get(each.key)
        if at is None:
            taken.append(Taken(each, Came.UNKNOWN_ORDER))
            continue
        after, came = _judged(at, each)
        taken.append(Taken(each, came, after.state, after.finding))
        if came in _KEPT:
            moved.append(Moved(each, at.model, at.moves + 1, came, at.standing, after))
            current[each.key] = _moved_on(at, each, after, came, as_of)
        if each.booking is not None and (each.move, each.booking) not in at.booked:
            booked.append(each)
            current[each.key] = replace(current[each.key], booked=at.booked | {(each.move, each.booking)})
    changed = {key: current[key] for key in sorted({one.said.key for one in moved})}
    assert len(taken) == len(said), "each thing that is said has an outcome"
    assert all(one.moves > known[key].moves for key, one in changed.items())
    return Followed(tuple(taken), tuple(moved), changed, tuple(booked))


def _judged(at: Known, said: Said) -> tuple[Standing, Came]:
    if said.move is Move.RELEASE and said.who == at.proposed_by != HOUSE:
        return at.standing, Came.OWN_REQUEST
    if at.channel == BALANCE and said.move in ANSWERS and said.who != HOUSE:
        return at.standing, Came.NOT_ALLOWED  # only the house can tell what is on a balance
    same_amount = (said.amount_minor is None or said.amount_minor == at.amount_minor) and (
        said.currency is None or said.currency == at.currency
    )
    after, came = judge(at.standing, said.move, same_amount=same_amount, once_more=_once_more(at, said))
    if came is Came.NOTED and (said.move.value, said.cause) in at.heard:
        return at.standing, Came.REPEATED
    return after, came


def _once_more(at: Known, said: Said) -> bool:
    """Whether the bank said it before, under another reference in messages of the same kind, and not under this one."""
    if said.booking is None or (said.move, said.booking) in at.booked:
        return False
    return any(move is said.move and known.source == said.booking.source for move, known in at.booked)


def _moved_on(at: Known, said: Said, after: Standing, came: Came, as_of: date) -> Known:
    changes: dict[str, object] = {}
    if said.move is Move.RELEASE:
        changes["released_by"] = said.who
    if said.move in (Move.BEGIN, Move.FILE):
        changes["sent_on"] = as_of
    if said.move is Move.UNSEND:
        changes["sent_on"] = None
    if came is not Came.MOVED:
        changes["heard"] = at.heard | {(said.move.value, said.cause)}
    if came is not Came.NOTED:
        changes["ended_on"] = as_of if after.state in ENDS else None
        with_reason = after.state in _WITH_REASON or said.move is Move.DECLINE
        changes["reason"] = (said.why or said.move.value) if with_reason else None
    return replace(at, standing=after, moves=at.moves + 1, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Result:
    """What the ledger moves because of an instruction; `cells` are those of a TRANSFER row."""

    key: UUID
    cells: Mapping[str, object]


def transfers(followed: Followed, known: Mapping[UUID, Known], as_of: date) -> list[Result]:
    """What moved from one booking to another, in the order in which it did."""
    results = []
    for one in followed.moved:
        was, now = one.before.booking, one.after.booking
        if was is now:
            continue
        of = known[one.said.key]
        left, reached = (place_of(booking, of.party_id, of.channel, of.legal_entity) for booking in (was, now))
        debit, credit = (left, reached) if of.direction == "pay" else (reached, left)
        values = (result_id(of.instruction_id, one.move_no), as_of, debit, credit, of.amount_minor, of.currency)
        cells = dict(zip(TRANSFER.columns.names, (*values, result_cause(of.instruction_id, now)), strict=True))
        results.append(Result(of.instruction_id, cells))
    return results


def turned_back(followed: Followed, known: Mapping[UUID, Known]) -> tuple[list[UUID], list[UUID]]:
    """The instructions whose statements are to be paid anew, and those that have paid theirs after all."""
    was = {key: known[key].standing.booking is Booking.BACK for key in followed.now}
    now = {key: one.standing.booking is Booking.BACK for key, one in followed.now.items()}
    return [key for key in now if now[key] and not was[key]], [key for key in now if was[key] and not now[key]]


def first_paid(followed: Followed, known: Mapping[UUID, Known]) -> list[UUID]:
    """The collections that are paid now, and never had another end."""
    return [
        one.said.key
        for one in followed.moved
        if (one.before.booking, one.after.booking) == (Booking.IN_FLIGHT, Booking.PAID)
        and known[one.said.key].direction == "collect"
    ]
