"""What clearing gives to the rest of the house: obligations."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Self

import pyarrow as pa
from pydantic import ConfigDict, Field, field_validator, model_validator

from everycent.base.engine.declaration import Declaration, Name, or_alone
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


@dataclass(frozen=True)
class Cleared:
    """What clearing made of a batch: CHARGE, OBLIGATION and HELD rows, in the records' order.

    `charges` are those that stand: the batch's own without what had to be held, or what its refunds give back.
    """

    charges: pa.Table
    obligations: pa.Table
    held: pa.Table


#: What was given back of an original's obligation by refunds so far, in the original's sign.
REFUNDED = pa.schema(
    [
        pa.field("refund_of", UUID, nullable=False),
        pa.field("charge", pa.string(), nullable=False),
        pa.field("bearer", pa.int16(), nullable=False),
        pa.field("refunded_minor", pa.int64(), nullable=False),
    ]
)

#: A record that refunds refer to: what it was worth, and what of it was refunded so far by refunds that were not held.
ORIGINAL = pa.schema(
    [
        pa.field("record_id", UUID, nullable=False),
        pa.field("amount_minor", pa.int64()),
        pa.field("refunded_minor", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class RefundState:
    """What is known, before a batch, of the records that its refunds refer to.

    `originals`: ORIGINAL rows. `charges`, `obligations`, `held`: the originals' own CHARGE, OBLIGATION and HELD rows.
    `refunded`: REFUNDED rows.
    """

    originals: pa.Table
    charges: pa.Table
    obligations: pa.Table
    refunded: pa.Table
    held: pa.Table


class OnRefund(StrEnum):
    """What a refund of a record does to one of its charges."""

    PRORATE = "prorate"  # given back in the proportion refunded so far, cumulatively
    RETURN = "return"  # given back whole with the first refund, however small
    KEEP = "keep"  # never given back


class BearerSpec(Declaration):
    """One bearer's weight, and how its share is split again among parties (second level)."""

    model_config = ConfigDict(json_schema_extra=or_alone("weight"))

    weight: int = Field(ge=0)
    among: dict[Name, int] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_weight_alone(cls, value: object) -> object:
        return {"weight": value} if isinstance(value, str | int) else value

    @field_validator("among")
    @classmethod
    def _some_weight_among(cls, among: dict[str, int] | None) -> dict[str, int] | None:
        if among is not None and (min(among.values(), default=0) < 0 or sum(among.values()) <= 0):
            raise ValueError("the weights under 'among' are 0 or more, at least one of them above 0")
        return among


class ApportionSpec(Declaration):
    """Who carries a charge, in which shares."""

    by: Literal["ratio"] = "ratio"
    bearers: dict[Name, BearerSpec] = Field(
        min_length=1, description="party role -> weight; a label where `among` splits it"
    )
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
