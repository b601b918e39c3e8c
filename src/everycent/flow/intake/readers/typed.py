"""Rows with declared types and nothing more: attached tables, and the sides of a reconciliation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import Currency
from everycent.flow.intake.bills.source import controls_of
from everycent.flow.intake.contract import ColumnSpec, Control, FileSpec, RawRows
from everycent.flow.intake.core.limits import limit_cases
from everycent.flow.intake.core.plan import Cell, Field, cell_reader
from everycent.flow.intake.core.reading import cells_sql
from everycent.flow.intake.readers.opening import open_source

_REFUSED = pa.schema([("source_file", pa.string()), ("source_line", pa.int64()), ("reason", pa.string())])


@dataclass(frozen=True)
class TypedRows:
    """`rows`: source_file, source_line and the declared columns, typed; `refused`: source_file, source_line, reason."""

    rows: pa.Table
    refused: pa.Table


def read_rows(
    word: tuple[str, ...],
    columns: Mapping[str, ColumnSpec],
    path: Path,
    spec: FileSpec,
    currency: Currency,
    calendar: BusinessCalendar,
    engine: LocalEngine,
    rows_per_part: int,
) -> Iterator[TypedRows]:
    """The rows of a file, part by part; `word` leads to `columns` in the model. Raises SourceError, or IntakeRefused
    for its words.

    A row with a cell that has no value, though it has a text or needs one, is refused with its reason; none is lost.
    """
    fields = declared_fields(word, columns, currency, calendar)
    source = open_source(path, spec, columns_to_read(fields, required=True), columns_to_read(fields, required=False))
    for shard in source.shards(rows_per_part):
        yield typed_rows(word, fields, shard, engine)


def typed_rows(word: tuple[str, ...], fields: tuple[Field, ...], shard: RawRows, engine: LocalEngine) -> TypedRows:
    """One shard's rows with their declared types; `word` leads to the columns in the model."""
    named = ", ".join(f"{field.column.sql} AS {identifier(field.reader.name)}" for field in fields)
    judged = judge_cells(word, fields, shard, engine)
    file = f"{literal(shard.file)} AS source_file"
    rows = engine.query(
        f"SELECT {file}, line AS source_line, {named} FROM judged WHERE fault IS NULL ORDER BY line", judged=judged
    )
    wrong = f"""
        SELECT {file}, line AS source_line, fault AS reason FROM (
            SELECT line, fault FROM judged WHERE fault IS NOT NULL UNION ALL SELECT line, reason FROM malformed
        ) ORDER BY line
    """
    refused = engine.query(wrong, judged=judged, malformed=shard.malformed).cast(_REFUSED)
    assert rows.num_rows + refused.num_rows == shard.rows_read, "a row was lost"
    return TypedRows(rows, refused)


def check_file(
    word: tuple[str, ...],
    columns: Mapping[str, ColumnSpec],
    path: Path,
    spec: FileSpec,
    currency: Currency,
    calendar: BusinessCalendar,
) -> tuple[Control, ...]:
    """Reads a file through once without keeping anything but the figures that it states of itself. Raises what
    read_rows would."""
    fields = declared_fields(word, columns, currency, calendar)
    source = open_source(path, spec, columns_to_read(fields, required=True), columns_to_read(fields, required=False))
    source.count_rows()
    return controls_of(source)


def declared_fields(
    word: tuple[str, ...], columns: Mapping[str, ColumnSpec], currency: Currency, calendar: BusinessCalendar
) -> tuple[Field, ...]:
    """The columns as they are read from a file, without look-ups; `word` leads to them in the model."""
    return tuple(
        Field(
            at,
            cell_reader((*word, column), column, declared, currency, calendar),
            tuple(Cell(source) for source in declared.sources or (column,)),
        )
        for at, (column, declared) in enumerate(columns.items())
    )


def columns_to_read(fields: tuple[Field, ...], *, required: bool) -> tuple[str, ...]:
    """The file's columns that must be there, or those that may be."""
    needed = {cell.column for field in fields if field.reader.spec.required for cell in field.cells}
    all_of_them = dict.fromkeys(cell.column for field in fields for cell in field.cells)
    return tuple(column for column in all_of_them if (column in needed) == required)


def judge_cells(word: tuple[str, ...], fields: tuple[Field, ...], rows: RawRows, engine: LocalEngine) -> pa.Table:
    """line, v0, v1 ..., and `fault`: why the row is not clean, NULL where it is. Ordered by line."""
    cases = ["WHEN unread IS NOT NULL THEN unread"]
    for field in fields:
        reader, value = field.reader, field.column.sql
        if reader.spec.required:
            cases.append(f"WHEN {value} IS NULL THEN {literal(reader.name + ' is missing')}")
        cases += limit_cases(reader, value, (*word, reader.name))
    sources = tuple(rows.table.column_names)
    numbered = rows.table.rename_columns([f"c{at}" for at in range(len(sources))]).append_column("line", rows.lines)
    typed_sql = cells_sql(fields, sources, "SELECT * FROM rows")
    return engine.query(
        f"SELECT *, CASE {' '.join(cases)} END AS fault FROM ({typed_sql}) ORDER BY line", rows=numbered
    )
