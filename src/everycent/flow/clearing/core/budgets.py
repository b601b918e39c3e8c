"""A budget as its charges see it: the nodes that its pots keep totals of, and their caps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from everycent.base.money.currency import Currency, UnknownCurrency, currency
from everycent.base.money.span import Span
from everycent.flow.clearing.contract import ApportionSpec, BudgetSpec, ClearingRefused
from everycent.flow.clearing.core.limits import limit_minor

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Budget:
    """Where totals are kept. `cap`: of all bearers together in a pot. `per`: columns of records with pots of their own.

    `groups` and `leaves` (`name`, or `group/leaf`) are those of all charges that draw on it, in declared order, each
    with its cap in minor units or None. A group's total is the sum of its leaves'.
    """

    name: str
    currency: Currency
    cap: int | None
    per: tuple[str, ...]
    period: Span
    groups: Mapping[str, int | None]
    leaves: Mapping[str, int | None]


def budget_currency(name: str, spec: BudgetSpec, model: Currency) -> Currency:
    """What a budget's totals and caps count. Raises ClearingRefused."""
    try:
        return model if spec.currency is None else currency(spec.currency)
    except UnknownCurrency as unknown:
        raise ClearingRefused(str(unknown), ("budgets", name, "currency")) from None


def plan_budget(
    name: str,
    spec: BudgetSpec,
    shared: Mapping[str, ApportionSpec],
    counted: Currency,
    charged_in: Mapping[str, Currency | None],
) -> Budget:
    """`shared`: how each apportioned charge of the model is shared; `charged_in`: in which currency each is, None where
    that differs from record to record. Raises ClearingRefused where they contradict."""
    cap = None if spec.cap is None else limit_minor(spec.cap, counted, ("budgets", name, "cap"))
    groups: dict[str, int | None] = {}
    leaves: dict[str, int | None] = {}
    for charge, apportion in shared.items():
        if apportion.budget != name:
            continue
        path: Path = ("charges", charge, "apportion")
        own = charged_in[charge]
        if own != counted:
            said = f"in {own.code}" if own is not None else "in each record's own currency"
            message = f"budget '{name}' counts {counted.code}, and '{charge}' is {said}"
            better = "convert it into one 'currency'" if own is None else "give both the same 'currency'"
            raise ClearingRefused(f"{message}; {better}, or each a budget of its own", (*path, "budget"))
        if spec.cap is not None and apportion.when_all_capped is None:
            message = f"budget '{name}' has a cap: say in 'when_all_capped' who takes what is above it, hold or refuse"
            raise ClearingRefused(message, path)
        for label, is_group, text, where in _nodes(apportion, path):
            here, there = (groups, leaves) if is_group else (leaves, groups)
            if label in there:
                message = f"'{label}' is split by 'among' in one charge of budget '{name}' and not in another"
                raise ClearingRefused(message, where)
            minor = None if text is None else limit_minor(text, counted, where)
            if here.setdefault(label, minor) != minor:
                message = (
                    f"'{label}' has another cap in another charge of budget '{name}'; in one budget it has one cap"
                )
                raise ClearingRefused(message, where)
    return Budget(name, counted, cap, spec.per, spec.period, groups, leaves)


def _nodes(apportion: ApportionSpec, path: Path) -> Iterator[tuple[str, bool, str | None, Path]]:
    """(name, whether it is a group, its cap, where it is written), both levels in declared order."""
    for name, bearer in apportion.bearers.items():
        where = (*path, "bearers", name)
        yield name, bearer.among is not None, bearer.cap, where
        for role, leaf in (bearer.among or {}).items():
            yield f"{name}/{role}", False, leaf.cap, (*where, "among", role)
