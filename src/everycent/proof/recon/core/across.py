"""More than two sides: what each of them says of the keys on which they do not all agree, in one table."""

from collections.abc import Mapping, Sequence

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.proof.recon.core.row_currency import code_sql

#: Of each side, after its name: how many rows it has of the key, what they add up to, in which currency, and their
#: statuses, joined by "+". Of rows in several currencies: no amount, and minor units by currency, as a JSON object.
COLUMNS = ("rows", "amount_minor", "currency", "amounts", "statuses")


def across(
    sides: Mapping[str, pa.Table | str], breaks: Sequence[pa.Table], currency: str, engine: LocalEngine
) -> pa.Table:
    """A line for each key that some of `breaks` (BREAK) has, ordered by key: of each side (SIDE, by its name) COLUMNS;
    no rows and nothing where it lacks the key. `currency`: that of rows that name none."""
    assert len(sides) >= 2, "there are two sides at least"
    tables: dict[str, pa.Table | str] = {f"side_{number}": rows for number, rows in enumerate(sides.values())}
    joined = " ".join(
        f"LEFT JOIN ({_said_sql(f'side_{number}', code_sql(rows, currency, engine))}) AS s{number} USING (key)"
        for number, rows in enumerate(sides.values())
    )
    columns = ", ".join(
        f"coalesce(s{number}.rows, 0)::BIGINT AS {identifier(f'{name}_rows')}"
        + "".join(f", s{number}.{column} AS {identifier(f'{name}_{column}')}" for column in COLUMNS[1:])
        for number, name in enumerate(sides)
    )
    keys = pa.concat_tables([found.select(["key"]) for found in breaks])
    return engine.query(
        f"WITH keys AS (SELECT DISTINCT key FROM found) SELECT key, {columns} FROM keys {joined} ORDER BY key",
        found=keys,
        **tables,
    )


def _said_sql(side: str, code: str) -> str:
    """key and COLUMNS of one side."""
    return f"""WITH held AS (
            SELECT key, {code} AS code, count(*) AS n, sum(amount_minor)::DECIMAL(38, 0) AS minor,
                list(DISTINCT status) AS statuses
            FROM {side} SEMI JOIN keys USING (key) GROUP BY ALL)
        SELECT key, sum(n) AS rows, CASE WHEN count(*) = 1 THEN any_value(minor) END AS amount_minor,
            string_agg(code, '+' ORDER BY code) AS currency,
            CASE WHEN count(*) > 1 THEN '{{' || string_agg('"' || code || '": ' || minor, ', ' ORDER BY code) || '}}'
                END AS amounts,
            nullif(array_to_string(list_sort(list_distinct(flatten(list(statuses)))), '+'), '') AS statuses
        FROM held GROUP BY key"""
