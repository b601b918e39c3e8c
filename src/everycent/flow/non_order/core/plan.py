"""The kinds of non-order charges of a model, checked once before any charge is taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from everycent.base.money.currency import Currency
from everycent.flow.approvals.contract import LevelSpec
from everycent.flow.non_order.contract import Direction, NonOrderSpec, SettledBy

#: Who settles a kind and the first day on which it does; the first one from the beginning of time.
Settled = tuple[tuple[date, str], ...]


class NonOrderRefused(ValueError):
    """A kind that cannot work as it is declared: the message says why, and what would be right; `path` leads to it."""

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


@dataclass(frozen=True)
class NonOrderKind:
    """One kind. `account`: the kind whose account of the ledger it uses, a deposit's where it gives one back."""

    name: str
    account: str
    roles: tuple[str, ...]
    direction: Direction
    settled_by: SettledBy
    settled: Settled
    approve: tuple[LevelSpec, ...]

    @property
    def gives_back(self) -> bool:
        """Whether it gives a deposit back."""
        return self.account != self.name

    def legal_entity(self, day: date) -> str:
        """The platform's company that settles it on a business day."""
        return next(entity for since, entity in reversed(self.settled) if since <= day)


@dataclass(frozen=True)
class NonOrderPlan:
    """All kinds of a model by name, in declared order, and the currencies that it pays in, its own first."""

    kinds: Mapping[str, NonOrderKind]
    currencies: tuple[Currency, ...]


def plan_non_order(
    specs: Mapping[str, NonOrderSpec],
    settled_roles: Sequence[str],
    charges: Sequence[str],
    currencies: Sequence[Currency],
    operator: str,
    settled: Mapping[str, Settled],
) -> NonOrderPlan:
    """`settled_roles`: the roles that have statements. `charges`: the names of what orders cause, which are taken.
    `settled`: what the table of legal entities says of the kinds. Raises NonOrderRefused.
    """
    kinds = {}
    for name, spec in specs.items():
        path = ("non_order_charges", name)
        if name in charges:
            raise NonOrderRefused(path, f"there is a charge '{name}' already, and both would share an account; rename")
        deposit = specs.get(name if spec.returns is None else spec.returns)
        if deposit is None or deposit.returns is not None:
            known = ", ".join(other for other, one in specs.items() if one.returns is None) or "none"
            raise NonOrderRefused((*path, "returns"), f"'{spec.returns}' is nothing to give back; there is: {known}")
        if deposit.direction is not Direction.COLLECT and spec.returns is not None:
            raise NonOrderRefused((*path, "returns"), f"'{spec.returns}' is paid to parties: nothing was paid in of it")
        for role in spec.of:
            if role not in settled_roles:
                raise NonOrderRefused(
                    (*path, "of"), f"'{role}' is no settled role; there is: {', '.join(settled_roles)}"
                )
        account = spec.returns or name
        if account in settled and deposit.legal_entity is not None:
            message = f"the table 'legal_entities' says who settles '{account}'; remove it here, or there"
            raise NonOrderRefused((*path, "legal_entity"), message)
        own = ((date.min, deposit.legal_entity or operator),)
        kinds[name] = NonOrderKind(
            name, account, deposit.of, spec.direction, spec.settled_by, settled.get(account, own), spec.approve or ()
        )
    return NonOrderPlan(kinds, tuple(currencies))
