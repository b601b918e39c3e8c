"""The rules of a scenario, with every word resolved: amounts in minor units, windows in days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import Currency
from everycent.proof.recon.core.matching.found import Found
from everycent.proof.recon.core.matching.rule_convert import plan_convert
from everycent.proof.recon.core.matching.rule_dates import plan_dates
from everycent.proof.recon.core.matching.rule_group import plan_group
from everycent.proof.recon.core.matching.rule_key import plan_key
from everycent.proof.recon.core.matching.rule_net_of_fees import plan_net_of_fees
from everycent.proof.recon.core.matching.rule_reference import plan_reference
from everycent.proof.recon.core.matching.rule_subset import plan_subset
from everycent.proof.recon.core.matching.rule_tolerance import plan_tolerance
from everycent.proof.recon.rules import (
    ConvertRuleSpec,
    DatesRuleSpec,
    GroupRuleSpec,
    KeyRuleSpec,
    MatchRuleSpec,
    NetOfFeesRuleSpec,
    ReferenceRuleSpec,
    SubsetRuleSpec,
    ToleranceRuleSpec,
)


class Rule(Protocol):
    """One way to explain rows by rows of the other side."""

    def find(self, left: pa.Table, right: pa.Table, engine: LocalEngine) -> Found:
        """What it finds in the rows that are left (ITEM)."""


@dataclass(frozen=True)
class NamedRule:
    """A rule, what matches call it, and whether it keeps the rows about which it cannot decide."""

    name: str
    rule: Rule
    claims_undecided: bool


@dataclass(frozen=True)
class MatchPlan:
    """The rules, in the order in which they claim rows."""

    rules: tuple[NamedRule, ...]
    currency: str  # of rows that name none


def plan_match(
    scenario: str, specs: Sequence[MatchRuleSpec], currency: Currency, rates: Mapping[str, pa.Table]
) -> MatchPlan:
    """`rates`: tables of exchange rates (EXCHANGE_RATE) by name.

    ValueError, naming the scenario and the rule, where a word does not fit or two rules have one name.
    """
    planned: list[NamedRule] = []
    for place, spec in enumerate(specs, 1):
        name = spec.name or _free(spec.kind, [rule.name for rule in planned])
        if name in [rule.name for rule in planned]:
            raise ValueError(f"recon '{scenario}': two rules are called '{name}'; give each a name of its own")
        try:
            rule = _planned(spec, currency, rates)
        except ValueError as refusal:
            raise ValueError(f"recon '{scenario}': rule {place} '{name}': {refusal}") from refusal
        planned.append(NamedRule(name, rule, spec.keeps_undecided))
    return MatchPlan(tuple(planned), currency.code)


def _free(kind: str, taken: Sequence[str]) -> str:
    """The kind, with a number from the second on."""
    names = [kind, *(f"{kind}_{number}" for number in range(2, len(taken) + 2))]
    return next(name for name in names if name not in taken)


def _planned(spec: MatchRuleSpec, currency: Currency, rates: Mapping[str, pa.Table]) -> Rule:
    match spec.one:
        case KeyRuleSpec() as words:
            return plan_key(words, currency)
        case ToleranceRuleSpec() as words:
            return plan_tolerance(words, currency)
        case DatesRuleSpec() as words:
            return plan_dates(words, currency)
        case ReferenceRuleSpec() as words:
            return plan_reference(words, currency)
        case ConvertRuleSpec() as words:
            return plan_convert(words, currency, rates)
        case NetOfFeesRuleSpec() as words:
            return plan_net_of_fees(words, currency)
        case GroupRuleSpec() as words:
            return plan_group(words, currency)
        case SubsetRuleSpec() as words:
            return plan_subset(words, currency)
    raise AssertionError(f"'{spec.kind}' is a rule without a plan")
