"""How much of a model's ordered clearing can run side by side: pots never wait for each other."""

from collections.abc import Sequence
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
        return f"budget {self.budget} ({', '.join(self.charges)}): {told_apart('pot', self.per, self.period)}"


def told_apart(what: str, per: Sequence[str], period: Span) -> str:
    """What is kept for each value of `per` and each period, and whether it runs side by side."""
    divided = [*per, *([] if period is Span.NONE else [period.value])]
    return (
        f"one {what} for each {' and '.join(divided)}, side by side" if divided else f"one {what}, one after the other"
    )


def components(plan: ClearingPlan) -> tuple[Component, ...]:
    """One component for each budget that is drawn on, in declared order: a charge draws on one budget only."""
    drawn = {name: tuple(charge.name for charge in plan.charges if charge.budget == name) for name in plan.budgets}
    return tuple(
        Component(name, drawn[name], budget.per, budget.period) for name, budget in plan.budgets.items() if drawn[name]
    )
