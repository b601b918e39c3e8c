"""What intake gives to the rest of the house: records, the rows it set aside, and its part of the model's language."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, Protocol, Self

import pyarrow as pa
from pydantic import ConfigDict, Field, model_validator

from everycent.base.engine.declaration import (
    Declaration,
    DelimiterText,
    EncodingText,
    FormulaText,
    Name,
    NumberText,
    TypeText,
    Words,
    or_alone,
)
from everycent.base.engine.tables import UTC, UUID, TableSchema
from everycent.base.money.currency import Currency
from everycent.flow.intake.layouts import FORMAT as FORMAT
from everycent.flow.intake.layouts import FormatWord as FormatWord
from everycent.flow.intake.layouts import refuse_words_beside_format as refuse_words_beside_format

RECORD = TableSchema(
    name="intake.record",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),  # from (tenant, source, kind, key, revision)
            pa.field("kind", pa.string(), nullable=False),
            pa.field("key", pa.string(), nullable=False),  # the id columns as text, joined by "/"
            pa.field("occurred_at", UTC, nullable=False),  # business time
            pa.field("business_date", pa.date32(), nullable=False),  # of occurred_at, by time zone and day cut
            pa.field("booked_on", pa.date32(), nullable=False),  # accounting date: not before the first open day
            pa.field("refund_of", UUID),  # the record that this one refunds
            pa.field(
                "amount_minor", pa.int64()
            ),  # the model's `amount`: what refunds are measured against, or a refund's
            pa.field("content_hash", UUID, nullable=False),  # of the body's canonical text
            pa.field("source_file", pa.string(), nullable=False),
            pa.field("source_line", pa.int64(), nullable=False),  # 1-based line (row, where a file has no lines)
            pa.field("body", pa.struct([]), nullable=False),  # the kind's columns, then its tags; money is int64 minor
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

#: What is asked of storage for the candidates: who has the id already, and what the originals are worth.
KNOWN = pa.schema(
    [("record_id", UUID), ("content_hash", UUID), ("source_file", pa.string()), ("source_line", pa.int64())]
)
#: `currency` is null where the kind's records are all in the model's.
ORIGINALS = pa.schema(
    [("record_id", UUID), ("amount_minor", pa.int64()), ("refunded_minor", pa.int64()), ("currency", pa.string())]
)

#: Rows of a file that could not be split into cells at all.
MALFORMED = pa.schema(
    [
        pa.field("line", pa.int64(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("raw", pa.string(), nullable=False),  # the line as it came, cut off after 1,000 characters
    ]
)


class SourceError(Exception):
    """A file that cannot be read as declared. The message says which file, where in it, and what would be right."""


class EmptyFile(SourceError):
    """A file that holds nothing, not even the names of its columns."""


@dataclass(frozen=True)
class RawRows:
    """One shard of a file: its rows before anything is made of them.

    `table` holds the wanted columns in the order asked for: text, or native types where the format has them (Parquet).
    `lines` (int64) are the 1-based source lines of the table's rows, ascending. `malformed` is of schema MALFORMED.
    `file` is the file's name without its folder.
    """

    shard_no: int
    table: pa.Table
    lines: pa.Array
    malformed: pa.Table
    file: str = ""

    def __post_init__(self) -> None:
        assert self.table.num_rows == len(self.lines), "each row has its line"
        assert self.malformed.schema.equals(MALFORMED), f"malformed rows are {self.malformed.schema}"

    @property
    def rows_read(self) -> int:
        return int(self.table.num_rows + self.malformed.num_rows)


class Source(Protocol):
    """An open file, read shard by shard; the shards of one file are always the same for the same `rows_per_shard`."""

    path: Path

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns that the file has."""

    @property
    def content_hash(self) -> str:
        """SHA-256 of the file's bytes, in hex."""

    def count_rows(self) -> int:
        """Rows in the file, malformed ones included; costs at most one pass without parsing."""

    def shards(self, rows_per_shard: int, first: int = 0) -> Iterator[RawRows]:
        """The shards from number `first` on. A file without rows has one empty shard. Raises SourceError."""


@dataclass(frozen=True)
class Control:
    """A figure that a file states of itself (a trailer's total, a closing balance), and what its rows give instead.

    Both are decimal texts; a figure that the file misses, or writes so that it cannot be read, is told as it is found.
    `line` is where it is stated, 1-based, None where the format has no lines.
    """

    name: str
    stated: str
    found: str
    line: int | None

    @property
    def agrees(self) -> bool:
        """Whether the file tells the truth about itself; a figure that is no number never does."""
        try:
            return Decimal(self.stated) == Decimal(self.found)
        except InvalidOperation:
            return False


@dataclass(frozen=True)
class BillPart:
    """Some rows of a bill: `rows`, text columns as the format names them, null where the file has no value; `lines`
    (int64, 1-based, ascending), where each is; `malformed` of schema MALFORMED; and the figures stated since the part
    before, with what the rows up to here give."""

    rows: pa.Table
    lines: pa.Array
    malformed: pa.Table
    controls: tuple[Control, ...] = ()

    def __post_init__(self) -> None:
        assert self.rows.num_rows == len(self.lines), "each row has its line"
        assert self.malformed.schema.equals(MALFORMED), f"malformed rows are {self.malformed.schema}"


class BillFormat(Protocol):
    """A known format of bills, statements or settlement reports; an entry point of group `everycent.bill_formats`.

    Amounts are given as plain signed decimal texts in major units, money in as positive; times as ISO 8601, with their
    offset where the file has one; every other cell as the file has it, without what only the format puts around it.
    """

    @property
    def name(self) -> str:
        """The word that models and commands name it by."""

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that it can give, in order; the parts of one file have these."""

    def recognises(self, file: str, head: bytes) -> bool:
        """Whether a file of this name, with these first 64 KiB, is of this format; never true of two of ours."""

    def parse(self, path: Path, rows_per_part: int) -> Iterator[BillPart]:
        """The file's rows in its order, in parts of at most so many. A file without rows has one empty part. A row that
        cannot be read is malformed and does not end it; a file cut off says so as a control or as a malformed row.
        Raises SourceError where it is not of this format at all."""


@dataclass(frozen=True)
class StepContext:
    """What a business's own step is told beside the rows. `currency` is the model's. A record may have its own."""

    kind: str
    currency: Currency
    time_zone: str
    source_file: str


#: A business's own step, an entry point of group `everycent.intake_steps`: a pure function of (rows, context) to rows.
#: Rows have `source_line` and then the kind's columns, typed: money as int64 minor units, decimals as decimal128(18,n),
#: timestamps as the business's wall clock; null where there is no value, or none that could be read. It gives back the
#: same rows in the same order with the same columns and types; only values may differ. It runs after the columns are
#: adjusted and before the checks, once per shard; its rows must not depend on each other, since a shard is any cut.
Step = Callable[[pa.Table, StepContext], pa.Table]


class FileSpec(Protocol):
    """What a reader must know about a file: RecordSpec, TableSpec and the sides of a reconciliation have it."""

    @property
    def encoding(self) -> str: ...


class ColumnSpec(Declaration):
    """A column of records or of an attached table, and how a cell becomes its value; its type may stand alone."""

    model_config = ConfigDict(json_schema_extra=or_alone("type"))

    type: TypeText = Field(description="what the column holds; decimal(4) has four decimals", examples=["money"])
    sources: Words = Field(
        default=(),
        alias="from",
        description="the source's column, or table.column of an attached table; of several the first that is not "
        "empty; the column's own name otherwise",
        examples=["订单号", ["paid_at", "created_at"]],
    )
    required: bool = Field(
        default=True, description="no: the cell may be empty; a row without it is set aside otherwise"
    )
    default: str | None = Field(default=None, description="the value where the cell is empty", examples=["0.00"])
    trim: bool = Field(
        default=True, description="of text; yes: blanks and tabs around it are taken off; no: they are part of it"
    )
    min: NumberText | None = Field(default=None, description="a smaller number is set aside", examples=["0"])
    max: NumberText | None = Field(default=None, description="a larger number is set aside", examples=["100000"])
    allowed: tuple[str, ...] | None = Field(
        default=None, alias="in", description="the only values there may be", examples=[["paid", "refunded"]]
    )
    map: dict[str, str] | None = Field(
        default=None, description="source value -> our value, for example of a status", examples=[{"S": "settled"}]
    )
    unit: Literal["major", "minor"] = Field(
        default="major", description="of money; major: 12.34 is written so; minor: it is written 1234"
    )
    currency: str | None = Field(
        default=None,
        description="of money: its ISO 4217 code; otherwise it is in its record's currency, or in the model's",
        examples=["USD"],
    )
    sign: Literal["keep", "negate", "absolute"] = Field(
        default="keep",
        description="of a number; keep: as it is; negate: the other sign; absolute: without its sign",
    )
    format: str | None = Field(
        default=None,
        description="strptime format of a timestamp or date; ISO 8601 otherwise",
        examples=["%d/%m/%Y %H:%M"],
    )

    @model_validator(mode="before")
    @classmethod
    def _from_type_alone(cls, value: object) -> object:
        return {"type": value} if isinstance(value, str) else value


class TableSpec(Declaration):
    """An attached table: looked up by key, with validity dates where its rows change over time."""

    file: str | None = Field(
        default=None,
        description="CSV, Parquet, JSON lines or XLSX; beside the model, or among the run's files",
        examples=["commission_rates.csv"],
    )
    sql: str | None = Field(
        default=None, description="a SELECT against `database`", examples=["SELECT shop, rate FROM rates"]
    )
    database: str | None = Field(
        default=None,
        description="name of the environment variable that holds the database's URL",
        examples=["PRICES_DB"],
    )
    format: FormatWord | None = FORMAT
    encoding: EncodingText = Field(default="utf-8", description="the file's encoding", examples=["gbk"])
    key: Words = Field(default=(), description="the columns by which a row is found", examples=[["category"]])
    valid: tuple[str, str] | None = Field(
        default=None,
        description="the columns that hold the first day a row counts and the first day it no longer does",
        examples=[["valid_from", "valid_to"]],
    )
    dated: Name | None = Field(
        default=None,
        description="the one date column of rows that factors find by date; instead of `valid`",
        examples=["day"],
    )
    columns: dict[Name, ColumnSpec] = Field(description="the table's columns and what they hold")

    @model_validator(mode="after")
    def _words_of_the_file(self) -> Self:
        refuse_words_beside_format(self)
        return self

    @model_validator(mode="after")
    def _key_and_source(self) -> Self:
        if (self.file is None) == (self.sql is None):
            raise ValueError("an attached table has one source: write either 'file' or 'sql' with 'database'")
        for word, names in (
            ("key", self.key),
            ("valid", self.valid or ()),
            ("dated", (self.dated,) if self.dated else ()),
        ):
            for name in names:
                if name not in self.columns:
                    raise ValueError(f"'{name}' under '{word}' is not a column; there are {', '.join(self.columns)}")
        if self.valid is not None and self.dated is not None:
            raise ValueError("rows have either one date ('dated') or a validity ('valid')")
        return self


class RecordSpec(Declaration):
    """A record kind: where its rows come from, how they are read, checked and identified."""

    file: Words = Field(
        default=(),
        description="the names of the files that hold this kind; where none is given, KIND.*",
        examples=["orders*.csv"],
    )
    format: FormatWord | None = FORMAT
    controls: Literal["refuse", "report"] = Field(
        default="refuse",
        description="where a figure that a bill states of itself is not what its rows give; refuse: the file is not "
        "taken in; report: it is, and the run tells the figure",
    )
    encoding: EncodingText = Field(default="utf-8", description="the file's encoding", examples=["gbk"])
    delimiter: DelimiterText = Field(default=",", description="what stands between the cells of a line", examples=[";"])
    sheet: str | None = Field(
        default=None, description="the sheet of a workbook; its first otherwise", examples=["March"]
    )
    when: FormulaText | None = Field(
        default=None,
        description="which rows of the file are of this kind; the others are not read",
        examples=["status = 'delivered'"],
    )
    id: Words = Field(description="the columns that name one record for ever", examples=[["order_id", "line_no"]])
    occurred_at: Name = Field(description="the column with the business time", examples=["delivered_at"])
    currency: Name | None = Field(
        default=None,
        description="the column with the code of the currency that the record's money is in; its `in` lists the codes",
        examples=["paid_in"],
    )
    columns: dict[Name, ColumnSpec] = Field(description="the kind's columns and what they hold; others are not read")
    tags: dict[Name, FormulaText] = Field(
        default_factory=dict,
        description="named values computed from the columns",
        examples=[{"paid": "price - coupon"}],
    )
    check: dict[str, FormulaText] = Field(
        default_factory=dict,
        description="what must be true of a row; its name is the reason",
        examples=[{"coupon within price": "coupon between 0 and price"}],
    )
    steps: Words = Field(
        default=(),
        description="a business's own steps, by entry point name (everycent.intake_steps)",
        examples=["clean_shop_names"],
    )
    amount: FormulaText | None = Field(
        default=None, description="what the record is worth; refunds are measured against it", examples=["price"]
    )
    refunds: Name | None = Field(
        default=None, description="the record kind that this one refunds", examples=["item_delivered"]
    )
    of: Words = Field(
        default=(),
        description="this kind's columns that give the id of the refunded record",
        examples=[["order_id", "line_no"]],
    )

    @model_validator(mode="after")
    def _words_of_the_file(self) -> Self:
        refuse_words_beside_format(self)
        return self

    @property
    def currency_codes(self) -> tuple[str, ...]:
        """The codes that the currency column may hold; none where the records are in the model's currency."""
        column = self.columns.get(self.currency or "")
        return () if column is None else column.allowed or ()


#: What money is in that follows its record's own currency; other money is in the one of a code.
RECORDS_OWN = "the record's currency"


@dataclass(frozen=True)
class RecordMoney:
    """What the money of one kind's records is in.

    `column` holds each record's currency, one of `currencies`; without one there is only the model's. `of` says for
    each column and tag that is money: a code, or RECORDS_OWN.
    """

    column: str | None
    currencies: tuple[Currency, ...]
    of: Mapping[str, str]
