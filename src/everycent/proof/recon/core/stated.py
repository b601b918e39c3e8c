"""A row's status where several columns are compared instead of one: a struct of them, typed as they are.

Only where keys repeat, or where rows add up, is it a text for a while, a JSON object: rows are grouped by it there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.proof.recon.contract import BREAK


@dataclass(frozen=True)
class Stated:
    """`others`: the columns instead of the status, none where there is but the status. `types`: of each, the engine's.
    `sums`: rows of a key add up, so that a column may have several values.

    The struct's fields are o0, o1, ... in the order of `others`: names of columns may differ in capitals alone.
    """

    others: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    sums: bool = False

    @property
    def sql_type(self) -> str:
        """The engine's type of such a status."""
        fields = ", ".join(f"o{at} {kind}" for at, kind in enumerate(self.types))
        return f"STRUCT({fields})" if self.others else "VARCHAR"

    @property
    def status(self) -> str:
        """SQL over a row of a side."""
        cells = (
            f"'o{at}': {identifier(name)}::{kind}"
            for at, (name, kind) in enumerate(zip(self.others, self.types, strict=True))
        )
        return f"{{{', '.join(cells)}}}" if self.others else "status"

    @property
    def text(self) -> str:
        """SQL over a row of a side: the status as a text."""
        # As texts: JSON's numbers would pass through floats when they are read again
        cells = (f"'o{at}': {identifier(name)}::VARCHAR" for at, name in enumerate(self.others))
        return f"to_json({{{', '.join(cells)}}})::VARCHAR" if self.others else "status"

    def text_of(self, status: str) -> str:
        """SQL: the text of a status."""
        cells = (f"'o{at}': {status}.o{at}::VARCHAR" for at in range(len(self.others)))
        return f"to_json({{{', '.join(cells)}}})::VARCHAR" if self.others else status

    def of_text(self, text: str) -> str:
        """SQL: the status of a text; NULL of none. Several values of a column are joined by "+"."""
        if not self.others:
            return text
        cells = (f"'o{at}': {self._cell_of(text, at)}::{kind}" for at, kind in enumerate(self.types))
        return f"CASE WHEN {text} IS NOT NULL THEN {{{', '.join(cells)}}} END"

    def _cell_of(self, text: str, at: int) -> str:
        if not self.sums:
            return f"({text} ->> 'o{at}')"
        each = f"('[' || replace({text}, '}}+{{', '}},{{') || ']')::JSON ->> '$[*].o{at}'"
        return f"nullif(array_to_string(list_sort(list_distinct({each})), '+'), '')"

    def rows_of_texts(self, rows: str) -> str:
        """SQL over rows whose left_status and right_status are texts: the same with statuses."""
        if not self.others:
            return rows
        both = ", ".join(f"{self.of_text(name)} AS {name}" for name in ("left_status", "right_status"))
        return f"SELECT * REPLACE ({both}) FROM ({rows})"

    def agree(self, left: str, right: str) -> str:
        """SQL: whether two statuses are the same."""
        if self.others:
            return f"{left} IS NOT DISTINCT FROM {right}"
        return f"coalesce({left}, '') = coalesce({right}, '')"


def stated(
    others: Sequence[str], left: pa.Table | str, right: pa.Table | str, sums: bool, engine: LocalEngine
) -> Stated:
    """How the rows of both sides are stated. Columns that are of two types, or whose values add up, become texts."""
    if not others:
        return Stated()
    assert isinstance(left, str), "other columns are compared of a table or view of the engine's"
    assert isinstance(right, str), "other columns are compared of a table or view of the engine's"
    ours, theirs = (_types(side, engine) for side in (left, right))
    kinds = tuple(ours[name] if ours[name] == theirs[name] and not sums else "VARCHAR" for name in others)
    return Stated(tuple(others), kinds, sums)


def breaks_schema(found: pa.Schema) -> pa.Schema:
    """BREAK with statuses as they were found."""
    schema = BREAK
    for name in ("left_status", "right_status"):
        schema = schema.set(schema.get_field_index(name), pa.field(name, found.field(name).type))
    return schema


def _types(relation: str, engine: LocalEngine) -> dict[str, str]:
    found = engine.query(f"SELECT column_name, column_type FROM (DESCRIBE {identifier(relation)})")
    return dict(zip(found["column_name"].to_pylist(), found["column_type"].to_pylist(), strict=True))
