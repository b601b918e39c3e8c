"""What clearing gives to the rest of the house: obligations."""

from enum import StrEnum
from typing import Literal, Self

import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from everycent.base.engine.declaration import Declaration, Name
from everycent.base.engine.tables import UUID, TableSchema
from everycent.base.money.allotment import RemainderPolicy
from everycent.flow.rating.contract import RatedChargeSpec

OBLIGATION = TableSchema(
    name="clearing.obligation",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),
            pa.field("charge", pa.string(), nullable=False),
            pa.field("bearer", pa.int16(), nullable=False),  # place in the declared bearers; 0 where not apportioned
            pa.field("debtor", pa.string(), nullable=False),
            pa.field("creditor", pa.string(), nullable=False),
            pa.field("amount_minor", pa.int64(), nullable=False),  # signed: a refund's is negative
            pa.field("currency", pa.string(), nullable=False),
            pa.field("legal_entity", pa.string(), nullable=False),
            pa.field("booked_on", pa.date32(), nullable=False),
            pa.field("refund_of", UUID),
            pa.field("debtor_statement", pa.string()),  # null: the operator's own books; filled in by settlement
            pa.field("creditor_statement", pa.string()),
        ]
    ),
    key=("record_id", "charge", "bearer"),
)


class OnRefund(StrEnum):
    """What a refund of a record does to one of its charges."""

    PRORATE = "prorate"  # given back in the proportion refunded so far, cumulatively
    RETURN = "return"  # given back whole with the first refund, however small
    KEEP = "keep"  # never given back


class BearerSpec(Declaration):
    """One bearer's weight, and how its share is split again among parties (second level)."""

    weight: int = Field(ge=0)
    among: dict[Name, int] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_weight_alone(cls, value: object) -> object:
        return {"weight": value} if isinstance(value, str | int) else value


class ApportionSpec(Declaration):
    """Who carries a charge, in which shares."""

    by: Literal["ratio"] = "ratio"
    bearers: dict[Name, BearerSpec] = Field(min_length=1, description="party role -> weight; a label where `among` splits it")
    odd_cent: RemainderPolicy = RemainderPolicy.LARGEST_REMAINDER

    @field_validator("bearers")
    @classmethod
    def _some_weight(cls, bearers: dict[str, BearerSpec]) -> dict[str, BearerSpec]:
        if sum(bearer.weight for bearer in bearers.values()) <= 0:
            raise ValueError("the weights add up to nothing; give at least one bearer a weight above 0")
        return bearers


class ChargeSpec(RatedChargeSpec):
    """A charge as clearing sees it: also who bears it and what a refund does to it."""

    apportion: ApportionSpec | None = None
    on_refund: OnRefund = OnRefund.PRORATE

    @model_validator(mode="after")
    def _one_debtor(self) -> Self:
        if (self.debtor is None) == (self.apportion is None):
            raise ValueError("a charge is owed either by its 'debtor' or by the bearers under 'apportion'")
        return self
