"""What explain gives: a tree that walks from what was asked about back to its source rows."""

from collections.abc import Iterator
from dataclasses import dataclass, field


class NothingFound(Exception):
    """Nothing stored goes by that name; the message names what is nearest."""


class SeveralFound(Exception):
    """Several things go by that name; the message names each in full."""


@dataclass(frozen=True)
class Explanation:
    """One thing in the walk: what it is, its facts in reading order, and what it is made of or led to.

    `kind` is instruction, statement, obligation, charge, held_charge, record or model. `more` counts parts that are
    left out of a long list.
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
