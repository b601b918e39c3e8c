"""What clearing gives to the rest of the house: obligations."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Self

import pyarrow as pa
from pydantic import ConfigDict, Field, field_validator, model_validator

from everycent.base.engine.declaration import Declaration, Duration, Name, NumberText, Words, or_alone
from everycent.base.engine.tables import NUMBERED, UTC, UUID, Corrections, TableSchema
from everycent.base.money.allotment import RemainderPolicy
from everycent.base.money.span import Span
from everycent.flow.rating.contract import BEARER, CHARGE, RatedChargeSpec, SharesOf

#: What an ordered charge's rows have beside CHARGE and OBLIGATION. An obligation also names the accumulator that it
#: moved, so that a refund finds the pot of its original and totals can be rebuilt from obligations: `total_*` are of
#: (budget, pot, period, leaf). All are null where the obligation that a refund gives back was in no pot.
SEQUENCED = (pa.field("sequence_no", pa.int64(), nullable=False),)
IN_POT = (
    pa.field("total_before_minor", pa.int64()),
    pa.field("total_after_minor", pa.int64()),
    pa.field("budget", pa.string()),
    pa.field("pot", pa.string()),
    pa.field("period", pa.string()),
    pa.field("leaf", pa.string()),
)

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
    # adjusts: what is in closed statements, and this, add up to what clearing once gives
    in_order=(*IN_POT, pa.field("adjusts", pa.bool_(), nullable=False)),
    corrections=Corrections.ADD,
)


@dataclass(frozen=True)
class Cleared:
    """What clearing made of a batch: CHARGE, OBLIGATION and HELD rows, in the records' order.

    `charges` are those that stand: the batch's own without what had to be held, or what its refunds give back.
    """

    charges: pa.Table
    obligations: pa.Table
    held: pa.Table


#: What the bearers of a budget have carried so far. A pot is (budget, values of the budget's `per`, period).
ACCUMULATOR = TableSchema(
    name="clearing.accumulator",
    columns=pa.schema(
        [
            pa.field("budget", pa.string(), nullable=False),
            pa.field("pot", pa.string(), nullable=False),  # values of `per`, escaped and joined as party keys are
            pa.field("period", pa.string(), nullable=False),  # 2026-03-01, 2026-W09, 2026-03, 2026-Q1, 2026 or empty
            pa.field("bearer", pa.string(), nullable=False),  # a leaf: its name, or group/leaf
            pa.field("total_minor", pa.int64(), nullable=False),
        ]
    ),
    key=("budget", "pot", "period", "bearer"),
)

#: The records of a window in strict order: originals and refunds mixed.
SEQUENCE = pa.schema(
    [
        pa.field("record_id", UUID, nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("sequence_no", pa.int64(), nullable=False),  # strictly rising
    ]
)

#: What the stage gives; in the store these rows also have their generation, obligations `adjusts`.
ORDERED_CHARGE = TableSchema("rating.charge", pa.schema([*CHARGE.columns, *SEQUENCED]), CHARGE.key)
ORDERED_OBLIGATION = TableSchema(
    "clearing.obligation", pa.schema([*OBLIGATION.columns, *SEQUENCED, *IN_POT]), OBLIGATION.key
)

#: Charges that wait for their turn: computed when their record arrived, frozen, without obligations yet. The amount is
#: null where it depends on what comes before, so that it is computed in its turn.
WAITING_CHARGE = TableSchema(
    "clearing.waiting_charge",
    pa.schema([field.with_nullable(field.nullable or field.name == "amount_minor") for field in CHARGE.columns]),
    CHARGE.key,
)

#: The records that were cleared in order. `booked_on` stays with a record through all generations.
SEQUENCED_RECORD = TableSchema(
    "clearing.sequenced_record",
    pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("occurred_at", UTC, nullable=False),
            pa.field("booked_on", pa.date32(), nullable=False),
            *NUMBERED,
        ]
    ),
    ("generation", "sequence_no"),
)

#: The record kind that a batch of the ordered pass is filed under: it takes in no records.
IN_ORDER = "(in order)"


@dataclass(frozen=True)
class OrderedCleared:
    """What clearing made of a window of ordered records, in their order, then as declared, then by bearer.

    `charges`: ORDERED_CHARGE rows that stand. `obligations`: ORDERED_OBLIGATION rows. `held`: HELD rows; state refused
    where the model says so. `accumulators`: ACCUMULATOR rows, totals after the window, of all pots that it touched.
    """

    charges: pa.Table
    obligations: pa.Table
    held: pa.Table
    accumulators: pa.Table


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


class ClearingRefused(Exception):
    """A model whose charges cannot be apportioned. The message says what is wrong and what would be right.

    `path` leads to the word in the model (`charges`, `coupon`, `apportion`, `bearers`, `brand`, `cap`).
    """

    def __init__(self, message: str, path: tuple[str | int, ...]) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


class OnRefund(StrEnum):
    """What a refund of a record does to one of its charges."""

    PRORATE = "prorate"  # given back in the proportion refunded so far, cumulatively
    RETURN = "return"  # given back whole with the first refund, however small
    KEEP = "keep"  # never given back


#: A bearer's weight at most: shares are of int64, and the weights of a charge have to add up within it.
MAX_WEIGHT = 10**12


class LeafSpec(Declaration):
    """A bearer on the second level: its weight in its group's share, which may stand alone, and its cap in a pot."""

    model_config = ConfigDict(json_schema_extra=or_alone("weight"))

    weight: int = Field(ge=0, le=MAX_WEIGHT, description="its part of the group's share", examples=["70"])
    cap: NumberText | None = Field(
        default=None, description="the most its total comes to in one pot of the budget", examples=["100000.00"]
    )

    @model_validator(mode="before")
    @classmethod
    def _from_weight_alone(cls, value: object) -> object:
        return {"weight": value} if isinstance(value, str | int) else value


class BearerSpec(Declaration):
    """One bearer's part of a charge (a weight may stand alone), its limits, and how its share is split again."""

    model_config = ConfigDict(json_schema_extra=or_alone("weight"))

    weight: int | None = Field(
        default=None, ge=0, le=MAX_WEIGHT, description="by: ratio; its part of the charge", examples=["60"]
    )
    up_to: NumberText | None = Field(
        default=None, description="by: in_order; the most it carries of one charge", examples=["5.00"]
    )
    fixed: NumberText | None = Field(
        default=None, description="by: fixed; what it carries of each charge", examples=["2.00"]
    )
    cap: NumberText | None = Field(
        default=None, description="the most its total comes to in one pot of the budget", examples=["300000.00"]
    )
    among: dict[Name, LeafSpec] | None = Field(
        default=None, description="splits its share again, on the second level: party role -> weight"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_weight_alone(cls, value: object) -> object:
        return {"weight": value} if isinstance(value, str | int) else value

    @field_validator("among")
    @classmethod
    def _some_weight_among(cls, among: dict[str, LeafSpec] | None) -> dict[str, LeafSpec] | None:
        if among is not None and sum(leaf.weight for leaf in among.values()) <= 0:
            raise ValueError("the weights under 'among' are 0 or more, at least one of them above 0")
        return among

    @property
    def is_capped(self) -> bool:
        """Whether a cap, its own or those of all its leaves that have a weight, can keep it from carrying more."""
        leaves = [] if self.among is None else [leaf for leaf in self.among.values() if leaf.weight > 0]
        return self.cap is not None or (bool(leaves) and all(leaf.cap is not None for leaf in leaves))

    @property
    def has_cap(self) -> bool:
        """Whether a cap is written anywhere in it."""
        return self.cap is not None or any(leaf.cap is not None for leaf in (self.among or {}).values())


class SharedBy(StrEnum):
    """How a charge is split on the first level."""

    RATIO = "ratio"  # in proportion to weights
    IN_ORDER = "in_order"  # the first as far as it goes, then the next
    FIXED = "fixed"  # each its fixed amount, the rest to the bearer without one


class OverCap(StrEnum):
    """What becomes of a share that does not fit under a cap."""

    PASS_ON = "pass_on"  # it goes to the bearers that still have room
    CUT = "cut"  # it goes straight to where `when_all_capped` says


class BearersRefund(StrEnum):
    """To whom a refund goes back, of those who carried the original."""

    PROPORTIONAL = "proportional"  # in proportion to what each still carries of it
    REVERSE = "reverse"  # to the last declared first


#: What `when_all_capped` says where no bearer takes the rest.
HOLD, REFUSE = "hold", "refuse"


class ApportionSpec(Declaration):
    """Who carries a charge, in which shares, up to which caps."""

    by: SharedBy = Field(
        default=SharedBy.RATIO,
        description="ratio: by weights; in_order: the first as far as it goes, then the next; fixed: each its amount, "
        "the rest to the bearer without one",
    )
    budget: Name | None = Field(
        default=None, description="the budget whose pots keep the bearers' totals", examples=["spring-2026"]
    )
    bearers: dict[Name, BearerSpec] = Field(
        min_length=1, description="party role -> weight; a label where `among` splits it"
    )
    over_cap: OverCap = Field(
        default=OverCap.PASS_ON,
        description="what does not fit under a cap; pass_on: it goes to the bearers that have room; cut: it goes "
        "straight to where when_all_capped says",
    )
    when_all_capped: Name | None = Field(
        default=None,
        description="who takes what nobody has room for: a bearer (even above its cap), hold or refuse",
        examples=["platform"],
    )
    refund: BearersRefund = Field(
        default=BearersRefund.PROPORTIONAL,
        description="to whom refunds go; proportional: by what each still carries; reverse: the last declared first",
    )
    odd_cent: RemainderPolicy = Field(
        default=RemainderPolicy.LARGEST_REMAINDER,
        description="who gets the odd units; largest_remainder: those whose shares lost most by rounding; "
        "first_in_order: the first declared",
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        word = {SharedBy.RATIO: "weight", SharedBy.IN_ORDER: "up_to", SharedBy.FIXED: "fixed"}[self.by]
        for name, bearer in self.bearers.items():
            if name in (HOLD, REFUSE):
                raise ValueError(f"a bearer cannot be called '{name}': when_all_capped has this word; rename it")
            for other in ("weight", "up_to", "fixed"):
                if other != word and getattr(bearer, other) is not None:
                    raise ValueError(f"bearer '{name}' has '{other}', which says nothing with by: {self.by}")
        return self

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        bearers = self.bearers.items()
        if self.by is SharedBy.RATIO:
            lacking = [name for name, bearer in bearers if bearer.weight is None]
            if lacking:
                raise ValueError(f"bearer '{lacking[0]}' has no weight; with by: ratio each has one, 0 or more")
            if sum(bearer.weight or 0 for _, bearer in bearers) <= 0:
                raise ValueError("the weights add up to nothing; give at least one bearer a weight above 0")
        rest = [name for name, bearer in bearers if bearer.fixed is None]
        if self.by is SharedBy.FIXED and len(rest) != 1:
            found = ", ".join(rest) or "none"
            raise ValueError(f"with by: fixed, one bearer has no 'fixed' amount and carries the rest; here: {found}")
        return self

    @model_validator(mode="after")
    def _nothing_is_left_over(self) -> Self:
        capped = [name for name, bearer in self.bearers.items() if bearer.has_cap]
        if self.budget is None and capped:
            raise ValueError(f"bearer '{capped[0]}' has a cap, but there is no 'budget' in whose pots totals are kept")
        if self.budget is None and self.refund is BearersRefund.REVERSE:
            raise ValueError("'refund: reverse' needs a budget: without one, refunds are not taken in strict order")
        last = self.when_all_capped
        if last is None and self._may_leave_a_rest:
            raise ValueError("all bearers can be at their limits: say in 'when_all_capped' who takes the rest, or hold")
        if last is None:
            return self
        if last in (HOLD, REFUSE) and self.budget is None:
            raise ValueError(
                f"'when_all_capped: {last}' needs a budget; without one, name the bearer that takes the rest"
            )
        if last not in (*self.bearers, HOLD, REFUSE):
            raise ValueError(f"when_all_capped: '{last}' is none of {', '.join(self.bearers)}, hold, refuse")
        if self.refund is BearersRefund.REVERSE and last in self.bearers and last != list(self.bearers)[-1]:
            raise ValueError(f"with refund: reverse, the last to carry is declared last: move '{last}' to the end")
        return self

    @property
    def _may_leave_a_rest(self) -> bool:
        """Whether, the budget's own cap aside, there are charges that the bearers do not carry to the end."""
        bearers = list(self.bearers.values())
        if self.over_cap is OverCap.CUT and any(bearer.has_cap for bearer in bearers):
            return True
        if self.by is SharedBy.RATIO:
            return all(bearer.is_capped for bearer in bearers if bearer.weight)
        return all(bearer.is_capped or (bearer.up_to or bearer.fixed) is not None for bearer in bearers)


class BudgetSpec(Declaration):
    """Where the totals of bearers are kept: one pot for each value of `per` and each period."""

    currency: str | None = Field(
        default=None,
        description="what its totals and caps count, by ISO 4217 code; the model's otherwise",
        examples=["JPY"],
    )
    cap: NumberText | None = Field(
        default=None, description="the most that all bearers together carry in one pot", examples=["2000000.00"]
    )
    per: Words = Field(
        default=(), description="columns of the record; each value has a pot of its own", examples=["merchant"]
    )
    period: Span = Field(
        default=Span.NONE,
        description="how long a pot lasts, by business date: day, week (Monday to Sunday), month, quarter, year; none: "
        "as long as the budget",
    )


class Late(StrEnum):
    """What becomes of a record that comes after later ones were cleared."""

    REWIND = "rewind"  # all after it is cleared again, as a new generation
    JOIN = "join"  # it joins the present: the next number, and this is kept


class OrderSpec(Declaration):
    """The strict order in which charges that draw on budgets are cleared."""

    by: Words = Field(
        default=("occurred_at",),
        description="occurred_at, then columns that break ties",
        examples=[["occurred_at", "order_id", "line_no"]],
    )
    wait: Duration = Field(
        default=timedelta(0), description="how long the newest records wait for stragglers", examples=["10 minutes"]
    )
    late: Late = Field(
        default=Late.REWIND,
        description="a record that comes after later ones were cleared; rewind: all after it is cleared again; join: "
        "it gets the next number, and this is kept",
    )
    window: int = Field(
        default=100_000,
        ge=1,
        le=10**9,
        description="records that are committed together, all or none",
        examples=["1000"],
    )

    @field_validator("by")
    @classmethod
    def _time_first(cls, by: tuple[str, ...]) -> tuple[str, ...]:
        if not by or by[0] != "occurred_at":
            raise ValueError("the order begins with business time: write occurred_at first")
        return by


class ChargeSpec(RatedChargeSpec):
    """One amount that a record causes: what it comes to, who owes it to whom or bears it, what a refund does to it."""

    apportion: ApportionSpec | None = Field(default=None, description="who carries it, instead of one debtor")
    on_refund: OnRefund = Field(
        default=OnRefund.PRORATE,
        description="what a refund does to it; prorate: given back in proportion; return: given back whole with the "
        "first refund; keep: never given back",
    )

    @property
    def ends(self) -> tuple[str, ...]:
        """The party roles that it is settled with; each bearer's among them, where it is apportioned."""
        return super().ends + (() if self.apportion is None else bearer_roles(self.apportion))

    @property
    def budget(self) -> str | None:
        """The budget that it draws on; then it is cleared in strict order."""
        return None if self.apportion is None else self.apportion.budget

    @model_validator(mode="after")
    def _one_debtor(self) -> Self:
        if self.per_share_of is not None:
            self._check_per_share()
        elif (self.debtor is None) == (self.apportion is None):
            raise ValueError("a charge is owed either by its 'debtor' or by the bearers under 'apportion'")
        return self

    def _check_per_share(self) -> None:
        base = self.per_share_of
        if self.apportion is not None:
            raise ValueError(f"the bearers of '{base}' have an amount each, so it is not apportioned again; write one")
        if (self.debtor == BEARER) == (self.creditor == BEARER):
            raise ValueError(
                f"each bearer of '{base}' is one end of it: write 'debtor: {BEARER}' where they owe it, or"
                f" 'creditor: {BEARER}' where they are owed it, and a party role at the other end"
            )
        if self.debtor is None:
            raise ValueError(f"say who owes it to the bearers of '{base}': write 'debtor' with a party role")
        if self.rules:
            raise ValueError(
                f"'rules' choose once for a record; for each bearer of '{base}', write a price with a rate card by"
                f" {BEARER}, or a charge each with for example when: {BEARER} = 'brand'"
            )


def shares_of(charges: Mapping[str, ChargeSpec]) -> dict[str, SharesOf]:
    """The bearers that charges per share are computed for, by charge; those whose base is not apportioned are left
    out, which the model's check refuses."""
    found = {}
    for name, charge in charges.items():
        base = charges.get(charge.per_share_of or "")
        if base is not None and base.apportion is not None:
            other = charge.creditor if charge.debtor == BEARER else charge.debtor
            assert charge.per_share_of is not None and other is not None, "both ends are declared"
            roles = enumerate(bearer_roles(base.apportion), 1)
            found[name] = SharesOf(charge.per_share_of, base.currency, dict(roles), other)
    return found


def shared_in_order(charges: Mapping[str, ChargeSpec]) -> set[str]:
    """The charges per share of those that draw on budgets: whose shares are known in strict order."""
    drawing = {name for name, charge in charges.items() if charge.budget is not None}
    return {name for name, charge in charges.items() if charge.enabled and charge.per_share_of in drawing}


def bearer_roles(spec: ApportionSpec) -> tuple[str, ...]:
    """The party role of each share, flattened over both levels in declared order."""
    roles: list[str] = []
    for name, share in spec.bearers.items():
        roles.extend([name] if share.among is None else share.among)
    return tuple(roles)
