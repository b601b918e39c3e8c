"""The words of a scenario's modes: what rules may look at, one-way, totals, what is carried on, sides, payouts."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from everycent.base.engine.declaration import Called, Declaration, FormulaText, Name, NumberText, Words
from everycent.flow.ledger.contract import PARTY_ACCOUNT

#: What a row of a side has beside its key, its amount and its status, by the words of a side; in this order.
SEEN = ("occurred_at", "reference", "counterparty", "group", "fee", "currency")

OccurredAt = Annotated[
    Name | None,
    Field(
        description="the column with the date or time, for rules; a time has its business day by the model's calendar",
        examples=["paid_at"],
    ),
]
Reference = Annotated[
    FormulaText | None, Field(description="what the other side may know the row by, for rules", examples=["memo"])
]
Counterparty = Annotated[
    FormulaText | None, Field(description="whom the money is from or for, for rules", examples=["merchant"])
]
Group = Annotated[FormulaText | None, Field(description="rows that belong together, for rules", examples=["payout_id"])]
Fee = Annotated[
    FormulaText | None,
    Field(description="what was deducted, where a row says so, for net_of_fees: stated", examples=["fee"]),
]
RowCurrency = Annotated[
    Name | None,
    Field(
        description="the column with each row's currency, by ISO 4217 code; the scenario's otherwise. A file's rows of "
        "all currencies take part then, each in its own minor units",
        examples=["currency"],
    ),
]

#: What rows are added up by, beside their key: columns of an item, and the status.
DIMENSIONS = ("occurred_on", "counterparty", "group", "currency", "status")

Mode = Annotated[
    Literal["two_way", "one_way"],
    Field(
        description="two_way: each side is the other's basis; one_way: the left is, and rows that only the right has "
        "are counted and are no breaks",
        examples=["one_way"],
    ),
]
Detail = Annotated[bool, Field(description="no: no row is compared with another, only totals are; it needs `total`")]


class TotalSpec(Declaration):
    """Both sides added up, beside what is found row by row: a second witness."""

    by: Words = Field(
        default=(),
        description=f"what they are added up by: of {', '.join(DIMENSIONS)}; all rows together otherwise",
        examples=[["occurred_on", "counterparty"]],
    )
    limit: NumberText | None = Field(
        default=None,
        description="in major units: where a total and its details part by more, the run fails; without details, where "
        "two totals do. They are told in any case",
        examples=["0.00"],
    )

    @model_validator(mode="after")
    def _known(self) -> Self:
        for name in self.by:
            if name not in DIMENSIONS:
                raise ValueError(f"by: '{name}' is nothing to add up by; write {', '.join(DIMENSIONS)}")
        if len(set(self.by)) != len(self.by):
            raise ValueError(f"by: {', '.join(self.by)} names one twice; name each once")
        if self.limit is not None and self.limit.startswith("-"):
            raise ValueError(f"limit: {self.limit} is negative; write 0 or more")
        return self


Total = Annotated[TotalSpec | None, Field(description="both sides in total, beside the details")]

Kind = Annotated[
    FormulaText | None,
    Field(description="what a row is of, in the side's own words, for `payout`", examples=["type"]),
]


class PayoutParts(Declaration):
    """By part, the kinds of rows that make it up, in the report's own words."""

    gross: Words = Field(default=(), description="what was sold", examples=[["charge", "payment"]])
    refunds: Words = Field(default=(), description="what was given back, charge-backs among it", examples=["refund"])
    fees: Words = Field(default=(), description="what the provider keeps", examples=[["fee", "network_cost"]])
    reserves: Words = Field(
        default=(), description="what the provider holds back, and gives free later", examples=[["hold", "release"]]
    )
    exchange: Words = Field(default=(), description="what conversions gain or lose", examples=["fx"])

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        listed = [kind for part in type(self).model_fields for kind in getattr(self, part)]
        for kind in listed:
            if listed.count(kind) > 1:
                raise ValueError(f"'{kind}' is in two parts; name each kind once")
        return self


class PayoutSpec(Declaration):
    """What each payout is made of: one side is the provider's report, the other what the bank paid."""

    report: Literal["left", "right"] = Field(
        default="left",
        description="which side has the report: left or right. It names its `kind`; its key is the payout",
    )
    parts: PayoutParts = Field(description="what the kinds of the report's rows are")


Payout = Annotated[PayoutSpec | None, Field(description="what each payout is made of, order by order")]
Covers = Annotated[
    FormulaText | None,
    Field(
        description="in `sides`: which rows of the basis this side is to have, in the basis's columns; all if not said",
        examples=["method in ('V', 'M')"],
    ),
]


def _no_partys(account: str) -> str:
    if account.startswith(PARTY_ACCOUNT):
        raise ValueError(f"'{account}': a party's account is what its statements say; name an account of your own")
    return account


Account = Annotated[
    str, Field(min_length=1, max_length=200), AfterValidator(_no_partys), Called("the name of an account")
]


class BookSpec(Declaration):
    """The accounts that take what two sides differ by: each difference is an entry for the books."""

    against: Account = Field(
        description="the account whose open items the differences close", examples=["receivable/card-payments"]
    )
    within_tolerance: Account | None = Field(
        default=None, description="takes what is written off within a tolerance", examples=["expense/small-differences"]
    )
    fee: Account | None = Field(
        default=None, description="takes fees that rules found", examples=["expense/payment-fees"]
    )
    conversion_difference: Account | None = Field(
        default=None, description="takes what a conversion leaves", examples=["expense/exchange"]
    )
    written_off: Account | None = Field(
        default=None, description="takes what a person writes off", examples=["expense/write-offs"]
    )

    @model_validator(mode="after")
    def _something_to_book(self) -> Self:
        if not self.account_of:
            *some, last = _causes()
            causes = f"{', '.join(some)} or {last}"
            raise ValueError(f"nothing is booked; name the account of {causes}")
        if self.against in self.account_of.values():
            raise ValueError(f"against: '{self.against}' takes a difference as well; an entry has two accounts")
        return self

    @property
    def account_of(self) -> dict[str, str]:
        """By cause."""
        return {cause: account for cause in _causes() if (account := getattr(self, cause)) is not None}


def _causes() -> list[str]:
    return [name for name in BookSpec.model_fields if name != "against"]


Book = Annotated[BookSpec | None, Field(description="into which accounts what is written off is booked")]
Basis = Annotated[
    Name | None, Field(description="of `sides`: the one with which each other is compared", examples=["till"])
]

Carry = Annotated[
    bool,
    Field(
        description="yes: what is open at a run's day (`--as-of`) is carried to the next day's, where it has aged, and "
        "what comes late closes it; a row that lies ahead of the day waits. Both sides name `occurred_at`"
    ),
]
