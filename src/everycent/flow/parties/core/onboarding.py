"""Which contract makes a party of which role, and what its key is: the model's rule, checked once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations

from everycent.flow.parties.contract import RELATION_FIELDS, MerchantType, OnboardingSpec, OnboardSpec, PartySpec


class OnboardingRefused(ValueError):
    """The rule cannot work as it is declared: the message says why, and what would be right; `path` leads to it."""

    def __init__(self, path: tuple[str, ...], message: str) -> None:
        super().__init__(message)
        self.message = message
        self.path = path


@dataclass(frozen=True)
class OnboardedRole:
    """A role that contracts make parties of. `key`: the contract's fields that give its key, in the key's order."""

    role: str
    merchant_types: frozenset[MerchantType]
    sales_associate: bool
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def takes(self, merchant_type: MerchantType, *, sales_associate: bool) -> bool:
        """Whether a contract with such a merchant makes a party of this role."""
        return merchant_type in self.merchant_types and sales_associate == self.sales_associate


@dataclass(frozen=True)
class OnboardingPlan:
    """What contract messages are checked against. `sources`: by system its tenants. `charges`, `legal_entities` and
    `currencies`: those that a contract may name; `events`: by role the kinds of event that end its parties' periods;
    `calendars`: those that tables give."""

    sources: Mapping[str, tuple[str, ...]]
    roles: tuple[OnboardedRole, ...]
    charges: frozenset[str] = frozenset()
    legal_entities: frozenset[str] = frozenset()
    currencies: frozenset[str] = frozenset()
    events: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    calendars: frozenset[str] = frozenset()

    def naming(
        self,
        charges: Collection[str],
        legal_entities: Collection[str],
        currencies: Collection[str],
        events: Mapping[str, tuple[str, ...]],
        calendars: Collection[str] = (),
    ) -> "OnboardingPlan":
        """The plan with what the model lets a contract name."""
        return replace(
            self,
            charges=frozenset(charges),
            legal_entities=frozenset(legal_entities),
            currencies=frozenset(currencies),
            events=events,
            calendars=frozenset(calendars),
        )


def plan_onboarding(onboarding: OnboardingSpec | None, roles: Mapping[str, PartySpec]) -> OnboardingPlan:
    """The rule of all roles; one without sources or roles takes no contract. Raises OnboardingRefused."""
    sources = {} if onboarding is None else dict(onboarding.sources)
    found = tuple(_role(role, spec, spec.onboard) for role, spec in roles.items() if spec.onboard is not None)
    if found and onboarding is None:
        message = "no contract is taken for it: say whose are, with onboarding: {sources: {<system>: [<tenant>]}}"
        raise OnboardingRefused(("parties", found[0].role, "onboard"), message)
    if onboarding is not None and not found:
        message = "no party role is made of contracts; add 'onboard' to one under 'parties', or remove this"
        raise OnboardingRefused(("onboarding",), message)
    _refuse_shared_contracts(found)
    _refuse_merged(sources, found)
    return OnboardingPlan(sources, found)


def _role(role: str, spec: PartySpec, onboard: OnboardSpec) -> OnboardedRole:
    path = ("parties", role, "onboard")
    strange = [column for column in onboard.key if column not in spec.key]
    if strange:
        known = ", ".join(spec.key)
        raise OnboardingRefused((*path, "key"), f"'{strange[0]}' is not a key column of {role}; they are {known}")
    if not onboard.merchant_types:
        raise OnboardingRefused((*path, "merchant_types"), f"name a merchant type: {', '.join(MerchantType)}")
    key = tuple(onboard.key.get(column, column) for column in spec.key)
    for column, named in zip(spec.key, key, strict=True):
        if named not in RELATION_FIELDS:
            fields = ", ".join(RELATION_FIELDS)
            message = f"no contract has a field '{named}', which '{column}' of {role}'s key would come from"
            raise OnboardingRefused((*path, "key"), f"{message}; write key: {{{column}: <one of {fields}>}}")
    return OnboardedRole(role, frozenset(onboard.merchant_types), onboard.sales_associate, spec.key, key)


def _refuse_shared_contracts(roles: tuple[OnboardedRole, ...]) -> None:
    for one, other in combinations(roles, 2):
        shared = one.merchant_types & other.merchant_types
        if shared and one.sales_associate == other.sales_associate:
            message = f"contracts with a {min(shared)} would make parties of {one.role} and of {other.role}; leave one"
            raise OnboardingRefused(("parties", other.role, "onboard"), message)


def _refuse_merged(sources: Mapping[str, tuple[str, ...]], roles: tuple[OnboardedRole, ...]) -> None:
    """Tenants number their merchants each for itself: without the tenant in the key, two merchants are one party."""
    tenants = list(dict.fromkeys(tenant for each in sources.values() for tenant in each))
    for role in roles:
        if len(tenants) > 1 and "tenant" not in role.key:
            message = f"contracts of several tenants are taken ({', '.join(tenants)}), and the key of {role.role} has"
            path = ("parties", role.role, "key")
            raise OnboardingRefused(path, f"{message} no 'tenant': their merchants would be one party; add it")
