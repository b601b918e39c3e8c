"""How each party role of a model is settled, checked once before any row is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.money.cycle import Cycle, Period
from everycent.flow.parties.contract import PartySpec
from everycent.flow.settlement.contract import AGREED, TURNS, HandingOn, InvoiceSpec, Needs, StatementSpec


class UnsettledRole(ValueError):
    """A party role owes or is owed, and nothing says how it is settled."""


class RoleNotSettled(ValueError):
    """Statements are declared for a role that has none: it is not a party role, or it is the operator."""


@dataclass(frozen=True)
class StatementRole:
    """One party role's statements. `mode` is net or gross; `needs`: what they wait for before they are paid;
    `hands_on`: what they keep for later ones; `invoice`: how they are invoiced; `charge_groups`: those that have
    statements of their own, each with its charges."""

    role: str
    cycle: Cycle
    ready_after: timedelta
    mode: str
    needs: Needs = field(default_factory=Needs)
    hands_on: HandingOn = field(default_factory=HandingOn)
    invoice: InvoiceSpec | None = None
    charge_groups: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class SettlementPlan:
    """All roles of a model: those with statements, in declared order, and those that are the operator.

    `agreed`: AGREED rows, the terms of parties that have contracts; `turns`: TURNS rows, of parties whose
    periods events have ended; `calendars`: by their names, the periods of those that tables give.
    """

    model: str
    roles: tuple[StatementRole, ...]
    operators: tuple[str, ...]
    agreed: pa.Table = field(default_factory=AGREED.empty_table)
    turns: pa.Table = field(default_factory=TURNS.empty_table)
    calendars: Mapping[str, tuple[Period, ...]] = field(default_factory=dict)

    @property
    def events(self) -> Mapping[str, tuple[str, ...]]:
        """By the kind of event that ends periods, the roles with parties whose periods it ends, by the model or by
        their contracts."""
        agreed = self.agreed.filter(pc.starts_with(self.agreed["gathers"], "until ")).select(["gathers", "party_id"])
        own = {
            (Cycle.parse(text).event, party.partition(":")[0])
            for text, party in zip(*(column.to_pylist() for column in agreed.columns), strict=True)
        }
        own |= {(each.cycle.event, each.role) for each in self.roles if each.cycle.event}
        kinds = sorted({kind for kind, _ in own})
        return {kind: tuple(each.role for each in self.roles if (kind, each.role) in own) for kind in kinds}

    def role_of(self, party_id: str) -> StatementRole | None:
        """How a party's role is settled; None where it has no statements."""
        return next((each for each in self.roles if each.role == party_id.partition(":")[0]), None)

    @property
    def groups_charges(self) -> bool:
        """Whether any charges have statements of their own, by the model or by contracts."""
        by_contract = pc.any(pc.match_substring(self.agreed["agreed"], '"charge_groups"')).as_py()
        return bool(by_contract) or any(role.charge_groups for role in self.roles)

    def ending_calendars(self, as_of: date) -> Mapping[str, date]:
        """The last days of the calendars whose last period has begun by a day, by their names: there is no next one."""
        last = {name: periods[-1] for name, periods in sorted(self.calendars.items())}
        return {name: period.last for name, period in last.items() if period.first <= as_of}

    @property
    def needs(self) -> Mapping[str, Needs]:
        """By role, what statements wait for before they are paid; roles whose wait for nothing are left out."""
        return {each.role: each.needs for each in self.roles if each.needs.any}


def plan_settlement(
    statements: Mapping[str, StatementSpec],
    party_roles: Mapping[str, PartySpec],
    model: str,
    calendars: Mapping[str, tuple[Period, ...]] | None = None,
) -> SettlementPlan:
    """Routes every role to its statements or to the operator's own books. `calendars`: the periods of those that the
    model names. Raises UnsettledRole, RoleNotSettled."""
    for role in statements:
        if role not in party_roles:
            raise RoleNotSettled(f"statements: there is no party role '{role}'; declared are {', '.join(party_roles)}")
        if party_roles[role].operator is not None:
            raise RoleNotSettled(f"statements: '{role}' is the operator, whose side is its own books; remove it")
    operators = tuple(role for role, spec in party_roles.items() if spec.operator is not None)
    settled = []
    for role in party_roles:
        if role in operators:
            continue
        if role not in statements:
            raise UnsettledRole(f"parties: who gets paid how? role '{role}' has no statements; declare its cycle there")
        spec = statements[role]
        cycle, kept = Cycle.parse(spec.cycle, calendars), HandingOn.of(spec)
        groups = tuple((name, tuple(charges)) for name, charges in spec.charge_groups.items())
        terms = (spec.ready_after, spec.mode, Needs.of(spec), kept, spec.invoice, groups)
        settled.append(StatementRole(role, cycle, *terms))
    assert len(settled) + len(operators) == len(party_roles), "every role is settled or the operator"
    return SettlementPlan(model, tuple(settled), operators, calendars=calendars or {})
