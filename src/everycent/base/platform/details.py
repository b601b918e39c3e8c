"""Detail tables in two tiers that look like one: hot rows in PostgreSQL, bulk in the lake's Parquet files.

Which tier holds a batch's rows is decided by size and never shows in a result. What no committed part lists does not
exist. Digests and seals are defined in README.md, so that anybody can check them with plain SQL and sha256sum.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.tables import CORRECTED_KEY, Corrections, TableSchema
from everycent.base.platform.bulk import (
    copy_in,
    copy_into_engine,
    copy_into_file,
    copy_out,
    duckdb_type,
    path_of,
    uuid_array_text,
)
from everycent.base.platform.database import Connection
from everycent.base.platform.generations import effective_sql, generations

_NUMBERS = ("sequence_no", "generation")
#: Up to so many ids travel inside the statement, which uses the index; more go through a temporary table.
_LITERAL_IDS_MAX = 2_000
#: So many columns are read of all rows as fast as it is found out which files hold the rows that are wanted.
_FEW_COLUMNS = 3


class LakeFileMissing(Exception):
    """A file that a committed batch lists is not in the lake."""


@dataclass(frozen=True)
class Part:
    """One line of the manifest: a lake file of a batch, or a batch's hot rows of one table."""

    batch_no: int
    model_version: str
    kind: str
    path: str | None  # below the lake folder; None: hot rows

    @property
    def shape(self) -> tuple[str, str]:
        """Files of one kind and model version have one body type."""
        return (self.kind, self.model_version)


class Details:
    """The detail tables of one tenant."""

    def __init__(
        self,
        connection: Connection,
        lake_dir: Path,
        tenant: str,
        lake_from_rows: int = 50_000,
        seeing: int | None = None,
    ) -> None:
        self.seeing = seeing  # a generation that is being built and read as if it were effective
        self.connection = connection
        self.lake_dir = lake_dir
        self.tenant = tenant
        self.lake_from_rows = lake_from_rows  # tables of at least this many rows go to the lake

    def lookup(
        self,
        engine: LocalEngine,
        schema: TableSchema,
        model: str,
        column: str,
        ids: pa.Array | pa.ChunkedArray,
        columns: Sequence[str],
        body_type: pa.DataType | None = None,
        *,
        plain: bool = False,
        only: str = "true",
    ) -> pa.Table:
        """The rows whose `column` (a UUID) is among `ids`, of both tiers, ordered by the schema's key.

        Of rows made in order, the effective ones are among them, unless `plain` asks for the schema's own alone. Where
        a record's charge was corrected, what stands of it is the newest correction.
        `columns` are the schema's columns to fetch; the body among them needs its `body_type` (see attach). `only`: as
        attach takes it.
        Small requests use the index of the primary key; lake files are opened only where the manifest lists some.
        """
        asked = wanted = _columns(schema, columns, body_type)
        assert schema.columns.field(column).type == pa.uuid(), f"{schema.name}.{column} is no UUID"
        if len(ids) == 0:
            return wanted.empty_table()
        is_corrected = schema.corrections is not None and bool(self.parts(schema.corrected, model))
        if is_corrected:
            wanted = _columns(schema, _with(columns, _corrected_key(schema)), body_type)
        files, is_hot = self._places(schema, model)
        found = self._hot_among(schema, model, column, ids, wanted, only) if is_hot else wanted.empty_table()
        if len(wanted.names) > _FEW_COLUMNS or schema.body in wanted.names:
            files = self._holding(engine, column, ids, files, only)
        if files:
            among = self._lake_among(schema, column, wanted, files, only)
            lake = engine.query(among, wanted_ids=pa.table({"id": ids}))
            found = pa.concat_tables([found, lake.select(wanted.names).cast(wanted)])
        if is_corrected:
            found = self._corrected_among(engine, schema, model, column, ids, found, only).select(asked.names)
            wanted = asked
        if schema.in_order is not None and not plain:
            assert only == "true", f"{schema.name} and what was made in order have no condition in common"
            found = pa.concat_tables([found, self._ordered_among(engine, schema, model, column, ids, wanted)])
        order = [name for name in schema.key if name in wanted.names]
        if found.num_rows < 2 or not order:
            return found
        return engine.query(f"SELECT * FROM found ORDER BY {_list(order)}", found=found).cast(wanted)

    def attach(
        self,
        engine: LocalEngine,
        view_name: str,
        schema: TableSchema,
        model: str,
        *,
        kind: str | None = None,
        body_type: pa.DataType | None = None,
        columns: Sequence[str] | None = None,
        plain: bool = False,
        after_batch: int = 0,
        only: str = "true",
    ) -> None:
        """Makes `view_name` in the engine's DuckDB: all rows of both tiers, with columns `model` and `batch_no` behind.

        Of rows made in order, the effective ones are among them, unless `plain` asks for the schema's own alone; then
        `columns` may also name what only these have, which is NULL in the others.
        `kind` leaves out batches of other kinds unread. `columns` are the schema's columns to give, all without it; the
        body is given only with a `body_type`: a struct, whose fields are matched by name (NULL where a row has none),
        or string, which gives the body as JSON text with its keys in order.

        `after_batch`: parts of this batch and earlier ones are not read. `only`: a condition on columns of `columns`
        or batch_no in SQL that both engines understand; files whose least and largest values rule it out are not read
        either.
        """
        if self._attach_all(engine, view_name, schema, model, columns, after_batch, only, plain=plain):
            return
        self._attach_own(engine, view_name, schema, model, kind, body_type, columns, after_batch, only)

    def _attach_own(
        self,
        engine: LocalEngine,
        view_name: str,
        schema: TableSchema,
        model: str,
        kind: str | None,
        body_type: pa.DataType | None,
        columns: Sequence[str] | None,
        after_batch: int,
        only: str,
    ) -> None:
        """Makes the view of a schema's own rows."""
        names = [name for name in columns or schema.columns.names if name != schema.body or body_type is not None]
        wanted = _columns(schema, names, body_type)
        parts = [part for part in self.parts(schema, model, after_batch) if kind is None or part.kind == kind]
        files = [part for part in parts if part.path is not None]
        hot = self._hot_query(schema, model, wanted, kind is None and after_batch == 0, parts)
        hot = f"SELECT * FROM ({hot}) AS hot WHERE {only}" if only != "true" else hot
        shape = wanted.append(pa.field("batch_no", pa.int64()))
        if files and schema.body not in wanted.names:
            file = copy_into_file(self.connection, hot, shape, engine.temp_dir)
            engine.keep(view_name, file)
            scans = [self._lake_scan(schema, wanted, files, path_of(file))]
        else:
            table = identifier(f"{view_name}__hot")
            copy_into_engine(self.connection, hot, shape, engine.connection, table)
            scans = [f"FROM {table}", *self._lake_scans(schema, wanted, files)]
        given = f"{_list(wanted.names)}, {literal(model)} AS model, batch_no"
        selects = " UNION ALL ".join(f"SELECT {given} FROM ({scan}) WHERE {only}" for scan in scans)
        engine.connection.execute(f"CREATE OR REPLACE VIEW {identifier(view_name)} AS {selects}")

    def effective(self, model: str) -> str:
        """DuckDB's condition on `generation` and `sequence_no` of rows that stand."""
        return effective_sql(generations(self.connection, self.tenant, model), self.seeing)

    def _ordered_among(
        self, engine: LocalEngine, schema: TableSchema, model: str, column: str, ids: pa.Array, wanted: pa.Schema
    ) -> pa.Table:
        """The effective rows made in order."""
        numbered = [name for name in ("sequence_no", "generation") if name not in wanted.names]
        rows = self.lookup(engine, schema.ordered, model, column, ids, [*wanted.names, *numbered])
        if rows.num_rows == 0:
            return wanted.empty_table()
        standing = f"SELECT {_list(wanted.names)} FROM numbered WHERE {self.effective(model)}"
        return engine.query(standing, numbered=rows).cast(wanted)

    def _corrected_among(
        self,
        engine: LocalEngine,
        schema: TableSchema,
        model: str,
        column: str,
        ids: pa.Array,
        found: pa.Table,
        only: str,
    ) -> pa.Table:
        """`found`, with what the newest correction made in the place of what it took back."""
        own, key = schema.in_order is not None, _corrected_key(schema)
        made = _with(found.column_names, [*_NUMBERS, *CORRECTED_KEY])
        rows = self.lookup(engine, schema.corrected, model, column, ids, made, only=only)
        return engine.query(
            f"""
            WITH mine AS (
                SELECT * FROM rows WHERE {_slice(own=own)}
                QUALIFY revision = max(revision) OVER (PARTITION BY {_list(key)}))
            SELECT * FROM found ANTI JOIN mine USING ({_list(key)})
            UNION ALL SELECT {_list(found.column_names)} FROM mine WHERE NOT reverses
            """,
            rows=rows,
            found=found,
        ).cast(found.schema)

    def _attach_all(
        self,
        engine: LocalEngine,
        view_name: str,
        schema: TableSchema,
        model: str,
        columns: Sequence[str] | None,
        after_batch: int,
        only: str,
        *,
        plain: bool,
    ) -> bool:
        """Makes the view of a schema's own rows, the effective ones made in order and corrections; False where there
        are only its own."""
        names = list(columns or schema.columns.names)
        own = [name for name in names if name in schema.columns.names]
        is_corrected = schema.corrections is not None and bool(self.parts(schema.corrected, model))
        is_ordered = schema.in_order is not None and not plain
        is_ordered = is_ordered and (len(own) < len(names) or bool(self.parts(schema.ordered, model)))
        if not is_corrected and not is_ordered:
            return False
        base = identifier(f"{view_name}__own")
        known = _with(own, _corrected_key(schema)) if is_corrected else own
        self._attach_own(engine, f"{view_name}__own", schema, model, None, None, known, after_batch, only)
        selects = [f"SELECT {_given(names, own)}, model, batch_no FROM {base}"]
        if is_corrected:
            made = f"{view_name}__corrected"
            wanted = [name for name in names if name in schema.corrected.columns.names]
            self._attach_corrections(engine, made, schema, model, wanted, after_batch, only)
            if schema.corrections is Corrections.REPLACE:
                selects[0] += f" ANTI JOIN {identifier(made)} USING ({_list(_corrected_key(schema))})"
            selects.append(f"SELECT {_given(names, wanted)}, model, batch_no FROM {identifier(made)}")
        if is_ordered:
            assert after_batch == 0 and only == "true", f"{schema.name}: say which of its two tables is limited"
            known = schema.corrected.columns.names if is_corrected else schema.ordered.columns.names
            numbered = [name for name in names if name in known]
            self.attach(engine, f"{view_name}__ordered", schema.ordered, model, columns=_with(numbered, _NUMBERS))
            ordered = identifier(f"{view_name}__ordered")
            selects.append(
                f"SELECT {_given(names, numbered)}, model, batch_no FROM {ordered} WHERE {self.effective(model)}"
            )
        engine.connection.execute(f"CREATE OR REPLACE VIEW {identifier(view_name)} AS {' UNION ALL '.join(selects)}")
        return True

    def _attach_corrections(
        self,
        engine: LocalEngine,
        name: str,
        schema: TableSchema,
        model: str,
        columns: Sequence[str],
        after_batch: int,
        only: str,
    ) -> None:
        """Makes the table `name` of the corrections of a schema's own rows, the newest alone where they replace."""
        own = schema.in_order is not None
        every = _with(columns, ["record_id", "charge", *_NUMBERS, *CORRECTED_KEY])
        self._attach_own(engine, f"{name}_all", schema.corrected, model, None, None, every, after_batch, only)
        newest = ""
        if schema.corrections is Corrections.REPLACE:
            key = _list(["record_id", "charge", "generation"])
            newest = f" AND NOT reverses QUALIFY revision = max(revision) OVER (PARTITION BY {key})"
        engine.connection.execute(
            f"CREATE OR REPLACE TABLE {identifier(name)} AS SELECT * FROM {identifier(f'{name}_all')}"
            f" WHERE {_slice(own=own)}{newest}"
        )

    def parts(self, schema: TableSchema, model: str, after_batch: int = 0) -> list[Part]:
        """The committed parts of a table, in the order of commits; those of batches after `after_batch`."""
        rows = self.connection.execute(
            "SELECT p.batch_no, b.model_version, p.kind, p.path FROM platform.batch_part p JOIN platform.batch b"
            " USING (batch_no) WHERE p.table_name = %s AND b.tenant = %s AND b.model = %s AND p.batch_no > %s"
            " ORDER BY 1, p.part_no",
            (schema.name, self.tenant, model, after_batch),
        )
        return [Part(*row) for row in rows]

    def _places(self, schema: TableSchema, model: str) -> tuple[list[Part], bool]:
        """The files of a table in the order of commits, and whether it has hot rows: these may be of many batches."""
        rows = self.connection.execute(
            "WITH listed AS (SELECT p.batch_no, b.model_version, p.kind, p.path, p.part_no FROM platform.batch_part p"
            " JOIN platform.batch b USING (batch_no) WHERE p.table_name = %(table)s AND b.tenant = %(tenant)s"
            " AND b.model = %(model)s) SELECT * FROM ("
            " SELECT * FROM listed WHERE path IS NOT NULL UNION ALL (SELECT * FROM listed WHERE path IS NULL LIMIT 1)"
            ") AS places ORDER BY batch_no, part_no",
            {"table": schema.name, "tenant": self.tenant, "model": model},
        )
        parts = [Part(*row[:4]) for row in rows]
        files = [part for part in parts if part.path is not None]
        return files, len(files) < len(parts)

    def _holding(
        self, engine: LocalEngine, column: str, ids: pa.Array | pa.ChunkedArray, files: list[Part], only: str
    ) -> list[Part]:
        """The files that hold rows whose `column` is among `ids`. DuckDB reads all columns of rows that a join then
        leaves out, so it is worth looking at one column first: most files mostly hold none."""
        if not files:
            return []
        paths = ", ".join(literal(str(self.file_of(part))) for part in files)
        found = engine.query(
            f"SELECT DISTINCT CAST(file_index AS BIGINT) AS at FROM read_parquet([{paths}])"
            f" WHERE {identifier(column)} IN (SELECT id FROM wanted_ids) AND {only}",
            wanted_ids=pa.table({"id": ids}),
        )
        holding = set(found.column("at").to_pylist())
        return [part for at, part in enumerate(files) if at in holding]

    def file_of(self, part: Part) -> Path:
        """The part's file. Raises LakeFileMissing."""
        assert part.path is not None, "hot rows have no file"
        file = self.lake_dir / part.path
        if not file.is_file():
            raise LakeFileMissing(
                f"{file} is missing, batch {part.batch_no} lists it; restore it from a copy of the lake folder"
            )
        return file

    def _hot_query(self, schema: TableSchema, model: str, wanted: pa.Schema, whole: bool, parts: list[Part]) -> str:
        """The hot rows with their batch_no: the `whole` table's, or those of the batches in `parts`."""
        hot = [part.batch_no for part in parts if part.path is None]
        among = "" if whole else f" AND batch_no = ANY ('{{{','.join(map(str, hot))}}}'::bigint[])"
        none = "" if hot else " AND false"
        return f"SELECT {_hot_list(schema, wanted)}, batch_no {self._from(schema, model)}{among}{none}"

    def _hot_among(
        self,
        schema: TableSchema,
        model: str,
        column: str,
        ids: pa.Array,
        wanted: pa.Schema,
        only: str,
    ) -> pa.Table:
        query = f"SELECT {_hot_list(schema, wanted)} {self._from(schema, model)} AND {only}"
        if len(ids) <= _LITERAL_IDS_MAX:
            among = f"{identifier(column)} = ANY ({literal(uuid_array_text(ids))}::uuid[])"
            return copy_out(self.connection, f"{query} AND {among}", wanted)
        with self.connection.transaction():
            self.connection.execute("CREATE TEMP TABLE wanted_id (id uuid) ON COMMIT DROP")
            copy_in(self.connection, "pg_temp.wanted_id", pa.table({"id": ids}))
            # Fresh tables have no statistics; without them a nested loop over many ids may be chosen, and never ends.
            self.connection.execute("SET LOCAL enable_nestloop = off")
            found = copy_out(
                self.connection, f"{query} AND {identifier(column)} IN (SELECT id FROM pg_temp.wanted_id)", wanted
            )
            self.connection.execute("SET LOCAL enable_nestloop = on; DROP TABLE pg_temp.wanted_id")
            return found

    def _from(self, schema: TableSchema, model: str) -> str:
        return f"FROM {sql_name(schema)} WHERE tenant = {literal(self.tenant)} AND model = {literal(model)}"

    def _lake_among(self, schema: TableSchema, column: str, wanted: pa.Schema, files: list[Part], only: str) -> str:
        with_key = wanted if column in wanted.names else wanted.append(schema.columns.field(column))
        scans = " UNION ALL ".join(f"FROM ({scan})" for scan in self._lake_scans(schema, with_key, files))
        among = f"{identifier(column)} IN (SELECT id FROM wanted_ids)"
        return f"SELECT {_list(wanted.names)} FROM ({scans}) AS lake WHERE {among} AND {only}"

    def _lake_scans(self, schema: TableSchema, wanted: pa.Schema, files: list[Part]) -> list[str]:
        """One scan for each set of files of one body type; its batch_no comes from the file's place in the list."""
        shapes: dict[tuple[str, str], list[Part]] = {}
        for part in files:
            shapes.setdefault(part.shape if schema.body in wanted.names else ("", ""), []).append(part)
        return [self._lake_scan(schema, wanted, same) for same in shapes.values()]

    def _lake_scan(self, schema: TableSchema, wanted: pa.Schema, files: list[Part], hot: Path | None = None) -> str:
        """One scan of `files`, and of the file of the hot rows, which has its batch_no inside.

        One scan and not two with UNION ALL: over that, DuckDB 2.0 cannot aggregate more than fits into its memory.
        """
        paths = [str(self.file_of(part)) for part in files] + ([str(hot)] if hot else [])
        fields = [identifier(name) for name in wanted.names if name != schema.body]
        if schema.body is not None and schema.body in wanted.names:
            stored = pq.read_schema(self.file_of(files[0])).field(schema.body).type
            fields.append(
                f"{_body_sql(schema.body, stored, wanted.field(schema.body).type)} AS {identifier(schema.body)}"
            )
        numbers = ", ".join([*(str(part.batch_no) for part in files), "NULL"])
        number = f"([{numbers}]::BIGINT[])[CAST(file_index AS BIGINT) + 1]"
        fields.append(f"coalesce(batch_no, {number}) AS batch_no" if hot else f"{number} AS batch_no")
        by_name = ", union_by_name = true" if hot else ""
        return f"SELECT {', '.join(fields)} FROM read_parquet([{', '.join(map(literal, paths))}]{by_name})"


def sql_name(schema: TableSchema) -> str:
    """The quoted name of a schema's table in PostgreSQL."""
    context, _, table = schema.name.partition(".")
    return f"{identifier(context)}.{identifier(table)}"


def _corrected_key(schema: TableSchema) -> list[str]:
    """What the rows of a corrected charge have in common with its correction's."""
    return ["record_id", "charge"] if schema.in_order is not None else ["record_id", "charge", "generation"]


def _with(names: Sequence[str], more: Sequence[str]) -> list[str]:
    return [*names, *(name for name in more if name not in names)]


def _slice(*, own: bool) -> str:
    """The corrections of what arrival decided, or of what order did: these have a number."""
    return "sequence_no = 0" if own else "sequence_no > 0"


def _given(names: Sequence[str], known: Sequence[str]) -> str:
    """The columns `names`; those that are not `known` are NULL."""
    return ", ".join(identifier(name) if name in known else f"NULL AS {identifier(name)}" for name in names)


def _list(names: Sequence[str]) -> str:
    return ", ".join(identifier(name) for name in names)


def _columns(schema: TableSchema, names: Sequence[str], body_type: pa.DataType | None) -> pa.Schema:
    typed = schema.columns if body_type is None else schema.with_body(body_type)
    assert schema.body not in names or body_type is not None, f"{schema.name}: the body needs its body_type"
    return pa.schema([typed.field(name) for name in names])


def _hot_list(schema: TableSchema, wanted: pa.Schema) -> str:
    """The columns to select from PostgreSQL; jsonb as text keeps numbers as they were written."""
    return ", ".join(
        f"{_JSON_IN_ORDER.format(body=identifier(field.name))} AS {identifier(field.name)}"
        if field.name == schema.body and pa.types.is_string(field.type)
        else identifier(field.name)
        for field in wanted
    )


#: The fields of a jsonb as JSON text, by name.
_JSON_IN_ORDER = (
    "(SELECT '{{' || string_agg(to_json(key)::text || ':' || value::text, ',' ORDER BY key) || '}}'"
    " FROM jsonb_each({body}))"
)


def _body_sql(body: str, stored: pa.StructType, wanted: pa.DataType) -> str:
    """A body out of a file: as the struct that is wanted, or as JSON text with its keys in order."""
    if pa.types.is_struct(wanted):
        return f"{identifier(body)}::{duckdb_type(wanted)}"
    names = sorted(field.name for field in stored)
    fields = [
        f"{literal(json.dumps(name, ensure_ascii=False) + ':')}"
        f" || coalesce(to_json({identifier(body)}.{identifier(name)})::VARCHAR, 'null')"
        for name in names
    ]
    return "'{' || " + " || ',' || ".join(fields) + " || '}'"
