"""Attached tables: a file beside the model or among a run's files, or a query of a database, with declared types.

An attached table must be clean: one cell that cannot be read, or a key that finds two rows, refuses the whole table.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.csv

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.base.engine.types import Column
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import Currency
from everycent.flow.intake.bills.source import refuse_disagreeing
from everycent.flow.intake.contract import MALFORMED, RawRows, SourceError, TableSpec
from everycent.flow.intake.core.identity import canonical_sql, content_hash_sql
from everycent.flow.intake.core.plan import Field
from everycent.flow.intake.readers.columns import check_columns
from everycent.flow.intake.readers.opening import open_source
from everycent.flow.intake.readers.typed import columns_to_read, declared_fields, judge_cells

#: An attached table is held in memory; more rows than this are a record kind, not a table.
ROWS_MAX = 10_000_000


@dataclass(frozen=True)
class Attached:
    """`rows` have the declared columns, typed, ordered by key and validity. `content_hash` is SHA-256 in hex: of the
    file's bytes, or of what a query gave."""

    rows: pa.Table
    content_hash: str


def load_table(
    name: str,
    spec: TableSpec,
    path: Path | None,
    currency: Currency,
    calendar: BusinessCalendar,
    engine: LocalEngine,
    environment: Mapping[str, str] = os.environ,
) -> Attached:
    """Reads the table `name` from `path`, or by its `sql`. Raises SourceError, or IntakeRefused for its declaration."""
    fields = declared_fields(("tables", name, "columns"), spec.columns, currency, calendar)
    content_hash = None
    if spec.sql is not None:
        rows = _query(name, spec, environment, [cell.column for field in fields for cell in field.cells])
    else:
        if path is None:
            raise SourceError(
                f"table '{name}' needs the file {spec.file}; put it beside the model or give it to the run"
            )
        source = open_source(
            path, spec, columns_to_read(fields, required=True), columns_to_read(fields, required=False)
        )
        refuse_disagreeing(source)
        if source.count_rows() > ROWS_MAX:
            raise SourceError(
                f"{path.name} has more than {ROWS_MAX:,} rows; that is too many for an attached table: "
                f"declare it as records"
            )
        rows = next(source.shards(ROWS_MAX))
        content_hash = source.content_hash
    typed = _typed(name, fields, rows, engine)
    _check_keys(name, spec, fields, typed, rows.file, engine)
    table = _sorted(spec, fields, typed, engine)
    return Attached(table, content_hash or _content_hash(fields, table, engine))


def _query(name: str, spec: TableSpec, environment: Mapping[str, str], wanted: list[str]) -> RawRows:
    """What the table's SELECT gives, as text, in a transaction that cannot write."""
    assert spec.sql is not None, "only a table with a query is queried"
    if spec.database is None or not environment.get(spec.database):
        variable = spec.database or "that `database` names"
        raise SourceError(f"table '{name}': set the environment variable {variable} to the database's URL")
    try:
        with psycopg.connect(environment[spec.database], options="-c default_transaction_read_only=on") as connection:
            connection.execute("SET DateStyle = 'ISO'; SET TimeZone = 'UTC'")
            query = psycopg.sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(
                psycopg.sql.SQL(spec.sql.strip().rstrip(";"))
            )
            with connection.cursor().copy(query) as copy:
                data = b"".join(copy)
    except psycopg.Error as error:
        raise SourceError(f"table '{name}': the database {spec.database} refused its sql: {error}") from None
    names = pa.csv.open_csv(pa.BufferReader(data)).schema.names
    options = pa.csv.ConvertOptions(column_types={column: pa.string() for column in names}, strings_can_be_null=False)
    table = pa.csv.read_csv(
        pa.BufferReader(data), convert_options=options, parse_options=pa.csv.ParseOptions(newlines_in_values=True)
    )
    check_columns(Path(f"the sql of table '{name}'"), names, wanted)
    lines = pa.array(range(1, table.num_rows + 1), pa.int64())
    return RawRows(0, table, lines, MALFORMED.empty_table(), f"the sql of table '{name}'")


def _typed(name: str, fields: tuple[Field, ...], rows: RawRows, engine: LocalEngine) -> pa.Table:
    """line, v0, v1 ... Raises SourceError for the first row that is not clean."""
    if rows.malformed.num_rows:
        first = rows.malformed.slice(0, 1).to_pylist()[0]
        raise SourceError(f"{rows.file}, line {first['line']}: {first['reason']}")
    typed = judge_cells(("tables", name, "columns"), fields, rows, engine)
    wrong = engine.query("SELECT line, fault FROM typed WHERE fault IS NOT NULL ORDER BY line LIMIT 1", typed=typed)
    if wrong.num_rows:
        first = wrong.to_pylist()[0]
        raise SourceError(f"{rows.file}, line {first['line']}: {first['fault']}; an attached table must be clean")
    return typed


def _check_keys(
    name: str, spec: TableSpec, fields: tuple[Field, ...], typed: pa.Table, file: str, engine: LocalEngine
) -> None:
    """Each key finds one row; where rows are valid for a time, one row at any time. Raises SourceError."""
    if not spec.key:
        return
    columns = {field.reader.name: field.column for field in fields}
    keys = [columns[key] for key in (*spec.key, *((spec.dated,) if spec.dated else ()))]
    by = ", ".join(key.sql for key in keys)
    shown = " || ', ' || ".join(f"'{key.name} ' || {canonical_sql(key.type, key.sql)}" for key in keys)
    nobody = " OR ".join(f"{key.sql} IS NULL" for key in keys)
    _refuse(
        engine,
        typed,
        f"SELECT line, NULL, '{name}' FROM typed WHERE {nobody}",
        "{file}, line {0}: a part of the key is missing",
        file,
    )
    if spec.valid is None:
        twice = f"SELECT min(line), max(line), {shown} FROM typed GROUP BY {by} HAVING count(*) > 1"
        _refuse(
            engine,
            typed,
            twice,
            "{file}: lines {0} and {1} have the same key, {2}; keep one, or say with 'valid' when each holds",
            file,
        )
        return
    since, until = (columns[word].sql for word in spec.valid)
    backwards = f"SELECT line, NULL, {shown} FROM typed WHERE {since} >= {until}"
    _refuse(
        engine,
        typed,
        backwards,
        "{file}, line {0}: it ends before it begins ({2}); valid_to is the first day after",
        file,
    )
    order = f"PARTITION BY {by} ORDER BY {since} NULLS FIRST, line"
    overlapping = f"""
        SELECT lag(line) OVER (w), line, {shown} FROM typed
        WINDOW w AS ({order})
        QUALIFY row_number() OVER (w) > 1
            AND ({since} IS NULL OR lag({until}) OVER (w) IS NULL OR lag({until}) OVER (w) > {since})
    """
    _refuse(
        engine,
        typed,
        overlapping,
        "{file}: lines {0} and {1} hold at the same time for {2}; end one where the other begins",
        file,
    )


def _refuse(engine: LocalEngine, typed: pa.Table, sql: str, message: str, file: str) -> None:
    """Raises SourceError for the first row of `sql`: two lines and the key."""
    first = engine.query(f"SELECT * FROM ({sql}) AS wrong(a, b, c) ORDER BY a, b LIMIT 1", typed=typed).to_pylist()
    if first:
        raise SourceError(message.format(first[0]["a"], first[0]["b"], first[0]["c"], file=file))


def _sorted(spec: TableSpec, fields: tuple[Field, ...], typed: pa.Table, engine: LocalEngine) -> pa.Table:
    columns = {field.reader.name: field.column for field in fields}
    order = [columns[name].sql for name in (*spec.key, *(spec.valid or (spec.dated,))[:1]) if name is not None] + [
        "line"
    ]
    named = ", ".join(f"{column.sql} AS {identifier(name)}" for name, column in columns.items())
    by = ", ".join(f"{sql} NULLS FIRST" for sql in order)
    schema = pa.schema([(name, column.type.arrow) for name, column in columns.items()])
    return engine.query(f"SELECT {named} FROM typed ORDER BY {by}", typed=typed).cast(schema)


def _content_hash(fields: tuple[Field, ...], table: pa.Table, engine: LocalEngine) -> str:
    named = {field.reader.name: field.reader.name for field in fields}
    columns = {
        name: Column(name, field.reader.type, identifier(name)) for name, field in zip(named, fields, strict=True)
    }
    hashes = engine.query(
        f"SELECT CAST({content_hash_sql(columns)} AS VARCHAR) AS hash FROM attached ORDER BY 1", attached=table
    )
    return hashlib.sha256("\n".join(hashes.column("hash").to_pylist()).encode()).hexdigest()
