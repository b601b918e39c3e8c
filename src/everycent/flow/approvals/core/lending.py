"""Whether a person may lend the own voice to another."""

from collections.abc import Sequence

from everycent.flow.approvals.contract import Delegation, Refusal
from everycent.flow.approvals.core.deciding import Refused


def refused_delegation(given: Delegation, by: str, known: Sequence[Delegation]) -> Refused | None:
    """Why the delegation cannot be given. A lent voice cannot be lent on, so two people are the longest circle."""
    if by != given.lent_by:
        return Refused(Refusal.NOT_ONES_OWN, f"only {given.lent_by} can lend {given.lent_by}'s voice, not {by}")
    if given.lent_to == given.lent_by:
        return Refused(Refusal.DELEGATION_TO_SELF, f"{by} has this voice already; name another person")
    if given.valid_to < given.valid_from:
        return Refused(
            Refusal.DELEGATION_BACKWARDS, f"it would end on {given.valid_to}, before it begins on {given.valid_from}"
        )
    for other in known:
        if (other.lent_by, other.lent_to) == (given.lent_to, given.lent_by) and _meet(given, other):
            said = f"{other.lent_by} lends {by} the own voice from {other.valid_from} to {other.valid_to}"
            return Refused(Refusal.DELEGATION_CYCLE, f"{said}; nobody of the two would be there. Name a third person")
    return None


def _meet(one: Delegation, other: Delegation) -> bool:
    in_time = one.valid_from <= other.valid_to and other.valid_from <= one.valid_to
    return in_time and (not one.kinds or not other.kinds or bool({*one.kinds} & {*other.kinds}))
