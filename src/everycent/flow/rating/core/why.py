"""Which rules were tried for a record, and why each did or did not match: the plan's own conditions, with values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.flow.rating.core.again import RatingTerms
from everycent.flow.rating.core.careful import COMPUTED, NOT_TAKEN, Cases, careful_columns
from everycent.flow.rating.core.plan import Charge, RatingPlan, Rule
from everycent.flow.rating.core.planning import plan_rating
from everycent.flow.rating.core.tables import lookup_tables, plain_records
from everycent.flow.rating.core.wide import chained

#: outside: not valid on the record's business date. unreached: a rule before it could not be decided.
RuleState = Literal["used", "outranked", "false", "outside", "undecided", "unreached"]


@dataclass(frozen=True)
class RuleTried:
    """One rule, and what became of it."""

    rule: str
    state: RuleState
    why: str


@dataclass(frozen=True)
class ChargeTried:
    """One charge of a record: `amount_minor`, or the reason why there is none; its rules as they are tried."""

    charge: str
    amount_minor: int | None
    reason: str | None
    rules: tuple[RuleTried, ...]


def rules_tried(
    terms: RatingTerms, record: pa.Table, frozen: pa.Table, tables: Mapping[str, pa.Table], engine: LocalEngine
) -> tuple[ChargeTried, ...]:
    """What each charge's rules make of one record (a RECORD row with its body).

    `frozen`: one row with the factor values of its snapshot, or none; the others are looked up in `tables`. Raises
    AmbiguousFactor.
    """
    assert record.num_rows == 1, "one record is asked about"
    plan, rows = _with_frozen(terms, record, frozen)
    if plan.currency_column is not None:
        plan = plan.in_currency[pc.struct_field(record.column("body"), plan.currency_column)[0].as_py()]
    lookups = lookup_tables(plan, tables, engine)
    [found] = engine.query(_why_sql(plan), r=plain_records(plan, rows), **lookups).to_pylist()
    day: date = record.column("business_date")[0].as_py()
    return tuple(
        _charge_tried(at, charge, found, day, terms.charges[charge.name].match == "most_specific")
        for at, charge in enumerate(plan.charges)
    )


def _with_frozen(terms: RatingTerms, record: pa.Table, frozen: pa.Table) -> tuple[RatingPlan, pa.Table]:
    """The plan and the record with frozen values as columns: they are not looked up again."""
    kept = [
        factor
        for factor in terms.plan.factors
        if factor.lookup is not None and frozen.num_rows and frozen.column(factor.name)[0].is_valid
    ]
    if not kept:
        return terms.plan, record
    names = {factor.name for factor in kept}
    plan = plan_rating(
        terms.charges,
        {name: spec for name, spec in terms.factors.items() if name not in names},
        terms.plan.kind,
        {**terms.columns, **{factor.name: factor.type for factor in kept}},
        terms.roles,
        terms.tables,
        terms.currency,
        terms.decisions,
        terms.money_with(names),
    )
    body = record.column("body").combine_chunks()
    values = [pa.array([frozen.column(factor.name)[0].as_py()], factor.type.arrow) for factor in kept]
    fields = [*body.type, *(pa.field(factor.name, factor.type.arrow) for factor in kept)]
    wider = pa.StructArray.from_arrays([*body.flatten(), *values], fields=fields)
    at = record.schema.get_field_index("body")
    return plan, record.set_column(at, pa.field("body", wider.type), wider)


def _why_sql(plan: RatingPlan) -> str:
    """One row: each charge's amount, state, reason and rule as in the careful form, and what its conditions came to."""
    found = ["pos"]
    for at, charge in enumerate(plan.charges):
        cases = Cases(plan, at, charge)
        found += [f"CASE WHEN s{at} = {COMPUTED} THEN a{at} END AS a{at}", f"s{at}", f"e{at}"]
        if charge.when is not None:
            found.append(f"{cases.figures(charge.when.names)} AS v{at}")
        for place, rule in enumerate(charge.rules):
            if rule.condition is not None:
                found += [f"k{at}_{place}", f"{cases.figures(rule.condition.names)} AS v{at}_{place}"]
    return f"{chained(plan, careful_columns)} SELECT {', '.join(found)} FROM last ORDER BY pos"


def _charge_tried(at: int, charge: Charge, found: Mapping[str, Any], day: date, specific: bool) -> ChargeTried:
    state, amount, reason = found[f"s{at}"], found[f"a{at}"], found[f"e{at}"]
    if state == NOT_TAKEN:
        assert charge.when is not None, "only a condition leaves a charge out"
        without = f"the charge is for records where {charge.when.text}, which is not true{found[f'v{at}']}"
        return ChargeTried(charge.name, None, without, ())
    rules: list[RuleTried] = []
    first: Rule | None = None
    undecided: Rule | None = None
    for place, rule in enumerate(charge.rules):
        holds = True if rule.condition is None else found[f"k{at}_{place}"]
        values = found.get(f"v{at}_{place}", "")
        if holds is None:
            rules.append(RuleTried(rule.label, "undecided", f"{_asked(rule)} cannot be decided{values}"))
            undecided = undecided or rule
        elif not holds:
            rules.append(_does_not_hold(rule, values, day))
        elif undecided is not None and not charge.adds:
            rules.append(RuleTried(rule.label, "unreached", f"'{undecided.label}' before it cannot be decided"))
        elif first is not None and not charge.adds:
            rules.append(RuleTried(rule.label, "outranked", _outranked(first, rule, specific)))
        else:
            first = first or rule
            rules.append(RuleTried(rule.label, "used", _holds(rule, values)))
    return ChargeTried(charge.name, amount, reason, tuple(rules))


def _asked(rule: Rule) -> str:
    return "it" if rule.condition is None else rule.condition.text


def _holds(rule: Rule, values: str) -> str:
    return "it holds for every record" if rule.condition is None else f"{_asked(rule)} is true{values}"


def _does_not_hold(rule: Rule, values: str, day: date) -> RuleTried:
    since, until = rule.valid
    if (since is not None and day < since) or (until is not None and day >= until):
        return RuleTried(rule.label, "outside", f"it is {rule.validity}; the business date is {day}")
    return RuleTried(rule.label, "false", f"{_asked(rule)} is not true{values}")


def _outranked(used: Rule, rule: Rule, specific: bool) -> str:
    """Why the rule that is used comes before one that holds, too."""
    if used.priority != rule.priority:
        return f"it holds, but '{used.label}' has priority {used.priority}, this one {rule.priority}"
    if specific and used.specificity != rule.specificity:
        return f"it holds, but '{used.label}' asks about {used.specificity} things, this one about {rule.specificity}"
    return f"it holds, but '{used.label}' is declared before it"
