"""Values that a golden case gives to factors which are looked up outside: there, nobody is asked."""

from collections.abc import Mapping

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.flow.pipeline.golden_text import EMPTY, GoldenTextError, read_values
from everycent.flow.rating import stage as rating
from everycent.flow.rating.contract import FactorSpec

#: Factor -> key -> value, all as the case writes them.
ValuesOutside = Mapping[str, Mapping[tuple[str, ...], str]]

_VALUE = "value"
_NOT_GIVEN = "the case gives no value for it; write one under 'factors'"


def values_outside(text: str, factors: Mapping[str, FactorSpec]) -> ValuesOutside:
    """What the case's `factors` say. `-` as a value is none. Raises GoldenTextError."""
    outside = {name: spec for name, spec in factors.items() if spec.is_fetched}
    found: dict[str, dict[tuple[str, ...], str]] = {}
    for table in read_values(text, frozenset(outside)):
        wanted = (*outside[table.kind].key, _VALUE)
        if sorted(table.columns) != sorted(wanted):
            raise GoldenTextError(
                f"factors: {table.kind} has the columns {', '.join(table.columns) or 'none'}; write {'  '.join(wanted)}"
            )
        places = [table.columns.index(column) for column in wanted]
        for row in table.rows:
            *key, value = (row[at] for at in places)
            if value is not None:
                found.setdefault(table.kind, {})[tuple(part or EMPTY for part in key)] = value
    return found


def tables_outside(
    plan: rating.RatingPlan, records: pa.Table, given: ValuesOutside, engine: LocalEngine
) -> dict[str, pa.Table]:
    """The tables of what the plan looks up outside. Raises GoldenTextError for a value that its factor cannot have."""
    try:
        return rating.given_tables(plan, records, given, _NOT_GIVEN, engine)
    except ValueError as wrong:
        raise GoldenTextError(f"factors: {wrong}") from None
