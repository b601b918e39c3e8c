"""A rule: what must hold of the stored rows, as plain SQL that lists the rows for which it does not."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rule:
    """`looked_at`: the table whose rows are counted as checked. `bad`: SQL with columns `place` and `message`.

    `place` orders the bad rows, so that the first is always the same; `message` names the row and both figures.
    `slice_by` names what keeps together all rows that the rule looks at together, where that is one thing: a record, or
    a batch. Then more rows than memory holds are looked at slice by slice.
    The SQL speaks of the tables by their stored names, all of them narrowed to one tenant and model.
    """

    name: str
    looked_at: str
    bad: str
    slice_by: Literal["record", "batch"] | None = None

    @property
    def sql(self) -> str:
        """One row: rows looked at, bad rows, the first bad row's message."""
        return f"""SELECT (SELECT count(*) FROM {self.looked_at}) AS rows, count(*) AS bad,
            arg_min(message, place) AS first_bad FROM ({self.bad})"""
