"""What intake gives to the rest of the house: records, the rows it set aside, and its part of the model's language."""

from typing import Literal

import pyarrow as pa
from pydantic import Field, model_validator

from everycent.base.engine.declaration import Declaration, FormulaText, Name, NumberText, Words
from everycent.base.engine.tables import UTC, UUID, TableSchema

RECORD = TableSchema(
    name="intake.record",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),  # from (tenant, source, kind, key, revision)
            pa.field("kind", pa.string(), nullable=False),
            pa.field("key", pa.string(), nullable=False),  # the id columns as text, joined by "/"
            pa.field("occurred_at", UTC, nullable=False),  # business time
            pa.field("business_date", pa.date32(), nullable=False),  # of occurred_at, by time zone and day cut
            pa.field("booked_on", pa.date32(), nullable=False),  # accounting date: business_date, moved on by the day cut
            pa.field("refund_of", UUID),  # the record that this one refunds
            pa.field("amount_minor", pa.int64()),  # the model's `amount`: a refund's amount, or what refunds are measured against
            pa.field("content_hash", UUID, nullable=False),  # of the body's canonical text
            pa.field("source_file", pa.string(), nullable=False),
            pa.field("source_line", pa.int64(), nullable=False),  # 1-based line (row, where a file has no lines)
            pa.field("body", pa.struct([]), nullable=False),  # the kind's own columns: money as <name>, int64 minor units
        ]
    ),
    key=("record_id",),
    body="body",
)

QUARANTINE = TableSchema(
    name="intake.quarantine",
    columns=pa.schema(
        [
            pa.field("source_file", pa.string(), nullable=False),
            pa.field("source_line", pa.int64(), nullable=False),
            pa.field("outcome", pa.string(), nullable=False),  # duplicate | conflict | quarantined
            pa.field("reason", pa.string(), nullable=False),  # what, where, what would be right
            pa.field("kind", pa.string()),
            pa.field("key", pa.string()),
            pa.field("record_id", UUID),
            pa.field("raw", pa.string(), nullable=False),  # the row as it came, as a JSON object or the raw line
        ]
    ),
    key=("source_file", "source_line", "outcome"),
)


class ColumnSpec(Declaration):
    """A column of a record kind or of an attached table, and how a source's cell becomes its value."""

    type: str = Field(pattern=r"^(text|integer|decimal(\(\d{1,2}\))?|money|boolean|timestamp|date)$")
    source: str | None = Field(default=None, alias="from", description="the source's column, or table.column of an attached table")
    required: bool = True
    default: str | None = None
    min: NumberText | None = None
    max: NumberText | None = None
    allowed: tuple[str, ...] | None = Field(default=None, alias="in")
    map: dict[str, str] | None = Field(default=None, description="source value -> our value, for example of a status")
    unit: Literal["major", "minor"] = Field(default="major", description="money only: 12.34, or 1234 in minor units")
    sign: Literal["keep", "negate", "absolute"] = "keep"
    format: str | None = Field(default=None, description="strptime format of a timestamp or date; ISO 8601 otherwise")

    @model_validator(mode="before")
    @classmethod
    def _from_type_alone(cls, value: object) -> object:
        return {"type": value} if isinstance(value, str) else value


class TableSpec(Declaration):
    """An attached table: looked up by key, with validity dates where its rows change over time."""

    file: str | None = Field(default=None, description="CSV, Parquet, JSON lines or XLSX; beside the model, or among the run's files")
    sql: str | None = Field(default=None, description="a SELECT against `database`")
    database: str | None = Field(default=None, description="name of the environment variable that holds the database's URL")
    encoding: str = "utf-8"
    key: Words = ()
    valid: tuple[str, str] | None = Field(default=None, description="columns valid_from (inclusive) and valid_to (exclusive)")
    columns: dict[Name, ColumnSpec]


class RecordSpec(Declaration):
    """A record kind: where its rows come from, how they are read, checked and identified."""

    file: Words = Field(default=(), description="file name patterns (*.csv) that hold this kind")
    encoding: str = "utf-8"
    delimiter: str = ","
    sheet: str | None = None
    when: FormulaText | None = Field(default=None, description="which rows of the file are of this kind; the others are not read")
    id: Words
    occurred_at: Name
    columns: dict[Name, ColumnSpec]
    tags: dict[Name, FormulaText] = Field(default_factory=dict, description="named values computed from the columns")
    check: dict[str, FormulaText] = Field(default_factory=dict, description="what must be true of a row; its name is the reason")
    steps: Words = Field(default=(), description="a business's own steps, by entry point name (everycent.intake_steps)")
    amount: FormulaText | None = Field(default=None, description="what the record is worth; refunds are measured against it")
    refunds: Name | None = Field(default=None, description="the record kind that this one refunds")
    of: Words = Field(default=(), description="this kind's columns that give the id of the refunded record")
