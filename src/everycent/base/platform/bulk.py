"""Bulk transfer between Arrow and PostgreSQL by COPY, set-wise both ways.

CSV is the carrier: NULL is an empty field, an empty string is a quoted one. UUIDs travel as 32 hex digits, a struct as
JSON (for jsonb), times in UTC.
"""

import atexit
import binascii
import io
import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import duckdb
import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.database import Connection, failure

_CHUNK_ROWS = 65_536
_BLOCK_BYTES = 4 * 1024 * 1024
_PART_BYTES = 4 * 1024 * 1024  # of text that is held at once
_COMING = "everycent_coming"
_WRITE = pacsv.WriteOptions(include_header=False, quoting_style="all_valid")


class UnstorableText(Exception):
    """A text holds a NUL character, which PostgreSQL cannot store; the message names the table and the column."""


def copy_in(
    connection: Connection, table: str, rows: pa.Table, constants: Mapping[str, str | int | None] | None = None
) -> int:
    """Copies `rows` into `table` (quoted already, e.g. `"rating"."charge"`), by column name; returns the rows copied.

    `constants` are further columns with one value in all rows. Raises UnstorableText.
    """
    constants = constants or {}
    names = [*rows.column_names, *constants]
    assert len(set(names)) == len(names), f"{table}: a column is named twice in {names}"
    columns = ", ".join(identifier(name) for name in names)
    with connection.cursor().copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT csv)") as copy:
        for chunk in _csv_chunks(table, rows, constants):
            copy.write(chunk)
    return int(rows.num_rows)


def copy_out(connection: Connection, query: str, schema: pa.Schema) -> pa.Table:
    """The rows of `query`, a SELECT without parameters, as an Arrow table of `schema`.

    The query's columns come in the schema's order; uuid and jsonb are taken as they are (a struct type for jsonb).
    """
    with closing(copy_parts(connection, query, schema)) as coming:
        parts = list(coming)
    return parts[0] if len(parts) == 1 else pa.concat_tables([schema.empty_table(), *parts])


def copy_into_engine(
    connection: Connection,
    query: str,
    schema: pa.Schema,
    engine: duckdb.DuckDBPyConnection,
    table: str,
    kept_as: Mapping[pa.DataType, str] | None = None,
) -> None:
    """The rows of `query`, as copy_out gives them, as the engine's `table` (quoted already), made anew.

    They come in parts, and the engine keeps them on disk where they are too many for its memory. `kept_as`: types of
    the engine for columns of these types, in the place of the usual ones.
    """
    empty_in_engine(schema, engine, table, kept_as)
    with closing(copy_parts(connection, query, schema)) as parts:
        for part in parts:
            engine.register(_COMING, part)
            try:
                engine.execute(f"INSERT INTO {table} FROM {_COMING}")
            finally:
                engine.unregister(_COMING)


def empty_in_engine(
    schema: pa.Schema, engine: duckdb.DuckDBPyConnection, table: str, kept_as: Mapping[pa.DataType, str] | None = None
) -> None:
    """The engine's `table` as copy_into_engine makes it of no rows."""
    types = kept_as or {}
    columns = [f"{identifier(field.name)} {types.get(field.type) or duckdb_type(field.type)}" for field in schema]
    engine.execute(f"CREATE OR REPLACE TABLE {table} ({', '.join(columns)})")


def copy_into_file(connection: Connection, query: str, schema: pa.Schema, folder: Path) -> IO[bytes]:
    """The rows of `query`, as copy_out gives them, as a Parquet file without a name: gone when closed, or by a kill.

    `path_of` says where it can be read meanwhile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = TemporaryFile(dir=folder)  # noqa: SIM115  the caller closes it
    with closing(copy_parts(connection, query, schema)) as parts, pq.ParquetWriter(file, schema) as rows:
        for part in parts:
            rows.write_table(part)
    file.flush()
    return file


def path_of(file: IO[bytes]) -> Path:
    """A path by which this process can open a file without a name."""
    return Path(f"/proc/self/fd/{file.fileno()}")


def copy_parts(connection: Connection, query: str, schema: pa.Schema) -> Generator[pa.Table, None, None]:
    """As copy_out, in order, some rows at a time. The connection is taken until the generator ends or is closed."""
    given = ", ".join(f"c{at}" for at in range(len(schema)))
    fields = ", ".join(_as_text(f"c{at}", field.type) for at, field in enumerate(schema))
    copy = f"COPY (SELECT {fields} FROM ({query}) AS given({given})) TO STDOUT (FORMAT csv)"
    with connection.lock:
        server = connection.pgconn
        begun = server.exec_(copy.encode())
        if begun.status != ExecStatus.COPY_OUT:
            raise failure(server, begun)
        try:
            for text in _blocks(server):
                yield _table_from_csv(text, schema)
        except BaseException:
            if server.status == ConnStatus.OK:  # nobody takes the other rows
                server.get_cancel().cancel()
                while server.get_copy_data(0)[0] > 0:
                    pass
                _last_result(server)
            raise
        ended = _last_result(server)
    if ended is None:
        raise psycopg.OperationalError("the connection broke while rows were copied")
    if ended.status != ExecStatus.COMMAND_OK:
        raise failure(server, ended)


def _blocks(server: PGconn) -> Iterator[bytes]:
    """What a COPY sends, whole rows in each block. libpq's own loop: psycopg's costs four times as much."""
    lines: list[bytes] = []
    size, read, keep = 0, server.get_copy_data, lines.append
    while (got := read(0))[0] > 0:
        keep(bytes(got[1]))
        size += got[0]
        if size >= _PART_BYTES:
            yield b"".join(lines)
            lines.clear()
            size = 0
    if lines:
        yield b"".join(lines)


def _last_result(server: PGconn) -> PGresult | None:
    """How a command ended; after that the next may begin. None where nothing is left to say: the connection broke."""
    last = server.get_result()
    while server.get_result() is not None:
        pass
    return last


def json_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each struct of `column` as the text of a JSON object; decimals as exact numbers, times as text."""
    given = pa.table({"body": column})
    return _duckdb().from_arrow(given).project("to_json(body)::VARCHAR AS body").to_arrow_table().column(0)


def struct_of(column: pa.ChunkedArray, struct: pa.DataType) -> pa.ChunkedArray:
    """The inverse of json_of: each JSON text of `column`, which has all its fields, as a struct of exactly this type.

    Not by json_extract: that takes numbers through DOUBLE, and 9208081978.490809 loses its last digit.
    """
    assert pa.types.is_struct(struct), f"{struct} is not a struct"
    structure = literal(json.dumps({field.name: duckdb_type(field.type) for field in struct}, ensure_ascii=False))
    given = _duckdb().from_arrow(pa.table({"body": column}))
    return given.project(f"from_json_strict(body, {structure}) AS body").to_arrow_table().column(0).cast(struct)


@cache
def duckdb_type(kind: pa.DataType) -> str:
    """An Arrow type as DuckDB spells it."""
    return str(_duckdb().from_arrow(pa.schema([("value", kind)]).empty_table()).types[0])


def uuid_array_text(ids: pa.Array | pa.ChunkedArray) -> str:
    """UUIDs as the text of a PostgreSQL array."""
    return "{" + ",".join(_hex_of(ids).to_pylist()) + "}"


@cache
def _duckdb_root() -> duckdb.DuckDBPyConnection:
    root = duckdb.connect()
    atexit.register(root.close)
    atexit.register(_duckdb_root.cache_clear)
    root.execute("SET threads = 1; SET arrow_lossless_conversion = true; SET TimeZone = 'UTC'")
    return root


def _duckdb() -> duckdb.DuckDBPyConnection:
    """A cursor of this module's own DuckDB: JSON only, no tables."""
    return _duckdb_root().cursor()


def _csv_chunks(table: str, rows: pa.Table, constants: Mapping[str, str | int | None]) -> Iterator[pa.Buffer]:
    for start in range(0, rows.num_rows, _CHUNK_ROWS):
        chunk = rows.slice(start, _CHUNK_ROWS)
        plain = {name: _plain(table, name, chunk.column(name)) for name in chunk.column_names}
        for name, value in constants.items():
            plain[name] = pa.repeat(pa.scalar(value), chunk.num_rows)
        out = pa.BufferOutputStream()
        pacsv.write_csv(pa.table(plain), out, _WRITE)
        yield out.getvalue()


def _plain(table: str, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray | pa.Array:
    """`column` in a type that CSV can carry; refuses NUL characters."""
    kind = column.type
    if kind == pa.uuid():
        return _hex_of(column)
    if pa.types.is_struct(kind):
        text = json_of(column)
        return _without_nul(table, name, text, "\\u0000")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _without_nul(table, name, column, "\x00")
    return column


def _without_nul(table: str, name: str, text: pa.ChunkedArray, nul: str) -> pa.ChunkedArray:
    found = pc.match_substring(text, nul)
    if pc.any(found).as_py() and (nul == "\x00" or _holds_escaped_nul(text.filter(found))):
        row = pc.index(found, True).as_py()
        raise UnstorableText(
            f"{table}, column '{name}', row {row + 1} of the batch holds a NUL character (U+0000), which a database "
            "cannot store as text; remove it from the source"
        )
    return text


def _holds_escaped_nul(texts: pa.ChunkedArray) -> bool:
    r"""True where \u0000 is an escape, not a backslash (\\) followed by the letters u0000."""
    return bool(pc.any(pc.match_substring_regex(texts, r"(^|[^\\])(\\\\)*\\u0000")).as_py())


def _hex_of(column: pa.ChunkedArray) -> pa.Array:
    """UUIDs as 32 hex digits each, in one pass over the whole buffer."""
    storage = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if isinstance(storage, pa.ChunkedArray):
        storage = pa.chunked_array(storage.chunks).combine_chunks()
    fixed = storage.storage
    count = len(fixed)
    raw = fixed.buffers()[1]
    data = b"" if raw is None else memoryview(raw)[fixed.offset * 16 : (fixed.offset + count) * 16]
    digits = pa.py_buffer(binascii.hexlify(data))
    offsets = pa.py_buffer(np.arange(0, 32 * count + 1, 32, dtype=np.int32))
    text = pa.StringArray.from_buffers(count, offsets, digits)
    return text if fixed.null_count == 0 else pc.if_else(fixed.is_valid(), text, pa.scalar(None, pa.string()))


def _as_text(name: str, kind: pa.DataType) -> str:
    """The SQL that renders a column for the CSV reader."""
    if kind == pa.uuid():
        return f"replace({name}::text, '-', '')"
    if pa.types.is_timestamp(kind):
        zone = " AT TIME ZONE 'UTC'" if kind.tz is not None else ""
        return f"({name}{zone})"
    if pa.types.is_struct(kind):  # an older row may lack a field: it is NULL there
        lacking = json.dumps(dict.fromkeys(field.name for field in kind), ensure_ascii=False)
        return f"({literal(lacking)}::jsonb || {name})"
    return name


def _table_from_csv(text: bytes, schema: pa.Schema) -> pa.Table:
    names = [f"c{at}" for at in range(len(schema))]
    table = pacsv.read_csv(
        io.BytesIO(text),
        read_options=pacsv.ReadOptions(column_names=names, use_threads=False, block_size=max(_BLOCK_BYTES, 1)),
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types=dict(zip(names, map(_carried, schema.types), strict=True)),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
        ),
    )
    columns = [_restored(column, kind) for column, kind in zip(table.columns, schema.types, strict=True)]
    return pa.Table.from_arrays(columns, schema=schema)


def _carried(kind: pa.DataType) -> pa.DataType:
    """The type that the CSV reader gives a column before it is restored."""
    if kind == pa.uuid() or pa.types.is_struct(kind):
        return pa.string()
    if pa.types.is_timestamp(kind):
        return pa.timestamp(kind.unit)
    return kind


def _restored(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | pa.Array:
    if kind == pa.uuid():
        return uuids_from_hex(column)
    if pa.types.is_struct(kind):
        return struct_of(column, kind)
    return column.cast(kind) if column.type != kind else column


def uuids_from_hex(column: pa.ChunkedArray) -> pa.Array:
    """The inverse of the hex digits: one pass over all of them."""
    filled = pc.fill_null(column, "0" * 32)
    joined = "".join(_values(filled.chunks))
    raw = binascii.unhexlify(joined)
    assert len(raw) == 16 * len(column), "a UUID has 32 hex digits"
    mask = None if column.null_count == 0 else pc.is_null(column).combine_chunks()
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(column), [None, pa.py_buffer(raw)])
    if mask is not None:
        fixed = pc.if_else(mask, pa.scalar(None, pa.binary(16)), fixed)
    return pa.ExtensionArray.from_storage(pa.uuid(), fixed)


def _values(chunks: Iterable[pa.StringArray]) -> Iterator[str]:
    """The characters of each chunk, as one text."""
    for chunk in chunks:
        if len(chunk):
            offsets = np.frombuffer(chunk.buffers()[1], np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
            yield bytes(memoryview(chunk.buffers()[2])[offsets[0] : offsets[-1]]).decode("ascii")
