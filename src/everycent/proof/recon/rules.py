"""The words of a scenario's `rules`: what may explain the rows that are left once equal ones are gone."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from everycent.base.engine.declaration import Called, Declaration, Duration, Name
from everycent.proof.recon.limits import Amounts, NotNegative

#: The columns of an item that a rule may name. A row's currency is compared by all rules but `convert`.
COLUMNS = ("key", "amount", "status", "occurred_on", "reference", "counterparty", "group")


def _as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _known(columns: tuple[str, ...]) -> tuple[str, ...]:
    for name in columns:
        if name not in (*COLUMNS, "currency"):
            raise ValueError(f"'{name}' is not a column of an item; write one of {', '.join(COLUMNS)} or currency")
    if len(set(columns)) != len(columns):
        raise ValueError(f"{', '.join(columns)} names a column twice; name each once")
    return columns


def _some(columns: tuple[str, ...]) -> tuple[str, ...]:
    if not columns:
        raise ValueError(
            "no column is named; without one each row would be compared with each other: name at least one"
        )
    return columns


def _a_shape(shapes: tuple[str, ...]) -> tuple[str, ...]:
    if not shapes:
        raise ValueError("no shape is named; write one of one_to_many, many_to_one, many_to_many")
    return shapes


def _days(length: timedelta) -> timedelta:
    if length % timedelta(days=1):
        raise ValueError("a window is counted in days; write for example '3 days'")
    return length


_COLUMNS_SCHEMA = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

Columns = Annotated[
    tuple[str, ...],
    BeforeValidator(_as_list),
    AfterValidator(_known),
    WithJsonSchema(_COLUMNS_SCHEMA),
    Called("one column, or a list"),
]
Block = Annotated[Columns, AfterValidator(_some)]
Days = Annotated[Duration, AfterValidator(_days)]


Later = Annotated[
    Literal["left", "right"] | None,
    Field(
        description="which side's row, left or right, is never the earlier of the two, as a bank's is not earlier than "
        "the order; either may be otherwise",
        examples=["right"],
    ),
]


class _Rule(Declaration):
    undecided: Literal["claim", "leave"] = Field(
        default="claim",
        description="what becomes of rows that are ambiguous or out of budget: claim: they wait for a person, no later "
        "rule sees them; leave: they are left for the rules after",
    )


class _PairRule(_Rule):
    within: Days | None = Field(
        default=None, description="how many days apart the two may be; any otherwise", examples=["3 days"]
    )
    later: Later = None
    pairs: int = Field(
        default=1_000_000,
        ge=1,
        description="more pairs of rows than this in one block are not tried",
        examples=[10_000],
    )
    budget: int = Field(
        default=100_000_000,
        ge=1,
        description="with clear_by: steps that one knot of rows competing for each other may take, twice the cube of "
        "its rows; without it none is needed",
        examples=[1_000_000],
    )


class KeyRuleSpec(_PairRule):
    """Rows that have the same key; what differs is named."""

    by: Block = Field(default=("key",), description="the columns that must be equal", examples=["reference"])
    may_differ: Columns = Field(
        default=("status", "occurred_on", "reference", "counterparty", "group"),
        description="the columns that may differ; amount and currency among them where you name them",
        examples=[["amount", "status"]],
    )
    clear_by: int | None = Field(
        default=None,
        ge=1,
        description="how many fewer columns must differ for one way to explain better; without it all explain equally",
        examples=[1],
    )


class ToleranceRuleSpec(_PairRule):
    """Rows whose amounts differ a little; the difference is written off. Either tolerance suffices."""

    by: Block = Field(default=("key",), description="the columns that must be equal", examples=["reference"])
    absolute: Amounts | None = Field(
        default=None, description="up to this, in major units", examples=["0.05", {"CNY": "0.05", "JPY": "5"}]
    )
    relative: NotNegative | None = Field(
        default=None, description="up to this part of the smaller of the two amounts", examples=["0.001"]
    )
    clear_by: Amounts | None = Field(
        default=None,
        description="how much less one way must write off, in major units, to explain better; without it all explain "
        "equally",
        examples=["0.01"],
    )

    @model_validator(mode="after")
    def _some_tolerance(self) -> Self:
        if self.absolute is None and self.relative is None:
            raise ValueError("no tolerance is given; write absolute, relative or both")
        return self


class DatesRuleSpec(_PairRule):
    """Rows with the same amount a few days apart."""

    by: Columns = Field(default=(), description="further columns that must be equal", examples=["counterparty"])
    within: Days = Field(description="how many days apart the two may be", examples=["3 days"])
    clear_by: int | None = Field(
        default=None,
        ge=1,
        description="how many days nearer, in all, one way must be to explain better; without it all explain equally",
        examples=[2],
    )


class ReferenceRuleSpec(_PairRule):
    """Rows with the same amount and similar references: letters and digits alone are compared, without case."""

    by: Columns = Field(default=(), description="further columns that must be equal", examples=["counterparty"])
    similar: int = Field(ge=1, le=100, description="of 100, how similar they are at least", examples=[85])
    clear_by: int | None = Field(
        default=None,
        ge=1,
        description="how many points more similar, in all, one way must be to explain better; without it all explain "
        "equally",
        examples=[10],
    )


class ConvertRuleSpec(_PairRule):
    """Rows in different currencies: the left amount, converted and rounded half up, is the right one."""

    by: Block = Field(default=("key",), description="the columns that must be equal", examples=["reference"])
    rates: Name = Field(
        description="the table of rates: from_currency, to_currency, valid_from, rate; the newest on the left's date",
        examples=["fx"],
    )
    tolerance_minor: int = Field(
        default=0, ge=0, description="up to this many minor units of the right currency", examples=[2]
    )
    clear_by: int | None = Field(
        default=None,
        ge=1,
        description="how many minor units nearer one way must be to explain better; without it all explain equally",
        examples=[1],
    )


class FeeFormula(Declaration):
    """A fee worked out of the gross amount, rounded half up; a refund's fee has its sign."""

    rate: NotNegative = Field(default="0", description="part of the gross amount", examples=["0.006"])
    fixed: Amounts = Field(
        default="0", description="added to it, in major units", examples=["0.30", {"CNY": "0.30", "USD": "0.05"}]
    )
    minimum: Amounts | None = Field(default=None, description="at least, in major units", examples=["0.10"])
    maximum: Amounts | None = Field(default=None, description="at most, in major units", examples=["25"])


class FeeRange(Declaration):
    """A fee of which only its bounds are known."""

    least: NotNegative = Field(default="0", description="part of the gross amount, at least", examples=["0.005"])
    most: NotNegative = Field(description="part of the gross amount, at most", examples=["0.03"])


class NetOfFeesRuleSpec(_PairRule):
    """Rows of which one is gross and the other net of a fee; the fee is named as a difference."""

    by: Block = Field(default=("key",), description="the columns that must be equal", examples=["reference"])
    gross: Literal["left", "right"] = Field(default="left", description="which side is gross: left or right")
    stated: bool = Field(default=False, description="the fee stands in the rows: the gross one's, else the net one's")
    formula: FeeFormula | None = Field(default=None, description="how the fee is worked out")
    range: FeeRange | None = Field(default=None, description="between which parts of the gross amount the fee is")
    tolerance: Amounts = Field(
        default="0", description="how far from a stated fee or a formula's, in major units", examples=["0.01"]
    )
    clear_by: Amounts | None = Field(
        default=None,
        description="how much nearer to the fee one way must be, in major units, to explain better; without it all "
        "explain equally",
        examples=["0.01"],
    )

    @model_validator(mode="after")
    def _one_fee(self) -> Self:
        if [self.stated, self.formula is not None, self.range is not None].count(True) != 1:
            raise ValueError("a fee is known in one way; write one of stated, formula, range")
        return self


class GroupRuleSpec(_Rule):
    """All rows of one group on each side, whose sums agree; one-to-many, many-to-one and many-to-many."""

    by: Block = Field(
        default=("group",), description="the columns that make a group", examples=[["group", "occurred_on"]]
    )
    tolerance: Amounts = Field(
        default="0", description="how far the sums may differ, in major units; written off", examples=["0.01"]
    )


class SubsetRuleSpec(_Rule):
    """Some rows of a block that add up to a row, or to some rows, of the other side, to the unit."""

    by: Block = Field(default=("counterparty",), description="the columns that make a block", examples=["reference"])
    within: Days | None = Field(
        default=None, description="how many days apart two rows of the two sides may be", examples=["5 days"]
    )
    later: Later = None
    shapes: Annotated[
        tuple[Literal["one_to_many", "many_to_one", "many_to_many"], ...],
        BeforeValidator(_as_list),
        AfterValidator(_a_shape),
    ] = Field(
        default=("one_to_many", "many_to_one"),
        description="one_to_many: one left row, many right ones; many_to_one: the other way round; many_to_many: small "
        "sets on both sides that do not fall into two",
    )
    most: int = Field(default=10, ge=1, le=60, description="rows that add up to one, at most", examples=[6])
    most_each: int = Field(
        default=3, ge=1, le=6, description="rows of many_to_many on each side, at most", examples=[2]
    )
    budget: int = Field(
        default=2_000_000,
        ge=1,
        description="steps that the search for one row may take, and the choice within one knot of explanations",
        examples=[100_000],
    )
    alternatives: int = Field(
        default=200, ge=2, description="ways to explain one row, at most; more: out of budget", examples=[20]
    )


class MatchRuleSpec(Declaration):
    """One rule. Rules are tried as they are listed; what one claims, the next does not see."""

    name: Name | None = Field(default=None, description="what matches call it; its kind otherwise", examples=["late"])
    key: KeyRuleSpec | None = Field(default=None, description="the same key, other columns differing")
    tolerance: ToleranceRuleSpec | None = Field(default=None, description="amounts that differ a little")
    dates: DatesRuleSpec | None = Field(default=None, description="the same amount, days apart")
    reference: ReferenceRuleSpec | None = Field(default=None, description="the same amount, similar references")
    convert: ConvertRuleSpec | None = Field(default=None, description="amounts in two currencies")
    net_of_fees: NetOfFeesRuleSpec | None = Field(default=None, description="gross against net")
    group: GroupRuleSpec | None = Field(default=None, description="groups whose sums agree")
    subset: SubsetRuleSpec | None = Field(default=None, description="rows that add up to one, or to some")

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = self.model_fields_set - {"name"}
        if len(given) != 1 or self.one is None:
            kinds = ", ".join(word for word in type(self).model_fields if word != "name")
            raise ValueError(f"a rule is of one kind; write one of {kinds}")
        return self

    @property
    def kind(self) -> str:
        """The kind's word."""
        return next(iter(self.model_fields_set - {"name"}))

    @property
    def one(self) -> Declaration | None:
        """The words of the one kind that is given."""
        given: Declaration | None = getattr(self, self.kind)
        return given

    @property
    def keeps_undecided(self) -> bool:
        """Whether rows about which it cannot decide are kept from the rules after it."""
        assert isinstance(self.one, _Rule), "a rule has the words of a rule"
        return self.one.undecided == "claim"
