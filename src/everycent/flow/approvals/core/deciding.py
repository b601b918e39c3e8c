"""Whether a person may decide a request, and in whose voice; checked in a fixed order, refused by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from everycent.flow.approvals.contract import (
    Decision,
    Delegation,
    Refusal,
    Request,
    RequestState,
    Standing,
    Verdict,
)
from everycent.flow.approvals.core.standing import standing


@dataclass(frozen=True)
class Refused:
    """Why it is not done, and what would be right."""

    refusal: Refusal
    message: str


def judge(
    request: Request,
    verdict: Verdict,
    members: Mapping[str, frozenset[str]],
    delegations: Sequence[Delegation],
    now: datetime,
) -> Decision | Refused:
    """The decision that the verdict makes on the level that waits. `members`: people by group; `delegations`: those
    that lend a voice to this person, over and to come ones, too."""
    at = standing(request, now)
    if request.state is not RequestState.PENDING:
        return Refused(Refusal.ALREADY_DECIDED, f"it is {request.state} already; nothing is left to decide")
    if at.state is RequestState.EXPIRED:
        return Refused(Refusal.TIMED_OUT, "nobody decided it in time, so it counts as refused; ask for it anew")
    assert at.level is not None and at.groups, "what is pending waits for somebody"
    if verdict.digest != request.subject.digest:
        said = f"{request.subject.kind} {request.subject.subject_id} is not what it was when this was asked for"
        return Refused(Refusal.CONTENT_CHANGED, f"{said}; decide the request that is open for it now, if any")
    if not verdict.yes and not (verdict.reason or "").strip():
        return Refused(Refusal.REASON_MISSING, "a no needs a reason; say why")
    voice = _voice(request, at, verdict.by, members, delegations, now)
    if isinstance(voice, Refused):
        return voice
    return Decision(at.level, verdict.by, voice.of, verdict.yes, verdict.reason, now)


@dataclass(frozen=True)
class _Voice:
    """Whose voice is used: one's own (None), or that of the person who lent it."""

    of: str | None


def _voice(
    request: Request,
    at: Standing,
    by: str,
    members: Mapping[str, frozenset[str]],
    delegations: Sequence[Delegation],
    now: datetime,
) -> _Voice | Refused:
    requester = request.subject.requested_by
    if by == requester:
        return Refused(Refusal.OWN_REQUEST, f"{by} asked for it; somebody else has to approve it")
    used = frozenset[str]().union(*(decision.people for decision in request.decisions))
    if by in used:
        return Refused(Refusal.DECIDED_TWICE, f"{by} has decided another level; somebody else has to decide this one")
    able = frozenset[str]().union(*(members.get(group, frozenset()) for group in at.groups))
    if by in able:
        return _Voice(None)
    mine = [each for each in delegations if each.lent_to == by and each.lent_by in able]
    mine = sorted((each for each in mine if each.is_of(request.subject.kind)), key=lambda each: each.lent_by)
    holding = [each.lent_by for each in mine if each.covers(request.subject.kind, now.date())]
    free = [voice for voice in holding if voice != requester and voice not in used]
    if free:
        return _Voice(free[0])
    if requester in holding:
        return Refused(Refusal.OWN_REQUEST, f"{requester} asked for it and lent {by} the voice; another has to approve")
    if holding:
        return Refused(Refusal.DECIDED_TWICE, f"{holding[0]}, whose voice {by} has, has decided another level")
    if mine:
        times = f"from {mine[0].valid_from} to {mine[0].valid_to}"
        return Refused(Refusal.DELEGATION_EXPIRED, f"{mine[0].lent_by} lent {by} the voice {times}, not today")
    groups = " or ".join(at.groups)
    return Refused(Refusal.NOT_IN_GROUP, f"level {at.level} is for {groups}, and {by} is not in it")
