"""What a report is made of: plain values, amounts as integers of minor units. Collected once, drawn in several ways."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from everycent.base.money.amount import grouped
from everycent.serve.figures.asked import Figures

#: Long tables show this many rows; the rest is in the Parquet file that the section names.
ROWS_SHOWN = 50

#: The buckets of recon in the order in which the report shows them; the first three are no breaks.
BUCKETS = (
    "equal",
    "within_tolerance",
    "matched",
    "amount_differs",
    "status_differs",
    "missing_right",
    "missing_left",
    "duplicated_right",
    "duplicated_left",
    "ambiguous",
    "budget_exhausted",
    "only_right",
    "in_total",
)

#: What became of credited money; `passed` and `kept` are the operator's own (what it owes others, and the rest).
STANDINGS = ("passed", "kept", "paid", "open", "offset", "returned")


class Check(NamedTuple):
    """One check of the verifier: its name, whether it held, and the first row that does not add up where it did not."""

    name: str
    passed: bool
    detail: str
    rows: int = 0  # rows looked at


class IntakeRow(NamedTuple):
    """The rows of one source file that were offered as one record kind, by outcome; they add up to `read`."""

    file: str
    kind: str
    read: int
    accepted: int
    duplicate: int
    conflict: int
    quarantined: int


class ReasonRow(NamedTuple):
    """Why rows were set aside or charges held: how often, and one example (file:line, or kind:key)."""

    outcome: str
    reason: str
    rows: int
    example: str


class FlowRow(NamedTuple):
    """Obligations between two roles for one charge: charged, and refunded of it (both positive)."""

    debtor: str
    charge: str
    creditor: str
    obligations: int
    charged_minor: int
    refunded_minor: int


class StandingRow(NamedTuple):
    """What became of what was charged in a role's favour: one of STANDINGS. Per role they add up to its credits."""

    role: str
    standing: str
    amount_minor: int


class PartyRow(NamedTuple):
    """A party's credits and debits after refunds; net is what it gets (negative: what it owes)."""

    party_id: str
    role: str
    obligations: int
    credit_minor: int
    debit_minor: int
    net_minor: int


class StatementRow(NamedTuple):
    """A statement: credit minus debit is net."""

    statement_id: str
    party_id: str
    period: str
    state: str
    due_on: date | None
    obligations: int
    credit_minor: int
    debit_minor: int
    net_minor: int


class InstructionRow(NamedTuple):
    """An instruction to pay a party, or to collect from it."""

    instruction_id: str
    party_id: str
    direction: str
    channel: str
    account: str
    state: str
    amount_minor: int


class BucketRow(NamedTuple):
    """The rows of one scenario that landed in one bucket, with both sides' totals."""

    scenario: str
    bucket: str
    keys: int | None  # None: the scenario's rows are in several currencies
    left_rows: int
    right_rows: int
    left_minor: int
    right_minor: int


class BreakRow(NamedTuple):
    """One break: both sides' amount (None: not there) and status; the difference is left minus right. Of a break in
    several currencies there are none of these, and `in_several` says what each side has."""

    scenario: str
    bucket: str
    cause: str
    key: str
    place: str  # file:line on the right side, or on the left where the right has none
    left_minor: int | None
    right_minor: int | None
    left_status: str
    right_status: str
    difference_minor: int | None
    in_several: str = ""


@dataclass(frozen=True)
class Total:
    """How many rows there are in all, beyond those shown, and what they add up to."""

    rows: int
    amount_minor: int = 0


@dataclass(frozen=True)
class StatementTotals:
    """The statements in one state, and what they come to: net of a net statement, each side of a gross one.

    What is owed to parties and what is owed by them stand apart: the one is paid, the other collected.
    """

    rows: int
    payable_minor: int = 0
    receivable_minor: int = 0


@dataclass(frozen=True)
class ReportData:
    """One model's books in one currency, as the report shows them: amounts of different currencies are never added.

    Tables are in the order shown, long ones cut to ROWS_SHOWN.
    """

    model: str
    model_version: str
    tenant: str
    currency: str
    exponent: int
    first_day: date | None
    last_day: date | None
    records: int
    checks: tuple[Check, ...]
    intake: tuple[IntakeRow, ...]
    set_aside: tuple[ReasonRow, ...]
    held: tuple[ReasonRow, ...]
    flows: tuple[FlowRow, ...]
    standings: tuple[StandingRow, ...]
    parties: tuple[PartyRow, ...]
    parties_total: Total
    statements: tuple[StatementRow, ...]
    statements_by_state: dict[str, StatementTotals]
    instructions: tuple[InstructionRow, ...]
    instructions_by_direction: dict[str, Total]
    buckets: tuple[BucketRow, ...]
    breaks: tuple[BreakRow, ...]
    breaks_by_scenario: dict[str, int]
    others: tuple["ReportData", ...]  # the same of the model's other currencies
    refused: tuple[ReasonRow, ...]  # rows of either side that could not be compared; outcome is the scenario
    figures: Mapping[str, Figures] = field(default_factory=dict)  # by name, of this currency, a line for each role

    @property
    def verified(self) -> bool | None:
        """True or False as the verifier found, None where it was not asked."""
        return all(check.passed for check in self.checks) if self.checks else None

    @property
    def charged_minor(self) -> int:
        return sum(flow.charged_minor for flow in self.flows)

    @property
    def refunded_minor(self) -> int:
        return sum(flow.refunded_minor for flow in self.flows)

    def amount(self, minor: int) -> str:
        """12345678 of CNY -> 123,456.78"""
        return grouped(minor, self.exponent)
