"""The canonical dump: the same facts give the same bytes, whatever the tier, the clock and the number of tries.

One line for each row, `schema.table<TAB>{"column":value,...}`, tables by name, rows in the order of their primary key.
Left out: clocks and tries, seals (they are functions of their row), sealed numbers (each has its own nonce), how a
batch's rows were cut into parts and stored, how far the last ordered pass need not look back, sums that are kept so
that it need not, the ledger's seals (of posting numbers and clocks), and the jobs that led to runs of reconciliations.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.tables import TableSchema
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details

#: Columns that differ between two runs over the same facts.
LEFT_OUT = (
    "recorded_at", "committed_at", "started_at", "finished_at", "next_try_at", "fetched_at", "attempts", "seal",
    "found_at", "moved_at", "due_at", "delivered_at",
    "arrived_no", "checked_at", "checks", "posting_no", "sealed", "job_no",
)  # fmt: skip
_NOT_FACTS = (
    "platform.batch_part", "platform.migrated", "platform.revision", "platform.kept_sum", "clearing.frontier",
    "clearing.accumulator", "rating.standing_total", "ledger.seal",
    "recon.pending", "recon.pace", "recon.event_count", "recon.cleared",
    "recon.job", "recon.job_step", "recon.schedule", "recon.arriving_file",
)  # fmt: skip
#: JSON text holds no control characters, so with these as quote and delimiter COPY gives the lines as they are.
_RAW = r"(FORMAT csv, QUOTE E'\x01', DELIMITER E'\x02')"


class Sink(Protocol):
    """What takes the dump: an open binary file, or a hash by way of `update`."""

    def write(self, chunk: bytes, /) -> object:
        """Takes the next bytes."""


def dump(
    connection: Connection, details: Details, engine: LocalEngine, schemas: Sequence[TableSchema], out: Sink
) -> None:
    """Writes all tables of all our PostgreSQL schemas to `out`; `schemas` are the detail tables among them.

    Detail rows of all tenants and models are merged from both tiers; `details` lends its lake and its connection.
    """
    by_name = {schema.name: schema for schema in schemas}
    for name in _tables(connection):
        if name in by_name:
            _dump_details(details, engine, by_name[name], out)
        elif name not in _NOT_FACTS:
            _dump_table(connection, name, out)


def _tables(connection: Connection) -> list[str]:
    """All tables of ours, by name."""
    rows = connection.execute(
        "SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_'"
        " AND n.nspname NOT IN ('information_schema', 'public') ORDER BY 1"
    )
    return [str(name) for (name,) in rows]


def _dump_table(connection: Connection, name: str, out: Sink) -> None:
    quoted = ".".join(map(identifier, name.split(".")))
    left_out = ", ".join(map(literal, LEFT_OUT))
    order = ", ".join(_primary_key(connection, quoted)) or "to_jsonb(t)::text"
    line = f"{literal(name)} || E'\\t' || (to_jsonb(t) - ARRAY[{left_out}])::text"
    with connection.cursor().copy(
        f"COPY (SELECT {line} FROM {quoted} AS t ORDER BY {order}) TO STDOUT {_RAW}"
    ) as lines:
        for chunk in lines:
            out.write(bytes(chunk))


def _primary_key(connection: Connection, quoted: str) -> list[str]:
    rows = connection.execute(
        "SELECT a.attname FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
        " WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY k.place",
        (quoted,),
    )
    return [f"t.{identifier(name)}" for (name,) in rows]


def _dump_details(details: Details, engine: LocalEngine, schema: TableSchema, out: Sink) -> None:
    """The rows of both tiers, rendered by DuckDB alike; a body as JSON with its keys in order."""
    body = None if schema.body is None else pa.string()
    owners = details.connection.execute("SELECT DISTINCT tenant, model FROM platform.batch ORDER BY 1, 2").fetchall()
    for tenant, model in owners:
        Details(details.connection, details.lake_dir, tenant).attach(
            engine, "everycent_dump", schema, model, body_type=body, plain=True
        )
        fields = [f"'\"tenant\":' || to_json({literal(tenant)})", "'\"model\":' || to_json(model)"]
        fields += [f"'\"{name}\":' || {_rendered(name, schema)}" for name in [*schema.columns.names, "batch_no"]]
        row = " || ',' || ".join(fields)
        line = f"{literal(schema.name)} || chr(9) || '{{' || {row} || '}}' || chr(10)"
        # Rows with one key may be in several batches (rows set aside, by file and line), and in one: an obligation
        # that stands in a closed statement, and what adjusts it.
        order = [*schema.key, "batch_no"]
        lines = f"SELECT {line} AS line, {', '.join(map(identifier, order))} FROM everycent_dump"
        order.append("line")
        for batch in engine.ordered(lines, order):
            _write_texts(batch.column(0), out)


def _rendered(name: str, schema: TableSchema) -> str:
    quoted = identifier(name)
    return quoted if name == schema.body else f"coalesce(to_json({quoted})::VARCHAR, 'null')"


def _write_texts(texts: pa.Array, out: Sink) -> None:
    """All texts one after another, without taking them apart."""
    offsets, data = pa.py_buffer(texts.buffers()[1]), texts.buffers()[2]
    if len(texts):
        places = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
        out.write(bytes(memoryview(data)[places[0] : places[-1]]))
