"""What settlement gives to the rest of the house: statements, and its part of the model's language."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Protocol, Self

import pyarrow as pa
from pydantic import AfterValidator, Field, model_validator

from everycent.base.engine.declaration import Called, Declaration, Duration, Name, NumberText, Written
from everycent.base.engine.tables import UUID, TableSchema
from everycent.base.money.cycle import Cycle
from everycent.flow.approvals.contract import Levels, LevelSpec


class StatementState(StrEnum):
    """Where a statement stands. What is closed stays closed: its figures never change again."""

    OPEN = "open"  # it accrues
    CLOSED = "closed"  # waits for its party's word, for approval, or for nothing
    DISPUTED = "disputed"  # its party, or who had to approve it, says that it is wrong
    CONFIRMED = "confirmed"  # its party agrees, or was silent for as long as was agreed
    APPROVED = "approved"  # all levels said yes


class Refusal(StrEnum):
    """Why a statement was not moved, named after the rule that this would break."""

    UNNAMED = "unnamed"
    UNKNOWN_STATEMENT = "unknown_statement"
    REASON_MISSING = "reason_missing"
    RELEASED = "released"
    NOT_ASKED = "not_asked"
    NOT_CONFIRMED = "not_confirmed"
    WRONG_STATE = "wrong_state"
    NOT_RELEASED = "not_released"
    SETTLED = "settled"
    PARKED = "parked"
    NOT_PARKED = "not_parked"
    UNKNOWN_INVOICE = "unknown_invoice"
    WRONG_SIDE = "wrong_side"
    NUMBER_MISSING = "number_missing"
    NUMBER_TAKEN = "number_taken"
    OTHER_TOTAL = "other_total"
    ALREADY_CLOSED = "already_closed"


@dataclass(frozen=True)
class Refused:
    """Why a statement was not moved, and in words what would be right."""

    refusal: Refusal
    message: str


class EventRefusal(StrEnum):
    """Why an event ended no period, named after the rule that this would break."""

    UNNAMED = "unnamed"
    UNKNOWN_PARTY = "unknown_party"
    OTHER_CONTENT = "other_content"
    NOT_BY_EVENT = "not_by_event"
    NOT_YET = "not_yet"
    ENDED_ALREADY = "ended_already"
    BOOKED_AFTER = "booked_after"


#: What a person says ends a period, whatever event is declared.
BY_HAND = "closed"
#: What ends a period where its party's terms are others from then on: of another contract, or the model's.
OTHER_TERMS = "other_terms"


@dataclass(frozen=True)
class CycleEvent:
    """What ends a party's period: `kind` is a record kind, BY_HAND where a person says it, or OTHER_TERMS.
    `occurred_on`: the last business day of the period."""

    event_id: str
    kind: str
    party_id: str
    occurred_on: date
    by: str
    why: str | None = None


@dataclass(frozen=True)
class EventAnswer:
    """What became of an event. `refusal` is None where it ended a period, whose name is `period`, or where it was known
    (`again`); else `message` says what would be right."""

    event: CycleEvent
    period: str | None = None
    again: bool = False
    refusal: EventRefusal | None = None
    message: str = ""


@dataclass(frozen=True)
class SideEnd:
    """What became of the payment of one side of a released statement. `side`: net; in gross mode payable or receivable.

    `settled`: it was paid, collected, or settled without payment; else what was to pay it failed or came back. `cause`:
    which payment, and which of its moves, the same each time that it is told. `why`: in words.
    """

    statement_id: str
    side: str
    settled: bool
    cause: str
    why: str


class ConfirmSpec(Declaration):
    """That a closed statement waits for its party's word before it is approved and paid."""

    silent_after: Duration | None = Field(
        default=None,
        description="so long after it was closed, in whole days, silence counts as agreement; without it, never",
        examples=["3 days"],
    )


#: A ratio's decimals: it is an integer of 1 / RATIO_ONE in sums.
_RATIO_DECIMALS = 8
RATIO_ONE = 10**_RATIO_DECIMALS


class ReserveSpec(Declaration):
    """A part of each statement that is held back for some time, for what may still come back."""

    ratio: NumberText = Field(
        description="of what the statement's own obligations give its party: 0.05 holds back 5 %, rounded half up",
        examples=["0.05"],
    )
    release_after: Duration = Field(
        description="so long after it was closed, in whole days, it is paid with the statement that is open then",
        examples=["30 days"],
    )

    @model_validator(mode="after")
    def _a_part(self) -> Self:
        decimals = len(self.ratio.partition(".")[2])
        if not 0 < Decimal(self.ratio) <= 1 or decimals > _RATIO_DECIMALS:
            raise ValueError(f"'ratio' is {self.ratio}; write more than 0 and at most 1, with up to 8 decimals")
        return self


_RATE_MOST = 10


class TaxSpec(Declaration):
    """The tax of one charge on invoices."""

    rate: NumberText = Field(description="of the amount without tax; 0: it is invoiced without", examples=["0.06"])
    included: bool = Field(
        default=True,
        description="yes: it is in the charge's amount; no: it is added to it, on the invoice and on the statement",
    )
    round: Literal["half_up", "half_even", "down", "up"] = Field(
        default="half_up",
        description="how the charge's tax on an invoice is rounded, once; half_up: 0.5 of a minor unit away from zero; "
        "half_even: 0.5 to the even one; down: towards zero; up: away from zero",
    )

    @model_validator(mode="after")
    def _a_rate(self) -> Self:
        decimals = len(self.rate.partition(".")[2])
        if not 0 <= Decimal(self.rate) <= _RATE_MOST or decimals > _RATIO_DECIMALS:
            raise ValueError(f"'rate' is {self.rate}; write 0 to {_RATE_MOST} with up to 8 decimals, such as 0.06")
        return self


class InvoiceSpec(Declaration):
    """That statements are invoiced: what their party is owed by the party, what it owes by the legal entity."""

    before_payment: bool = Field(
        default=False,
        description="yes: a statement is not paid before its party's invoice is confirmed and the own one issued",
    )
    charges: dict[Name, TaxSpec] = Field(
        default_factory=dict,
        description="the charges that are invoiced, each with its tax; without it, all are, without tax",
        examples=[{"goods": {"rate": "0.13"}, "commission": {"rate": "0.06", "included": "no"}}],
    )


def _a_cycle(text: str) -> str:
    Cycle.parse(text)
    return text


class StatementSpec(Declaration):
    """How a party role is settled."""

    cycle: Annotated[
        str,
        Written(
            r"^(daily|weekly|half_monthly|monthly|T\+\d{1,3}|to \d{1,2}(, ?\d{1,2})*"
            r"|(until|calendar) [a-z][a-z0-9_]*)$",
            "daily, weekly, half_monthly, monthly, T+n such as T+3, to 10, 20, 31, until season_end, calendar retail",
            ("daily", "weekly", "half_monthly", "monthly"),
        ),
        Called("cycle"),
        AfterValidator(_a_cycle),
    ] = Field(
        description="how long a statement's period is: daily, weekly (Monday to Sunday), half_monthly "
        "(to the 15th, and the rest), monthly, T+n: each "
        "business day's, closed n days after it; to 10, 20, 31: to each of these days of the month, "
        "of a shorter one to its last; until season_end: of each party until a record of this kind comes that names "
        "it, or a person ends it (until closed: a person alone); or calendar retail: the periods of the table that "
        "'calendars' names so",
        examples=["weekly", "T+3", "to 10, 20, 31", "until season_end", "calendar retail"],
    )
    ready_after: Duration = Field(
        default=timedelta(0), description="how long after its period a statement stays open", examples=["7 days"]
    )
    charge_groups: dict[Name, list[Name]] = Field(
        default_factory=dict,
        description="charges that stand on statements of their own, by a name of each group; all others stand on one",
        examples=[{"freight": ["freight", "fuel"]}],
    )
    mode: Literal["net", "gross"] = Field(
        default="net",
        description="net: one payment of the difference; gross: what is owed to the party and by it, each by itself",
    )
    negative: Literal["collect", "carry"] = Field(
        default="collect",
        description="what becomes of a statement that ends below 0: collect: its party is asked to pay it; carry: it "
        "is taken from the next statement",
    )
    reserve: ReserveSpec | None = Field(
        default=None,
        description="a part that is held back, and for how long; without it, nothing is",
        examples=[{"ratio": "0.05", "release_after": "30 days"}],
    )
    invoice: InvoiceSpec | None = Field(
        default=None,
        description="that it is invoiced, and whether payment waits for that; without it, it is not",
        examples=[{"before_payment": "yes", "charges": {"commission": {"rate": "0.06"}}}],
    )
    confirm: ConfirmSpec | None = Field(
        default=None, description="that its party has to agree before it is paid; without it, nobody asks the party"
    )
    approve: Levels | None = Field(
        default=None,
        description="who has to say yes before it is paid, one group after another; without it, nobody",
        examples=[["operations", {"by": "finance", "above": "10000"}]],
    )


@dataclass(frozen=True)
class Needs:
    """What the statements of a role wait for before they are paid; frozen on each as it closes.

    `silent_days`: so many days after closing silence confirms it; None: never. `invoices`: it waits for those it has.
    """

    confirms: bool = False
    silent_days: int | None = None
    approve: tuple[LevelSpec, ...] = ()
    invoices: bool = False

    @classmethod
    def of(cls, spec: StatementSpec) -> "Needs":
        """What a role's declaration asks for; a part of a day waits as a whole one."""
        silent = None if spec.confirm is None else spec.confirm.silent_after
        days = None if silent is None else -(-silent // timedelta(days=1))
        invoices = spec.invoice is not None and spec.invoice.before_payment
        return cls(spec.confirm is not None, days, spec.approve or (), invoices)

    @property
    def any(self) -> bool:
        """Whether it waits for anything."""
        return self.asks or self.invoices

    @property
    def asks(self) -> bool:
        """Whether somebody has to say something of each."""
        return self.confirms or bool(self.approve)


@dataclass(frozen=True)
class HandingOn:
    """What a role's statements keep for later as they close; frozen on each then.

    `carries`: what ends below 0 is taken from the next one. `reserve_ratio`: of what its own obligations give, times
    RATIO_ONE, is held back for `reserve_days` after closing.
    """

    carries: bool = False
    reserve_ratio: int = 0
    reserve_days: int = 0

    @classmethod
    def of(cls, spec: StatementSpec) -> "HandingOn":
        """What a role's declaration says; a part of a day waits as a whole one."""
        held = spec.reserve
        if held is None:
            return cls(spec.negative == "carry")
        days = -(-held.release_after // timedelta(days=1))
        return cls(spec.negative == "carry", int(Decimal(held.ratio) * RATIO_ONE), days)

    @property
    def any(self) -> bool:
        """Whether anything is kept for later."""
        return self.carries or self.reserve_ratio > 0


class LineKind(StrEnum):
    """What a line that is no obligation says. Above 0 its amount is owed to the party."""

    CARRIED_OUT = "carried_out"  # it ended below 0: this much of it is taken from `other_statement`
    CARRIED_IN = "carried_in"  # what `other_statement` ended with, below 0
    RESERVE_HELD = "reserve_held"  # below 0: kept until `release_on`
    RESERVE_RELEASED = "reserve_released"  # what `other_statement` held back
    TAX_ADDED = "tax_added"  # the taxes on its invoices that are not in its charges' amounts


@dataclass(frozen=True)
class Search:
    """Which statements are looked for; None, or nothing said, for all.

    `waits_for`: close, confirm, approve, resolve, invoice, payment, unpark or nothing. `since`, `until`: whose period
    has a day between, both inside. `least_minor`, `most_minor`: of the balance, whichever way it goes, in the one
    currency that is said, too.
    """

    model: str | None = None
    ids: tuple[str, ...] | None = None
    state: str | None = None
    waits_for: str | None = None
    party: str | None = None
    since: date | None = None
    until: date | None = None
    currency: str | None = None
    least_minor: int | None = None
    most_minor: int | None = None
    limit: int | None = None

    def __post_init__(self) -> None:
        bounded = self.least_minor is not None or self.most_minor is not None
        assert not bounded or self.currency is not None, "an amount is of a currency"


@dataclass(frozen=True)
class InvoiceSearch:
    """Which invoices are looked for; None for all."""

    model: str | None = None
    statement: str | None = None
    state: str | None = None
    issuer: str | None = None
    limit: int | None = None


#: Sums of minor units: 128 bits wide, so that no number of rows overflows them.
TOTAL_MINOR = pa.decimal128(38, 0)

_ACCRUED = [
    # <model>/<party_id>/<period>/<currency>/<legal_entity>, and of a group of charges /<charge_group>
    pa.field("statement_id", pa.string(), nullable=False),
    pa.field("party_id", pa.string(), nullable=False),
    pa.field("role", pa.string(), nullable=False),
    pa.field("period", pa.string(), nullable=False),  # 2026-03-01, 2026-W09, 2026-03-H1, 2026-03, ..-D10, E1
    pa.field("period_first", pa.date32(), nullable=False),
    pa.field("period_last", pa.date32(), nullable=False),
    pa.field("closes_on", pa.date32(), nullable=False),  # the first day whose day cut closes it
    pa.field("currency", pa.string(), nullable=False),
    pa.field("legal_entity", pa.string(), nullable=False),
    pa.field("charge_group", pa.string(), nullable=False),  # empty: of all charges that are in none
    pa.field("mode", pa.string(), nullable=False),  # net | gross
    pa.field("agreed", pa.string()),  # JSON: the contract it is settled under, and its words; None: the model's hold
    pa.field("payable_minor", TOTAL_MINOR, nullable=False),  # owed to the party; refunds lower it, below 0 too
    pa.field("receivable_minor", TOTAL_MINOR, nullable=False),  # owed by the party
    pa.field("obligations", pa.int64(), nullable=False),  # ends of obligations: one between two parties counts on both
]

#: What a batch adds to each statement.
ACCRUAL = TableSchema(
    name="settlement.accrual",
    columns=pa.schema(
        [
            *_ACCRUED,
            pa.field("booked_from", pa.date32(), nullable=False),  # the earliest day booked on
        ]
    ),
    key=("statement_id",),
)

#: Statements are decided rows: always in PostgreSQL (settlement.statement).
STATEMENT = TableSchema(
    name="settlement.statement",
    columns=pa.schema(
        [
            *_ACCRUED,
            pa.field("net_minor", TOTAL_MINOR, nullable=False),  # payable - receivable
            pa.field("lines_minor", TOTAL_MINOR, nullable=False),  # of its lines; in gross mode on the payable side
            pa.field("state", pa.string(), nullable=False),  # a StatementState
            pa.field("closed_as_of", pa.date32()),  # the day cut that closed it
        ]
    ),
    key=("statement_id",),
)

#: What stands on statements beside obligations (settlement.statement_line).
LINE = TableSchema(
    name="settlement.statement_line",
    columns=pa.schema(
        [
            pa.field("line_id", UUID, nullable=False),  # from tenant, kind and both statements
            pa.field("statement_id", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),  # a LineKind
            pa.field("amount_minor", TOTAL_MINOR, nullable=False),  # above 0 is owed to the party
            pa.field("other_statement", pa.string()),  # where it came from, or goes to
            pa.field("party_id", pa.string(), nullable=False),
            pa.field("currency", pa.string(), nullable=False),
            pa.field("legal_entity", pa.string(), nullable=False),
            pa.field("as_of", pa.date32(), nullable=False),  # its business day, and its ledger date
            pa.field("release_on", pa.date32()),  # of what is held back: the first day on which it is not
        ]
    ),
    key=("line_id",),
)

#: What is invoiced for a statement (settlement.invoice_line).
INVOICE_LINE = TableSchema(
    name="settlement.invoice_line",
    columns=pa.schema(
        [
            pa.field("statement_id", pa.string(), nullable=False),
            pa.field("side", pa.string(), nullable=False),  # payable: its party invoices it; receivable: its entity
            pa.field("charge", pa.string(), nullable=False),
            pa.field("rate", pa.int64(), nullable=False),  # times RATIO_ONE
            pa.field("included", pa.bool_(), nullable=False),
            pa.field("rounding", pa.string(), nullable=False),
            pa.field("net_minor", TOTAL_MINOR, nullable=False),
            pa.field("tax_minor", TOTAL_MINOR, nullable=False),
        ]
    ),
    key=("statement_id", "side", "charge"),
)

#: What contracts with parties say of their statements, from `since` to the day before `until`; by party_id, since.
AGREED = pa.schema(
    [
        pa.field("party_id", pa.string(), nullable=False),
        pa.field("since", pa.date32(), nullable=False),
        pa.field("until", pa.date32()),  # None: it has no end
        pa.field("gathers", pa.string(), nullable=False),  # a base.money.cycle.Cycle's
        pa.field("closes_after", pa.int32(), nullable=False),  # a period's last day, in days
        pa.field("mode", pa.string(), nullable=False),  # net | gross
        pa.field("agreed", pa.string(), nullable=False),  # JSON: contract, revision, and the words that it has
    ]
)

#: The turns of parties that events have come of: from the first to the last day, both inside.
TURNS = pa.schema(
    [
        pa.field("party_id", pa.string(), nullable=False),
        pa.field("first", pa.date32(), nullable=False),
        pa.field("last", pa.date32(), nullable=False),
        pa.field("turn", pa.string(), nullable=False),  # E1, E2, ...
    ]
)

#: A record that is held back, and why: no statement with an obligation of it is closed.
HELD_RECORD = pa.schema([pa.field("record_id", UUID), pa.field("reason", pa.string())])


@dataclass(frozen=True)
class Held:
    """What a gate holds back: `records` (HELD_RECORD); or all, where it cannot tell which and is to hold then."""

    records: pa.Table
    all_for: str | None = None  # why nothing is closed


class Gate(Protocol):
    """Asked, before statements are closed, what has to wait; it answers in time. Whoever can tell implements it."""

    def held(self) -> Held:
        """What may not be closed now. Asking again may give another answer."""


@dataclass(frozen=True)
class ClosedBefore:
    """Statements that were due at a day cut, and that an earlier one had closed: as of which day, by whom and when.

    `statements`: how many.
    """

    as_of: date
    by: str
    at: datetime
    statements: int

    def __str__(self) -> str:
        some = "1 statement was" if self.statements == 1 else f"{self.statements:,} statements were"
        return (
            f"{Refusal.ALREADY_CLOSED}: {some} closed as of {self.as_of} by {self.by} at "
            f"{self.at.isoformat(' ', 'seconds')}; none is closed twice"
        )


@dataclass(frozen=True)
class HeldStatement:
    """A statement that stays open until what it waits for is done, and why. `records`: how many of it are held back."""

    statement_id: str
    reason: str
    records: int

    def __str__(self) -> str:
        more = "" if self.records < 2 else f", and {self.records - 1:,} more records of it"
        return f"{self.statement_id} is held: {self.reason}{more}"
