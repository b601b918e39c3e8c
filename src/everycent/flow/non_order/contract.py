"""What non-order charges give to the rest of the house: charges that no order causes, and their part of the model."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import Field, model_validator

from everycent.base.engine.declaration import Declaration, Name, Words
from everycent.flow.approvals.contract import Levels

#: The kind of subject that non-order charges are to approvals.
NON_ORDER_KIND = "non_order_charge"
#: How the cause of a charge's transfer begins in the ledger; its id follows.
CHARGE_CAUSE = "charge "


class Direction(StrEnum):
    """Which way the money goes."""

    COLLECT = "collect"  # from the party
    PAY = "pay"  # to the party


class SettledBy(StrEnum):
    """What moves the money."""

    INSTRUCTION = "instruction"  # one of its own
    STATEMENT = "statement"  # the party's next statement is paid less, or more, by it


class ChargeState(StrEnum):
    """Where a charge stands; what became of its money, payments say."""

    ASKED = "asked"  # people have to say yes
    BOOKED = "booked"  # owed, and in the ledger
    DECLINED = "declined"  # a no, a time-out, taken back, or more than is left of a deposit


class Refusal(StrEnum):
    """Why a charge was not taken, named after the rule that this would break."""

    UNNAMED = "unnamed"
    REFERENCE_MISSING = "reference_missing"
    OTHER_CONTENT = "other_content"
    UNKNOWN_KIND = "unknown_kind"
    UNKNOWN_PARTY = "unknown_party"
    WRONG_ROLE = "wrong_role"
    UNKNOWN_CURRENCY = "unknown_currency"
    TOO_MANY_DECIMALS = "too_many_decimals"
    NOT_AN_AMOUNT = "not_an_amount"
    NOT_POSITIVE = "not_positive"
    NOT_A_DATE = "not_a_date"
    ABOVE_PAID_IN = "above_paid_in"


@dataclass(frozen=True)
class Refused:
    """Why a charge was not taken, and in words what would be right."""

    refusal: Refusal
    message: str


class NonOrderSpec(Declaration):
    """A kind of charge that no order causes: a deposit, a fine, a platform fee, a deposit given back."""

    of: Words = Field(
        default=(),
        description="the party roles that it is asked of, or paid to; with 'returns', those of the deposit",
        examples=[["seller"]],
    )
    direction: Direction = Field(
        default=Direction.COLLECT, description="collect: the party owes it; pay: the party is owed it"
    )
    settled_by: SettledBy = Field(
        default=SettledBy.INSTRUCTION,
        description="instruction: a payment or collection of its own; statement: the party's next statement is paid "
        "less, or more, by it",
    )
    returns: Name | None = Field(
        default=None,
        description="the kind that it gives back: never more than a party has paid in of it; makes that one a deposit",
        examples=["deposit"],
    )
    legal_entity: str | None = Field(
        default=None,
        description="the platform's company that settles it; the operator's own, or the table 'legal_entities', if not",
        examples=["market-shanghai"],
    )
    approve: Levels | None = Field(
        default=None,
        description="who has to say yes before it counts, one group after another; without it, nobody",
        examples=[["operations", {"by": "finance", "above": "500"}]],
    )

    @model_validator(mode="after")
    def _own_words_or_the_deposits(self) -> Self:
        if self.returns is None and not self.of:
            raise ValueError("say with 'of' which party roles it is asked of, for example of: [seller]")
        if self.returns is not None and (self.of or self.legal_entity is not None):
            raise ValueError("what gives a deposit back is of its roles and company; remove 'of' and 'legal_entity'")
        if self.returns is not None and self.direction is not Direction.PAY:
            raise ValueError("what gives a deposit back is paid to the party; write direction: pay")
        return self


@dataclass(frozen=True)
class Given:
    """A charge as somebody gives it, all as text. `source`: the system or people whose `reference` it has; both
    together name it for ever. `occurred_on`: ISO date of the business day from which it is owed."""

    source: str
    reference: str
    kind: str
    party_id: str
    amount: str
    currency: str
    occurred_on: str
    reason: str


@dataclass(frozen=True)
class NonOrderCharge:
    """A charge that was taken, as it is stored. The amount is above 0. `account`: the kind in whose account of the
    ledger it stands: a deposit's for what gives it back."""

    charge_id: UUID
    source: str
    reference: str
    kind: str
    account: str
    party_id: str
    role: str
    legal_entity: str
    direction: Direction
    settled_by: SettledBy
    amount_minor: int
    currency: str
    occurred_on: date
    reason: str
    given_by: str

    @property
    def gives_back(self) -> bool:
        """Whether it is a deposit given back."""
        return self.account != self.kind


@dataclass(frozen=True)
class Deposit:
    """What a party has paid in with a legal entity, in minor units.

    `paid_in_minor`: collected, or kept back from a payment. `given_back_minor`: booked, and asked for and not declined.
    """

    party_id: str
    kind: str
    legal_entity: str
    currency: str
    owed_minor: int
    paid_in_minor: int
    given_back_minor: int

    @property
    def left_minor(self) -> int:
        """What may be given back at most."""
        return self.paid_in_minor - self.given_back_minor
