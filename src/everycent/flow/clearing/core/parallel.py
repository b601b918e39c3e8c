"""How much of a model's ordered clearing can run side by side: pots never wait for each other."""

from dataclasses import dataclass

from everycent.base.money.span import Span
from everycent.flow.clearing.core.plan import ClearingPlan


@dataclass(frozen=True)
class Component:
    """Charges that wait for each other because they draw on one budget, and what divides it into pots that do not."""

    budget: str
    charges: tuple[str, ...]
    per: tuple[str, ...]
    period: Span

    def __str__(self) -> str:
        """As `model check` says it."""
        divided = [*self.per, *([] if self.period is Span.NONE else [self.period.value])]
        pots = f"one pot for each {' and '.join(divided)}, side by side" if divided else "one pot, one after the other"
        return f"budget {self.budget} ({', '.join(self.charges)}): {pots}"


def components(plan: ClearingPlan) -> tuple[Component, ...]:
    """One component for each budget that is drawn on, in declared order: a charge draws on one budget only."""
    drawn = {name: tuple(charge.name for charge in plan.charges if charge.budget == name) for name in plan.budgets}
    return tuple(
        Component(name, drawn[name], budget.per, budget.period) for name, budget in plan.budgets.items() if drawn[name]
    )
