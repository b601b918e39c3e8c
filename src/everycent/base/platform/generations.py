"""Generations: rows made in strict order are never changed; a later generation takes the place of an earlier one from
a sequence number on. This is the one place that decides which rows are effective.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from everycent.base.platform.database import Connection


@dataclass(frozen=True)
class Generation:
    """Rows of `number` stand from sequence number `starts_at` on, once the state is `effective`. Before that it is
    `building`, or `abandoned`.

    It takes in records of batches up to `through_batch`; later ones wait until it is effective. It is made by one
    `model_version`; None where an older program began it and made nothing.
    """

    number: int
    starts_at: int
    state: str
    cause: str
    through_batch: int
    model_version: str | None


def generations(connection: Connection, tenant: str, model: str) -> list[Generation]:
    """A model's generations after the first, which is 0 and has no row, in their order."""
    rows = connection.execute(
        "SELECT generation, starts_at, state, cause, through_batch, model_version FROM platform.generation"
        " WHERE tenant = %s AND model = %s ORDER BY generation",
        (tenant, model),
    )
    return [Generation(*row) for row in rows]


def effective_sql(known: Sequence[Generation], seeing: int | None = None) -> str:
    """DuckDB's condition on `generation` and `sequence_no` of rows that stand: in an effective generation, and no later
    one begins at or before them. `seeing`: one that is taken as effective, though it is being built.
    """
    standing = [each for each in known if each.state == "effective" or each.number == seeing]
    cases = []
    for number in [0, *(each.number for each in standing)]:
        ends = [each.starts_at for each in standing if each.number > number]
        cases.append(f"WHEN {number} THEN {f'sequence_no < {min(ends)}' if ends else 'true'}")
    return f"CASE generation {' '.join(cases)} ELSE false END"
