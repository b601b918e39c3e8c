"""When contracts hold: a revision holds from its first day until a later one begins, in whatever order they come."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Revision:
    """One revision of a contract. `contract`: system, tenant and number. `valid_to` is the first day after."""

    contract: tuple[str, str, str]
    revision: int
    valid_from: date
    valid_to: date | None
    party_id: str
    digest: str


@dataclass(frozen=True)
class Period:
    """The days on which a revision holds, `until` not among them (None: for ever)."""

    of: Revision
    since: date
    until: date | None

    def overlaps(self, other: "Period") -> bool:
        """Whether a day is in both."""
        return (other.until is None or self.since < other.until) and (self.until is None or other.since < self.until)

    def __str__(self) -> str:
        until = "without an end" if self.until is None else f"until {self.until}"
        return f"contract {self.of.contract[2]} from {self.since} {until}"


def periods(revisions: Iterable[Revision]) -> list[Period]:
    """The days of each revision that has any, of one party's contracts; ordered by first day, then contract.

    Two revisions of one contract never hold on one day: a later one ends all before it.
    """
    by_contract: dict[tuple[str, str, str], list[Revision]] = {}
    for revision in revisions:
        by_contract.setdefault(revision.contract, []).append(revision)
    found = []
    for own in by_contract.values():
        ends: date | None = None  # where the later ones begin
        for revision in sorted(own, key=lambda each: each.revision, reverse=True):
            until = min((day for day in (revision.valid_to, ends) if day is not None), default=None)
            if until is None or revision.valid_from < until:
                found.append(Period(revision, revision.valid_from, until))
            ends = revision.valid_from if ends is None else min(ends, revision.valid_from)
    return sorted(found, key=lambda period: (period.since, period.of.contract))


def overlap(revisions: Iterable[Revision]) -> tuple[Period, Period] | None:
    """The first two periods of different contracts with a day in common."""
    held = periods(revisions)
    for at, period in enumerate(held):
        for other in held[at + 1 :]:
            if period.of.contract != other.of.contract and period.overlaps(other):
                return period, other
    return None
