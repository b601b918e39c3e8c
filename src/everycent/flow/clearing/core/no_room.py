"""Why a charge was not carried: the pot without room, what each bearer carried there, its caps, and the way out."""

from collections.abc import Sequence

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.money.amount import grouped_minor
from everycent.flow.clearing.contract import OverCap, SharedBy
from everycent.flow.clearing.core.budgets import Budget
from everycent.flow.clearing.core.plan import Apportionment


def why_no_room(
    terms: Apportionment, budget: Budget, leaves: Sequence[str], figures: pa.Table, engine: LocalEngine
) -> pa.ChunkedArray:
    """A text for each row of `figures`: pos; beyond (whether totals would pass 64 bits, instead); rest, amount; pot,
    period; t0, t1 … the totals of the charge's leaves then. `leaves`: all that the budget's pots keep totals of."""
    where = (
        f"{literal(f'budget {budget.name}')} || CASE WHEN pot <> '' THEN ' of ' || pot ELSE '' END"
        " || CASE WHEN period <> '' THEN ' in ' || period ELSE '' END"
    )
    cut = terms.over_cap is OverCap.CUT
    missing = " is cut off under the caps of " if cut else " finds no bearer with room in "
    totals = " || ', ' || ".join([*_bearers(terms, budget), *_together(terms, budget, leaves)])
    found = engine.query(
        f"""
        SELECT CASE WHEN beyond THEN 'the totals of ' || {where} || {literal(_BEYOND)}
            ELSE {_shown("rest", budget)} || ' of ' || {_shown("amount", budget)}
                || {literal(f" {budget.currency.code}{missing}")}
|| {where} || ': ' || {totals} || {literal(_way_out(terms, budget))} END AS reason
        FROM figures ORDER BY pos
        """,
        figures=figures,
    )
    return found.column("reason")


_BEYOND = " would pass 64 bits; a shorter period, or more columns in per, keep the totals of a pot smaller"


def _bearers(terms: Apportionment, budget: Budget) -> list[str]:
    """SQL of what each leaf of the charge carries, and how far it goes."""
    limits = dict(zip(terms.names, terms.limits, strict=True))
    found = []
    for at, leaf in enumerate(terms.leaves):
        cap, limit = budget.leaves[leaf], limits.get(leaf)
        told = "" if cap is None else f" of its cap of {grouped_minor(cap, budget.currency)}"
        told += "" if limit is None else f" and takes {grouped_minor(limit, budget.currency)} of a charge at most"
        found.append(f"{literal(f'{leaf} carries ')} || {_shown(f't{at}', budget)} || {literal(told)}")
    return found


def _together(terms: Apportionment, budget: Budget, leaves: Sequence[str]) -> list[str]:
    """SQL of what groups and the whole pot carry, where there is a cap or a limit on that. (Other charges of the budget
    may have bearers that this one does not have; then the cap alone is told.)"""
    limits = dict(zip(terms.names, terms.limits, strict=True))
    caps = {name: cap for name, cap in budget.groups.items() if name in limits} | {"": budget.cap}
    found = []
    for name, cap in caps.items():
        under = [leaf for leaf in leaves if not name or leaf.startswith(f"{name}/")]
        if cap is not None and set(under) <= set(terms.leaves):
            total = " + ".join(f"CAST(t{terms.leaves.index(leaf)} AS HUGEINT)" for leaf in under)
            who, whose = (f"{name} carries", "its cap") if name else ("all carry", "the budget's cap")
            of = literal(f" of {whose} of {grouped_minor(cap, budget.currency)}")
            found.append(f"{literal(f'{who} ')} || {_shown(f'({total})', budget)} || {of}")
        elif cap is not None:
            whole = f"the cap of {name or 'the budget'} over all its charges is {grouped_minor(cap, budget.currency)}"
            found.append(literal(whole))
        limit = limits.get(name)
        if limit is not None:
            found.append(literal(f"{name} takes {grouped_minor(limit, budget.currency)} of a charge at most"))
    return found


def _way_out(terms: Apportionment, budget: Budget) -> str:
    """What would be right."""
    caps = [budget.cap, *(budget.leaves[leaf] for leaf in terms.leaves), *map(budget.groups.get, terms.names)]
    raised = ["a cap"] if any(cap is not None for cap in caps) else []
    if any(limit is not None for limit in terms.limits):
        raised.append("an up_to" if terms.by is SharedBy.IN_ORDER else "a fixed amount")
    assert raised, "without a limit somebody takes all"
    passed = ", pass on what does not fit (over_cap: pass_on)" if terms.over_cap is OverCap.CUT else ""
    return f"; raise {' or '.join(raised)}{passed}, or name under when_all_capped a bearer that takes the rest"


def _shown(amount: str, budget: Budget) -> str:
    """SQL of an amount as people write it."""
    size, unit, exponent = f"abs(CAST({amount} AS HUGEINT))", budget.currency.units, budget.currency.exponent
    sign = f"CASE WHEN {amount} < 0 THEN '-' ELSE '' END"
    if exponent == 0:
        return f"({sign} || CAST({size} AS VARCHAR))"
    part = f"lpad(CAST({size} % {unit} AS VARCHAR), {exponent}, '0')"
    return f"({sign} || CAST({size} // {unit} AS VARCHAR) || '.' || {part})"
