"""What clearing works from: for each charge who bears it, who settles it, and what a refund does to it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

from everycent.base.money.allotment import RemainderPolicy
from everycent.base.money.currency import Currency, all_currencies
from everycent.base.money.rounding import Rounding
from everycent.flow.clearing.contract import (
    ApportionSpec,
    BearersRefund,
    BudgetSpec,
    ChargeSpec,
    ClearingRefused,
    OnRefund,
    OverCap,
    SharedBy,
    bearer_roles,
)
from everycent.flow.clearing.core.budgets import Budget, budget_currency, plan_budget
from everycent.flow.clearing.core.legal_entities import Settled
from everycent.flow.clearing.core.limits import limit_minor
from everycent.flow.parties.contract import PartySpec


@dataclass(frozen=True)
class Apportionment:
    """Shares on two levels. `names`, `weights`, `limits` of the first: share by weight, or up to a limit in minor units
    (None: without one). `among`: the weights by which each share is split again, None where it is not.

    `bearers`: the party role of each share, flattened over both levels in declared order: bearer numbers 1, 2, 3 ...
    `leaves`: what each is called in a budget. `last`: who takes what nobody has room for: a name, hold, refuse, or None
    where that cannot be.
    """

    by: SharedBy
    names: tuple[str, ...]
    weights: tuple[int, ...]
    limits: tuple[int | None, ...]
    among: tuple[tuple[int, ...] | None, ...]
    bearers: tuple[str, ...]
    leaves: tuple[str, ...]
    over_cap: OverCap
    last: str | None
    refund: BearersRefund
    odd_cent: RemainderPolicy
    budget: str | None


@dataclass(frozen=True)
class Clearable:
    """A charge as clearing sees it. `settled`: who settles it, from when on."""

    name: str
    settled: Settled
    on_refund: OnRefund
    rounding: Rounding
    apportionment: Apportionment | None

    @property
    def budget(self) -> str | None:
        """The budget that it draws on; then it is ordered."""
        return None if self.apportionment is None else self.apportionment.budget


@dataclass(frozen=True, eq=False)
class ClearingPlan:
    """All charges of a model, in declared order, the party roles that bear them, and the budgets they draw on.

    `record_currency`: by kind, the column that holds its records' currency; the others are in the model's.
    `in_turn`: the names of charges whose amounts depend on what came before, so that they are computed in their turn.
    """

    charges: tuple[Clearable, ...]
    roles: Mapping[str, PartySpec]
    currency: Currency
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    record_currency: Mapping[str, str] = field(default_factory=dict)
    in_turn: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The charges' names; a charge is known by its place among them."""
        return [charge.name for charge in self.charges]

    @property
    def settled(self) -> list[Settled]:
        """Who settles each charge, from when on."""
        return [charge.settled for charge in self.charges]

    @property
    def drawing(self) -> list[str]:
        """The names of the charges whose shares depend on what was carried before."""
        return [charge.name for charge in self.charges if charge.budget is not None]

    @property
    def ordered(self) -> list[str]:
        """The names of the charges that are cleared in strict order: their shares or amounts depend on what came
        before."""
        return [charge.name for charge in self.charges if charge.budget is not None or charge.name in self.in_turn]


def plan_clearing(
    charges: Mapping[str, ChargeSpec],
    party_roles: Mapping[str, PartySpec],
    currency: Currency,
    operator: str,
    budgets: Mapping[str, BudgetSpec] | None = None,
    various: Collection[str] = (),
    record_currency: Mapping[str, str] = MappingProxyType({}),
    in_turn: Collection[str] = (),
    settled: Mapping[str, Settled] = MappingProxyType({}),
) -> ClearingPlan:
    """`operator`: the legal entity that settles charges which name none, and of which `settled` says nothing. The roles
    named are roles of the model. `in_turn`: the charges whose amounts depend on what came before.

    `currency` is the model's; `various` are the charges that are each in their record's own currency, which
    stands in the column `record_currency` of its kind.

    Raises ClearingRefused where limits are no amounts, charges of one budget contradict each other, or a charge names a
    legal entity though the table says who settles it.
    """
    for name in settled:
        if charges[name].legal_entity is not None:
            message = f"the table 'legal_entities' says who settles '{name}'; remove it here, or there"
            raise ClearingRefused(message, ("charges", name, "legal_entity"))
    of = {name: None if name in various else _currency(spec.currency, currency) for name, spec in charges.items()}
    clearable = tuple(
        Clearable(
            name,
            settled.get(name, ((date.min, spec.legal_entity or operator),)),
            spec.on_refund,
            spec.round,
            None if spec.apportion is None else _apportionment(name, spec.apportion, of[name]),
        )
        for name, spec in charges.items()
    )
    bearers = {role for charge in clearable if charge.apportionment for role in charge.apportionment.bearers}
    unknown = bearers - party_roles.keys()
    assert not unknown, f"bearers {sorted(unknown)} are no party roles; the model's check refuses this"
    shared = {name: spec.apportion for name, spec in charges.items() if spec.apportion is not None}
    planned = {
        name: plan_budget(name, spec, shared, budget_currency(name, spec, currency), of)
        for name, spec in (budgets or {}).items()
    }
    roles = {role: party_roles[role] for role in party_roles if role in bearers}
    return ClearingPlan(
        clearable, roles, currency, planned, record_currency, tuple(name for name in charges if name in in_turn)
    )


def _currency(code: str | None, model: Currency) -> Currency:
    """The currency that a charge names, or the model's; rating refuses what is none."""
    known = {known.code: known for known in all_currencies()}
    return known.get(code or model.code, model)


def _apportionment(charge: str, spec: ApportionSpec, currency: Currency | None) -> Apportionment:
    leaves: list[str] = []
    for name, share in spec.bearers.items():
        leaves.extend([name] if share.among is None else (f"{name}/{leaf}" for leaf in share.among))
    return Apportionment(
        by=spec.by,
        names=tuple(spec.bearers),
        weights=tuple(share.weight or 0 for share in spec.bearers.values()),
        limits=tuple(_limit(charge, name, spec, currency) for name in spec.bearers),
        among=tuple(
            None if share.among is None else tuple(leaf.weight for leaf in share.among.values())
            for share in spec.bearers.values()
        ),
        bearers=bearer_roles(spec),
        leaves=tuple(leaves),
        over_cap=spec.over_cap,
        last=spec.when_all_capped,
        refund=spec.refund,
        odd_cent=spec.odd_cent,
        budget=spec.budget,
    )


def _limit(charge: str, name: str, spec: ApportionSpec, currency: Currency | None) -> int | None:
    """What a bearer carries of one charge at most, in minor units."""
    for word in ("up_to", "fixed"):
        text = getattr(spec.bearers[name], word)
        path = ("charges", charge, "apportion", "bearers", name, word)
        if text is not None and currency is None:
            message = f"'{word}: {text}' is of one currency, but '{charge}' is in each record's own"
            raise ClearingRefused(f"{message}; give the charge a 'currency', or share by ratio", path)
        if text is not None and currency is not None:
            return limit_minor(text, currency, path)
    return None
