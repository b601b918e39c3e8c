"""What the database knows of how many rows its tables have, after they grew by many at once."""

from everycent.base.engine.sql import identifier
from everycent.base.platform.database import Connection

#: Going through this many rows for each of as many others is still quick.
_MANY_ROWS = 1_000


def count_anew(connection: Connection, rows: int, *tables: str) -> None:
    """Has the database count `tables` (as `<context>.<table>`) anew to which so many `rows` were added.

    It does that by itself some time later, and wrongly where it happens to look before the rows are committed. Until
    then it takes such a table for nearly empty, and plans to go through all of it once for each row of another: with
    40,000 statements a day cut went on for more than ten minutes. Not inside a transaction that goes on for long: no
    other one could count meanwhile.
    """
    if rows < _MANY_ROWS:
        return
    for table in tables:
        context, _, name = table.partition(".")
        connection.execute(f"ANALYZE {identifier(context)}.{identifier(name)}")
