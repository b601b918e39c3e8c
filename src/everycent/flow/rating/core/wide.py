"""The wide form in SQL: one row for each record, with what was looked up and the amount of each charge.

Records enter as table `r`: pos (the record's place in the batch), d (its business date), and its columns c<n>. Attached
tables enter as t<n>: k<n> (key columns), lo and hi (validity), place (of the row), v<n> (values).
"""

from collections.abc import Callable

from everycent.flow.rating.core import adding
from everycent.flow.rating.core.plan import Charge, Lookup, RatingPlan


def looked_up_sql(plan: RatingPlan) -> str:
    """Records with the factors f<n> read from attached tables, and x<n>, the place of each lookup's row."""
    joins = " ".join(_join(place, lookup) for place, lookup in enumerate(plan.lookups))
    places = [f"t{place}.place AS x{place}" for place in range(len(plan.lookups))]
    places += [f"t{place}.why AS unfound{place}" for place, lookup in enumerate(plan.lookups) if lookup.is_fetched]
    values = [
        f"t{factor.lookup}.v{plan.lookups[factor.lookup].values.index(factor.column)} AS {factor.alias}"
        for factor in plan.factors
        if factor.lookup is not None and factor.column is not None
    ]
    return f"SELECT {', '.join(['r.*', *places, *values])} FROM r {joins}"


def _join(place: int, lookup: Lookup) -> str:
    keys = [f"{ours.sql} = t{place}.k{key}" for key, (ours, _) in enumerate(lookup.keys)]
    day = lookup.day_sql
    if lookup.dated is None:
        dated = [] if lookup.valid is None else [f"{day} >= t{place}.lo", f"{day} < t{place}.hi"]
        return f"LEFT JOIN t{place} ON {' AND '.join(keys + dated)}"
    if lookup.exact:
        return f"LEFT JOIN t{place} ON {' AND '.join([*keys, f'{day} = t{place}.lo'])}"
    return (
        f"ASOF LEFT JOIN t{place} ON {' AND '.join([*keys, f'{day} >= t{place}.lo'])}"  # the newest not after the day
    )


def wide_sql(plan: RatingPlan) -> str:
    """For each record: pos, x<n>; for each charge its amount a<n>, NULL where it has none or `careful` must look.

    Where a charge has a condition, n<n> is 1 where the record is without the charge by it; where it has several
    rules, g<n> is the place of the one that matched.
    """
    steps = chained(plan, _amount_sql)
    found = [f"x{place}" for place in range(len(plan.lookups))]
    for at, charge in enumerate(plan.charges):
        found.append(f"a{at}")
        if charge.when is not None:
            found.append(f"CAST(w{at} IS FALSE AS TINYINT) AS n{at}")
        if len(charge.rules) > 1:
            found.append(f"g{at}")
    return f"{steps} SELECT {', '.join(['pos', *found])} FROM last"


def chained(plan: RatingPlan, amount_sql: Callable[[RatingPlan, int, Charge], list[list[str]]]) -> str:
    """WITH ... that ends in `last`: level by level, conditions, then which rule matched, then what `amount_sql` adds,
    which is as many steps for each charge, each a list of columns.

    Adds w<n> (the charge's condition), k<n>_<m> (a rule's), g<n> (the place of the rule that matched, NULL if none
    did, or one before it could not be decided; where rules add up, a bit for each that holds, see core/adding.py).
    """
    steps = [f"found AS ({looked_up_sql(plan)})"]
    before = "found"

    def step(name: str, columns: list[str]) -> None:
        nonlocal before
        if columns:
            steps.append(f"{name} AS (SELECT *, {', '.join(columns)} FROM {before})")
            before = name

    for depth, level in enumerate(plan.levels):
        charges = [(at, plan.charges[at]) for at in level]
        step(f"conditions{depth}", [column for at, charge in charges for column in _conditions(at, charge)])
        step(f"matched{depth}", [f"{_matched(at, charge)} AS g{at}" for at, charge in charges if has_choice(charge)])
        for place, added in enumerate(zip(*(amount_sql(plan, at, charge) for at, charge in charges), strict=True)):
            step(f"amounts{depth}_{place}", [column for columns in added for column in columns])
    steps.append(f"last AS (SELECT * FROM {before})")
    return f"WITH {', '.join(steps)}"


def has_choice(charge: Charge) -> bool:
    """Whether it depends on the record which rule is used, or whether any is."""
    return charge.adds or len(charge.rules) > 1 or charge.rules[0].condition is not None


def by_rule(at: int, charge: Charge, sql: Callable[[int], str]) -> str:
    """`sql` of the rule that matched, by its place; NULL where none did. Where rules add up: the first not NULL."""
    if charge.adds:
        return adding.first_sql(at, charge, sql)
    if not has_choice(charge):
        return sql(0)
    places: dict[str, list[int]] = {}  # rules of a decision table mostly differ in a few words
    for place in range(len(charge.rules)):
        places.setdefault(sql(place), []).append(place)
    if len(places) == len(charge.rules):
        return f"CASE g{at} {' '.join(f'WHEN {place} THEN {each}' for each, (place,) in places.items())} END"
    arms = (f"WHEN g{at} IN ({', '.join(map(str, same))}) THEN {each}" for each, same in places.items())
    return f"CASE {' '.join(arms)} END"


def _conditions(at: int, charge: Charge) -> list[str]:
    own = [] if charge.when is None else [f"{charge.when.sql} AS w{at}"]
    rules = [
        f"{rule.condition.sql} AS k{at}_{place}"
        for place, rule in enumerate(charge.rules)
        if rule.condition is not None
    ]
    return own + rules


def _matched(at: int, charge: Charge) -> str:
    if charge.adds:
        return adding.holding_sql(at, charge)
    cases: list[str] = []
    for place, rule in enumerate(charge.rules):
        if rule.condition is None:
            return f"CASE {' '.join(cases)} ELSE {place} END" if cases else str(place)
        cases.append(f"WHEN k{at}_{place} THEN {place} WHEN k{at}_{place} IS NULL THEN NULL")
    return f"CASE {' '.join(cases)} END"


def _amount_sql(plan: RatingPlan, at: int, charge: Charge) -> list[list[str]]:
    assert plan.charges[at] is charge, "a charge is known by its place"
    if charge.adds:
        amount = adding.sum_sql(at, charge, lambda place: charge.rules[place].amount.fast_sql, "BIGINT")
    else:
        amount = by_rule(at, charge, lambda place: charge.rules[place].amount.fast_sql)
    asked = [] if charge.when is None else [f"w{at}"]
    asked += [f"{plan.value_sql(contract)} IS NOT NULL" for contract in charge.contracts]
    found = f"CASE WHEN {' AND '.join(asked)} THEN {amount} END" if asked else amount
    return [[f"{found} AS a{at}"]]
