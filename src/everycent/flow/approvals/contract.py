"""What approvals give to the rest of the house: requests, decisions, refusals, and its part of the model's language.

A context that needs somebody's yes says of what (a `Subject`) and who has to give it (`LevelSpec`s); approvals know
nothing else of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from everycent.base.engine.declaration import Declaration, Duration, Name, NumberText, or_alone

#: Who acts where no person does.
HOUSE = "everycent"


class OnTimeout(StrEnum):
    """What becomes of a level that nobody decided in time."""

    REFUSE = "refuse"
    ESCALATE = "escalate"


class LevelSpec(Declaration):
    """One level of an approval: the group of which one person has to say yes, which may stand alone."""

    model_config = ConfigDict(json_schema_extra=or_alone("by"))

    by: Name = Field(
        description="a group of people: `everycent approvals group` says who is in it", examples=["finance"]
    )
    above: NumberText | dict[str, NumberText] | None = Field(
        default=None,
        description="asked for larger amounts alone, in major units; with several currencies, by code: one that is not "
        "named is always asked for",
        examples=["10000", {"CNY": "10000", "JPY": "200000"}],
    )
    within: Duration | None = Field(
        default=None, description="how long it waits; without it, for ever", examples=["2 days"]
    )
    then: OnTimeout = Field(
        default=OnTimeout.REFUSE,
        description="what happens if nobody decided in time: refuse, or escalate (the next level's group may decide, "
        "too)",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_group_alone(cls, value: object) -> object:
        return {"by": value} if isinstance(value, str) else value


def _with_an_end(levels: tuple[LevelSpec, ...]) -> tuple[LevelSpec, ...]:
    if not levels:
        raise ValueError("nobody is named; name a group, for example [operations, finance], or leave the word out")
    if levels[-1].then is OnTimeout.ESCALATE:
        raise ValueError(f"nobody stands above {levels[-1].by}, the last level; write then: refuse, or name another")
    for level in levels:
        if level.then is OnTimeout.ESCALATE and level.within is None:
            raise ValueError(f"{level.by} waits for ever and so never escalates; say with 'within' how long it waits")
    return levels


#: The levels of an approval, in the order in which they are asked: `approve: [operations, finance]`.
Levels = Annotated[tuple[LevelSpec, ...], AfterValidator(_with_an_end)]


def levels_as_data(levels: Sequence[LevelSpec]) -> list[dict[str, Any]]:
    """The levels for a JSON document, as a model writes them: for an owner who keeps them until it asks."""
    return [
        {
            "by": level.by,
            "above": level.above,
            "within": None if level.within is None else f"{level.within // timedelta(minutes=1)} minutes",
            "then": level.then.value,
        }
        for level in levels
    ]


def levels_of_data(data: Sequence[dict[str, Any]]) -> tuple[LevelSpec, ...]:
    """The inverse of levels_as_data."""
    return tuple(LevelSpec.model_validate(level) for level in data)


@dataclass(frozen=True)
class Level:
    """A level that a request needs, frozen with it. `within_s`: seconds it waits, None for ever. `escalates_to`: who
    may decide, too, once it has waited so long; None: the request is then refused."""

    group: str
    within_s: int | None = None
    escalates_to: str | None = None


@dataclass(frozen=True)
class Subject:
    """What is to be approved. `digest`: of its content, another one where that changes. `amount_minor`: 0 or more.
    `requested_by`: a name as `person` gives it, or HOUSE."""

    kind: str
    subject_id: str
    digest: str
    amount_minor: int
    currency: str
    requested_by: str


class RequestState(StrEnum):
    """Where a request stands."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Decision:
    """What a person said on a level (the first is 1). `on_behalf_of`: whose voice it was, where that was lent."""

    level: int
    by: str
    on_behalf_of: str | None
    yes: bool
    reason: str | None
    at: datetime

    @property
    def people(self) -> frozenset[str]:
        """Everybody whose voice is used up by it."""
        return frozenset({self.by} if self.on_behalf_of is None else {self.by, self.on_behalf_of})


@dataclass(frozen=True)
class Verdict:
    """What a person says of a request. `digest`: of its subject's content as it is now; None where that is gone."""

    by: str
    yes: bool
    reason: str | None
    digest: str | None


@dataclass(frozen=True)
class Delegation:
    """A person's voice, lent to another from the first to the last day, both inside (in UTC). `kinds`: of subjects;
    empty: of all."""

    lent_by: str
    lent_to: str
    kinds: tuple[str, ...]
    valid_from: date
    valid_to: date

    def covers(self, kind: str, day: date) -> bool:
        """Whether it holds for a subject of the kind on the day."""
        return self.is_of(kind) and self.valid_from <= day <= self.valid_to

    def is_of(self, kind: str) -> bool:
        """Whether it is about subjects of the kind."""
        return not self.kinds or kind in self.kinds


@dataclass(frozen=True)
class Standing:
    """Where a request stands at a moment: its waiting level (the first is 1), who may decide it, and until when."""

    state: RequestState
    level: int | None = None
    groups: tuple[str, ...] = ()
    due_at: datetime | None = None


@dataclass(frozen=True)
class Request:
    """A request as it is stored, with what was decided so far."""

    request_id: UUID
    subject: Subject
    levels: tuple[Level, ...]
    state: RequestState
    requested_at: datetime
    decisions: tuple[Decision, ...] = ()


class Refusal(StrEnum):
    """Why something was not done, named after the rule that it would break."""

    UNNAMED = "unnamed"
    UNKNOWN_REQUEST = "unknown_request"
    ALREADY_DECIDED = "already_decided"
    TIMED_OUT = "timed_out"
    CONTENT_CHANGED = "content_changed"
    REASON_MISSING = "reason_missing"
    OWN_REQUEST = "own_request"
    DECIDED_TWICE = "decided_twice"
    DELEGATION_EXPIRED = "delegation_expired"
    NOT_IN_GROUP = "not_in_group"
    NOT_REQUESTER = "not_requester"
    NOT_ONES_OWN = "not_ones_own"
    DELEGATION_TO_SELF = "delegation_to_self"
    DELEGATION_CYCLE = "delegation_cycle"
    DELEGATION_BACKWARDS = "delegation_backwards"
    OWN_MEMBERSHIP = "own_membership"


class Outcome(StrEnum):
    """What became of a command."""

    DONE = "done"
    UNCHANGED = "unchanged"  # the same had been done before
    REFUSED = "refused"


@dataclass(frozen=True)
class Answer:
    """What became of a command; of a refused one why (`refusal`), and in words what would be right."""

    outcome: Outcome
    refusal: Refusal | None = None
    message: str = ""
    request: Request | None = None


def person(text: str) -> str | None:
    """A person's name as it is kept and compared: without blanks around it and without capitals; None for no name."""
    name = " ".join(text.split()).casefold()
    return name if name and name.isprintable() and name != HOUSE else None
