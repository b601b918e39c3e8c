"""A model planned: every context's plan compiled once, before any row is read; every mistake told with its place."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from everycent.base.engine.formula import Position
from everycent.base.engine.types import ColumnType
from everycent.base.money.currency import all_currencies
from everycent.base.money.cycle import Period
from everycent.flow.clearing.contract import ClearingRefused, Late, shared_in_order, shares_of
from everycent.flow.clearing.stage import ClearingPlan, Settled, components, plan_clearing, told_apart
from everycent.flow.intake.contract import RecordSpec, Step, TableSpec
from everycent.flow.intake.service import UnknownFormat, UnknownStep, declared_fields, format_written, load_steps
from everycent.flow.intake.stage import IntakePlan, IntakeRefused, plan_intake
from everycent.flow.model.contract import LoadedModel, ModelIssue, ModelRefused
from everycent.flow.non_order.stage import NonOrderPlan, NonOrderRefused, plan_non_order
from everycent.flow.parties.stage import OnboardingRefused, plan_onboarding
from everycent.flow.payments.stage import PaymentPlan, PayoutRefused, plan_payments
from everycent.flow.pipeline.tables import calendars, dated_entities, decision_tables, table_specs
from everycent.flow.rating.contract import RatingRefused, declared_total, factor_path
from everycent.flow.rating.stage import (
    DecisionTable,
    RatingPlan,
    RatingTerms,
    Running,
    SharePlan,
    TurnPlan,
    plan_rating,
    plan_running,
    plan_shares,
    plan_turn,
)
from everycent.flow.settlement.stage import SettlementPlan, plan_settlement

Taken = ParamSpec("Taken")
Planned = TypeVar("Planned")


@dataclass(frozen=True)
class ModelPlan:
    """What a batch follows. `intake` has every kind, `rating` those that are no refunds.

    `running`: factors that depend on what came before. `turns`: by kind, how charges that use them are computed;
    `shares`: how charges per share are.
    """

    model: LoadedModel
    tables: Mapping[str, TableSpec]
    decisions: Mapping[str, DecisionTable]
    intake: Mapping[str, IntakePlan]
    rating: Mapping[str, RatingPlan]
    clearing: ClearingPlan
    settlement: SettlementPlan
    payments: PaymentPlan
    non_order: NonOrderPlan
    running: tuple[Running, ...] = ()
    turns: Mapping[str, TurnPlan] = field(default_factory=dict)
    shares: Mapping[str, tuple[SharePlan, ...]] = field(default_factory=dict)

    @property
    def shares_in_order(self) -> tuple[tuple[str, SharePlan], ...]:
        """The charges per share of what is cleared in strict order, with their kinds."""
        ordered = self.clearing.ordered
        return tuple((kind, share) for kind, plans in self.shares.items() for share in plans if share.name in ordered)

    @property
    def placing(self) -> tuple[str, ...]:
        """The charges that must not be parked for a record to have its place in the strict order: those that are
        cleared in it, and those that such are computed from."""
        bases = (name for turn in self.turns.values() for name in turn.bases)
        return tuple(dict.fromkeys((*self.clearing.ordered, *bases)))

    def refunds_find_their_places(self, kind: str) -> bool:
        """Whether refunds of the kind give back in the strict order, whenever they arrive."""
        order = self.model.spec.order
        return order is not None and order.late is Late.REWIND and kind in self.model.spec.ordered_kinds

    @property
    def legal_entities(self) -> tuple[str, ...]:
        """The platform's companies that settle a charge on some day, the operator's own first."""
        settled = (name for charge in self.clearing.charges for _, name in charge.settled)
        return tuple(dict.fromkeys([self.model.operator, *settled]))

    def only_moves(self, kind: str) -> bool:
        """Whether records of the kind cause no charge, but move what others are computed from, or end periods."""
        moves = kind in self.settlement.events or any(kind in running.kinds for running in self.running)
        return moves and not self.rating[kind].charges

    @property
    def operators(self) -> tuple[str, ...]:
        """The party ids of the platform itself."""
        return tuple(role for role, party in self.model.spec.parties.items() if party.operator is not None)

    @property
    def parallel(self) -> tuple[str, ...]:
        """Each budget, running total and stock whose charges wait for each other, and what divides it into parts that
        do not; empty where no charge waits for another."""
        totals = tuple(line for running in self.running for line in self._total_told(running))
        return (*(str(component) for component in components(self.clearing)), *totals)

    def _total_told(self, running: Running) -> Iterator[str]:
        """A running total as `model check` says it; nothing where no charge uses it."""
        history = self.model.spec.factors[running.name].history
        assert history is not None, "a running total is declared as one"
        users = dict.fromkeys(
            charge.name
            for turn in self.turns.values()
            for charge in turn.plan.charges
            if any(
                factor.name in charge.names and declared_total(factor.name) == running.name for factor in turn.history
            )
        )
        what, each = ("running total", "total") if running.rounding is None else ("stock", "stock")
        if users:
            yield f"{what} {running.name} ({', '.join(users)}): {told_apart(each, history.per, running.period)}"


class _Refusal(Protocol):
    @property
    def message(self) -> str: ...

    @property
    def path(self) -> tuple[str | int, ...]: ...


def plan_model(
    model: LoadedModel,
    tenant: str,
    files: Mapping[str, Path],
    *,
    records: Mapping[str, RecordSpec] | None = None,
) -> ModelPlan:
    """Plans the model; `files` are its attached tables' files as far as they are known. Raises ModelRefused.

    `records` stands in for the model's own record kinds (golden cases read facts in the model's own columns).
    """
    issues: list[ModelIssue] = []
    tables, decisions, settled, periods = _tables(model, tenant, files)
    attempt = _Attempt(model, issues)
    spec = model.spec
    for name, table in spec.tables.items():
        attempt(declared_fields, ("tables", name, "columns"), table.columns, model.currency, model.calendar)
    kinds = spec.records if records is None else records
    steps = _installed(model, kinds, issues)
    intake: dict[str, IntakePlan] = {}
    rating: dict[str, RatingPlan] = {}
    for kind, record in kinds.items():
        if any(step not in steps for step in record.steps):
            continue  # told already
        planned = attempt(_plan_intake, model, kind, kinds, tables, tenant, steps)
        rated = None
        if planned is not None and not record.refunds:
            rated = attempt(_plan_rating, model, kind, planned, tables, decisions)
        intake |= {} if planned is None else {kind: planned}
        rating |= {} if rated is None else {kind: rated}
    in_turn = {name for planned in rating.values() for name in planned.in_turn} | shared_in_order(spec.charges)
    own = (model.currency, model.operator, spec.budgets, spec.charges_in_various, _currencies(kinds), in_turn)
    clearing = attempt(plan_clearing, spec.charges, spec.parties, *own, _of_orders(model, settled))
    running = None if len(intake) < len(kinds) else attempt(_plan_running, model, intake)
    terms = {
        kind: _terms(model, planned, intake[kind], tables, decisions)
        for kind, planned in rating.items()
        if (planned.in_turn or planned.per_share) and not issues
    }
    turns = {kind: plan_turn(each) for kind, each in terms.items() if each.plan.in_turn}
    shares = {kind: plan_shares(each) for kind, each in terms.items() if each.plan.per_share}
    attempt(plan_onboarding, spec.onboarding, spec.parties)
    payments = attempt(_plan_payments, model, tables)
    non_order = attempt(_plan_non_order, model, settled)
    if issues or clearing is None or payments is None or running is None or non_order is None:
        raise ModelRefused(str(model.path), list(dict.fromkeys(issues)))
    return ModelPlan(
        model,
        tables,
        decisions,
        intake,
        rating,
        clearing,
        plan_settlement(spec.statements, spec.parties, model.name, periods),
        payments,
        non_order,
        running,
        turns,
        shares,
    )


def _plan_payments(model: LoadedModel, tables: Mapping[str, TableSpec]) -> PaymentPlan:
    spec = model.spec
    return plan_payments(spec.payouts, spec.parties, tables, spec.currency_codes, spec.calendar.time_zone)


def _tables(
    model: LoadedModel, tenant: str, files: Mapping[str, Path]
) -> tuple[
    Mapping[str, TableSpec], Mapping[str, DecisionTable], Mapping[str, Settled], Mapping[str, tuple[Period, ...]]
]:
    """The attached tables, the charges' decision tables, who settles which charge, and the periods of calendars. Raises
    ModelRefused."""
    issues: list[ModelIssue] = []
    found = (
        table_specs(model, files, issues),
        decision_tables(model, issues),
        dated_entities(model, tenant, issues),
        calendars(model, issues),
    )
    if issues:  # what uses the tables would only say it again
        raise ModelRefused(str(model.path), issues)
    return found


def _of_orders(model: LoadedModel, settled: Mapping[str, Settled]) -> Mapping[str, Settled]:
    """Who settles what orders cause."""
    return {name: each for name, each in settled.items() if name in model.spec.charges}


def _plan_non_order(model: LoadedModel, settled: Mapping[str, Settled]) -> NonOrderPlan:
    spec = model.spec
    by_code = {each.code: each for each in all_currencies()}
    currencies = [by_code[code] for code in spec.currency_codes if code in by_code]  # others are told where they stand
    known = (spec.settled_roles, list(spec.charges), currencies)
    return plan_non_order(spec.non_order_charges, *known, model.operator, settled)


def _currencies(kinds: Mapping[str, RecordSpec]) -> dict[str, str]:
    """The columns that hold records' currencies, by kind."""
    return {kind: record.currency for kind, record in kinds.items() if record.currency is not None}


@dataclass(frozen=True)
class _Attempt:
    """Calls a context's planning; a refusal becomes an issue, so that all of a model's mistakes are told at once."""

    model: LoadedModel
    issues: list[ModelIssue]

    def __call__(self, plan: Callable[Taken, Planned], *args: Taken.args, **kwargs: Taken.kwargs) -> Planned | None:
        try:
            return plan(*args, **kwargs)
        except (
            IntakeRefused,
            RatingRefused,
            ClearingRefused,
            PayoutRefused,
            OnboardingRefused,
            NonOrderRefused,
        ) as refusal:
            self.issues.append(_issue(self.model, refusal))
            return None


def _plan_intake(
    model: LoadedModel,
    kind: str,
    kinds: Mapping[str, RecordSpec],
    tables: Mapping[str, TableSpec],
    tenant: str,
    steps: Mapping[str, Step],
) -> IntakePlan:
    return plan_intake(
        kind,
        kinds[kind],
        tables=tables,
        all_kinds=kinds,
        currency=model.currency,
        calendar=model.calendar,
        tenant=tenant,
        source=model.name,
        steps=steps,
    )


def _installed(model: LoadedModel, kinds: Mapping[str, RecordSpec], issues: list[ModelIssue]) -> dict[str, Step]:
    """The installed steps that the kinds name. Adds to `issues` steps and formats that nobody installed."""
    for word, specs in (("tables", model.spec.tables), ("records", model.spec.records)):
        for name, spec in specs.items():
            try:
                _ = None if spec.format is None else format_written(spec.format)
            except UnknownFormat as unknown:
                issues.append(model.source.issue(str(unknown), (word, name, "format")))
    found: dict[str, Step] = {}
    for kind, record in kinds.items():
        try:
            found |= load_steps(record.steps)
        except UnknownStep as unknown:
            issues.append(model.source.issue(str(unknown), ("records", kind, "steps")))
    return found


def rating_terms(plan: ModelPlan, kind: str) -> RatingTerms:
    """What the model says about rating the records of a kind that is no refund."""
    return _terms(plan.model, plan.rating[kind], plan.intake[kind], plan.tables, plan.decisions)


def _terms(
    model: LoadedModel,
    plan: RatingPlan,
    intake: IntakePlan,
    tables: Mapping[str, TableSpec],
    decisions: Mapping[str, DecisionTable],
) -> RatingTerms:
    spec = model.spec
    return RatingTerms(
        plan,
        {name: charge for name, charge in spec.charges.items() if plan.kind in charge.for_},
        spec.factors,
        _columns(intake),
        spec.parties,
        tables,
        model.currency,
        decisions,
        intake.money,
        shares_of(spec.charges),
    )


def _columns(plan: IntakePlan) -> dict[str, ColumnType]:
    return {name: column.type for name, column in plan.columns.items()}


def _plan_rating(
    model: LoadedModel,
    kind: str,
    plan: IntakePlan,
    tables: Mapping[str, TableSpec],
    decisions: Mapping[str, DecisionTable],
) -> RatingPlan:
    columns = _columns(plan)
    spec = model.spec
    return plan_rating(
        spec.charges,
        spec.factors,
        kind,
        columns,
        spec.parties,
        tables,
        model.currency,
        decisions,
        plan.money,
        shares=shares_of(spec.charges),
    )


def _plan_running(model: LoadedModel, intake: Mapping[str, IntakePlan]) -> tuple[Running, ...]:
    columns = {kind: _columns(plan) for kind, plan in intake.items()}
    money = {kind: plan.money for kind, plan in intake.items()}
    return plan_running(model.spec.factors, columns, money, model.currency)


def _issue(model: LoadedModel, refusal: _Refusal) -> ModelIssue:
    position: Position | None = getattr(refusal, "position", None)  # in the formula, where a formula is wrong
    offset = None if position is None or position.line > 1 else position.offset
    path = refusal.path
    if path[0] == "factors" and path[1:]:
        path = (*factor_path(str(path[1]), model.spec.charges), *path[2:])
    return model.source.issue(refusal.message, path, offset=offset)
