"""What people and other contexts ask of approvals. Each command is one transaction (a caller's own, where it is in
one), says what became of it, and changes nothing where the same had been done before."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid5

from everycent.base.money.currency import currency
from everycent.base.platform.database import Connection
from everycent.flow.approvals import store
from everycent.flow.approvals.contract import (
    HOUSE,
    Answer,
    Decision,
    Delegation,
    LevelSpec,
    Outcome,
    Refusal,
    Request,
    RequestState,
    Standing,
    Subject,
    Verdict,
    person,
)
from everycent.flow.approvals.core.deciding import Refused, judge
from everycent.flow.approvals.core.lending import refused_delegation
from everycent.flow.approvals.core.levels import needed_levels
from everycent.flow.approvals.core.standing import standing, standing_of

_IDS = UUID("6c2f2b57-9d0c-5f0e-8f7e-0a4b6f5d2c31")


def ask(
    connection: Connection,
    tenant: str,
    model: str,
    subjects: Sequence[Subject],
    levels: Sequence[LevelSpec],
    now: datetime,
) -> list[Request]:
    """A request for each subject, in their order. Asked for again with the same content it is the same request, with
    what was decided since. One whose amount needs no level is approved at once."""
    asked = []
    for subject in subjects:
        assert person(subject.requested_by) == subject.requested_by or subject.requested_by == HOUSE, subject
        needed = needed_levels(levels, subject.amount_minor, currency(subject.currency))
        at = standing_of(needed, (), now, now)
        asked.append((Request(_request_id(tenant, model, subject), subject, needed, at.state, now), at.due_at))
    if not asked:
        return []
    with connection.transaction():
        store.keep(connection, tenant, model, asked, now)
        known = store.requests(connection, tenant, model, ids=[request.request_id for request, _ in asked])
    by_id = {request.request_id: request for request in known}
    assert len(by_id) == len({request.request_id for request, _ in asked}), "each is kept once"
    return [by_id[request.request_id] for request, _ in asked]


def _request_id(tenant: str, model: str, subject: Subject) -> UUID:
    return uuid5(_IDS, "\n".join((tenant, model, subject.kind, subject.subject_id, subject.digest)))


def decide(
    connection: Connection, tenant: str, model: str, request_id: UUID, verdict: Verdict, now: datetime
) -> Answer:
    """A person's yes or no on the level that waits. Two who decide at the same moment decide one after the other."""
    by = person(verdict.by)
    if by is None:
        return _unnamed(verdict.by)
    verdict = replace(verdict, by=by)
    with connection.transaction():
        found = store.requests(connection, tenant, model, ids=[request_id], lock=True)
        if not found:
            return _unknown(request_id)
        (request,) = found
        if _said_before(request, verdict):
            return Answer(Outcome.UNCHANGED, request=request)
        members = store.members(connection, tenant, standing(request, now).groups)
        decided = judge(request, verdict, members, store.lent_to(connection, tenant, by), now)
        if isinstance(decided, Refused):
            return Answer(Outcome.REFUSED, decided.refusal, decided.message, request)
        after, at = _with(request, decided)
        store.decide(connection, tenant, model, request_id, decided, after.state, at.due_at)
    return Answer(Outcome.DONE, request=after)


def _said_before(request: Request, verdict: Verdict) -> bool:
    said = (verdict.by, verdict.yes, verdict.reason)
    return any((each.by, each.yes, each.reason) == said for each in request.decisions)


def _with(request: Request, decision: Decision) -> tuple[Request, Standing]:
    decisions = (*request.decisions, decision)
    at = standing_of(request.levels, decisions, request.requested_at, decision.at)
    return replace(request, decisions=decisions, state=at.state), at


def withdraw(connection: Connection, tenant: str, model: str, request_id: UUID, by: str, now: datetime) -> Answer:
    """Takes a pending request back; only who asked for it may."""
    name = person(by)
    if name is None:
        return _unnamed(by)
    with connection.transaction():
        found = store.requests(connection, tenant, model, ids=[request_id], lock=True)
        if not found:
            return _unknown(request_id)
        (request,) = found
        if name != request.subject.requested_by:
            asked = request.subject.requested_by
            return Answer(Outcome.REFUSED, Refusal.NOT_REQUESTER, f"{asked} asked for it; only {asked} can", request)
        if request.state is RequestState.WITHDRAWN:
            return Answer(Outcome.UNCHANGED, request=request)
        if request.state is not RequestState.PENDING:
            return Answer(
                Outcome.REFUSED,
                Refusal.ALREADY_DECIDED,
                f"it is {request.state} already; what is decided stays",
                request,
            )
        store.stand(connection, tenant, model, [request_id], RequestState.WITHDRAWN, now)
    return Answer(Outcome.DONE, request=replace(request, state=RequestState.WITHDRAWN))


def drop(connection: Connection, tenant: str, model: str, request_ids: Sequence[UUID], now: datetime) -> None:
    """Withdraws those that are pending, because what they are about is no longer to be approved."""
    with connection.transaction():
        store.stand(connection, tenant, model, request_ids, RequestState.WITHDRAWN, now)


def expire(connection: Connection, tenant: str, model: str, kind: str, now: datetime) -> list[Request]:
    """Ends the requests of a kind whose level nobody decided in time, and gives them, in the order of their ids. Those
    that escalate go on waiting."""
    ended = []
    with connection.transaction():
        for request in store.requests(connection, tenant, model, kind=kind, due=now, lock=True):
            at = standing(request, now)
            store.stand(connection, tenant, model, [request.request_id], at.state, now, at.due_at)
            if at.state is RequestState.EXPIRED:
                ended.append(replace(request, state=at.state))
    return ended


def waiting(
    connection: Connection, tenant: str, model: str, now: datetime, *, by: str | None = None
) -> list[tuple[Request, Standing]]:
    """The requests that wait for somebody, or for this person, with where they stand now; by their ids."""
    found = [(each, standing(each, now)) for each in requests(connection, tenant, model, state=RequestState.PENDING)]
    found = [(each, at) for each, at in found if at.state is RequestState.PENDING]
    if by is None:
        return found
    name = person(by) or by
    members = store.members(connection, tenant, sorted({group for _, at in found for group in at.groups}))
    lent = store.lent_to(connection, tenant, name)

    def may(request: Request) -> bool:
        verdict = Verdict(name, True, None, request.subject.digest)
        return isinstance(judge(request, verdict, members, lent, now), Decision)

    return [(each, at) for each, at in found if may(each)]


def requests(
    connection: Connection,
    tenant: str,
    model: str,
    *,
    ids: Sequence[UUID] | None = None,
    state: RequestState | None = None,
    kind: str | None = None,
    subject_id: str | None = None,
) -> list[Request]:
    """Requests by their ids, in a state, of a kind, of a subject, with their decisions, in the order of their ids."""
    return store.requests(connection, tenant, model, ids=ids, state=state, kind=kind, subject_id=subject_id)


def delegate(connection: Connection, tenant: str, given: Delegation, by: str, now: datetime) -> Answer:
    """Lends a person's voice to another for some days; a lent voice cannot be lent on."""
    names = [person(text) for text in (given.lent_by, given.lent_to, by)]
    for name, text in zip(names, (given.lent_by, given.lent_to, by), strict=True):
        if name is None:
            return _unnamed(text)
    lender, taker, giver = (name or "" for name in names)
    given = replace(given, lent_by=lender, lent_to=taker)
    with connection.transaction():
        store.hold_delegations(connection)
        refused = refused_delegation(given, giver, store.lent_to(connection, tenant, lender))
        if refused is not None:
            return Answer(Outcome.REFUSED, refused.refusal, refused.message)
        is_new = store.lend(connection, tenant, given, now)
    return Answer(Outcome.DONE if is_new else Outcome.UNCHANGED)


def set_member(
    connection: Connection, tenant: str, group: str, name: str, by: str, now: datetime, *, is_in: bool
) -> Answer:
    """Puts a person into a group, or takes one out. Nobody puts in oneself."""
    who, giver = person(name), person(by)
    if who is None or giver is None:
        return _unnamed(name if who is None else by)
    if is_in and who == giver:
        return Answer(Outcome.REFUSED, Refusal.OWN_MEMBERSHIP, f"{who} cannot join {group} alone; somebody else has to")
    change = store.add_member if is_in else store.remove_member
    with connection.transaction():
        is_new = change(connection, tenant, group, who, giver, now)
    return Answer(Outcome.DONE if is_new else Outcome.UNCHANGED)


def members_by_group(connection: Connection, tenant: str) -> Mapping[str, list[str]]:
    """Who is in which group now, by name."""
    found = store.members(connection, tenant, store.groups(connection, tenant))
    return {group: sorted(found[group]) for group in sorted(found)}


def _unnamed(text: str) -> Answer:
    message = f"'{text}' is not a person's name; name somebody, for example ann"
    return Answer(Outcome.REFUSED, Refusal.UNNAMED, message)


def _unknown(request_id: UUID) -> Answer:
    message = f"there is no request {request_id}; `everycent approvals list` shows those that wait"
    return Answer(Outcome.REFUSED, Refusal.UNKNOWN_REQUEST, message)
