"""Rows as they came, before anything is made of them: a relation for each set of columns that a side's sources have."""

from dataclasses import dataclass

from everycent.base.engine.sql import literal


@dataclass(frozen=True)
class Came:
    """Rows of one side: a table or view of the engine with source_file, source_line and either c0, c1 ..., which are
    called `columns`, or of stored records (`columns` is None) their body."""

    side: str  # left | right
    rows: str
    columns: tuple[str, ...] | None

    @property
    def json_sql(self) -> str:
        """SQL of a row `r` as a JSON object."""
        return "to_json(r.body)::VARCHAR" if self.columns is None else object_sql(self.columns)


def object_sql(names: tuple[str, ...]) -> str:
    """SQL of a JSON object of such a row `r`."""
    return f"json_object({', '.join(f'{literal(name)}, r.c{at}' for at, name in enumerate(names))})::VARCHAR"
