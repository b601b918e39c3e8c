"""What rating gives to the rest of the house: charges, held charges, and the factor values they were computed from."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

import pyarrow as pa
from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from everycent.base.engine.declaration import Called, Declaration, FormulaText, Name, ScalarText, Words, Written
from everycent.base.engine.formula import Position
from everycent.base.engine.sql import literal
from everycent.base.engine.tables import NUMBERED, UUID, Corrections, TableSchema
from everycent.base.money.rounding import Rounding
from everycent.flow.parties.contract import PartySpec, contract_table
from everycent.flow.rating.history import AccumulatorSpec, MovingAverageSpec
from everycent.flow.rating.outside import RestSpec, SqlSpec
from everycent.flow.rating.price import ConvertSpec, PriceSpec

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
    in_order=(),
    corrections=Corrections.REPLACE,
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
    in_order=(),
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

#: What became of a held charge when it was rated again. HELD rows never change: the last of these says how it stands.
RETRY = TableSchema(
    name="rating.retry",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),
            pa.field("charge", pa.string(), nullable=False),
            pa.field("attempt", pa.int32(), nullable=False),  # 2, 3 ... of the record; the first is its arrival
            pa.field("outcome", pa.string(), nullable=False),  # a RetryOutcome
            pa.field("reason", pa.string()),  # why it is still held; null where it is not
        ]
    ),
    key=("record_id", "charge", "attempt"),
)

#: The factor values that were looked up when a record was rated again; what was known before stays in its snapshot.
RETRY_SNAPSHOT = TableSchema(
    name="rating.retry_snapshot",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),
            pa.field("attempt", pa.int32(), nullable=False),
            pa.field("body", pa.struct([]), nullable=False),
        ]
    ),
    key=("record_id", "attempt"),
    body="body",
)

#: What each record moved of the running totals and stocks, in strict order: where factors that depend on what came
#: before have their values from, and the state that the next record finds. The total before it is total_after - amount.
RUNNING = TableSchema(
    name="rating.running_total",
    columns=pa.schema(
        [
            pa.field("record_id", UUID, nullable=False),
            pa.field("factor", pa.string(), nullable=False),
            pa.field("pot", pa.string(), nullable=False),  # values of `per`, escaped and joined as party keys are
            pa.field("period", pa.string(), nullable=False),  # 2026-03-01, 2026-W09, 2026-03, 2026-Q1, 2026 or empty
            pa.field("refund_of", UUID),
            pa.field("amount", pa.int64(), nullable=False),  # in the last decimal of the factor's type
            pa.field("total_after", pa.int64(), nullable=False),
            pa.field("quantity", pa.int64()),  # of stock: units in, or out (negative; 0: were not there)
            pa.field("quantity_after", pa.int64()),
            *NUMBERED,
        ]
    ),
    key=("record_id", "factor", "generation"),
)


#: What the table of values that were fetched for a factor is called, before the factor's name.
FETCHED_TABLE = "fetched:"

#: The charge's name in a held row that is about the whole record.
WHOLE_RECORD = "*"


class RetryOutcome(StrEnum):
    """What became of a held charge. The first two release it; the others say why it is held now."""

    CHARGED = "charged"
    NOT_CHARGED = "not_charged"  # the record is without the charge after all
    HELD = "held"
    QUARANTINED = "quarantined"


def parked_sql(held: str, retries: str) -> str:
    """SQL: the held charges that still wait, with why they do now: record_id, charge, state, reason.

    `held`, `retries`: what gives the HELD and RETRY rows, as it stands behind FROM.
    """
    released = ", ".join(literal(outcome) for outcome in (RetryOutcome.CHARGED, RetryOutcome.NOT_CHARGED))
    last = "arg_max(outcome, attempt) AS outcome, arg_max(reason, attempt) AS reason"
    return f"""
        SELECT record_id, charge, coalesce(outcome, state) AS state, coalesce(last.reason, held.reason) AS reason
        FROM {held} AS held LEFT JOIN (
            SELECT record_id, charge, {last} FROM {retries} GROUP BY record_id, charge
        ) AS last USING (record_id, charge)
        WHERE coalesce(outcome, state) NOT IN ({released})
    """


#: The words of a charge per share: what a bearer carries of the apportioned charge, and the bearer's party role.
SHARE, BEARER = "share", "bearer"


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
    Called("type"),
]


class FactorSpec(Declaration):
    """A named value that formulas use, frozen when rated: a constant, a column, or looked up in a table or outside."""

    constant: ScalarText | None = Field(default=None, description="always this value", examples=["0.06"])
    sql: SqlSpec | None = Field(default=None, description="a read-only query of a named database")
    rest: RestSpec | None = Field(default=None, description="a service that answers in JSON")
    accumulator: AccumulatorSpec | None = Field(default=None, description="a running total of what came before")
    moving_average: MovingAverageSpec | None = Field(default=None, description="what goods cost that go out of stock")
    table: str | None = Field(
        default=None, description="an attached table's name, or a file beside the model", examples=["rates.csv"]
    )
    column: Name | None = Field(
        default=None,
        description="the column that holds the value, of the table or the answer, the factor's name otherwise; "
        "without another source: the record's column",
        examples=["rate"],
    )
    key: Words = Field(
        default=(),
        description="the record's columns that find the row; the table's key columns in the same order",
        examples=[["category", "brand"]],
    )
    table_key: Words = Field(
        default=(),
        description="the key columns of a table named by its file alone, where `key` has other names",
        examples=[["kind", "brand_code"]],
    )
    valid: tuple[str, str] | None = Field(
        default=None,
        description="the table's columns with the first day a row counts and the first day it no longer does",
        examples=[["valid_from", "valid_to"]],
    )
    on: Name | None = Field(
        default=None,
        description="the record's date or timestamp column that validity is asked on; the business date otherwise",
        examples=["paid_at"],
    )
    dated: Name | None = Field(
        default=None,
        description="the table's one date column, where a row holds from its date until the key's next",
        examples=["day"],
    )
    find: Literal["latest", "exact"] = Field(
        default="latest", description="of dated rows; latest: the newest on or before the date; exact: only that date's"
    )
    type: FactorType | None = Field(
        default=None,
        description="what the value is; otherwise the column's type, or what a constant looks like",
        examples=["decimal(4)"],
    )
    unit: str | None = Field(default=None, description="its unit, for readers", examples=["CNY an order"])
    meaning: str | None = Field(
        default=None, description="what it stands for, for readers", examples=["what the channel takes of a payment"]
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        sources = [self.constant, self.table, self.sql, self.rest, self.accumulator, self.moving_average]
        named = sum(source is not None for source in sources)
        if named > 1 or (named == 0 and self.column is None):
            raise ValueError(
                "a factor has one source: write 'constant', 'table', 'sql', 'rest', 'accumulator', 'moving_average', or"
                " 'column' alone"
            )
        if self.is_fetched and (not self.key or self.type is None):
            raise ValueError("what is looked up outside needs 'key' (the record's columns) and 'type'")
        if self.is_fetched and (self.valid or self.dated or self.on or self.table_key):
            raise ValueError("what is looked up outside is found by its 'key' alone; a date can be one of its columns")
        if self.history is not None:
            self._check_history()
        if self.is_column and (self.key or self.type):
            raise ValueError("a record's column has its own type and needs no 'key'")
        if self.dated is not None and self.valid is not None:
            raise ValueError("rows have either one date ('dated') or a validity ('valid')")
        return self

    @model_validator(mode="after")
    def _parameters_are_keys(self) -> Self:
        for name in re.findall(r"%\(([^()]*)\)s", "" if self.sql is None else self.sql.statement):
            if name not in self.key:
                raise ValueError(
                    f"the statement asks for %({name})s, but 'key' has {', '.join(self.key)}; name it there"
                )
        return self

    def _check_history(self) -> None:
        if self.column or self.key or self.table_key or self.valid or self.dated or self.on:
            raise ValueError(
                "what is added up has no 'key' or 'column'; 'per' names the columns with totals of their own"
            )
        if self.type in ("text", "boolean"):
            raise ValueError(f"what is added up is a number, not {self.type}: money, integer or decimal(2)")
        if self.moving_average is not None and self.type not in (None, "money"):
            raise ValueError(f"what goods cost is money, not {self.type}; leave 'type' out")

    @property
    def history(self) -> AccumulatorSpec | MovingAverageSpec | None:
        """How it follows from the records before; None where it does not."""
        return self.accumulator or self.moving_average

    @property
    def is_fetched(self) -> bool:
        """Whether its values are looked up outside."""
        return self.sql is not None or self.rest is not None

    @property
    def is_column(self) -> bool:
        """Whether it is a column of the record under a name of its own."""
        sources = (self.constant, self.table, self.sql, self.rest, self.history)
        return self.column is not None and all(source is None for source in sources)


def _day(value: object) -> object:
    try:
        return (date.fromisoformat(value) if value else None) if isinstance(value, str) else value
    except ValueError:
        raise ValueError(f"'{value}' is not a date; write for example 2026-03-01, or nothing for no end") from None


#: A business date, or nothing for no end.
Day = Annotated[date | None, BeforeValidator(_day)]


class RuleSpec(Declaration):
    """One way to compute a charge; the charge's `match` says which of those that hold are used."""

    name: str | None = Field(default=None, description="what explanations call it", examples=["toys in spring"])
    when: FormulaText | None = Field(
        default=None, description="the records that it is for; all otherwise", examples=["category = 'toys'"]
    )
    valid: tuple[Day, Day] | None = Field(
        default=None,
        description="the first business date, and the first after it; nothing where it has no end",
        examples=[["2026-03-01", "2026-06-01"]],
    )
    priority: int = Field(default=0, description="the higher is tried first", examples=["10"])
    amount: FormulaText | None = Field(default=None, description="what it comes to", examples=["price * 0.05"])
    price: PriceSpec | None = Field(default=None, description="what it comes to, by a kind of price")
    convert: ConvertSpec | None = Field(default=None, description="from another currency, after the amount or price")

    @model_validator(mode="after")
    def _some_days(self) -> Self:
        since, until = self.valid or (None, None)
        if since is not None and until is not None and since >= until:
            raise ValueError(f"it ends on {until}, before it begins on {since}; the second date is the first day after")
        return self

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        if (self.amount is None) == (self.price is None):
            raise ValueError("a rule has one way to its amount: write either 'amount' or 'price'")
        return self


class RuleTableSpec(Declaration):
    """Rules as the rows of a decision table."""

    table: str = Field(
        description="a CSV file beside the model, or an attached table with such a file",
        examples=["commission_rules.csv"],
    )
    given: dict[str, FormulaText] = Field(
        default_factory=dict,
        description="words of a price that are the same in each row",
        examples=[{"percentage.of": "price - coupon"}],
    )


def _written_as(value: object) -> str:
    return "[table]" if isinstance(value, dict | RuleTableSpec) else "[list]"


class RatedChargeSpec(Declaration):
    """A charge as rating sees it: which records cause it, what it amounts to, between whom."""

    for_: Words = Field(alias="for", description="the record kinds that cause it", examples=["item_delivered"])
    enabled: bool = Field(default=True, description="no switches the charge off")
    when: FormulaText | None = Field(
        default=None,
        description="records for which this is not true do not have the charge",
        examples=["coupon > 0"],
    )
    amount: FormulaText | None = Field(
        default=None,
        description="what it comes to; a charge has 'amount', 'price' or 'rules'",
        examples=["price * rate"],
    )
    price: PriceSpec | None = Field(default=None, description="what it comes to, by a kind of price")
    convert: ConvertSpec | None = Field(default=None, description="from another currency, after the price")
    rules: Annotated[
        Annotated[tuple[RuleSpec, ...], Tag("[list]")] | Annotated[RuleTableSpec, Tag("[table]")],
        Discriminator(_written_as),
    ] = Field(default=(), description="several ways to its amount: a list of rules, or a decision table")
    match: Literal["first", "most_specific", "all"] = Field(
        default="first",
        description="which rules that hold are used; first: the first by priority; most_specific: the one with most "
        "conditions; all: each of them, added up",
    )
    currency: str | None = Field(
        default=None,
        description="what it is charged in, by ISO 4217 code; otherwise what its record is in",
        examples=["USD"],
    )
    round: Rounding = Field(
        default=Rounding.HALF_UP,
        description="how a fraction of a minor unit is rounded; half_up: 0.5 away from zero; half_even: 0.5 to the "
        "even neighbour; down: towards zero; up: away from zero",
    )
    per_share_of: Name | None = Field(
        default=None,
        description="an apportioned charge: this one is computed for each of its bearers, whose part is 'share' and "
        "whose role is 'bearer' in formulas and keys; one end of it is then 'bearer'",
        examples=["coupon"],
    )
    debtor: Name | None = Field(
        default=None,
        description="the party role that owes it; bearers owe it where it is apportioned",
        examples=["merchant"],
    )
    creditor: Name = Field(description="the party role that it is owed to", examples=["platform"])
    legal_entity: str | None = Field(
        default=None, description="who settles it; the operator otherwise", examples=["market-shanghai"]
    )

    @property
    def ends(self) -> tuple[str, ...]:
        """The party roles that it is settled with, those of its bearers aside."""
        return tuple(role for role in (self.debtor, self.creditor) if role not in (None, BEARER))

    @model_validator(mode="after")
    def _one_amount(self) -> Self:
        ways = (self.amount is not None) + (self.price is not None) + bool(self.rules)
        if ways != 1:
            raise ValueError("a charge has one way to its amount: write either 'amount', 'price' or 'rules'")
        if self.rules and self.convert is not None:
            raise ValueError("with 'rules', each rule says what it converts; write 'convert' there")
        return self


@dataclass(frozen=True)
class SharesOf:
    """The bearers that a charge per share is computed for.

    `base`: the charge that they carry; `base_currency`: the one that it names. `bearers`: by the numbers that they have
    there, their party roles. `other`: the party role at the other end of the charge per share. A bearer that is the
    other end itself would owe itself, so it has no amount.
    """

    base: str
    base_currency: str | None
    bearers: Mapping[int, str]
    other: str

    @property
    def rated(self) -> dict[int, str]:
        """The bearers that have an amount, by number."""
        return {number: role for number, role in self.bearers.items() if role != self.other}


def factor_of_bearer(factor: str, role: str) -> str:
    """The factor that a factor looked up by `bearer` is for one role."""
    return f"{factor} of {role}"


def rate_card_factor(place: str) -> str:
    """The factor that a rate card reads. Its blanks keep it apart from every name that an author can write."""
    return f"rate card of {place}"


def exchange_factor(place: str) -> str:
    """The factor that a conversion reads."""
    return f"exchange rate of {place}"


def total_before(accumulator: str) -> str:
    """The factor that is an accumulator's total before the record, whatever the accumulator itself counts."""
    return f"{accumulator} before"


def total_including(accumulator: str) -> str:
    """The factor that is an accumulator's total with the record."""
    return f"{accumulator} with this record"


def declared_total(factor: str) -> str:
    """The accumulator that such a factor is of; a declared factor itself."""
    return factor.partition(" ")[0]


@dataclass(frozen=True)
class WayToAmount:
    """A charge or a rule that has an amount or a price; `place` is what its own factors are called after."""

    place: str
    path: tuple[str | int, ...]
    price: PriceSpec | None
    convert: ConvertSpec | None

    @property
    def over(self) -> str | None:
        """The accumulator that the price's tiers run over."""
        tiered = None if self.price is None else self.price.graduated or self.price.volume
        return None if tiered is None else tiered.over


def ways_to_amounts(charges: Mapping[str, RatedChargeSpec]) -> Iterator[WayToAmount]:
    """Each charge's, or each of its rules', in declared order."""
    for name, charge in charges.items():
        if not charge.rules:
            yield WayToAmount(name, ("charges", name), charge.price, charge.convert)
        for at, rule in enumerate(charge.rules if isinstance(charge.rules, tuple) else ()):
            yield WayToAmount(f"{name} rule {at + 1}", ("charges", name, "rules", at), rule.price, rule.convert)


def contract_factor(role: str) -> str:
    """The factor that is the number of a party's contract."""
    return f"{_CONTRACT}{role}"


_CONTRACT = "contract of "


def told_factor(name: str) -> str:
    """What a factor is called where it is missing."""
    return name if name.startswith(_CONTRACT) else f"factor {name}"


def factor_path(name: str, charges: Mapping[str, RatedChargeSpec]) -> tuple[str | int, ...]:
    """Where a factor is declared: under `factors`, or in the contract, rate card or conversion that it was made for."""
    if name.startswith(_CONTRACT):
        return ("parties", name.removeprefix(_CONTRACT), "contract")
    for way in ways_to_amounts(charges):
        if name == rate_card_factor(way.place):
            return (*way.path, "price", "rate_card")
        if name == exchange_factor(way.place):
            return (*way.path, "convert")
        if way.over is not None and name in (total_before(way.over), total_including(way.over)):
            return (*way.path, "price")
    return ("factors", name)


def with_made_factors(
    factors: Mapping[str, FactorSpec], charges: Mapping[str, RatedChargeSpec], parties: Mapping[str, PartySpec]
) -> dict[str, FactorSpec]:
    """`factors`, and those that the charges' rate cards and conversions read, and the parties' contracts."""
    found = dict(factors)
    for role, party in parties.items():
        if party.contract is not None:
            came = party.contract.messages
            found[contract_factor(role)] = FactorSpec(
                table=contract_table(role) if came else party.contract.table,
                column=party.contract.number,
                key=party.key,
                type="text",
                valid=("valid_from", "valid_to") if came else None,
            )
    for way in ways_to_amounts(charges):
        card = None if way.price is None else way.price.rate_card
        if card is not None:
            found[rate_card_factor(way.place)] = FactorSpec(
                table=card.table, column=card.column, key=card.by, valid=card.valid
            )
        if way.convert is not None:
            found[exchange_factor(way.place)] = _exchange(way.convert)
        total = None if way.over is None else factors.get(way.over)
        if way.over is not None and total is not None and total.accumulator is not None:
            found[total_before(way.over)] = _counting(total, total.accumulator, "before")
            found[total_including(way.over)] = _counting(total, total.accumulator, "including")
    return found


def _counting(factor: FactorSpec, total: AccumulatorSpec, counts: Literal["before", "including"]) -> FactorSpec:
    return FactorSpec(accumulator=total.model_copy(update={"counts": counts}), type=factor.type)


def _exchange(convert: ConvertSpec) -> FactorSpec:
    return FactorSpec(
        table=convert.rates,
        column=convert.rate,
        key=(quoted_code(convert.from_) or convert.from_,),
        table_key=(convert.currency,),
        valid=convert.valid,
        on=convert.on,
        dated=convert.dated,
        find=convert.find,
    )


def quoted_code(text: str) -> str | None:
    """A currency's code as a constant key; None for what is a column."""
    return f"'{text}'" if re.fullmatch(r"[A-Z]{3}", text) else None
