"""The commit protocol: a batch commits once, with all of its rows, or leaves no visible trace.

Bulk goes into the lake first, under the name of its content. One PostgreSQL transaction then holds the batch's row, the
list of its parts with their digests, the hot rows and whatever the caller adds. See docs/decisions/0006.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields

import psycopg
import pyarrow as pa
from psycopg.pq import TransactionStatus

from everycent.base.engine.sql import identifier
from everycent.base.engine.tables import TableSchema
from everycent.base.platform.bulk import copy_in
from everycent.base.platform.database import Connection, DatabaseUnreachable, first_line
from everycent.base.platform.details import Details, sql_name
from everycent.base.platform.lake import StorageFailed, sweep, write_file

#: The counts that a batch is committed with; rows_read is the sum of the other four.
COUNTS = ("rows_read", "accepted", "duplicates", "conflicts", "quarantined")
_BATCH_NO_LOCK = 0x6576_6379_0001  # advisory lock: batch numbers are given one commit at a time


class BatchAlreadyCommitted(Exception):
    """The same content is committed already; ask find_batch before opening a batch."""


@dataclass(frozen=True)
class Batch:
    """A committed batch."""

    batch_no: int
    model: str
    model_version: str
    kind: str
    source_file: str
    source_shard: int
    content_hash: str
    rows_read: int
    accepted: int
    duplicates: int
    conflicts: int
    quarantined: int


@dataclass(frozen=True)
class _LakePart:
    table_name: str
    kind: str
    rows: int
    path: str
    digest: str


class OpenBatch:
    """A batch that is being written. Nothing of it is visible before commit; without commit it is swept."""

    def __init__(
        self,
        details: Details,
        model: str,
        model_version: str,
        kind: str,
        source_file: str,
        source_shard: int,
        content_hash: str,
    ) -> None:
        self.details = details
        self.model = model
        self.model_version = model_version
        self.kind = kind
        self.source_file = source_file
        self.source_shard = source_shard
        self.content_hash = content_hash
        self._lake: list[_LakePart] = []
        self._hot: dict[str, tuple[TableSchema, str, list[pa.Table]]] = {}
        self._committed = False

    def write(self, schema: TableSchema, table: pa.Table, kind: str | None = None) -> None:
        """Adds rows to the batch: into the lake now where they are many, else kept for the commit.

        May be called several times for a schema, with one kind (the batch's own unless named). Raises StorageFailed.
        """
        assert not self._committed, "the batch is committed"
        schema.check(table)
        kind = kind or self.kind
        _, queued_kind, queued = self._hot.setdefault(schema.name, (schema, kind, []))
        assert queued_kind == kind, f"{schema.name}: one batch writes rows of one kind, not {queued_kind} and {kind}"
        if table.num_rows == 0:
            return
        queued.append(table)
        if sum(part.num_rows for part in queued) >= self.details.lake_from_rows:
            rows = pa.concat_tables(queued)
            folder = f"{self.details.tenant}/{self.model}/{schema.name}"
            path, digest = write_file(self.details.lake_dir, folder, rows)
            self._lake.append(_LakePart(schema.name, kind, rows.num_rows, path, digest))
            queued.clear()

    def commit(self, counts: Mapping[str, int], in_transaction: Callable[[Connection, int], None]) -> int:
        """Commits the batch and what `in_transaction(connection, batch_no)` adds, at once; returns the batch_no.

        `counts` are those named in COUNTS. Raises BatchAlreadyCommitted, StorageFailed, and what `in_transaction`
        raises: then nothing is visible. Raises DatabaseUnreachable where the connection broke: then the batch is
        visible whole or not at all, and find_batch tells which.
        """
        assert not self._committed, "the batch is committed already"
        assert set(counts) == set(COUNTS), f"a batch is counted by {COUNTS}, not {tuple(counts)}"
        assert counts["rows_read"] == sum(counts[name] for name in COUNTS[1:]), f"the counts do not add up: {counts}"
        connection = self.details.connection
        inside = connection.info.transaction_status != TransactionStatus.IDLE
        try:
            with connection.transaction():
                batch_no = self._insert_batch(connection, counts)
                self._insert_lake_parts(connection, batch_no)
                for schema, kind, queued in self._hot.values():
                    if queued:
                        self._insert_hot(connection, batch_no, schema, kind, pa.concat_tables(queued))
                        if inside:  # no commit empties the stage before the caller's next batch
                            connection.execute(f"TRUNCATE {_stage(schema)}")
                connection.execute(
                    f"UPDATE platform.batch AS t SET seal = {_BATCH_SEAL} WHERE batch_no = %s", (batch_no,)
                )
                in_transaction(connection, batch_no)
        except psycopg.errors.DiskFull as error:
            raise StorageFailed(
                f"the database's disk is full ({first_line(error)}); make room and run again"
            ) from error
        except psycopg.OperationalError as error:
            if not connection.broken:
                raise
            raise DatabaseUnreachable(
                f"the database went away during the commit ({first_line(error)}); run again: what was committed is not "
                "repeated"
            ) from error
        self._committed = True
        return batch_no

    def _insert_batch(self, connection: Connection, counts: Mapping[str, int]) -> int:
        named = {
            "tenant": self.details.tenant,
            "model": self.model,
            "model_version": self.model_version,
            "kind": self.kind,
            "source_file": self.source_file,
            "source_shard": self.source_shard,
            "content_hash": self.content_hash,
            **counts,
        }
        columns, values = ", ".join(named), ", ".join(f"%({name})s" for name in named)
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_BATCH_NO_LOCK,))
        try:
            row = connection.execute(
                f"INSERT INTO platform.batch (batch_no, {columns}) SELECT coalesce(max(batch_no), 0) + 1, {values}"
                " FROM platform.batch RETURNING batch_no",
                named,
            ).fetchone()
        except psycopg.errors.UniqueViolation as error:
            raise BatchAlreadyCommitted(
                f"shard {self.source_shard} of {self.source_file} ({self.kind}) is committed already with this content"
            ) from error
        assert row is not None
        return int(row[0])

    def _insert_lake_parts(self, connection: Connection, batch_no: int) -> None:
        places: dict[str, int] = {}
        for part in self._lake:
            places[part.table_name] = places.get(part.table_name, 0) + 1
            connection.execute(
                "INSERT INTO platform.batch_part (batch_no, table_name, part_no, kind, tier, rows, path, digest)"
                " VALUES (%s, %s, %s, %s, 'lake', %s, %s, %s)",
                (batch_no, part.table_name, places[part.table_name], part.kind, part.rows, part.path, part.digest),
            )

    def _insert_hot(
        self, connection: Connection, batch_no: int, schema: TableSchema, kind: str, rows: pa.Table
    ) -> None:
        """COPY into a temporary table; then one statement seals the rows, places them and computes their digest."""
        stage = _stage(schema)
        columns = ", ".join(map(identifier, ["tenant", "model", *schema.columns.names, "batch_no"]))
        connection.execute(
            f"CREATE TEMP TABLE IF NOT EXISTS {stage} ON COMMIT DELETE ROWS AS"
            f" SELECT {columns} FROM {sql_name(schema)} WITH NO DATA"
        )
        copy_in(connection, stage, rows, {"tenant": self.details.tenant, "model": self.model, "batch_no": batch_no})
        placed = connection.execute(
            f"WITH placed AS (INSERT INTO {sql_name(schema)} ({columns}, seal)"
            f" SELECT {columns}, {seal_sql('s')} FROM {stage} AS s RETURNING seal)"
            " INSERT INTO platform.batch_part (batch_no, table_name, part_no, kind, tier, rows, path, digest)"
            f" SELECT %s, %s, %s, %s, 'postgres', count(*), NULL, {DIGEST_SQL} FROM placed RETURNING rows",
            (batch_no, schema.name, 1 + sum(part.table_name == schema.name for part in self._lake), kind),
        ).fetchone()
        assert placed == (rows.num_rows,), f"{schema.name}: {placed} rows placed, want {rows.num_rows}"


def _stage(schema: TableSchema) -> str:
    """The quoted name of the temporary table through which a schema's hot rows go."""
    return f"pg_temp.{identifier(f'stage.{schema.name}')}"


def seal_sql(row: str) -> str:
    """SQL: the seal of the row that goes by the name `row`, over the text of all its columns but the seal."""
    return f"md5((to_jsonb({row}) - 'seal')::text)::uuid"


#: SQL: the seal of the batch that goes by the name t: of its row, and of the list of its parts.
_BATCH_SEAL = """md5((to_jsonb(t) - 'seal')::text || coalesce((
    SELECT string_agg(to_jsonb(p)::text, '' ORDER BY p.table_name COLLATE "C", p.part_no)
    FROM platform.batch_part AS p WHERE p.batch_no = t.batch_no), ''))::uuid"""

#: SQL: the digest of a batch's hot rows of one table, from their seals.
DIGEST_SQL = "md5(string_agg(seal::text, '' ORDER BY seal))"


def open_batch(
    details: Details,
    model: str,
    model_version: str,
    kind: str,
    source_file: str,
    source_shard: int,
    content_hash: str,
) -> OpenBatch:
    """A new batch of one record kind: a file or a shard of one (0-based). `content_hash` is that of its rows as read.

    Open it inside `run_lock`.
    """
    return OpenBatch(details, model, model_version, kind, source_file, source_shard, content_hash)


def find_batch(
    details: Details, model: str, model_version: str, kind: str, content_hash: str, source_shard: int
) -> Batch | None:
    """The committed batch of the same content under the same model version: a delivery again changes nothing."""
    names = ", ".join(field.name for field in fields(Batch))
    row = details.connection.execute(
        f"SELECT {names} FROM platform.batch WHERE tenant = %s AND model = %s AND model_version = %s"
        " AND kind = %s AND content_hash = %s AND source_shard = %s",
        (details.tenant, model, model_version, kind, content_hash, source_shard),
    ).fetchone()
    return None if row is None else Batch(*row)


@contextmanager
def run_lock(
    details: Details, model: str, on_wait: Callable[[str], None] = lambda _: None, *, dry_run: bool = False
) -> Iterator[None]:
    """One run of a model at a time; sweeps first what an interrupted run left in the lake, and in the end what a
    `dry_run` wrote there, which is rolled back inside.

    `on_wait` gets a message where another run holds the lock.
    """
    connection = details.connection
    key = f"everycent run {details.tenant}/{model}"
    free = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (key,)).fetchone()
    if free != (True,):
        on_wait(f"another run of the model '{model}' is at work; waiting until it ends")
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (key,))
    try:
        _sweep(details, model)
        yield
    finally:
        if connection.info.transaction_status == TransactionStatus.IDLE:  # else it goes with the broken connection
            if dry_run:
                _sweep(details, model)
            connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (key,))


def _sweep(details: Details, model: str) -> None:
    sweep(details.lake_dir, f"{details.tenant}/{model}", _listed_files(details, model))


def _listed_files(details: Details, model: str) -> set[str]:
    rows = details.connection.execute(
        "SELECT DISTINCT p.path FROM platform.batch_part p JOIN platform.batch b USING (batch_no)"
        " WHERE p.path IS NOT NULL AND b.tenant = %s AND b.model = %s",
        (details.tenant, model),
    )
    return {str(path) for (path,) in rows}
