"""The settlement model: one line of business, declared; composed of each context's own part."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, create_model

from everycent.base.engine.declaration import Called, Declaration, Name, ScalarText
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import Currency, currency
from everycent.flow.clearing.contract import BudgetSpec, ChargeSpec, OrderSpec
from everycent.flow.intake.contract import RecordSpec, TableSpec
from everycent.flow.model.yaml_source import ModelIssue, Source
from everycent.flow.non_order.contract import NonOrderSpec
from everycent.flow.parties.contract import OnboardingSpec, PartySpec, role_of_contract_table
from everycent.flow.payments.contract import PayoutSpec
from everycent.flow.rating.contract import FactorSpec, RuleTableSpec, with_made_factors
from everycent.flow.settlement.contract import BY_HAND, StatementSpec

__all__ = ["LoadedModel", "ModelIssue", "ModelRefused", "SettlementModel", "Source", "compose", "table_files"]


def _day_cut(value: object) -> object:
    if isinstance(value, str):
        try:
            return time.fromisoformat(value)
        except ValueError:
            raise ValueError(f'\'{value}\' is not a time of day; write for example "00:00" or "06:00"') from None
    return value


class ModelRefused(Exception):
    """The model cannot be used; `issues` say what, where and what would be right, in the order of the file."""

    def __init__(self, file: str, issues: list[ModelIssue]) -> None:
        ordered = sorted(issues, key=lambda issue: (issue.place.line, issue.place.column) if issue.place else (0, 0))
        super().__init__("\n".join(issue.at(file) for issue in ordered))
        self.file = file
        self.issues = ordered


class CalendarSpec(Declaration):
    """The business's own calendar: whose midnight ends a day, and when."""

    time_zone: str = Field(description="the business's time zone, by its IANA name", examples=["Asia/Shanghai"])
    day_cut: Annotated[
        time,
        BeforeValidator(_day_cut),
        WithJsonSchema({"type": "string", "pattern": r"^\d\d:\d\d$"}),
        Called("time of day"),
    ] = Field(default=time(0), description="when a business day ends and the next begins", examples=["06:00"])


class GoldenSpec(Declaration):
    """A golden case: facts in, obligations (and charges) out, as small text tables."""

    facts: str = Field(
        description="the facts: a line with a record kind and its columns, then a line for each record",
        examples=["item_delivered  order_id  price\n                A1        99.99"],
    )
    factors: str | None = Field(
        default=None,
        description="values of factors that are looked up outside: a line with the factor, its key columns and value, "
        "then a line for each key",
        examples=["rate  category  value\n      toys      0.05"],
    )
    obligations: str | None = Field(
        default=None,
        description="all obligations that must come out",
        examples=["charge  debtor    creditor  amount\ngoods   platform  m-7       99.99"],
    )
    charges: str | None = Field(
        default=None, description="all charges that must come out", examples=["charge      amount\ncommission  5.00"]
    )


class SettlementModel(Declaration):
    """One line of business from its records to its payouts.

    Sections of the proof wing are added by `compose`.
    """

    model: Name = Field(description="the model's name; all that is stored stands under it", examples=["harbour-market"])
    version: ScalarText = Field(
        description="the author's own version; a change of content is a new version all the same", examples=["3"]
    )
    title: str | None = Field(default=None, description="a name for readers", examples=["Harbour market, 2026"])
    currency: str = Field(
        description="the currency of amounts that say no other, by its ISO 4217 code", examples=["CNY"]
    )
    calendar: CalendarSpec = Field(description="whose midnight ends a day")
    calendars: dict[Name, str] = Field(
        default_factory=dict,
        description="calendars of the business's own, which a cycle names: each a CSV file beside the model with its "
        "periods, without gap or overlap: period (its name), first, last (its last day)",
        examples=[{"retail": "retail_calendar.csv"}],
    )
    parties: dict[Name, PartySpec] = Field(description="who owes and is owed")
    onboarding: OnboardingSpec | None = Field(
        default=None, description="whose contract messages are taken, which make parties"
    )
    tables: dict[Name, TableSpec] = Field(default_factory=dict, description="attached tables: rates, accounts, ...")
    records: dict[Name, RecordSpec] = Field(description="the kinds of business facts that come in")
    factors: dict[Name, FactorSpec] = Field(default_factory=dict, description="named values that formulas use")
    budgets: dict[Name, BudgetSpec] = Field(default_factory=dict, description="where what bearers carry is totalled")
    charges: dict[Name, ChargeSpec] = Field(description="what records cost, and who owes it to whom")
    non_order_charges: dict[Name, NonOrderSpec] = Field(
        default_factory=dict, description="charges that no order causes: deposits, fines, platform fees"
    )
    legal_entities: str | None = Field(
        default=None,
        description="a CSV file beside the model with who settles which charge from when on: tenant, business (a "
        "model's name), charge, legal_entity, valid_from, valid_to; an empty tenant, business or charge means all",
        examples=["legal_entities.csv"],
    )
    order: OrderSpec | None = Field(default=None, description="the strict order of charges that draw on budgets")
    statements: dict[Name, StatementSpec] = Field(
        default_factory=dict, description="when each party role is settled, by role"
    )
    payouts: dict[Name, PayoutSpec] = Field(default_factory=dict, description="how each party role is paid, by role")
    tests: dict[str, GoldenSpec] = Field(
        default_factory=dict, description="golden cases: facts, and what must come of them"
    )

    @property
    def ordered_kinds(self) -> list[str]:
        """The record kinds that are cleared in strict order: of charges that draw on a budget, of factors that depend
        on what came before, and their refunds."""
        own = {kind for charge in self.charges.values() for kind in charge.for_ if charge.enabled and charge.budget}
        own |= {kind for factor in self.factors.values() if factor.history for kind in factor.history.kinds}
        return [kind for kind, record in self.records.items() if kind in own or record.refunds in own]

    @property
    def charges_in_various(self) -> list[str]:
        """The charges that are in the currency of each record, where a kind of theirs has several."""
        own = {kind for kind, record in self.records.items() if record.currency is not None}
        return [name for name, charge in self.charges.items() if charge.currency is None and own & {*charge.for_}]

    @property
    def currency_codes(self) -> list[str]:
        """The codes of all currencies that charges can be in, the model's own first."""
        own = [code for record in self.records.values() for code in record.currency_codes]
        named = [charge.currency for charge in self.charges.values() if charge.currency is not None]
        return list(dict.fromkeys([self.currency, *own, *named]))

    @property
    def charged(self) -> list[str]:
        """All that a legal entity settles: the names of charges, and of kinds that no order causes."""
        return [*self.charges, *self.non_order_charges]

    @property
    def ending_events(self) -> dict[str, tuple[str, ...]]:
        """By party role what can end its parties' periods: a person's word, and records that name the party."""
        return {
            role: (BY_HAND, *(
                kind for kind, record in self.records.items()
                if kind != BY_HAND and all(column in record.columns for column in party.key)
            ))
            for role, party in self.parties.items() if party.operator is None
        }  # fmt: skip

    @property
    def settled_roles(self) -> list[str]:
        """The party roles that have statements: all but the operator."""
        return [role for role, party in self.parties.items() if party.operator is None]

    def decision_file(self, charge: str) -> str | None:
        """The file of a charge's decision table; None where its rules are written in the model."""
        rules = self.charges[charge].rules
        if not isinstance(rules, RuleTableSpec):
            return None
        attached = self.tables.get(rules.table)
        return rules.table if attached is None else attached.file


def _first_line(spec: type[Declaration]) -> str:
    """What a further section is about: the first line of its declaration's docstring."""
    line = (spec.__doc__ or "").strip().splitlines()[0].rstrip(".")
    return line[:1].lower() + line[1:]


def compose(sections: Mapping[str, type[Declaration]]) -> type[SettlementModel]:
    """The model's type with further sections (name -> its declaration, by scenario), which `serve` wires in."""
    # A section's type is a value here, built when the program is wired.
    fields: dict[str, Any] = {
        name: (dict.__class_getitem__((Name, spec)), Field(default_factory=dict, description=_first_line(spec)))
        for name, spec in sections.items()
    }
    return create_model("SettlementModel", __base__=SettlementModel, __doc__=SettlementModel.__doc__, **fields)


@dataclass(frozen=True)
class LoadedModel:
    """A model that is well-formed, with everything its version depends on.

    `version_hash` covers the canonical content of the YAML and of every file beside the model that it names.
    `files` maps a table's file name to the file beside the model; the others come with a run's records.
    """

    path: Path
    text: str
    source: Source
    spec: SettlementModel
    version_hash: str
    files: Mapping[str, Path]

    @property
    def name(self) -> str:
        return self.spec.model

    @property
    def currency(self) -> Currency:
        return currency(self.spec.currency)

    @property
    def calendar(self) -> BusinessCalendar:
        return BusinessCalendar(self.spec.calendar.time_zone, self.spec.calendar.day_cut)

    @property
    def operator(self) -> str:
        """The legal entity of the role that is the platform itself."""
        return next(party.operator for party in self.spec.parties.values() if party.operator is not None)


def table_files(spec: SettlementModel) -> list[str]:
    """The file names that the model's attached tables and factors name, in the order of the file."""
    named = [table.file for table in spec.tables.values() if table.file]
    factors = with_made_factors(spec.factors, spec.charges, spec.parties).values()
    named += [
        factor.table
        for factor in factors
        if factor.table and factor.table not in spec.tables and role_of_contract_table(factor.table) is None
    ]
    own = (*map(spec.decision_file, spec.charges), spec.legal_entities, *spec.calendars.values())
    named += [file for file in own if file is not None]
    return list(dict.fromkeys(named))
