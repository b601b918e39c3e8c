"""A yes or a no, and what follows from it: the owner of what was asked about does it in the same transaction."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from everycent.base.platform.database import Connection
from everycent.flow.approvals import service as approvals
from everycent.flow.approvals.contract import Answer, Outcome, Request, RequestState, Verdict
from everycent.flow.non_order import service as non_order
from everycent.flow.non_order.contract import NON_ORDER_KIND
from everycent.flow.payments import service as payments
from everycent.flow.settlement import service as settlement


class Owner(Protocol):
    """Who asks for approvals of a kind of subject."""

    def content_now(self, connection: Connection, tenant: str, model: str, subject_id: str) -> str | None:
        """The digest of what a yes is about, held until the transaction ends; None where nothing is to approve."""

    def decided(
        self, connection: Connection, tenant: str, model: str, request: Request, by: str, now: datetime
    ) -> None:
        """Does what follows from a request that ended."""


class _Statements:
    """Statements, as owner of requests."""

    def content_now(self, connection: Connection, tenant: str, model: str, subject_id: str) -> str | None:
        return settlement.content_now(connection, tenant, model, subject_id)

    def decided(
        self, connection: Connection, tenant: str, model: str, request: Request, by: str, now: datetime
    ) -> None:
        settlement.decided(settlement.Desk(connection, tenant, approvals, by, now), model, request)


class _NonOrderCharges:
    """Non-order charges, as owner of requests."""

    def content_now(self, connection: Connection, tenant: str, model: str, subject_id: str) -> str | None:
        return non_order.content_now(connection, tenant, model, subject_id)

    def decided(
        self, connection: Connection, tenant: str, model: str, request: Request, by: str, now: datetime
    ) -> None:
        from everycent.flow.pipeline.service import ChargeHouse  # heavy, and wanted by few

        counter = non_order.Counter(connection, tenant, model, ChargeHouse(), by, now)
        non_order.decided(counter, request)


class _Payments:
    """Payment instructions, as owner of requests."""

    def content_now(self, connection: Connection, tenant: str, model: str, subject_id: str) -> str | None:
        return payments.content_now(connection, tenant, model, subject_id)

    def decided(
        self, connection: Connection, tenant: str, model: str, request: Request, by: str, now: datetime
    ) -> None:
        from everycent.flow.pipeline.service import PAYMENT_OTHERS  # heavy, and wanted by few

        payments.decided(connection, PAYMENT_OTHERS, tenant, model, request, by, now)


#: By kind of subject.
OWNERS: dict[str, Owner] = {
    settlement.STATEMENT_KIND: _Statements(),
    NON_ORDER_KIND: _NonOrderCharges(),
    payments.PAYMENT_KIND: _Payments(),
}


@dataclass(frozen=True)
class Word:
    """What a person says of a request: yes, no, or (who asked for it) that it is taken back."""

    by: str
    yes: bool = True
    reason: str | None = None
    withdraws: bool = False


def say(connection: Connection, tenant: str, model: str, request_id: UUID, word: Word, now: datetime) -> Answer:
    """Decides or withdraws a request, and has its owner do what follows, all in one transaction."""
    with connection.transaction():
        known = approvals.requests(connection, tenant, model, ids=[request_id])
        owner = OWNERS[known[0].subject.kind] if known else None
        # the owner's row is held first, as its own moves hold it before they touch requests: nobody waits in a circle
        digest = None if owner is None else owner.content_now(connection, tenant, model, known[0].subject.subject_id)
        if word.withdraws:
            answer = approvals.withdraw(connection, tenant, model, request_id, word.by, now)
        else:
            verdict = Verdict(word.by, word.yes, word.reason, digest)
            answer = approvals.decide(connection, tenant, model, request_id, verdict, now)
        request = answer.request
        if owner is not None and request is not None and _ended(answer):
            owner.decided(connection, tenant, model, request, _person(request, word), now)
    return answer


def _ended(answer: Answer) -> bool:
    return (
        answer.outcome is Outcome.DONE
        and answer.request is not None
        and answer.request.state is not RequestState.PENDING
    )


def _person(request: Request, word: Word) -> str:
    """Whoever's word ended it, as names are kept."""
    return request.subject.requested_by if word.withdraws else request.decisions[-1].by
