"""All SQL of rating: which held charges wait, and when they are tried again. Callers own the transaction."""

from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.flow.rating.contract import HELD, RETRY, RETRY_SNAPSHOT, SNAPSHOT, parked_sql

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


def attach_parked(details: Details, engine: LocalEngine, model: str, view: str) -> None:
    """Makes `view` in the engine: record_id, charge, state, reason of the held charges that still wait."""
    held, retries = f"{view}_held", f"{view}_retry"
    details.attach(engine, held, HELD, model, plain=True)  # what order decided is not tried again
    details.attach(engine, retries, RETRY, model)
    sql = parked_sql(identifier(held), identifier(retries))
    engine.connection.execute(f"CREATE OR REPLACE VIEW {identifier(view)} AS {sql}")


def attempts(details: Details, engine: LocalEngine, model: str, record_ids: pa.ChunkedArray) -> pa.Table:
    """ATTEMPTS of the records that were rated again."""
    rows = details.lookup(engine, RETRY, model, "record_id", record_ids, ["record_id", "attempt"])
    return engine.query("SELECT record_id, max(attempt) AS attempt FROM rows GROUP BY ALL", rows=rows).cast(ATTEMPTS)


def snapshots(
    details: Details, engine: LocalEngine, model: str, record_ids: pa.ChunkedArray, body: pa.DataType
) -> pa.Table:
    """record_id, attempt and body of what was looked up for the records so far, as `body`'s fields; 1: on arrival."""
    first = details.lookup(engine, SNAPSHOT, model, "record_id", record_ids, SNAPSHOT.columns.names, body)
    later = details.lookup(engine, RETRY_SNAPSHOT, model, "record_id", record_ids, RETRY_SNAPSHOT.columns.names, body)
    arrival = pa.repeat(pa.scalar(1, pa.int32()), first.num_rows)
    return pa.concat_tables([first.add_column(1, RETRY_SNAPSHOT.columns.field("attempt"), arrival), later])


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
