"""The local runner: one DuckDB in memory that spills to disk, with settings under which results do not vary.

Formulas cannot name files or functions outside their list, so external access stays on for the engine's own SQL, which
reads and writes Parquet. No extension is ever fetched or loaded by itself.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import duckdb
import pyarrow as pa

from everycent.base.engine.sql import identifier

_ROWS_PER_READ = 30_720  # a quarter of a row group of DuckDB's


class LocalEngine:
    """Runs SQL over Arrow tables, Parquet files and what its connection holds. Not for several threads at once."""

    def __init__(self, threads: int, memory_mb: int, temp_dir: Path) -> None:
        """`threads` and `memory_mb` bound DuckDB; what does not fit spills into `temp_dir`, which DuckDB creates."""
        assert threads >= 1, "an engine needs a thread"
        assert memory_mb >= 1, "an engine needs memory"
        self.temp_dir = temp_dir
        self.threads, self.memory_mb = threads, memory_mb
        self._kept: dict[str, IO[bytes]] = {}
        #: Of `engine.distinct`: by expression, column and type, values and their texts.
        self.kept_texts: dict[tuple[str, str, str], pa.Table] = {}
        self.connection = duckdb.connect(
            ":memory:",
            config={
                "threads": threads,
                "memory_limit": f"{memory_mb}MB",
                "temp_directory": str(temp_dir),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
            },
        )
        self.connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self.connection.execute("SET GLOBAL arrow_lossless_conversion = true")  # UUID stays UUID
        # It moves what two TRYs share out of them, where an overflow is an error again (DuckDB 2.0)
        self.connection.execute("SET GLOBAL disabled_optimizers = 'common_subexpressions'")
        self.connection.execute("SET enable_progress_bar = false")

    def query(self, sql: str, **tables: pa.Table | str) -> pa.Table:
        """The rows of `sql`, in which each of `tables` can be named. Rows have no order unless `sql` orders them.

        A table given as text is one that the engine's connection has, by its name. Raises duckdb.Error where the query
        fails.
        """
        self._register(self.connection, tables)
        try:
            found = self.connection.sql(sql).to_arrow_table()
            plain = _plain_booleans(found.schema)
            return found if plain is None else found.cast(plain)
        finally:
            self._unregister(self.connection, tables)

    def reader(
        self, sql: str, rows_per_read: int = _ROWS_PER_READ, **tables: pa.Table | pa.RecordBatchReader
    ) -> pa.RecordBatchReader:
        """The rows of `sql` as a stream, computed as they are read, so many at a time.

        It runs beside the engine's connection, so queries may run while it is read. It sees the connection's tables and
        views, but not its temporary ones nor what was registered there: hand those over as `tables`.
        """
        beside = self.connection.cursor()
        self._register(beside, tables)
        found = beside.sql(sql).to_arrow_reader(rows_per_read)
        plain = _plain_booleans(found.schema)
        return found if plain is None else found.cast(plain)

    def ordered(self, sql: str, order: Sequence[str]) -> pa.RecordBatchReader:
        """The rows of `sql`, as `reader` gives them, ordered by columns; there may be more than memory holds.

        They pass through a stream before they are ordered: DuckDB 2.0 spills no order over UNION ALL.
        """
        listed = ", ".join(identifier(name) for name in order)
        return self.reader(f"SELECT * FROM unordered ORDER BY {listed}", unordered=self.reader(sql))

    def keep(self, name: str, file: IO[bytes]) -> None:
        """Keeps a file open that a view reads, until another takes its name or the engine ends."""
        if name in self._kept:
            self._kept[name].close()
        self._kept[name] = file

    def close(self) -> None:
        """Ends the engine; its tables are gone."""
        self.connection.close()
        for file in self._kept.values():
            file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @staticmethod
    def _register(
        connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table | pa.RecordBatchReader | str]
    ) -> None:
        for name, table in tables.items():
            if isinstance(table, str):
                connection.execute(f"CREATE TEMP VIEW {identifier(name)} AS FROM {identifier(table)}")
            else:
                connection.register(name, table)

    @staticmethod
    def _unregister(connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table | str]) -> None:
        for name, table in tables.items():
            if isinstance(table, str):
                connection.execute(f"DROP VIEW IF EXISTS {identifier(name)}")
            else:
                connection.unregister(name)


def _plain_booleans(schema: pa.Schema) -> pa.Schema | None:
    """`schema` with Arrow's own booleans for DuckDB's bool8; None where it has none."""
    fields = [field.with_type(_plain_boolean(field.type)) for field in schema]
    return None if [field.type for field in fields] == schema.types else pa.schema(fields)


def _plain_boolean(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.Bool8Type):
        return pa.bool_()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain_boolean(field.type)) for field in kind.fields])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain_boolean(kind.value_type)))
    return kind
