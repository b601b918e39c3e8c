"""What recon gives: its scenarios in the model's language, and the buckets every row lands in."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal, Self, cast

import pyarrow as pa
from pydantic import Field, model_validator

from everycent.base.engine.declaration import (
    Declaration,
    DelimiterText,
    EncodingText,
    FormulaText,
    Name,
    Words,
)
from everycent.flow.intake.contract import FORMAT, FormatWord, refuse_words_beside_format
from everycent.proof.recon.chain import DECLARED as DECLARED
from everycent.proof.recon.chain import FINDING as FINDING
from everycent.proof.recon.chain import RAW_ROW as RAW_ROW
from everycent.proof.recon.chain import Arrived as Arrived
from everycent.proof.recon.chain import Awaited as Awaited
from everycent.proof.recon.chain import Checker as Checker
from everycent.proof.recon.chain import CheckerFindings as CheckerFindings
from everycent.proof.recon.chain import CheckSides as CheckSides
from everycent.proof.recon.chain import Firing as Firing
from everycent.proof.recon.chain import Handled as Handled
from everycent.proof.recon.chain import Keys as Keys
from everycent.proof.recon.chain import Link as Link
from everycent.proof.recon.chain import LinkFailed as LinkFailed
from everycent.proof.recon.chain import LoadedFile as LoadedFile
from everycent.proof.recon.chain import Loader as Loader
from everycent.proof.recon.chain import Occasion as Occasion
from everycent.proof.recon.chain import ResultHandler as ResultHandler
from everycent.proof.recon.chain import RunResult as RunResult
from everycent.proof.recon.chain import SeesColumns as SeesColumns
from everycent.proof.recon.chain import SeesFiles as SeesFiles
from everycent.proof.recon.chain import Surroundings as Surroundings
from everycent.proof.recon.chain import Trigger as Trigger
from everycent.proof.recon.cures import RepairAttempt as RepairAttempt
from everycent.proof.recon.cures import RepairEnd as RepairEnd
from everycent.proof.recon.cures import RepairHandler as RepairHandler
from everycent.proof.recon.cures import RepairOutcome as RepairOutcome
from everycent.proof.recon.handling import HandlingSpec as HandlingSpec
from everycent.proof.recon.limits import IN_SEVERAL as IN_SEVERAL
from everycent.proof.recon.limits import Amounts
from everycent.proof.recon.live import InlineSpec as InlineSpec
from everycent.proof.recon.live import LiveSpec as LiveSpec
from everycent.proof.recon.loading import (
    CHECK,
    DRIVEN,
    HANDLE,
    LIMITS,
    LOAD,
    STATUS_MAP,
    TRIGGER,
    CheckWords,
    DrivenSpec,
    LimitsSpec,
    LinkWord,
    LinkWords,
)
from everycent.proof.recon.modes import (
    Basis,
    Book,
    Carry,
    Counterparty,
    Covers,
    Detail,
    Fee,
    Group,
    Kind,
    Mode,
    OccurredAt,
    Payout,
    Reference,
    RowCurrency,
    Total,
)
from everycent.proof.recon.rules import MatchRuleSpec as MatchRuleSpec
from everycent.proof.recon.timing import ScheduleSpec


class Bucket(StrEnum):
    """Where a row of either side ends; each row lands in exactly one."""

    EQUAL = "equal"
    WITHIN_TOLERANCE = "within_tolerance"  # counts as equal; its difference is written off on a line of its own
    MISSING_LEFT = "missing_left"  # on the right only
    MISSING_RIGHT = "missing_right"  # on the left only
    DUPLICATED_LEFT = "duplicated_left"
    DUPLICATED_RIGHT = "duplicated_right"
    AMOUNT_DIFFERS = "amount_differs"
    STATUS_DIFFERS = "status_differs"
    MATCHED = "matched"  # explained by a rule, as sure as can be; its differences have names
    AMBIGUOUS = "ambiguous"  # explained by a rule in several ways; a person decides
    BUDGET_EXHAUSTED = "budget_exhausted"  # not all ways to explain it were tried
    ONLY_RIGHT = "only_right"  # one-way: on the right only, and of no matter
    IN_TOTAL = "in_total"  # compared in total alone, not row by row


#: The buckets of pass one, by key. The others are there where the scenario's words ask for them.
BY_KEY = tuple(Bucket)[: tuple(Bucket).index(Bucket.MATCHED)]


@dataclass(frozen=True)
class CauseText:
    """What a person reads, in both languages."""

    en: str
    zh: str


#: Why a break is one, by the `cause` column of BREAK. A cause says more than its bucket where more is known.
CAUSES: Mapping[str, CauseText] = MappingProxyType(
    {
        "within_tolerance": CauseText(
            "the amounts differ within the tolerance; written off", "金额差在容差之内，差额核销"
        ),
        "missing_left": CauseText("the right side has it, the left side does not", "左方缺失：仅右方有此单"),
        "missing_right": CauseText("the left side has it, the right side does not", "右方缺失：仅左方有此单"),
        "duplicated_left": CauseText("the left side has this key more than once", "左方重复：同一键出现多次"),
        "duplicated_right": CauseText("the right side has this key more than once", "右方重复：同一键出现多次"),
        "amount_differs": CauseText("the amounts differ", "金额不一致"),
        "opposite_sign": CauseText("the amounts are equal with opposite signs", "金额相等但正负号相反"),
        "amount_and_status_differ": CauseText("the amounts differ, and so do the statuses", "金额与状态均不一致"),
        "status_differs": CauseText("the amounts agree, the statuses differ", "金额一致，状态不一致"),
        "fee": CauseText("one side is gross, the other net of this fee", "一方为毛额，另一方已扣手续费"),
        "conversion_difference": CauseText("what the currency conversion leaves", "币种折算差额"),
        "conversion": CauseText("the two amounts are in different currencies", "双方币种不同"),
        "ambiguous": CauseText(
            "rules explain it in several ways; see its alternatives", "规则可有多种解释，待人工选择：见备选"
        ),
        "budget_exhausted": CauseText("not all ways to explain it were tried", "未能在预算内穷尽所有解释"),
    }
)

_AMOUNT = pa.decimal128(38, 0)  # minor units; a key's rows may add up to more than an int64 holds

#: One side of a reconciliation. `key` and `amount_minor` are never null.
SIDE = pa.schema(
    [
        pa.field("source_file", pa.string()),
        pa.field("source_line", pa.int64()),
        pa.field("key", pa.string()),
        pa.field("amount_minor", pa.int64()),
        pa.field("status", pa.string()),
    ]
)

#: What a side may have besides: the numbers of its rows from 0, in the order in which they are read. The engine finds
#: rows by it without reading the keys of all others.
ROW = "recon_row"

#: A row of a side that cannot be compared, and why. Ordered by its place.
REFUSED = pa.schema(
    [pa.field("source_file", pa.string()), pa.field("source_line", pa.int64()), pa.field("reason", pa.string())]
)

#: A key, or one surplus row of a key, that does not agree. Ordered by key, bucket, left place, right place.
BREAK = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("bucket", pa.string()),
        pa.field("cause", pa.string()),
        pa.field("left_amount_minor", _AMOUNT),  # null: no row on that side
        pa.field("right_amount_minor", _AMOUNT),
        pa.field("difference_minor", _AMOUNT),  # left - right, a side without a row counting as 0
        pa.field("left_status", pa.string()),
        pa.field("right_status", pa.string()),
        pa.field("left_rows", pa.int64()),
        pa.field("right_rows", pa.int64()),
        pa.field("left_file", pa.string()),  # the first row's place
        pa.field("left_line", pa.int64()),
        pa.field("right_file", pa.string()),
        pa.field("right_line", pa.int64()),
        pa.field("cause_en", pa.string()),
        pa.field("cause_zh", pa.string()),
    ]
)

#: One line per bucket, in the order of Bucket, buckets without rows included.
TOTALS = pa.schema(
    [
        pa.field("bucket", pa.string()),
        pa.field("keys", pa.int64()),  # a key whose surplus rows are duplicates counts in both their buckets
        pa.field("left_rows", pa.int64()),
        pa.field("right_rows", pa.int64()),
        pa.field("left_minor", _AMOUNT),
        pa.field("right_minor", _AMOUNT),
        pa.field("difference_minor", _AMOUNT),
    ]
)

#: What a break is in that is not in the scenario's currency alone; `finding_no` is its place among the run's from 1 on.
#: Ordered by it.
BREAK_CURRENCY = pa.schema(
    [
        pa.field("finding_no", pa.int64()),
        pa.field("left_currency", pa.string()),  # null: no row on that side, or rows in several
        pa.field("right_currency", pa.string()),
        pa.field("left_amounts", pa.string()),  # of rows in several: minor units by currency, as a JSON object
        pa.field("right_amounts", pa.string()),
    ]
)

#: What buckets hold of each currency, where rows are in others than the scenario's. Ordered by bucket, currency.
TOTAL_CURRENCY = pa.schema(
    [
        pa.field("bucket", pa.string()),
        pa.field("currency", pa.string()),
        pa.field("left_rows", pa.int64()),
        pa.field("right_rows", pa.int64()),
        pa.field("left_minor", _AMOUNT),
        pa.field("right_minor", _AMOUNT),
        pa.field("difference_minor", _AMOUNT),
    ]
)

#: A row that equal rows left over, on its way through the rules. Only `row_no` and `amount_minor` are never null.
ITEM = pa.schema(
    [
        pa.field("row_no", pa.int64()),  # its place on its side
        pa.field("key", pa.string()),
        pa.field("amount_minor", pa.int64()),
        pa.field("currency", pa.string()),  # null: the scenario's
        pa.field("status", pa.string()),
        pa.field("occurred_on", pa.date32()),
        pa.field("reference", pa.string()),
        pa.field("counterparty", pa.string()),
        pa.field("group", pa.string()),
        pa.field("fee_minor", pa.int64()),  # what was deducted of it or from it, where a row says so
    ]
)


class MatchLabel(StrEnum):
    """How sure a match is."""

    UNIQUE = "unique"  # no other assignment by the same rule within its block explains it equally well
    AMBIGUOUS = "ambiguous"  # there are others: its alternatives
    BUDGET_EXHAUSTED = "budget_exhausted"  # not all was tried


#: A line for each row of a match. Ordered by match, side, row. Matches are numbered by rule, then by their first row.
MATCH = pa.schema(
    [
        pa.field("match_no", pa.int64()),
        pa.field("rule", pa.string()),
        pa.field("label", pa.string()),
        pa.field("side", pa.string()),  # left | right
        pa.field("row_no", pa.int64()),
        pa.field("differing", pa.string()),  # columns that differ within a pair, joined by "+"; null: none, or no pair
    ]
)

#: A row (or, where rows of a key add up, a key's rows together) that a rule has claimed. `row_no` names it on its side.
#: Ordered by match, side, row.
MATCHED_ROW = pa.schema(
    [
        *MATCH,
        pa.field("key", pa.string()),
        pa.field("amount_minor", _AMOUNT),
        pa.field("currency", pa.string()),  # null: the scenario's
        pa.field("status", pa.string()),
        pa.field("rows", pa.int64()),
        pa.field("source_file", pa.string()),  # the first row's place
        pa.field("source_line", pa.int64()),
    ]
)

#: What a unique match leaves between left and right, by cause: they add up to left - right. Ordered by match, cause.
MATCH_DIFFERENCE = pa.schema(
    [
        pa.field("match_no", pa.int64()),
        pa.field("cause", pa.string()),  # of CAUSES
        pa.field("difference_minor", _AMOUNT),  # never 0
        pa.field("currency", pa.string()),  # converted: the right row's
    ]
)

#: What is written off, charged or lost in exchange, as entries for a ledger: a line for each difference of a cause that
#: the scenario names an account for. `debit_account` to `currency` are what a ledger's transfer takes. Ordered by match
#: (those of pass one first), cause, key.
ENTRY = pa.schema(
    [
        pa.field("entry_no", pa.int64()),
        pa.field("cause", pa.string()),  # of CAUSES
        pa.field("key", pa.string()),  # the left's, else the right's; of a match the first of its rows'
        pa.field("match_no", pa.int64()),  # null: of pass one
        pa.field("debit_account", pa.string()),
        pa.field("credit_account", pa.string()),
        pa.field("amount_minor", pa.decimal128(38, 0)),  # above 0
        pa.field("currency", pa.string()),
    ]
)

#: The ways to explain the rows of an ambiguous match, a line for each row of each. Ordered by all columns.
MATCH_ALTERNATIVE = pa.schema(
    [
        pa.field("match_no", pa.int64()),
        pa.field("alternative_no", pa.int64()),
        pa.field("side", pa.string()),
        pa.field("row_no", pa.int64()),
    ]
)

#: Both sides added up by the columns of `total`, a line for each value of them. Ordered by dimension.
DIMENSION = pa.schema(
    [
        pa.field("dimension_no", pa.int64()),
        pa.field("dimension", pa.string()),  # a JSON object of the columns and their values
        pa.field("left_rows", pa.int64()),
        pa.field("right_rows", pa.int64()),
        pa.field("left_minor", _AMOUNT),
        pa.field("right_minor", _AMOUNT),
        pa.field("difference_minor", _AMOUNT),
        pa.field("detail_minor", _AMOUNT),  # what the rows that are not equal make up of it; null: in total alone
        pa.field("apart_minor", _AMOUNT),  # the difference that details do not show
        pa.field("limit_minor", _AMOUNT),  # null: it is told, whatever it is
    ]
)

#: Rates by which amounts are converted: one unit of `from_currency` is worth `rate` of `to_currency` from a day on.
EXCHANGE_RATE = pa.schema(
    [
        pa.field("from_currency", pa.string()),
        pa.field("to_currency", pa.string()),
        pa.field("valid_from", pa.date32()),
        pa.field("rate", pa.decimal128(18, 9)),
    ]
)


class SideSpec(Declaration):
    """One side: the model's own records of a kind, or a file with declared columns (type by name)."""

    records: Name | None = Field(
        default=None, description="a record kind of this model, as stored", examples=["payment_received"]
    )
    file: Words = Field(
        default=(), description="the names of the run's --bill or --records files", examples=["channel_*.csv"]
    )
    load: LinkWord | None = LOAD
    driven: DrivenSpec | None = DRIVEN
    format: FormatWord | None = FORMAT
    encoding: EncodingText = Field(default="utf-8", description="the file's encoding", examples=["gbk"])
    delimiter: DelimiterText = Field(default=",", description="what stands between the cells of a line", examples=[";"])
    skip_lines: int = Field(default=0, ge=0, description="how many lines stand before a file's header", examples=["3"])
    columns: dict[Name, object] = Field(
        default_factory=dict,
        description="a file's columns, as in records: type, or type with from, map, unit ...",
        examples=[{"trade_no": "text", "paid": "money"}],
    )
    when: FormulaText | None = Field(default=None, description="which rows take part", examples=["kind = 'payment'"])
    key: Words = Field(description="the columns by which both sides find each other", examples=["trade_no"])
    amount: FormulaText = Field(
        default="0",
        description="what is compared; without it only which rows there are, and their status",
        examples=["paid - fee"],
    )
    status: Name | None = Field(
        default=None, description="the column whose values are compared too", examples=["status"]
    )
    occurred_at: OccurredAt = None
    reference: Reference = None
    counterparty: Counterparty = None
    group: Group = None
    fee: Fee = None
    currency: RowCurrency = None
    kind: Kind = None
    status_map: dict[str, str] = STATUS_MAP
    covers: Covers = None
    rows: Literal["unique", "sum"] = Field(
        default="unique", description="of several rows with one key; sum: they add up; unique: they are duplicates"
    )

    @model_validator(mode="after")
    def _words_of_the_file(self) -> Self:
        refuse_words_beside_format(self)
        return self


def covered(basis: SideSpec, side: SideSpec) -> SideSpec:
    """The basis as this side is compared with it: with those of its rows that the side covers."""
    if side.covers is None:
        return basis
    both = side.covers if basis.when is None else f"({basis.when}) and ({side.covers})"
    return basis.model_copy(update={"when": both})


#: What `trigger: {file_arrival: ...}` calls what `arrival` called so.
_ARRIVAL_WORDS = {"folder": "paths", "settled": "settled", "marker": "marker"}


class ReconSpec(Declaration):
    """A reconciliation of two sides by key, two-way, in detail and in total."""

    left: SideSpec = Field(default=cast(SideSpec, None), description="one side, mostly our own")
    right: SideSpec = Field(default=cast(SideSpec, None), description="the other")
    sides: dict[Name, SideSpec] = Field(
        default_factory=dict,
        description="instead of left and right: three sides or more, each compared with the `basis`",
    )
    basis: Basis = None
    currency: str | None = Field(
        default=None,
        description="what is compared, by ISO 4217 code; the model's otherwise. Of records in several currencies only "
        "those in this one take part",
        examples=["JPY"],
    )
    tolerance: Amounts = Field(
        default="0",
        description="differences up to this, in major units, are booked as equal within tolerance; one amount is of "
        "the scenario's currency alone, of others by code",
        examples=["0.01", {"CNY": "0.05", "JPY": "5"}],
    )
    payout: Payout = None
    book: Book = None
    mode: Mode = "two_way"
    total: Total = None
    detail: Detail = True
    carry: Carry = False
    rules: tuple[MatchRuleSpec, ...] = Field(
        default=(), description="what may explain rows that are not equal, in the order in which it is tried"
    )
    check: CheckWords = CHECK
    handle: LinkWords = HANDLE
    trigger: LinkWord | None = TRIGGER
    limits: LimitsSpec = LIMITS
    breaks: HandlingSpec | None = Field(default=None, description="what becomes of the breaks that are found")
    schedule: ScheduleSpec | None = Field(default=None, description="when workers run it by themselves")
    shards: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="into how many parts workers cut it; by its rows otherwise",
        examples=[16],
    )
    live: LiveSpec | None = Field(default=None, description="events of both sides are checked soon after they happen")
    inline: InlineSpec | None = Field(
        default=None, description="a statement with a record that is a break here stays open; needs `live`"
    )

    @model_validator(mode="before")
    @classmethod
    def _arrival_is_a_trigger(cls, given: Any) -> Any:
        if isinstance(given, dict) and "arrival" in given:
            words = {**given["arrival"]} if isinstance(given["arrival"], dict) else {"folder": given["arrival"]}
            said = ", ".join(f"{name}: {words[old]}" for old, name in _ARRIVAL_WORDS.items() if words.get(old))
            raise ValueError(f"`arrival` is a trigger among others; write trigger: {{file_arrival: {{{said}}}}}")
        return given

    @model_validator(mode="after")
    def _two_sides_or_more(self) -> Self:
        given = [word for word in ("left", "right") if getattr(self, word) is not None]
        if not self.sides:
            if len(given) < 2:
                lacking = "right" if given == ["left"] else "left"
                raise ValueError(
                    f"'{lacking}' is missing here; write left and right, or three sides and more as `sides`"
                )
            if self.basis is not None:
                raise ValueError("`basis` is one of `sides`; leave it out")
            if self.left.covers is not None or self.right.covers is not None:
                raise ValueError("`covers` stands in `sides`; of two sides write `when`")
            return self
        if given or len(self.sides) < 3:
            raise ValueError("`sides` are three or more, and stand instead of left and right")
        if self.basis not in self.sides:
            raise ValueError(f"`basis` is one of {', '.join(self.sides)}")
        if self.sides[self.basis].covers is not None:
            raise ValueError("`covers` says which of the basis's rows another side has; leave it out of the basis")
        return self

    @property
    def pairs(self) -> dict[str, "ReconSpec"]:
        """Of more than two sides: by each other side's name, its comparison with the basis; empty of two sides."""
        return {
            name: self.model_copy(
                update={"left": covered(self.sides[self.basis], side), "right": side, "sides": {}, "basis": None}
            )
            for name, side in self.sides.items()
            if self.basis is not None and name != self.basis
        }

    @model_validator(mode="after")
    def _inline_of_events(self) -> Self:
        if self.inline is not None and self.inline.sees != "runs" and self.live is None:
            raise ValueError(
                "`inline` answers from what `live` has taken in; add `live`, as live: {delay: 10 minutes}, or say"
                " `sees: runs`"
            )
        beyond_a_key = {"rules": self.rules, "total": self.total, "detail": not self.detail, "check": self.check}
        for word, given in beyond_a_key.items():
            if self.live is not None and given:
                raise ValueError(f"`live` looks at each key by itself; leave `{word}` to a scenario without it")
        if self.live is not None and any(side.currency for side in (self.left, self.right) if side is not None):
            raise ValueError(
                "`live` compares events as amounts of the scenario's currency; leave a side's `currency` to a scenario"
                " without it, or choose the events of one currency by `when`"
            )
        return self
