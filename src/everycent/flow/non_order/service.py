"""Non-order charges' commands: take one that is given, and do what follows from people's yes or no."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

import pyarrow as pa

from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import currency
from everycent.base.platform.database import Connection
from everycent.flow.approvals.asked import Approvals
from everycent.flow.approvals.contract import LevelSpec, Outcome, Request, RequestState, Subject
from everycent.flow.ledger.contract import OPERATOR_ACCOUNT, PARTY_ACCOUNT, TRANSFER
from everycent.flow.non_order import store
from everycent.flow.non_order.contract import (
    CHARGE_CAUSE,
    NON_ORDER_KIND,
    ChargeState,
    Deposit,
    Direction,
    Given,
    NonOrderCharge,
    Refusal,
    Refused,
)
from everycent.flow.non_order.core.judging import charge_id, judge, left_enough
from everycent.flow.non_order.core.plan import NonOrderPlan
from everycent.flow.non_order.store import ChargeAltered, shown
from everycent.flow.parties.asked import known_parties

__all__ = [
    "Answer", "ChargeAltered", "Counter", "House", "charge_id", "content_now", "decided", "expire", "give", "shown",
]  # fmt: skip


class House(Protocol):
    """What charges ask of other contexts, inside their own transaction; wired by the pipeline."""

    @property
    def approvals(self) -> Approvals:
        """Who has to say yes."""

    def post(self, connection: Connection, tenant: str, model: str, transfers: pa.Table) -> None:
        """Posts TRANSFER rows."""

    def open_on(self, connection: Connection, tenant: str, model: str) -> date:
        """The first day that is open for booking."""

    def deposit(self, connection: Connection, tenant: str, model: str, charge: NonOrderCharge) -> Deposit:
        """What the party of a charge that gives back has of its deposit, this charge itself left out."""


@dataclass(frozen=True)
class Counter:
    """Where charges are given: by whom, and when."""

    connection: Connection
    tenant: str
    model: str
    house: House
    by: str
    now: datetime


@dataclass(frozen=True)
class Answer:
    """What became of a charge that was given; of a refused one why, and what would be right."""

    reference: str
    outcome: Outcome
    charge_id: UUID | None = None
    state: ChargeState | None = None
    refused: Refused | None = None


def give(counter: Counter, plan: NonOrderPlan, given: Given) -> Answer:
    """Takes a charge: books it, or asks for the approval that its kind wants. Given again, nothing changes.

    Raises ChargeAltered.
    """
    where = (counter.connection, counter.tenant, counter.model)
    with counter.connection.transaction():
        known = known_parties(*where, [given.party_id])
        charge = judge(plan, given, known, counter.tenant, counter.model, counter.by)
        if isinstance(charge, Refused):
            return Answer(given.reference, Outcome.REFUSED, refused=charge)
        if charge.gives_back:
            store.hold_deposits(*where, charge.party_id, charge.account)
        refused = None if store.hold(*where, [charge.charge_id]) else _too_much(counter, charge)
        if refused is not None:
            return Answer(given.reference, Outcome.REFUSED, refused=refused)
        levels = plan.kinds[charge.kind].approve
        booked_on = None if levels else _booked_on(counter, charge)
        if not store.keep(*where, charge, counter.now, booked_on):
            return _again(store.hold(*where, [charge.charge_id])[0], charge)
        if booked_on is not None:
            _post(counter, charge, booked_on)
        state = _ask(counter, charge.charge_id, levels) if levels else ChargeState.BOOKED
    return Answer(given.reference, Outcome.DONE, charge.charge_id, state)


def _again(held: store.Held, charge: NonOrderCharge) -> Answer:
    """Whoever gives it again, and whatever company settles it since: it is the same charge."""
    known = held.charge
    if replace(charge, given_by=known.given_by, legal_entity=known.legal_entity) == known:
        return Answer(known.reference, Outcome.UNCHANGED, known.charge_id, held.state)
    amount = grouped_minor(known.amount_minor, currency(known.currency))
    said = f"{known.source} gave {known.kind} {amount} {known.currency} of {known.party_id} as '{known.reference}'"
    message = f"{said} on {known.occurred_on}; another charge needs a reference of its own"
    return Answer(known.reference, Outcome.REFUSED, refused=Refused(Refusal.OTHER_CONTENT, message))


def _too_much(counter: Counter, charge: NonOrderCharge) -> Refused | None:
    """None where it may be given back. The charge itself is left out of what is given back already."""
    if not charge.gives_back:
        return None
    deposit = counter.house.deposit(counter.connection, counter.tenant, counter.model, charge)
    return left_enough(charge, deposit, grouped_minor(deposit.left_minor, currency(charge.currency)))


def _booked_on(counter: Counter, charge: NonOrderCharge) -> date:
    return max(charge.occurred_on, counter.house.open_on(counter.connection, counter.tenant, counter.model))


def _post(counter: Counter, charge: NonOrderCharge, booked_on: date) -> None:
    """Owed from now on: between the party and the platform's account of its kind."""
    party = f"{PARTY_ACCOUNT}{charge.party_id}"
    own = f"{OPERATOR_ACCOUNT}{charge.legal_entity}/{charge.account}"
    debit, credit = (party, own) if charge.direction is Direction.COLLECT else (own, party)
    cause = f"{CHARGE_CAUSE}{charge.charge_id}"
    values = (charge.charge_id, booked_on, debit, credit, charge.amount_minor, charge.currency, cause)
    row = dict(zip(TRANSFER.columns.names, values, strict=True))
    transfers = pa.Table.from_pylist([row], schema=TRANSFER.columns)
    counter.house.post(counter.connection, counter.tenant, counter.model, transfers)


def _ask(counter: Counter, charge_id: UUID, levels: Sequence[LevelSpec]) -> ChargeState:
    """Asks for approval; an amount that needs nobody's is booked at once."""
    where = (counter.connection, counter.tenant, counter.model)
    (held,) = store.hold(*where, [charge_id])
    of = held.charge
    subject = Subject(NON_ORDER_KIND, str(charge_id), held.digest, of.amount_minor, of.currency, of.given_by)
    (request,) = counter.house.approvals.ask(*where, [subject], levels, counter.now)
    store.set_approval(*where, charge_id, request.request_id)
    if request.state is not RequestState.APPROVED:
        return ChargeState.ASKED
    return _book(counter, of)


def _book(counter: Counter, charge: NonOrderCharge) -> ChargeState:
    """Books one that was asked for, unless what it gives back has gone meanwhile."""
    refused = _too_much(counter, charge)
    if refused is not None:
        return _decline(counter, charge.charge_id, f"{refused.refusal}: {refused.message}")
    booked_on = _booked_on(counter, charge)
    store.book(counter.connection, counter.tenant, counter.model, charge.charge_id, booked_on)
    _post(counter, charge, booked_on)
    return ChargeState.BOOKED


def _decline(counter: Counter, charge_id: UUID, why: str) -> ChargeState:
    store.decline(counter.connection, counter.tenant, counter.model, charge_id, why)
    return ChargeState.DECLINED


def content_now(connection: Connection, tenant: str, model: str, charge_id: str) -> str | None:
    """The digest of what a yes to it would be about; None where nothing is to approve. It stays so until the
    transaction ends. Raises ChargeAltered."""
    held = store.hold(connection, tenant, model, [UUID(charge_id)])
    return next((each.digest for each in held if each.state is ChargeState.ASKED), None)


def decided(counter: Counter, request: Request) -> ChargeState | None:
    """Does what follows from a request that ended; where the charge stands then, None where it is none's any more.

    Raises ChargeAltered.
    """
    assert request.subject.kind == NON_ORDER_KIND and request.state is not RequestState.PENDING
    where = (counter.connection, counter.tenant, counter.model)
    with counter.connection.transaction():
        asked = [each for each in store.hold(*where, [UUID(request.subject.subject_id)])
                 if each.approval_id == request.request_id and each.state is ChargeState.ASKED]  # fmt: skip
        for each in asked:
            if request.state is not RequestState.APPROVED:
                said = next((one.reason for one in request.decisions[-1:] if one.reason), None)
                return _decline(counter, each.charge.charge_id, said or f"its request is {request.state}")
            if each.charge.gives_back:
                store.hold_deposits(*where, each.charge.party_id, each.charge.account)
            return _book(counter, each.charge)
    return None


def expire(counter: Counter) -> list[UUID]:
    """Declines the charges that nobody approved in time; their ids."""
    where = (counter.connection, counter.tenant, counter.model)
    with counter.connection.transaction():
        over = counter.house.approvals.expire(*where, NON_ORDER_KIND, counter.now)
        for request in over:
            decided(counter, request)
    return [UUID(request.subject.subject_id) for request in over]
