"""What is wrong with a formula, and where."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Position:
    """A place in a formula's text: 0-based offset; 1-based line and column."""

    offset: int
    line: int
    column: int

    @classmethod
    def at(cls, text: str, offset: int) -> "Position":
        """The position of the character at `offset` of `text`."""
        assert 0 <= offset <= len(text), f"offset {offset} is outside the formula"
        before = text[:offset]
        return cls(offset, before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


class FormulaError(ValueError):
    """A formula that is refused. The message says what is wrong and what would be right; `position` where, if known."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.position = position
