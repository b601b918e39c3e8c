"""The words of factors that depend on what came before, in the model's strict order. Part of rating's contract."""

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from everycent.base.engine.declaration import Declaration, FormulaText, Name, Words
from everycent.base.money.rounding import Rounding
from everycent.base.money.span import Span


class RefundsTotal(StrEnum):
    """What a refund does to a running total that its original was added to."""

    ORIGINAL_PERIOD = "original_period"  # takes the refunded part out of the total that the original went into
    OWN_PERIOD = "own_period"  # takes it out of the total of the period in which it is refunded
    KEEP = "keep"  # nothing


class AccumulatorSpec(Declaration):
    """A running total of what records add, one for each value of `per` and each period."""

    add: dict[Name, FormulaText] = Field(
        min_length=1,
        description="record kind -> what each of its records adds; 0 for one that only asks for the total",
        examples=[{"item_delivered": "price"}],
    )
    per: Words = Field(
        default=(), description="columns of the record; each value has a total of its own", examples=["seller"]
    )
    period: Span = Field(
        default=Span.NONE,
        description="how long a total lasts, by business date: day, week (Monday to Sunday), month, quarter or year; "
        "none: for ever",
    )
    counts: Literal["before", "including"] = Field(
        default="before", description="before: the total without this record; including: with it"
    )
    refunds: RefundsTotal = Field(
        default=RefundsTotal.ORIGINAL_PERIOD,
        description="original_period: the refunded part is taken out of the total that the original was added to; "
        "own_period: out of the total of the period of the refund; keep: of none",
    )

    @property
    def kinds(self) -> tuple[str, ...]:
        """The record kinds that it is asked by."""
        return tuple(self.add)


class LotSpec(Declaration):
    """Goods that come in."""

    quantity: FormulaText = Field(description="how many units, a whole number; 0 or more", examples=["units"])
    cost: FormulaText = Field(description="what they cost together; 0 or more", examples=["paid"])


class MovingAverageSpec(Declaration):
    """What goods that go out cost: their part of the stock's value, by the moving weighted average of what came in."""

    in_: dict[Name, LotSpec] = Field(min_length=1, alias="in", description="record kind -> what its records bring in")
    out: dict[Name, FormulaText] = Field(
        min_length=1,
        description="record kind -> how many units its records take out, a whole number; 0 or more",
        examples=[{"item_delivered": "quantity"}],
    )
    per: Words = Field(min_length=1, description="the record's columns that name the article", examples=["sku"])
    round: Rounding = Field(
        default=Rounding.HALF_UP, description="what goes out, to the minor unit: half_up, half_even, down or up"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        both = [kind for kind in self.in_ if kind in self.out]
        if both:
            raise ValueError(f"'{both[0]}' stands under 'in' and 'out'; goods of one record go one way")
        return self

    @property
    def kinds(self) -> tuple[str, ...]:
        """The record kinds that it is asked by."""
        return tuple(dict.fromkeys((*self.in_, *self.out)))
