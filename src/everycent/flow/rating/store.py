"""All SQL of rating: which held charges wait, and when they are tried again. Callers own the transaction."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.base.platform.kept_sums import KeptSums, sums_before
from everycent.flow.rating.contract import HELD, RETRY, RETRY_SNAPSHOT, RUNNING, SNAPSHOT, parked_sql

#: A record's last attempt so far; a record that was not tried again is not among them.
ATTEMPTS = pa.schema([pa.field("record_id", pa.uuid()), pa.field("attempt", pa.int32())])


@dataclass(frozen=True)
class Schedule:
    """When a model's parked charges are tried again. `configuration`: what they were rated with last."""

    configuration: str
    attempts: int
    next_try_at: datetime


_SCHEDULE = """
    SELECT configuration, attempts, next_try_at FROM rating.retry_schedule WHERE tenant = %s AND model = %s
"""
_SET_SCHEDULE = """
    INSERT INTO rating.retry_schedule (tenant, model, configuration, attempts, next_try_at)
    VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (tenant, model) DO UPDATE SET configuration = excluded.configuration,
        attempts = excluded.attempts, next_try_at = excluded.next_try_at
"""


def attach_parked(
    details: Details, engine: LocalEngine, model: str, view: str, through_batch: int | None = None
) -> None:
    """Makes `view` in the engine: record_id, charge, state, reason of the held charges that still wait.

    `through_batch`: as it was once that batch was committed, whatever was released since.
    """
    held, retries = f"{view}_held", f"{view}_retry"
    details.attach(engine, held, HELD, model, plain=True)  # what order decided is not tried again
    details.attach(engine, retries, RETRY, model)
    known = [f"(FROM {identifier(name)} WHERE {_until(through_batch)})" for name in (held, retries)]
    sql = parked_sql(*known)
    engine.connection.execute(f"CREATE OR REPLACE VIEW {identifier(view)} AS {sql}")


def _until(through_batch: int | None) -> str:
    return "true" if through_batch is None else f"batch_no <= {through_batch}"


def attempts(details: Details, engine: LocalEngine, model: str, record_ids: pa.ChunkedArray) -> pa.Table:
    """ATTEMPTS of the records that were rated again: because they were parked, or to be corrected."""
    rows = pa.concat_tables(
        details.lookup(engine, schema, model, "record_id", record_ids, ["record_id", "attempt"])
        for schema in (RETRY, RETRY_SNAPSHOT)
    )
    return engine.query("SELECT record_id, max(attempt) AS attempt FROM rows GROUP BY ALL", rows=rows).cast(ATTEMPTS)


def snapshots(
    details: Details, engine: LocalEngine, model: str, record_ids: pa.ChunkedArray, body: pa.DataType
) -> pa.Table:
    """record_id, attempt and body of what was looked up for the records so far, as `body`'s fields; 1: on arrival."""
    first = details.lookup(engine, SNAPSHOT, model, "record_id", record_ids, SNAPSHOT.columns.names, body)
    later = details.lookup(engine, RETRY_SNAPSHOT, model, "record_id", record_ids, RETRY_SNAPSHOT.columns.names, body)
    arrival = pa.repeat(pa.scalar(1, pa.int32()), first.num_rows)
    return pa.concat_tables([first.add_column(1, RETRY_SNAPSHOT.columns.field("attempt"), arrival), later])


#: What was added up, by pot of each factor, of all that records moved and that stands.
_STANDING_TOTAL = KeptSums(
    table="rating.standing_total",
    columns=pa.schema(
        [(name, pa.string()) for name in ("factor", "pot", "period")]
        + [(name, pa.int64()) for name in ("total_after", "quantity_after")]
    ),
    keys=("factor", "pot", "period"),
    rows=RUNNING,
    source={name: name for name in ("factor", "pot", "period")}
    | {"total_after": "amount", "quantity_after": "quantity"},
)


def standing_totals(
    details: Details, engine: LocalEngine, model: str, first_no: int, periods: Sequence[str], pots: pa.Table
) -> pa.Table:
    """factor, pot, period, total_after, quantity_after of these `pots` (factor, pot) in these periods as they stood
    before a number. Inside the run lock."""
    return sums_before(_STANDING_TOTAL, details, engine, model, first_no, periods, pots)


def moved_of(details: Details, engine: LocalEngine, model: str, originals: pa.Array, first_no: int) -> pa.Table:
    """The effective RUNNING rows of records and of their refunds that have lower numbers."""
    names = RUNNING.columns.names
    rows = [details.lookup(engine, RUNNING, model, column, originals, names) for column in ("record_id", "refund_of")]
    before = f"{details.effective(model)} AND sequence_no < {first_no}"
    found = engine.query(f"SELECT * FROM rows WHERE {before} ORDER BY sequence_no, factor", rows=pa.concat_tables(rows))
    return found.cast(RUNNING.columns)


def schedule(connection: Connection, tenant: str, model: str) -> Schedule | None:
    """When the model's parked charges are tried again; None where none were ever."""
    row = connection.execute(_SCHEDULE, (tenant, model)).fetchone()
    return None if row is None else Schedule(*row)


def set_schedule(connection: Connection, tenant: str, model: str, planned: Schedule) -> None:
    """Keeps when the model's parked charges are tried again."""
    values = (tenant, model, planned.configuration, planned.attempts, planned.next_try_at)
    connection.execute(_SET_SCHEDULE, values)


def clear_schedule(connection: Connection, tenant: str, model: str) -> None:
    """Nothing is parked, so nothing is planned."""
    connection.execute("DELETE FROM rating.retry_schedule WHERE tenant = %s AND model = %s", (tenant, model))


@dataclass(frozen=True)
class Fetched:
    """A key's value as it is kept, or why there is none. `key`: its columns' values as JSON text."""

    key: str
    value: str | None
    why: str | None
    fetched_at: datetime


_GATHERED = """
    SELECT key::text, value, why, fetched_at FROM rating.fetched
    WHERE tenant = %s AND model = %s AND gathering = %s AND factor = %s
"""
_LATELY = """
    SELECT DISTINCT ON (key) key::text, value, why, fetched_at FROM rating.fetched
    WHERE tenant = %s AND model = %s AND factor = %s AND asked = %s AND fetched_at >= %s AND value IS NOT NULL
        AND key = ANY (%s::jsonb[])
    ORDER BY key, fetched_at DESC
"""
_KEEP_FETCHED = """
    INSERT INTO rating.fetched (tenant, model, gathering, factor, key, value, why, source, asked, fetched_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


def gathered(connection: Connection, tenant: str, model: str, gathering: str, factor: str) -> list[Fetched]:
    """What was fetched for a batch before, by a run that did not come to its commit."""
    return [Fetched(*row) for row in connection.execute(_GATHERED, (tenant, model, gathering, factor))]


def fetched_since(
    connection: Connection, tenant: str, model: str, factor: str, asked: str, since: datetime, keys: list[str]
) -> list[Fetched]:
    """The newest values of keys (JSON texts) that the same question was answered with since then."""
    return [Fetched(*row) for row in connection.execute(_LATELY, (tenant, model, factor, asked, since, keys))]


def keep_fetched(
    connection: Connection,
    tenant: str,
    model: str,
    gathering: str,
    factor: str,
    rows: list[Fetched],
    source: str,
    asked: str,
) -> None:
    """Keeps what was fetched for a batch, before its transaction."""
    head = (tenant, model, gathering, factor)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            _KEEP_FETCHED,
            [(*head, row.key, row.value, row.why, source, asked, row.fetched_at) for row in rows],
        )


def write_sources(
    connection: Connection, tenant: str, model: str, batch_no: int, tables: Mapping[str, str], gathering: str | None
) -> None:
    """Keeps what a batch's factors were read from: attached tables with their hashes, and what was gathered for it."""
    connection.execute(
        "INSERT INTO rating.batch_source (tenant, model, batch_no, tables, gathering) VALUES (%s, %s, %s, %s, %s)",
        (tenant, model, batch_no, json.dumps(tables, sort_keys=True), gathering),
    )
