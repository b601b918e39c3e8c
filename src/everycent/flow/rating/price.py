"""The words of a price: how an amount follows from a quantity or an amount. Part of rating's contract."""

import re
from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from everycent.base.engine.declaration import Declaration, FormulaText, Name, NumberText, Words

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def _not_negative(text: str) -> str:
    if NUMBER.fullmatch(text) and Fraction(text) < 0:
        raise ValueError(
            f"{text} is below 0; a price says what a positive value costs, a negative one costs its opposite"
        )
    return text


def _positive(text: str) -> str:
    if NUMBER.fullmatch(text) and Fraction(text) <= 0:
        raise ValueError(f"{text} is not above 0")
    return text


#: A formula that may not be a negative number.
Allowance = Annotated[FormulaText, AfterValidator(_not_negative)]
#: A formula that may not be a number of 0 or less.
Size = Annotated[FormulaText, AfterValidator(_positive)]


class FlatPrice(Declaration):
    """The same amount for each record."""

    amount: FormulaText = Field(description="the amount", examples=["2.00"])


class PercentagePrice(Declaration):
    """A share of an amount, never less than `minimum`, never more than `maximum`."""

    of: FormulaText = Field(description="the amount that the rate is taken of", examples=["price - coupon"])
    rate: FormulaText = Field(description="the share", examples=["0.05"])
    minimum: Allowance | None = Field(
        default=None, description="the least that it comes to, also of nothing", examples=["0.30"]
    )
    maximum: Allowance | None = Field(default=None, description="the most that it comes to", examples=["50"])

    @model_validator(mode="after")
    def _room(self) -> Self:
        low, high = self.minimum or "", self.maximum or ""
        if NUMBER.fullmatch(low) and NUMBER.fullmatch(high) and Fraction(low) > Fraction(high):
            raise ValueError(f"the minimum {low} is more than the maximum {high}")
        return self


class PerUnitPrice(Declaration):
    """A price for each unit beyond a free allowance."""

    quantity: FormulaText = Field(description="how many units", examples=["qty"])
    price: FormulaText = Field(description="what one unit costs", examples=["0.10"])
    free: Allowance | None = Field(
        default=None, description="so many units of each record cost nothing", examples=["100"]
    )


class PackagePrice(Declaration):
    """A price for each package that is begun."""

    quantity: FormulaText = Field(description="how many units", examples=["qty"])
    size: Size = Field(
        description="how many units a package holds; one that is begun costs its whole price", examples=["1000"]
    )
    price: FormulaText = Field(description="what one package costs", examples=["5.00"])
    free: Allowance | None = Field(
        default=None, description="so many units of each record cost nothing", examples=["100"]
    )


class TierSpec(Declaration):
    """One tier: what lies above the tier before it, up to and including `up_to`."""

    up_to: NumberText | None = Field(
        default=None, description="the last value of the tier; only the last tier has none", examples=["1000"]
    )
    rate: FormulaText | None = Field(default=None, description="a share of the amount", examples=["0.05"])
    price: FormulaText | None = Field(default=None, description="what one unit costs", examples=["0.10"])
    flat: FormulaText | None = Field(default=None, description="an amount for entering the tier", examples=["10"])

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.rate is not None and self.price is not None:
            raise ValueError("a tier has either a 'rate' (of an amount) or a 'price' (of a unit)")
        if self.rate is None and self.price is None and self.flat is None:
            raise ValueError("a tier says what it costs: 'rate', 'price' or 'flat' (price: 0 where it is free)")
        return self


class VolumePrice(Declaration):
    """The whole is priced by the tier that it falls in."""

    of: FormulaText | None = Field(default=None, description="a quantity or an amount", examples=["price"])
    over: Name | None = Field(
        default=None,
        description="an accumulator: the tiers run over its total, not over one record's value",
        examples=["sold_this_month"],
    )
    tiers: tuple[TierSpec, ...] = Field(min_length=1, description="the tiers, rising from 0")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        bounds = [tier.up_to for tier in self.tiers]
        if bounds[-1] is not None:
            raise ValueError(
                f"the last tier has no 'up_to', so that each value has a tier; here it ends at {bounds[-1]}"
            )
        known = [Fraction(0)]
        for place, bound in enumerate(bounds[:-1]):
            if bound is None:
                raise ValueError(f"tier {place + 1} has no 'up_to'; only the last one goes on without end")
            if Fraction(bound) <= known[-1]:
                raise ValueError(f"tier {place + 1} ends at {bound}, which is not above {known[-1]}; tiers rise from 0")
            known.append(Fraction(bound))
        return self

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if self.of is None:
            raise ValueError("'of' is missing here: the quantity or amount that is priced")
        if self.over is not None and any(tier.flat is not None for tier in self.tiers):
            raise ValueError("'flat' would be charged with each record; tiers 'over' a total have rates or prices")
        return self


class GraduatedPrice(VolumePrice):
    """Each slice is priced by its own tier."""

    from_: FormulaText | None = Field(
        default=None,
        alias="from",
        description="a running total before the record: the slice from there on is priced",
        examples=["sold_this_month"],
    )

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if (self.of is None) == (self.over is None):
            raise ValueError(
                "a graduated price has one value: 'of' (of each record), or 'over' (an accumulator's total, of which"
                " each record is charged the part that it adds)"
            )
        if self.over is not None and self.from_ is not None:
            raise ValueError("'over' knows the total before the record itself; leave 'from' out")
        return self


class RateCardPrice(Declaration):
    """A price looked up in an attached table, by columns of the record and the business date."""

    by: Words = Field(
        min_length=1,
        description="the record's columns that find the row; the table's key in that order",
        examples=[["category", "brand"]],
    )
    table: str = Field(description="an attached table's name, or a file beside the model", examples=["card.csv"])
    column: Name = Field(description="the table's column that holds the price or rate", examples=["per_item"])
    valid: tuple[str, str] | None = Field(
        default=None,
        description="the table's columns with the first day a row counts and the first day it no longer does",
        examples=[["valid_from", "valid_to"]],
    )
    of: FormulaText | None = Field(
        default=None, description="what it is multiplied with; the amount itself otherwise", examples=["qty"]
    )


class PriceSpec(Declaration):
    """One way to price a record. A negative value costs the opposite of what the positive one does."""

    flat: FlatPrice | None = Field(default=None, description="the same amount for each record")
    percentage: PercentagePrice | None = Field(
        default=None, description="a share of an amount, with a minimum and a maximum"
    )
    per_unit: PerUnitPrice | None = Field(default=None, description="a price for each unit")
    package: PackagePrice | None = Field(default=None, description="a price for each package that is begun")
    graduated: GraduatedPrice | None = Field(default=None, description="tiers; each slice by its own tier")
    volume: VolumePrice | None = Field(default=None, description="tiers; the whole by the tier that it falls in")
    rate_card: RateCardPrice | None = Field(default=None, description="a price looked up in a table")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if len(self.model_fields_set) != 1 or self.one is None:
            kinds = ", ".join(type(self).model_fields)
            raise ValueError(f"a price is of one kind; write one of {kinds}")
        return self

    @property
    def kind(self) -> str:
        """The kind's word."""
        return next(iter(self.model_fields_set))

    @property
    def one(self) -> Declaration | None:
        """The words of the one kind that is given."""
        given: Declaration | None = getattr(self, self.kind)
        return given


class ConvertSpec(Declaration):
    """From another currency into the charge's: with the rate of a named table, on a named date."""

    from_: str = Field(
        alias="from", description="the record's column that holds the currency's code, or a code", examples=["paid_in"]
    )
    rates: str = Field(description="an attached table's name, or a file beside the model", examples=["fx.csv"])
    direction: Literal["multiply", "divide"] = Field(
        description="multiply: a rate is what one unit of `from` is worth; divide: what one unit is worth in `from`"
    )
    rate: Name = Field(default="rate", description="the table's column that holds the rate: the side", examples=["mid"])
    currency: Name = Field(
        default="currency", description="the table's column that holds the other currency's code", examples=["code"]
    )
    on: Name | None = Field(
        default=None,
        description="the record's date or timestamp column; the business date otherwise",
        examples=["paid_at"],
    )
    dated: Name | None = Field(
        default=None, description="the table's date column, where rows have one date", examples=["day"]
    )
    find: Literal["latest", "exact"] = Field(
        default="latest", description="latest: the newest row on or before the date; exact: only that date's row"
    )
    valid: tuple[str, str] | None = Field(
        default=None,
        description="the table's columns with the first day a row counts and the first day it no longer does",
        examples=[["valid_from", "valid_to"]],
    )

    @model_validator(mode="after")
    def _one_dating(self) -> Self:
        if self.dated is not None and self.valid is not None:
            raise ValueError("rows have either one date ('dated') or a validity ('valid')")
        return self
