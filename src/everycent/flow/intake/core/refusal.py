"""What the declaration of a record kind or an attached table can be refused for, with the word that is wrong."""

from everycent.base.engine.formula import FormulaError

Word = tuple[str, ...]


class IntakeRefused(FormulaError):
    """A word of a record kind that cannot be followed. `path` leads to it: ("records", "item_sold", "check", ...)."""

    def __init__(self, path: Word, message: str, cause: FormulaError | None = None) -> None:
        super().__init__(message, None if cause is None else cause.position)
        self.path = path
