"""Factors from outside: to rating they are look-ups in a table that was fetched before, one row for each key."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.base.engine.types import ColumnType
from everycent.flow.intake.contract import ColumnSpec, TableSpec
from everycent.flow.rating.contract import FETCHED_TABLE, FactorSpec, RatingRefused
from everycent.flow.rating.core.plan import Lookup, RatingPlan

#: The columns of a fetched table beside its keys: the value, and why there is none.
VALUE, WHY = "value", "why"
#: Types that a key can have on its way out.
KEY_KINDS = ("text", "integer", "date")
_DIGITS_MAX = 18


def as_tables(
    factors: Mapping[str, FactorSpec], columns: Mapping[str, ColumnType]
) -> tuple[dict[str, FactorSpec], dict[str, TableSpec]]:
    """The factors, those from outside as look-ups in fetched tables; and these tables. Raises RatingRefused."""
    found, tables = dict(factors), {}
    for name, spec in factors.items():
        if not spec.is_fetched:
            continue
        keys = {}
        for column in spec.key:
            kind = columns.get(column)
            if kind is not None and kind.kind not in KEY_KINDS:
                message = f"factor {name}: column {column} is {kind}; what is looked up outside is found by {_KINDS}"
                raise RatingRefused(message, ("factors", name, "key"))
            keys[column] = ColumnSpec(type="text" if kind is None else str(kind))
        table = FETCHED_TABLE + name
        value = ColumnSpec(type=spec.type or "decimal(8)")
        tables[table] = TableSpec(file=table, key=spec.key, columns={**keys, VALUE: value})
        found[name] = spec.model_copy(update={"table": table, "column": VALUE, "sql": None, "rest": None})
    return found, tables


_KINDS = "text, whole numbers or dates"


def fetched_lookups(plan: RatingPlan) -> dict[str, Lookup]:
    """The plan's look-ups outside, by the factor's name."""
    return {
        lookup.table.removeprefix(FETCHED_TABLE): lookup
        for lookup in plan.lookups
        if lookup.table.startswith(FETCHED_TABLE)
    }


def keys_wanted(lookup: Lookup, records: pa.Table, engine: LocalEngine) -> list[tuple[object, ...]]:
    """The distinct keys of a look-up that records (RECORD rows) ask for, in order; a key with a gap asks nothing."""
    body = [f"records.body.{identifier(ours.name)} AS k{at}" for at, (ours, _) in enumerate(lookup.keys)]
    there = " AND ".join(f"k{at} IS NOT NULL" for at in range(len(lookup.keys)))
    sql = f"SELECT DISTINCT * FROM (SELECT {', '.join(body)} FROM records) WHERE {there} ORDER BY ALL"
    found = engine.query(sql, records=records)
    return list(zip(*(column.to_pylist() for column in found.columns), strict=True))


def given_tables(
    plan: RatingPlan,
    records: pa.Table,
    given: Mapping[str, Mapping[tuple[str, ...], str]],
    why: str,
    engine: LocalEngine,
) -> dict[str, pa.Table]:
    """The fetched tables for `records` (RECORD rows) where nobody is asked: what is given, `why` there is no more.

    `given`: for each factor the values by key, all as an author writes them. Raises ValueError with what is wrong.
    """
    kinds = {factor.name: factor.type for factor in plan.factors}
    tables = {}
    for name, lookup in fetched_lookups(plan).items():
        values = {key: canonical(kinds[name], _read(kinds[name], text)) for key, text in given.get(name, {}).items()}
        rows = [
            (key, values.get(tuple(map(str, key))), None if tuple(map(str, key)) in values else why)
            for key in keys_wanted(lookup, records, engine)
        ]
        tables[lookup.table] = fetched_table(lookup, kinds[name], rows)
    return tables


def _read(kind: ColumnType, text: str) -> object:
    return {"true": True, "yes": True, "false": False, "no": False}.get(text, text) if kind.kind == "boolean" else text


def fetched_table(
    lookup: Lookup, kind: ColumnType, rows: Sequence[tuple[tuple[object, ...], str | None, str | None]]
) -> pa.Table:
    """A fetched table from (key, canonical text of the value or None, why there is none)."""
    keys = {
        theirs: pa.array([key[at] for key, _, _ in rows], ours.type.arrow)
        for at, (ours, theirs) in enumerate(lookup.keys)
    }
    values = [None if text is None else _typed(kind, text) for _, text, _ in rows]
    return pa.table(
        {**keys, VALUE: pa.array(values, kind.arrow), WHY: pa.array([why for _, _, why in rows], pa.string())}
    )


def canonical(kind: ColumnType, value: object) -> str:
    """The text under which a value is kept: money in minor units. Raises ValueError with what is wrong."""
    match kind.kind:
        case "text" if isinstance(value, str):
            return value
        case "boolean" if isinstance(value, bool):
            return "true" if value else "false"
        case "integer" | "decimal" | "money" if isinstance(value, int | Decimal | str) and not isinstance(value, bool):
            return _number(kind, value)
    raise ValueError(f"{value!r} is not {kind}")


def _number(kind: ColumnType, value: int | Decimal | str) -> str:
    try:
        number = Decimal(value)
    except ArithmeticError:
        raise ValueError(f"{value!r} is not {kind}") from None
    if not number.is_finite() or abs(number) >= 10 ** (_DIGITS_MAX - kind.scale):
        raise ValueError(f"{value} is more than {kind} can hold")
    scaled = number.scaleb(kind.scale)
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{value} has more decimals than {kind} can hold ({kind.scale})")
    return str(int(scaled)) if kind.kind != "decimal" else f"{number:f}"


def _typed(kind: ColumnType, text: str) -> object:
    match kind.kind:
        case "boolean":
            return text == "true"
        case "integer" | "money":
            return int(text)
        case "decimal":
            return Decimal(text).quantize(Decimal(1).scaleb(-kind.scale))
    return text
