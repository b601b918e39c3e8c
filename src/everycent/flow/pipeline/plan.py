"""A model planned: every context's plan compiled once, before any row is read; every mistake told with its place."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from everycent.base.engine.formula import Position
from everycent.base.engine.types import ColumnType
from everycent.flow.clearing.stage import ClearingPlan, plan_clearing
from everycent.flow.intake.contract import RecordSpec, Step, TableSpec
from everycent.flow.intake.stage import IntakePlan, IntakeRefused, plan_intake
from everycent.flow.model.contract import LoadedModel, ModelIssue, ModelRefused
from everycent.flow.payments.stage import PaymentPlan, plan_payments
from everycent.flow.pipeline.tables import table_specs
from everycent.flow.rating.contract import RatingRefused
from everycent.flow.rating.stage import RatingPlan, plan_rating
from everycent.flow.settlement.stage import SettlementPlan, plan_settlement

Planned = TypeVar("Planned")


@dataclass(frozen=True)
class ModelPlan:
    """What a batch follows. `intake` has every kind, `rating` those that are no refunds."""

    model: LoadedModel
    tables: Mapping[str, TableSpec]
    intake: Mapping[str, IntakePlan]
    rating: Mapping[str, RatingPlan]
    clearing: ClearingPlan
    settlement: SettlementPlan
    payments: PaymentPlan

    @property
    def operators(self) -> tuple[str, ...]:
        """The party ids of the platform itself."""
        return tuple(role for role, party in self.model.spec.parties.items() if party.operator is not None)


class _Refusal(Protocol):
    path: tuple[str | int, ...]
    position: Position | None


def plan_model(
    model: LoadedModel,
    tenant: str,
    files: Mapping[str, Path],
    *,
    records: Mapping[str, RecordSpec] | None = None,
    steps: Mapping[str, Step] | None = None,
) -> ModelPlan:
    """Plans the model; `files` are its attached tables' files as far as they are known. Raises ModelRefused.

    `records` stands in for the model's own record kinds (golden cases read facts in the model's own columns).
    """
    issues: list[ModelIssue] = []

    def attempt(plan: Callable[[], Planned]) -> Planned | None:
        try:
            return plan()
        except (IntakeRefused, RatingRefused) as refusal:
            issues.append(_issue(model, refusal))
            return None

    spec = model.spec
    kinds = spec.records if records is None else records
    tables = table_specs(model, files)
    intake = {
        kind: attempt(
            lambda kind=kind, record=record: plan_intake(  # type: ignore[misc]
                kind,
                record,
                tables=tables,
                all_kinds=kinds,
                currency=model.currency,
                calendar=model.calendar,
                tenant=tenant,
                source=model.name,
                steps=steps,
            )
        )
        for kind, record in kinds.items()
    }
    planned = {kind: plan for kind, plan in intake.items() if plan is not None}
    rating = {
        kind: attempt(lambda kind=kind, plan=plan: _plan_rating(model, kind, plan, tables))  # type: ignore[misc]
        for kind, plan in planned.items()
        if kinds[kind].refunds is None
    }
    if issues:
        raise ModelRefused(str(model.path), list(dict.fromkeys(issues)))
    return ModelPlan(
        model,
        tables,
        planned,
        {kind: plan for kind, plan in rating.items() if plan is not None},
        plan_clearing(spec.charges, spec.parties, model.currency, model.operator),
        plan_settlement(spec.statements, spec.parties, model.name),
        plan_payments(spec.payouts, spec.parties, tables, model.currency),
    )


def _plan_rating(model: LoadedModel, kind: str, plan: IntakePlan, tables: Mapping[str, TableSpec]) -> RatingPlan:
    columns: dict[str, ColumnType] = {name: column.type for name, column in plan.columns.items()}
    spec = model.spec
    return plan_rating(spec.charges, spec.factors, kind, columns, spec.parties, tables, model.currency)


def _issue(model: LoadedModel, refusal: "IntakeRefused | RatingRefused") -> ModelIssue:
    offset = None if refusal.position is None or refusal.position.line > 1 else refusal.position.offset
    return model.source.issue(refusal.message, refusal.path, offset=offset)
