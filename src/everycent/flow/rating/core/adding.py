"""Rules that add up, in SQL: a bit for each rule that holds (g<n>), and the sum of what those come to."""

from collections.abc import Callable

from everycent.flow.rating.core.plan import Charge


def holding_sql(at: int, charge: Charge) -> str:
    """A bit for each rule that holds, by its place; NULL where none does or one cannot be decided."""
    bits = [
        str(1 << place) if rule.condition is None else f"CAST(k{at}_{place} AS INTEGER) * {1 << place}"
        for place, rule in enumerate(charge.rules)
    ]
    return f"nullif({' + '.join(bits)}, 0)"


def sum_sql(at: int, charge: Charge, sql: Callable[[int], str], integer: str) -> str:
    """The sum of `sql` over the rules that hold, in the integer type; NULL where one is NULL or the sum overflows."""
    parts = [
        f"CAST({sql(place)} AS {integer})"
        if rule.condition is None
        else f"CASE WHEN k{at}_{place} THEN CAST({sql(place)} AS {integer}) ELSE 0::{integer} END"
        for place, rule in enumerate(charge.rules)
    ]
    return f"CASE WHEN g{at} IS NOT NULL THEN TRY(CAST({' + '.join(parts)} AS BIGINT)) END"


def first_sql(at: int, charge: Charge, sql: Callable[[int], str]) -> str:
    """`sql` of the first rule that holds and has one that is not NULL."""
    parts = [
        sql(place) if rule.condition is None else f"CASE WHEN k{at}_{place} THEN {sql(place)} END"
        for place, rule in enumerate(charge.rules)
    ]
    return f"CASE WHEN g{at} IS NOT NULL THEN coalesce({', '.join(parts)}) END"


def labels(charge: Charge, holding: int) -> str:
    """The labels of the rules whose bits are set, joined by +."""
    return "+".join(rule.label for place, rule in enumerate(charge.rules) if holding >> place & 1)
