"""What explain gives: a tree that walks from what was asked about back to its source rows, and the life of a business
id in order of time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime


class NothingFound(Exception):
    """Nothing stored goes by that name; the message names what is nearest."""


class SeveralFound(Exception):
    """Several things go by that name; the message names each in full."""


@dataclass(frozen=True)
class Explanation:
    """One thing in the walk: what it is, its facts in reading order, and what it is made of or led to.

    `kind` is instruction, receipt, statement, obligation, charge, held_charge, record or model. `more` counts parts
    that are left out of a long list.
    """

    kind: str
    id: str
    text: str  # one line that says it all
    facts: tuple[tuple[str, str], ...] = ()
    parts: tuple["Explanation", ...] = field(default=())
    more: int = 0

    def to_lines(self) -> list[str]:
        """For a terminal: two spaces deeper for each step."""
        return list(self._lines(0))

    def to_dict(self) -> dict[str, object]:
        """For a program: plain data."""
        return {
            "kind": self.kind,
            "id": self.id,
            "text": self.text,
            "facts": dict(self.facts),
            "parts": [part.to_dict() for part in self.parts],
            "more": self.more,
        }

    def _lines(self, depth: int) -> Iterator[str]:
        indent = "  " * depth
        yield f"{indent}{self.kind.replace('_', ' ')} {self.text}"
        width = max((len(name) for name, _ in self.facts), default=0)
        for name, value in self.facts:
            yield f"{indent}  {name:<{width}}  {value}"
        for part in self.parts:
            yield from part._lines(depth + 1)
        if self.more:
            yield f"{indent}  … and {self.more} more"


#: The kinds of events in a life, in the order in which money flows.
EVENT_KINDS = (
    "record",
    "set_aside",
    "charge",
    "held_charge",
    "obligation",
    "statement",
    "instruction",
    "receipt",
    "share",
    "reconciled",
    "break",
    "handled",
)


@dataclass(frozen=True)
class Event:
    """Something that happened to a business id. `at`: a moment, where one is stored; else its day; else None, for what
    has no date. `kind` is of EVENT_KINDS. `place`: file:line, where it has one. `business_day`: the moment's, where the
    model's calendar is known."""

    at: datetime | date | None
    kind: str
    id: str
    text: str
    model: str
    place: str = ""
    business_day: date | None = None

    @property
    def day(self) -> date | None:
        """Its business day; of a moment without a calendar the day in UTC."""
        if isinstance(self.at, datetime):
            return self.business_day or self.at.astimezone(UTC).date()
        return self.at

    @property
    def when(self) -> str:
        """The moment in UTC, or the day, or nothing."""
        if isinstance(self.at, datetime):
            return f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
        return "" if self.at is None else self.at.isoformat()


@dataclass(frozen=True)
class Life:
    """All that is stored of a business id, in order of time. `not_found`: what one would expect and is not there."""

    asked: str
    events: tuple[Event, ...]
    not_found: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """For a program: plain data."""
        return {
            "asked": self.asked,
            "events": [
                {
                    "when": event.when,
                    "kind": event.kind,
                    "id": event.id,
                    "text": event.text,
                    "model": event.model,
                    "place": event.place,
                }
                for event in self.events
            ],
            "not_found": list(self.not_found),
        }
