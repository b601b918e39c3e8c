"""The factor dictionary of a model: each factor with its type, unit, meaning, source, and the charges that use it."""

from dataclasses import dataclass

from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.rating.contract import FactorSpec


@dataclass(frozen=True)
class FactorEntry:
    """One factor. `source` says in words where its values come from; `used_by` are charges, as declared."""

    name: str
    type: str
    unit: str | None
    meaning: str | None
    source: str
    key: tuple[str, ...]
    used_by: tuple[str, ...]


def factor_dictionary(plan: ModelPlan) -> list[FactorEntry]:
    """The model's factors in declared order."""
    types = {factor.name: str(factor.type) for rating in plan.rating.values() for factor in rating.factors}
    types |= {factor.name: str(factor.type) for plans in plan.shares.values() for share in plans
              for factor in share.turn.frozen}  # fmt: skip
    return [
        FactorEntry(
            name,
            types.get(name) or spec.type or "-",
            spec.unit,
            spec.meaning,
            _source(name, spec),
            spec.key,
            _users(plan, name),
        )
        for name, spec in plan.model.spec.factors.items()
    ]


def _source(name: str, spec: FactorSpec) -> str:
    if spec.constant is not None:
        return f"constant {spec.constant}"
    if spec.table is not None:
        return f"table {spec.table}, column {spec.column or name}"
    if spec.sql is not None:
        return f"sql of {spec.sql.database}"
    if spec.rest is not None:
        return f"rest at {spec.rest.address}"
    return f"the record's column {spec.column}"


def _users(plan: ModelPlan, name: str) -> tuple[str, ...]:
    users = {charge.name for rating in plan.rating.values() for charge in rating.charges if name in charge.names}
    users |= {charge.name for rating in plan.rating.values() for charge in rating.per_share if name in charge.names}
    return tuple(charge for charge in plan.model.spec.charges if charge in users)
