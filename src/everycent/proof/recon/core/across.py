"""More than two sides: what each of them says of the keys on which they do not all agree, in one table."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier


def across(sides: Mapping[str, pa.Table | str], breaks: Sequence[pa.Table], engine: LocalEngine) -> pa.Table:
    """A line for each key that some of `breaks` (BREAK) has, ordered by key: of each side (SIDE, by its name)
    `NAME_rows`, `NAME_amount_minor`, `NAME_statuses` (joined by "+"); no rows and nothing where it lacks the key."""
    assert len(sides) >= 2, "there are two sides at least"
    tables: dict[str, pa.Table | str] = {f"side_{number}": rows for number, rows in enumerate(sides.values())}
    joined = " ".join(
        f"""LEFT JOIN (SELECT key, count(*) AS n, sum(amount_minor)::DECIMAL(38, 0) AS minor,
            string_agg(DISTINCT status, '+' ORDER BY status) AS statuses
            FROM side_{number} SEMI JOIN keys USING (key) GROUP BY key) AS s{number} USING (key)"""
        for number in range(len(sides))
    )
    columns = ", ".join(
        f"coalesce(s{number}.n, 0)::BIGINT AS {identifier(f'{name}_rows')}, "
        f"s{number}.minor AS {identifier(f'{name}_amount_minor')}, "
        f"s{number}.statuses AS {identifier(f'{name}_statuses')}"
        for number, name in enumerate(sides)
    )
    keys = pa.concat_tables([found.select(["key"]) for found in breaks])
    return engine.query(
        f"WITH keys AS (SELECT DISTINCT key FROM found) SELECT key, {columns} FROM keys {joined} ORDER BY key",
        found=keys,
        **tables,
    )
