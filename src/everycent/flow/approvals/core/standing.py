"""Where a request stands: a function of its levels, of what was decided, and of the time."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from everycent.flow.approvals.contract import Decision, Level, Request, RequestState, Standing


def standing_of(
    levels: Sequence[Level], decisions: Sequence[Decision], requested_at: datetime, now: datetime
) -> Standing:
    """Levels are decided one after another; one no refuses the whole. A level's time begins when it is asked.

    `decisions` in the order in which they were made.
    """
    asked_at = requested_at
    for at, level in enumerate(levels):
        if at < len(decisions):
            decision = decisions[at]
            assert decision.level == at + 1, f"level {at + 1} is decided after level {at}"
            if not decision.yes:
                assert len(decisions) == at + 1, "nothing is decided after a no"
                return Standing(RequestState.REFUSED)
            asked_at = decision.at
            continue
        due_at = None if level.within_s is None else asked_at + timedelta(seconds=level.within_s)
        if due_at is None or now <= due_at:
            return Standing(RequestState.PENDING, at + 1, (level.group,), due_at)
        if level.escalates_to is None:
            return Standing(RequestState.EXPIRED)
        return Standing(RequestState.PENDING, at + 1, (level.group, level.escalates_to))
    assert len(decisions) == len(levels), "nobody decides a level that was not asked"
    return Standing(RequestState.APPROVED)


def standing(request: Request, now: datetime) -> Standing:
    """Where a stored request stands at a moment. What ended stays as it ended."""
    if request.state is not RequestState.PENDING:
        return Standing(request.state)
    return standing_of(request.levels, request.decisions, request.requested_at, now)
