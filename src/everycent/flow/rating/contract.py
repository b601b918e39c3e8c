"""What rating gives to the rest of the house: charges, held charges, and the factor values they were computed from."""

from typing import Annotated, Self

import pyarrow as pa
from pydantic import Field, model_validator

from everycent.base.engine.declaration import Declaration, FormulaText, Name, ScalarText, Words, Written
from everycent.base.engine.formula import Position
from everycent.base.engine.tables import UUID, TableSchema
from everycent.base.money.rounding import Rounding

CHARGE = TableSchema(
    name="rating.charge",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),
            pa.field("charge", pa.string(), nullable=False),  # the charge's name in the model
            pa.field("rule", pa.string(), nullable=False),  # the rule that matched; the charge's name where it has one
            pa.field("amount_minor", pa.int64(), nullable=False),  # signed; a refund's is negative to its original's
            pa.field("currency", pa.string(), nullable=False),
            pa.field("debtor", pa.string()),  # party id; null where bearers carry it (apportioned)
            pa.field("creditor", pa.string()),  # party id
            pa.field("booked_on", pa.date32(), nullable=False),
            pa.field("refund_of", UUID),  # the record whose charge this one gives back
        ]
    ),
    key=("record_id", "charge"),
)

HELD = TableSchema(
    name="rating.held_charge",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),
            pa.field("charge", pa.string(), nullable=False),
            pa.field("state", pa.string(), nullable=False),  # held (a factor is missing, no rule) | quarantined
            pa.field("reason", pa.string(), nullable=False),
        ]
    ),
    key=("record_id", "charge"),
)

SNAPSHOT = TableSchema(
    name="rating.snapshot",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),
            pa.field("body", pa.struct([]), nullable=False),  # factor name -> the value used, frozen
        ]
    ),
    key=("record_id",),
    body="body",
)


#: The charge's name in a held row that is about the whole record.
WHOLE_RECORD = "*"


class RatingRefused(Exception):
    """A model whose charges or factors cannot be computed. The message says what is wrong and what would be right.

    `path` leads to the word in the model (`charges`, `commission`, `rules`, 1, `amount`), `position` into its formula.
    """

    def __init__(self, message: str, path: tuple[str | int, ...], position: Position | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.position = position


class AmbiguousFactor(Exception):
    """An attached table has two rows for one key at one time, so that a factor would have two values."""


#: A factor's type: what formulas can compute with.
FactorType = Annotated[
    str,
    Written(
        r"^(text|integer|decimal(\(([0-9]|1[0-8])\))?|money|boolean)$",
        "text, integer, decimal(0) to decimal(18), money or boolean",
        ("text", "integer", "decimal", "money", "boolean"),
    ),
]


class FactorSpec(Declaration):
    """A named value that formulas use: a constant, or looked up by key in an attached table, frozen when rated."""

    constant: ScalarText | None = None
    table: str | None = Field(default=None, description="an attached table's name, or a file beside the model")
    column: Name | None = Field(
        default=None, description="the table's column that holds the value; the factor's name otherwise"
    )
    key: Words = Field(
        default=(), description="the record's columns that find the row; the table's key columns in the same order"
    )
    valid: tuple[str, str] | None = Field(default=None, description="the table's columns valid_from and valid_to")
    type: FactorType | None = None
    unit: str | None = None
    meaning: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.constant is None) == (self.table is None):
            raise ValueError("a factor has one source: write either 'constant' or 'table'")
        return self


class RuleSpec(Declaration):
    """One way to compute a charge; the first that matches, by falling priority and then as declared, is used."""

    name: str | None = None
    when: FormulaText | None = None
    priority: int = 0
    amount: FormulaText


class RatedChargeSpec(Declaration):
    """A charge as rating sees it: which records cause it, what it amounts to, between whom."""

    for_: Words = Field(alias="for", description="the record kinds that cause it")
    enabled: bool = Field(default=True, description="no switches the charge off")
    when: FormulaText | None = Field(
        default=None, description="records for which this is not true do not have the charge"
    )
    amount: FormulaText | None = None
    rules: tuple[RuleSpec, ...] = ()
    round: Rounding = Rounding.HALF_UP
    debtor: Name | None = Field(
        default=None, description="the party role that owes it; bearers owe it where it is apportioned"
    )
    creditor: Name = Field(description="the party role that it is owed to")
    legal_entity: str | None = Field(default=None, description="who settles it; the operator otherwise")

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.amount is None) == (not self.rules):
            raise ValueError("a charge has one way to its amount: write either 'amount' or 'rules'")
        return self
