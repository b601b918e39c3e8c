"""What becomes of a contract message, given what was taken before it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from everycent.base.money.cycle import Cycle
from everycent.flow.parties.contract import party_key
from everycent.flow.parties.core.contract_message import ContractMessage, Refusal, Refused
from everycent.flow.parties.core.contract_periods import Revision, overlap
from everycent.flow.parties.core.onboarding import OnboardedRole, OnboardingPlan


class Outcome(StrEnum):
    """What became of a message."""

    TAKEN = "taken"  # a contract that was not known
    CHANGED = "changed"  # another revision of one that was
    DUPLICATE = "duplicate"  # the same again: nothing was done
    CONFLICT = "conflict"  # the same revision with other content: kept with its reason, nothing else was done
    REFUSED = "refused"  # kept with its reason; it may come again


@dataclass(frozen=True)
class Party:
    """Whom a contract is with. `values`: of the role's key columns, in their order."""

    role: str
    values: tuple[str, ...]

    @property
    def key(self) -> str:
        return party_key(self.values)

    @property
    def party_id(self) -> str:
        return f"{self.role}:{self.key}"


@dataclass
class Standing:
    """The contracts and relations that are known; grows as messages are taken."""

    revisions: dict[tuple[str, str, str], dict[int, Revision]] = field(default_factory=dict)
    by_party: dict[str, set[tuple[str, str, str]]] = field(default_factory=dict)
    relations: dict[tuple[str, ...], str] = field(default_factory=dict)

    @classmethod
    def of(cls, revisions: Iterable[Revision], relations: Mapping[tuple[str, ...], str]) -> "Standing":
        """What is stored."""
        standing = cls(relations=dict(relations))
        for revision in revisions:
            standing.add(revision)
        return standing

    def add(self, revision: Revision) -> None:
        """One more."""
        self.revisions.setdefault(revision.contract, {})[revision.revision] = revision
        self.by_party.setdefault(revision.party_id, set()).add(revision.contract)

    def of_party(self, party_id: str) -> list[Revision]:
        """All revisions of a party's contracts."""
        return [each for key in self.by_party.get(party_id, ()) for each in self.revisions[key].values()]


@dataclass(frozen=True)
class Judged:
    """A message's outcome; whom it is with where it is taken or a duplicate, and why where it is not."""

    outcome: Outcome
    party: Party | None = None
    refusal: Refusal | None = None


def judge(plan: OnboardingPlan, message: ContractMessage, standing: Standing) -> Judged:
    """Judges the message and, where it is taken, adds it to `standing`. Rules are asked in a fixed order."""
    known = standing.revisions.get(message.contract_key, {})
    same = known.get(message.revision)
    if same is not None:
        if same.digest == message.digest:
            return Judged(Outcome.DUPLICATE)
        said = f"revision {message.revision} of contract {message.contract} was taken with other content"
        return Judged(Outcome.CONFLICT, None, _no(Refused.CONTENT_CONFLICT, f"{said}; send a newer revision"))
    party = party_of(plan, message)
    refusal = party if isinstance(party, Refusal) else _terms(plan, message, party.role)
    if isinstance(party, Refusal) or refusal is not None:
        return Judged(Outcome.REFUSED, None, refusal)
    own = Revision(
        message.contract_key, message.revision, message.valid_from, message.valid_to, party.party_id, message.digest
    )
    refusal = _fits(message, own, known, standing)
    if refusal is not None:
        return Judged(Outcome.REFUSED, None, refusal)
    standing.add(own)
    standing.relations[message.relation] = party.party_id
    return Judged(Outcome.CHANGED if known else Outcome.TAKEN, party)


def _no(name: Refused, message: str) -> Refusal:
    return Refusal(name, message)


def party_of(plan: OnboardingPlan, message: ContractMessage) -> Party | Refusal:
    """Whom the contract is with, by the model's rule."""
    if message.system not in plan.sources:
        known = ", ".join(plan.sources) or "none"
        said = f"no contracts of system '{message.system}' are taken, only of {known}"
        return _no(Refused.UNKNOWN_SYSTEM, f"{said}; add it under onboarding, sources")
    tenants = plan.sources[message.system]
    if message.tenant not in tenants:
        known = ", ".join(tenants) or "none"
        said = f"system '{message.system}' has no tenant '{message.tenant}' whose contracts are taken, only {known}"
        return _no(Refused.UNKNOWN_TENANT, f"{said}; add it under onboarding, sources")
    associate = message.sales_associate is not None
    role = next((each for each in plan.roles if each.takes(message.merchant_type, sales_associate=associate)), None)
    if role is None:
        whom = f"a {message.merchant_type}" + (" and a sales associate" if associate else "")
        return _no(Refused.NO_ROLE, f"contracts with {whom} make no party; add 'onboard' to a role under parties")
    return _of_role(role, message)


def _of_role(role: OnboardedRole, message: ContractMessage) -> Party | Refusal:
    values = tuple(getattr(message, name) for name in role.key)
    for name, value in zip(role.key, values, strict=True):
        if value is None:
            said = f"a {role.role} is known by its {', '.join(role.key)}, and this contract has no '{name}'"
            return _no(Refused.KEY_MISSING, f"{said}; send it with one")
    return Party(role.role, tuple(map(str, values)))


def _terms(plan: OnboardingPlan, message: ContractMessage, role: str) -> Refusal | None:
    for charge in message.charges:
        if charge not in plan.charges:
            known = ", ".join(sorted(plan.charges))
            return _no(Refused.UNKNOWN_CHARGE, f"the model has no charge '{charge}'; it has {known}")
    for charge in message.group_of_charge or {}:
        if charge not in plan.charges:
            known = ", ".join(sorted(plan.charges))
            return _no(Refused.UNKNOWN_CHARGE, f"charge_groups: the model has no charge '{charge}'; it has {known}")
    if message.legal_entity is not None and message.legal_entity not in plan.legal_entities:
        known = ", ".join(sorted(plan.legal_entities))
        said = f"'{message.legal_entity}' settles nothing in the model; its legal entities are {known}"
        return _no(Refused.UNKNOWN_LEGAL_ENTITY, said)
    cycle = Cycle.parse(message.cycle)
    if cycle.calendar and cycle.calendar not in plan.calendars:
        known = ", ".join(sorted(plan.calendars)) or "none"
        return _no(Refused.UNKNOWN_CALENDAR, f"the model has no calendar '{cycle.calendar}'; it has {known}")
    event, named = cycle.event, plan.events.get(role, ())
    if event and event not in named:
        known = ", ".join(f"until {each}" for each in named) or "none"
        said = f"'{message.cycle}' is ended by nothing that names a {role}; what ends its periods: {known}"
        return _no(Refused.UNKNOWN_EVENT, said)
    for code in message.minimum_payout:
        if code not in plan.currencies:
            known = ", ".join(sorted(plan.currencies))
            return _no(Refused.UNKNOWN_CURRENCY, f"nothing is paid in '{code}'; the model's currencies are {known}")
    return None


def _fits(message: ContractMessage, own: Revision, known: Mapping[int, Revision], standing: Standing) -> Refusal | None:
    other = next((each for each in known.values() if each.party_id != own.party_id), None)
    if other is not None:
        said = f"contract {message.contract} is with {other.party_id}, and revision {own.revision} with {own.party_id}"
        return _no(Refused.CONTRACT_OF_ANOTHER_PARTY, f"{said}; give it a number of its own")
    related = standing.relations.get(message.relation, own.party_id)
    if related != own.party_id:
        said = f"this relation group belongs to {related}, and the model's rule now says {own.party_id}"
        return _no(Refused.RELATION_OF_ANOTHER_PARTY, f"{said}; leave the rule as it was for it")
    ends_at_once = own.valid_to is not None and own.valid_to <= own.valid_from
    if ends_at_once and (own.revision == 1 or own.valid_to != own.valid_from):
        said = f"it holds from {own.valid_from} until {own.valid_to}, which is no day; valid_to is the first day after"
        return _no(Refused.EMPTY_PERIOD, said)
    found = overlap([*standing.of_party(own.party_id), own])
    if found is not None:
        said = f"{own.party_id} would have two contracts on one day: {found[0]}, {found[1]}"
        return _no(Refused.CONTRACT_PERIODS_OVERLAP, f"{said}; end one where the other begins")
    return None
