"""The database knows of many rows as soon as they are there."""

from typing import Any

from everycent.base.platform.database import Connection
from everycent.base.platform.statistics import count_anew


def _rows_thought_of(connection: Connection) -> float:
    row = connection.execute("SELECT reltuples FROM pg_class WHERE oid = 'shop.sale'::regclass").fetchone()
    assert row is not None
    return float(row[0])


def test_many_new_rows_are_counted_at_once_and_few_are_left_to_the_database(database: Any) -> None:
    connection = database.connection
    connection.execute("CREATE SCHEMA shop")
    connection.execute("CREATE TABLE shop.sale (no integer) WITH (autovacuum_enabled = off)")
    connection.execute("INSERT INTO shop.sale SELECT generate_series(1, 2000)")
    count_anew(connection, 20, "shop.sale")
    assert _rows_thought_of(connection) < 0, "nobody has counted"
    count_anew(connection, 2000, "shop.sale")
    assert _rows_thought_of(connection) == 2000
