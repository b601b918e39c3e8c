"""Who releases payments: approvals decide it, and an instruction goes where their decisions lead."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from everycent.base.platform.database import Connection
from everycent.flow.approvals.contract import HOUSE, LevelSpec, Request, RequestState, Subject
from everycent.flow.payments import release_store as store
from everycent.flow.payments.contract import Move, Said
from everycent.flow.payments.core.plan import PaymentPlan
from everycent.flow.payments.hearing import take_in
from everycent.flow.payments.others import Others

#: The kind of subject that instructions are to approvals.
PAYMENT_KIND = "payment"


def ask_for_release(
    connection: Connection, others: Others, plan: PaymentPlan, tenant: str, model: str, by: str, now: datetime
) -> None:
    """Asks, on behalf of `by` or of whoever wished it before, who has to release the instructions that are ready and
    of which nobody is asked. Requests that nobody decided in time end before, and are made anew; what somebody said no
    to waits for a person to cancel it."""
    for request in others.approvals.expire(connection, tenant, model, PAYMENT_KIND, now):
        decided(connection, others, tenant, model, request, HOUSE, now)
    for role, levels in plan.release.items():
        ready = store.unasked(connection, tenant, model, role)
        for who in dict.fromkeys(each.wished_by or by for each in ready):
            some = [each for each in ready if (each.wished_by or by) == who]
            _ask(connection, others, tenant, model, some, levels, who, now)


def _ask(
    connection: Connection,
    others: Others,
    tenant: str,
    model: str,
    ready: Sequence[store.Ready],
    levels: Sequence[LevelSpec],
    by: str,
    now: datetime,
) -> None:
    subjects = [
        Subject(PAYMENT_KIND, str(each.instruction_id), each.digest, each.amount_minor, each.currency, by)
        for each in ready
    ]
    asked = others.approvals.ask(connection, tenant, model, subjects, levels, now)
    store.set_approvals(connection, tenant, {
        one.instruction_id: request.request_id for one, request in zip(ready, asked, strict=True)
    }, by)  # fmt: skip
    for request in asked:
        if request.state is RequestState.APPROVED:
            decided(connection, others, tenant, model, request, HOUSE, now)


def content_now(connection: Connection, tenant: str, model: str, subject_id: str) -> str | None:
    """The digest of what a yes to it would be about; None where nothing is to release. It stays so until the
    transaction ends."""
    return store.digest(connection, tenant, model, UUID(subject_id))


def decided(
    connection: Connection, others: Others, tenant: str, model: str, request: Request, by: str, now: datetime
) -> None:
    """Does what follows from a request that ended: released, it may go to its channel; else it waits for a person."""
    assert request.subject.kind == PAYMENT_KIND and request.state is not RequestState.PENDING
    key, yes = UUID(request.subject.subject_id), request.state is RequestState.APPROVED
    if store.request_of(connection, tenant, model, key) != request.request_id:
        return  # it was cancelled, or is asked about anew
    why = next((each.reason for each in request.decisions[-1:] if each.reason), None)
    said = Said(
        key,
        Move.RELEASE if yes else Move.DECLINE,
        f"request {request.request_id}",
        by,
        why or (None if yes else f"its request is {request.state}"),
    )
    take_in(connection, others, tenant, [said], now, now.date())  # it books nothing, so that any day is right
    if request.state is RequestState.EXPIRED:
        store.ask_anew(connection, tenant, key)
