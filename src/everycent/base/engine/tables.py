"""Table schemas: the typed shape of every set of rows that crosses a border in the house.

A *detail table* holds rows in bulk (records, charges, obligations). Its rows travel as Arrow tables of exactly the
schema's columns, in the schema's order. Amounts are int64 minor units, ids are 128-bit UUIDs, times are UTC.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

UUID = pa.uuid()
UTC = pa.timestamp("us", tz="UTC")

#: What rows made in strict order have: their record's place in it, and the generation that they were made in.
NUMBERED = (pa.field("sequence_no", pa.int64(), nullable=False), pa.field("generation", pa.int32(), nullable=False))

#: What rows of a correction have: which correction of their record's charge they are of, 1, 2, 3 …, and whether they
#: take back what stood before it. Of rows that no order decided, `sequence_no` and `generation` are 0.
CORRECTED = (pa.field("revision", pa.int32(), nullable=False), pa.field("reverses", pa.bool_(), nullable=False))
CORRECTED_KEY = tuple(field.name for field in CORRECTED)


class Corrections(StrEnum):
    """What becomes of the rows of a charge that is corrected, for those who read all of the table."""

    REPLACE = "replace"  # the newest correction's rows stand in their place
    ADD = "add"  # they stay, with those that take them back and those of the correction: all of them add up


@dataclass(frozen=True)
class TableSchema:
    """The shape of one detail table.

    `name` is `<context>.<table>`, the PostgreSQL schema and table that hold its hot rows.
    `key` names the columns that identify a row within a tenant; rows are ordered by it wherever order shows.
    `body`, when set, names the one column whose type differs per record kind: a struct in Arrow and Parquet, jsonb in
    PostgreSQL.
    `in_order`, when set, names what rows that are made in strict order have beside `columns`. They stand in a table
    of their own, `ordered`, in generations; readers of this table see the effective ones among its rows.
    `corrections`, when set, says that a record's charge may be corrected, and what readers of the whole table then see.
    The corrections' rows stand in a table of their own, `corrected`.
    """

    name: str
    columns: pa.Schema
    key: tuple[str, ...]
    body: str | None = None
    in_order: tuple[pa.Field, ...] | None = None
    corrections: Corrections | None = None

    def __post_init__(self) -> None:
        missing = set(self.key) - set(self.columns.names)
        assert not missing, f"{self.name}: key columns {sorted(missing)} are not columns"

    @property
    def ordered(self) -> "TableSchema":
        """The table of the rows made in strict order: all generations, with `sequence_no` and `generation`."""
        assert self.in_order is not None, f"{self.name} has no rows that are made in order"
        context, _, table = self.name.partition(".")
        columns = pa.schema([*self.columns, *self.in_order, *NUMBERED])
        key = (*self.key, "generation", "sequence_no")
        return TableSchema(f"{context}.ordered_{table}", columns, key, corrections=self.corrections)

    @property
    def corrected(self) -> "TableSchema":
        """The table of the corrections' rows, those of rows made in order too, with `revision` and `reverses`."""
        assert self.corrections is not None, f"{self.name} has no corrections"
        context, _, table = self.name.partition(".")
        numbered = () if self.in_order is None else (*self.in_order, *NUMBERED)
        key = tuple(name for name in self.key if name not in ("generation", "sequence_no"))
        columns = pa.schema([*self.columns, *numbered, *CORRECTED])
        return TableSchema(f"{context}.corrected_{table.removeprefix('ordered_')}", columns, (*key, *CORRECTED_KEY))

    def with_body(self, body_type: pa.DataType) -> pa.Schema:
        """The schema's columns with the body's type filled in."""
        assert self.body is not None, f"{self.name} has no body"
        at = self.columns.get_field_index(self.body)
        return self.columns.set(at, pa.field(self.body, body_type))

    def empty(self, body_type: pa.DataType | None = None) -> pa.Table:
        """A table of no rows."""
        schema = self.columns if body_type is None else self.with_body(body_type)
        # Schema.empty_table() goes through Python lists, for which Arrow loads pandas where it is installed.
        return pa.Table.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)

    def check(self, table: pa.Table) -> pa.Table:
        """Returns `table` unchanged; asserts that it has exactly this schema's column names in order."""
        names: Iterable[str] = table.column_names
        assert list(names) == self.columns.names, f"{self.name}: got columns {list(names)}, want {self.columns.names}"
        return table
