"""A rule: what must hold of the stored rows, as plain SQL that lists the rows for which it does not."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

_TABLE = re.compile(r"\b[a-z_]+\.[a-z_]+\b")


@dataclass(frozen=True)
class Rule:
    """`looked_at`: the table whose rows are counted as checked. `bad`: SQL with columns `place` and `message`.

    `place` orders the bad rows, so that the first is always the same; `message` names the row and both figures.
    `slice_by` names what keeps together all rows that the rule looks at together, where that is one thing: a record, or
    a batch. Then more rows than memory holds are looked at slice by slice.
    The SQL speaks of the tables by their stored names, all of them narrowed to one tenant and model. Where none of them
    has a row, nothing is bad.
    """

    name: str
    looked_at: str
    bad: str
    slice_by: Literal["record", "batch"] | None = None

    @cached_property
    def tables(self) -> frozenset[str]:
        """The stored tables that it reads, and whatever else in its text looks like one."""
        return frozenset(_TABLE.findall(f"{self.looked_at} {self.bad}".replace('"', "")))

    @property
    def sql(self) -> str:
        """One row: rows looked at, bad rows, the first bad row's message."""
        return f"""SELECT (SELECT count(*) FROM {self.looked_at}) AS rows, count(*) AS bad,
            arg_min(message, place) AS first_bad FROM ({self.bad})"""
