"""What clearing works from: for each charge who bears it, who settles it, and what a refund does to it."""

from collections.abc import Mapping
from dataclasses import dataclass

from everycent.base.money.allotment import RemainderPolicy
from everycent.base.money.currency import Currency
from everycent.base.money.rounding import Rounding
from everycent.flow.clearing.contract import ApportionSpec, ChargeSpec, OnRefund
from everycent.flow.parties.contract import PartySpec


@dataclass(frozen=True)
class Apportionment:
    """Shares on two levels. `weights` of the first; `among`: how each share is split again, None where it is not.

    `bearers`: the party role of each share, flattened over both levels in declared order: bearer numbers 1, 2, 3 ...
    """

    weights: tuple[int, ...]
    among: tuple[tuple[int, ...] | None, ...]
    bearers: tuple[str, ...]
    odd_cent: RemainderPolicy


@dataclass(frozen=True)
class Clearable:
    """A charge as clearing sees it."""

    name: str
    legal_entity: str
    on_refund: OnRefund
    rounding: Rounding
    apportionment: Apportionment | None


@dataclass(frozen=True)
class ClearingPlan:
    """All charges of a model, in declared order, and the party roles that bear them."""

    charges: tuple[Clearable, ...]
    roles: Mapping[str, PartySpec]
    currency: Currency

    @property
    def names(self) -> list[str]:
        """The charges' names; a charge is known by its place among them."""
        return [charge.name for charge in self.charges]


def plan_clearing(
    charges: Mapping[str, ChargeSpec], party_roles: Mapping[str, PartySpec], currency: Currency, operator: str
) -> ClearingPlan:
    """`operator`: the legal entity that settles charges which name none. The roles named are roles of the model."""
    clearable = tuple(
        Clearable(
            name,
            spec.legal_entity or operator,
            spec.on_refund,
            spec.round,
            None if spec.apportion is None else _apportionment(spec.apportion),
        )
        for name, spec in charges.items()
    )
    bearers = {role for charge in clearable if charge.apportionment for role in charge.apportionment.bearers}
    unknown = bearers - party_roles.keys()
    assert not unknown, f"bearers {sorted(unknown)} are no party roles; the model's check refuses this"
    return ClearingPlan(clearable, {role: party_roles[role] for role in party_roles if role in bearers}, currency)


def _apportionment(spec: ApportionSpec) -> Apportionment:
    bearers: list[str] = []
    for name, share in spec.bearers.items():
        bearers.extend([name] if share.among is None else share.among)
    return Apportionment(
        tuple(share.weight for share in spec.bearers.values()),
        tuple(None if share.among is None else tuple(share.among.values()) for share in spec.bearers.values()),
        tuple(bearers),
        spec.odd_cent,
    )
