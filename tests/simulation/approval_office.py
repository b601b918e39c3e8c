"""Approvals in memory: what the real core says, without a database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID, uuid5

from everycent.base.money.currency import currency
from everycent.flow.approvals.contract import (
    Decision,
    Delegation,
    LevelSpec,
    Refusal,
    Request,
    RequestState,
    Subject,
    Verdict,
)
from everycent.flow.approvals.core.deciding import Refused, judge
from everycent.flow.approvals.core.lending import refused_delegation
from everycent.flow.approvals.core.levels import needed_levels
from everycent.flow.approvals.core.standing import standing, standing_of

_NAMES = UUID(int=0)


@dataclass
class ApprovalOffice:
    """`members`: people by group."""

    members: Mapping[str, frozenset[str]]
    requests: dict[UUID, Request] = field(default_factory=dict)
    lent: list[Delegation] = field(default_factory=list)

    def ask(self, subject: Subject, levels: Sequence[LevelSpec], now: datetime) -> Request:
        """The same content is the same request."""
        key = uuid5(_NAMES, f"{subject.kind} {subject.subject_id} {subject.digest}")
        if key not in self.requests:
            needed = needed_levels(levels, subject.amount_minor, currency(subject.currency))
            self.requests[key] = Request(key, subject, needed, standing_of(needed, (), now, now).state, now)
        return self.requests[key]

    def decide(self, key: UUID, verdict: Verdict, now: datetime) -> str:
        request = self.requests[key]
        if any((each.by, each.yes, each.reason) == (verdict.by, verdict.yes, verdict.reason)
               for each in request.decisions):  # fmt: skip
            return "unchanged"
        decided = judge(request, verdict, self.members, self._lent_to(verdict.by), now)
        if isinstance(decided, Refused):
            return str(decided.refusal)
        assert isinstance(decided, Decision)
        decisions = (*request.decisions, decided)
        state = standing_of(request.levels, decisions, request.requested_at, decided.at).state
        self.requests[key] = replace(request, decisions=decisions, state=state)
        return "done"

    def withdraw(self, key: UUID, by: str) -> str:
        request = self.requests[key]
        if by != request.subject.requested_by:
            return str(Refusal.NOT_REQUESTER)
        if request.state is not RequestState.PENDING:
            return "unchanged" if request.state is RequestState.WITHDRAWN else str(Refusal.ALREADY_DECIDED)
        self.drop(key)
        return "done"

    def drop(self, key: UUID | None) -> None:
        """Takes a pending request back."""
        if key is not None and self.requests[key].state is RequestState.PENDING:
            self.requests[key] = replace(self.requests[key], state=RequestState.WITHDRAWN)

    def expire(self, kind: str, now: datetime) -> list[Request]:
        """Ends those that nobody decided in time."""
        over = [
            key for key, request in self.requests.items()
            if request.subject.kind == kind and request.state is RequestState.PENDING
            and standing(request, now).state is RequestState.EXPIRED
        ]  # fmt: skip
        for key in over:
            self.requests[key] = replace(self.requests[key], state=RequestState.EXPIRED)
        return [self.requests[key] for key in over]

    def lend(self, given: Delegation) -> str:
        refused = refused_delegation(given, given.lent_by, self._lent_to(given.lent_by))
        if refused is not None:
            return str(refused.refusal)
        if given in self.lent:
            return "unchanged"
        self.lent.append(given)
        return "done"

    def _lent_to(self, name: str) -> list[Delegation]:
        return [each for each in self.lent if each.lent_to == name]
