"""The words by which a model names a known format of bills, or declares a layout of its own."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, Discriminator, Field, Tag, model_validator

from everycent.base.engine.declaration import Called, Declaration, EncodingText, Name, Words


class SignSpec(Declaration):
    """Where an amount of a fixed-width line has its sign: the byte at a place."""

    at: int = Field(ge=1, description="the place of the sign, from 1", examples=["74"])
    minus: str = Field(default="-", description="the characters that make it negative", examples=["D"])
    plus: str = Field(default=" +", description="those that leave it positive; any other is refused", examples=["C"])


class FixedColumnSpec(Declaration):
    """A cell of a fixed-width line. Places and lengths count bytes of the file's encoding."""

    start: int = Field(ge=1, description="the place of its first byte, from 1", examples=["2"])
    length: int = Field(ge=1, description="how many bytes it has", examples=["8"])
    type: Literal["text", "amount"] = Field(
        default="text", description="text: blanks around it are taken off; amount: digits, given as a plain decimal"
    )
    decimals: int = Field(
        default=0,
        ge=0,
        le=6,
        description="how many of an amount's digits stand behind a point that is not written",
        examples=["2"],
    )
    sign: SignSpec | None = Field(default=None, description="where an amount's sign is, if not before its digits")


#: The column of a fixed-width file that says which record type a row is of.
RECORD_TYPE: Final = "record"


class FixedRecordSpec(Declaration):
    """A record type of a fixed-width file whose lines are rows."""

    prefix: str = Field(default="", description="what its lines begin with; every line, if not said", examples=["2"])
    columns: dict[Name, FixedColumnSpec] = Field(description="its cells")


class FixedControlSpec(Declaration):
    """A figure that a fixed-width file states of its rows: in a line with a prefix, or in a column of every row."""

    prefix: str | None = Field(default=None, description="what the line begins with that states it", examples=["7"])
    cell: FixedColumnSpec | None = Field(default=None, description="where in that line it stands")
    counts: Name | None = Field(default=None, description="the record type whose rows it counts", examples=["sale"])
    sums: Words = Field(default=(), description="the amount columns that add up to it", examples=["amount"])
    column: Name | None = Field(
        default=None, description="instead of a line: the amount column whose total it is", examples=["net"]
    )

    @model_validator(mode="after")
    def _one_place_one_meaning(self) -> Self:
        if (self.column is None) == (self.prefix is None) or (self.prefix is None) != (self.cell is None):
            raise ValueError("a control stands in a line ('prefix' and 'cell'), or in a 'column'")
        if (self.counts is None) == (not self.sums):
            raise ValueError("a control either 'counts' a record type or 'sums' columns")
        return self


class FixedWidthSpec(Declaration):
    """A fixed-width file: its record types by prefix, and what it states of itself."""

    encoding: EncodingText = Field(default="utf-8", description="the file's encoding", examples=["gbk"])
    records: dict[Name, FixedRecordSpec] = Field(min_length=1, description="the record types whose lines are rows")
    others: Words = Field(
        default=(), description="prefixes of lines that are no rows and state nothing", examples=[["1"]]
    )
    controls: dict[str, FixedControlSpec] = Field(
        default_factory=dict, description="the figures that its rows must give, by what they are called"
    )

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        amounts = {
            name
            for record in self.records.values()
            for name, column in record.columns.items()
            if column.type == "amount"
        }
        if any(RECORD_TYPE in record.columns for record in self.records.values()):
            raise ValueError(f"'{RECORD_TYPE}' is the column that says a row's record type; name yours otherwise")
        for told, control in self.controls.items():
            for name in (*control.sums, *(() if control.column is None else (control.column,))):
                if name not in amounts:
                    there = ", ".join(sorted(amounts)) or "none"
                    raise ValueError(f"control '{told}': '{name}' is no column of type amount; there are: {there}")
            if control.counts is not None and control.counts not in self.records:
                raise ValueError(f"control '{told}': there is no record type '{control.counts}'")
        return self


class JsonControlSpec(Declaration):
    """A figure that each object states of the rows in it."""

    at: str = Field(description="where the object states it, names joined by points", examples=["payment_total"])
    sums: Name = Field(description="the column that adds up to it", examples=["amount"])


class JsonSpec(Declaration):
    """A JSON file of objects within objects: which of them are rows, and where their cells stand."""

    encoding: EncodingText = Field(default="utf-8", description="the file's encoding", examples=["utf-16"])
    rows: str | None = Field(
        default=None,
        description="the list within each object whose members are rows, by its path; each object is one if left out",
        examples=["payments"],
    )
    columns: dict[Name, str] = Field(
        min_length=1,
        description="its cells: by name the path, names joined by points; within the list the path begins with it",
        examples=[{"shop": "source.location_id", "amount": "payments.amount"}],
    )
    controls: dict[str, JsonControlSpec] = Field(
        default_factory=dict, description="the figures that an object's rows must give, by what they are called"
    )

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        for told, control in self.controls.items():
            if control.sums not in self.columns:
                raise ValueError(
                    f"control '{told}': there is no column '{control.sums}'; there are: {', '.join(self.columns)}"
                )
        return self


class LayoutSpec(Declaration):
    """A format of bills that the model itself declares."""

    fixed_width: FixedWidthSpec | None = Field(
        default=None, description="a fixed-width file: record types by prefix, cells by place"
    )
    json_objects: JsonSpec | None = Field(
        default=None, description="a JSON file: which of its objects are rows, cells by path"
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.fixed_width is None) == (self.json_objects is None):
            raise ValueError("a layout is one of 'fixed_width' and 'json_objects'")
        return self


def _named_or_declared(value: object) -> str:
    return "[layout]" if isinstance(value, dict | LayoutSpec) else "[name]"


#: The name of a known format, or a layout of the model's own.
FormatWord = Annotated[
    Annotated[str, Called("format's name"), Tag("[name]")] | Annotated[LayoutSpec, Tag("[layout]")],
    Discriminator(_named_or_declared),
]

#: The word for a file that is a bill of a known format.
FORMAT: Final[Any] = Field(
    default=None,
    description="the known format of bills that the file is of, or a layout of its own; `from` then takes the "
    "format's columns, and it has an encoding of its own",
    examples=["wechat_bill"],
)


def refuse_words_beside_format(spec: BaseModel) -> None:
    """Raises ValueError where words describe a file that its format knows already, or controls of one without."""
    written = spec.model_fields_set
    if getattr(spec, "format", None) is None:
        if "controls" in written:
            raise ValueError("'controls' are what a bill states of itself: name its 'format', or take 'controls' away")
        return
    for word in ("encoding", "delimiter", "skip_lines", "sheet", "sql"):
        if word in written:
            raise ValueError(
                f"'{word}' says nothing beside 'format', which knows how its files are written: take it away"
            )
