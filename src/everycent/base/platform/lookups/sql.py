"""Look-ups in a database: one query for all keys, in a transaction that cannot write and ends in time."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg.rows import dict_row

from everycent.base.platform.database import first_line
from everycent.base.platform.lookups.answers import Answer, Key, failed, matched


@dataclass(frozen=True)
class SqlLookUp:
    """`statement` gives the key columns and the value; it gets the keys as one array for each column, `%(column)s`.

    Every other `%` in it is itself, as in `LIKE '5%'` or `a % b`.
    """

    url: str
    statement: str
    timeout_ms: int

    def fetch(self, columns: Sequence[str], keys: Sequence[Key], value: str) -> Mapping[Key, Answer]:
        """An answer for each key. With parameters the server takes one statement only, so nothing can follow it."""
        asked = {column: [key[at] for key in keys] for at, column in enumerate(columns)}
        options = f"-c default_transaction_read_only=on -c statement_timeout={self.timeout_ms}"
        waits_s = max(1, self.timeout_ms // 1000)
        try:
            with (
                psycopg.connect(self.url, options=options, connect_timeout=waits_s, autocommit=False) as connection,
                connection.cursor(row_factory=dict_row) as cursor,
            ):
                connection.read_only = True
                cursor.execute("SELECT set_config('TimeZone', 'UTC', true)")
                rows = cursor.execute(_with_parameters(self.statement, columns), asked).fetchall()
                connection.rollback()
        except psycopg.Error as error:
            return failed(keys, f"the database refused its query: {first_line(error)}")
        if rows and not {*columns, value} <= rows[0].keys():
            return failed(keys, f"the query gives {', '.join(rows[0])}; it is to give {', '.join((*columns, value))}")
        return matched(columns, keys, value, rows)


def _with_parameters(statement: str, columns: Sequence[str]) -> bytes:
    """The statement as the driver takes it: each `%` doubled that does not begin a key column's parameter."""
    names = "|".join(map(re.escape, columns))
    return re.sub(rf"%(?!\((?:{names})\)s)", "%%", statement).encode()
