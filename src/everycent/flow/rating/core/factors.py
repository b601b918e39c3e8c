"""Factors: which of them charges use, and the lookups that find their values."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from everycent.base.engine.sql import literal
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.currency import currency
from everycent.flow.intake.contract import TableSpec
from everycent.flow.rating.contract import BEARER, FactorSpec, RatingRefused, declared_total
from everycent.flow.rating.core.plan import Factor, Lookup
from everycent.flow.rating.core.running import history_type

#: Columns of an attached table that mean its rows' validity where nothing else is declared.
VALIDITY = ("valid_from", "valid_to")
#: What `on` calls the record's business date.
BUSINESS_DATE = "business_date"


@dataclass(frozen=True)
class FactorSources:
    """What factors may be read from: attached tables by name, the record's columns, the exponent of the
    model's currency."""

    tables: Mapping[str, TableSpec]
    columns: Mapping[str, ColumnType]
    exponent: int

    def table_column(self, table: str, column: str) -> ColumnType | None:
        """The type of a table's column; None where there is none of that name."""
        spec = self.tables[table].columns.get(column)
        if spec is None:
            return None
        return ColumnType.parse(spec.type, self.exponent if spec.currency is None else currency(spec.currency).exponent)

    def column(self, name: str) -> Column:
        """The record's column, as SQL reaches it."""
        return Column(name, self.columns[name], f"c{list(self.columns).index(name)}")


def factor_scope(specs: Mapping[str, FactorSpec], sources: FactorSources) -> dict[str, Column]:
    """Each factor as a formula sees it. Raises RatingRefused."""
    scope = {}
    for name, spec in specs.items():
        if spec.constant is not None:
            kind, sql = _constant(name, spec, spec.constant, sources.exponent)
        elif spec.history is not None:
            kind = history_type(spec, sources.exponent)
            sql = f"CAST(1 AS {kind.duckdb})"  # stands in on arrival, where the value is not known yet
        elif spec.is_column:
            if spec.column is None or spec.column not in sources.columns:
                continue  # a name that this kind does not have, as the column itself
            found = sources.column(spec.column)
            kind, sql = found.type, found.sql
        else:
            kind, sql = _table_type(name, spec, sources), _alias(name, specs)
        scope[name] = Column(name, kind, sql)
    return scope


def plan_factors(
    specs: Mapping[str, FactorSpec], used: Collection[str], sources: FactorSources
) -> tuple[tuple[Factor, ...], tuple[Lookup, ...]]:
    """The used factors in declared order, and their lookups, one for each table and key. Raises RatingRefused."""
    scope = factor_scope(specs, sources)
    lookups: list[Lookup] = []
    factors: list[Factor] = []
    for name, spec in specs.items():
        if name not in used or spec.history is not None:
            continue
        kind, alias = scope[name].type, _alias(name, specs)
        if spec.constant is not None:
            factors.append(Factor(name, kind, alias, constant_sql=scope[name].sql))
        elif spec.is_column:
            factors.append(Factor(name, kind, alias, record_column=spec.column))
        else:
            at = _place(lookups, _lookup(name, spec, sources))
            factors.append(Factor(name, kind, alias, lookup=at, column=spec.column or name))
    return tuple(factors), tuple(lookups)


def history_factors(
    specs: Mapping[str, FactorSpec], used: Collection[str], kind: str, exponent: int
) -> tuple[Factor, ...]:
    """The used factors that depend on what came before. Raises RatingRefused where this kind has no place in one."""
    found = []
    for name, spec in specs.items():
        if spec.history is None or name not in used:
            continue
        if kind not in spec.history.kinds:
            told = declared_total(name)
            word = "accumulator" if spec.accumulator else "moving_average"
            message = f"a charge for {kind} uses factor {told}, which does not say where {kind} stands in it"
            right = "write what its records add, 0 for nothing" if spec.accumulator else "write what its records take"
            raise RatingRefused(f"{message}; {right}", ("factors", told, word))
        value = "worth" if spec.accumulator is None else spec.accumulator.counts
        found.append(Factor(name, history_type(spec, exponent), _alias(name, specs), column=value))
    return tuple(found)


def _alias(name: str, specs: Mapping[str, FactorSpec]) -> str:
    return f"f{list(specs).index(name)}"


def _place(lookups: list[Lookup], lookup: Lookup) -> int:
    """The place of a lookup of the same table, key and validity, which then reads this one's values too."""
    for at, known in enumerate(lookups):
        if replace(known, values=()) == replace(lookup, values=()):
            more = tuple(value for value in lookup.values if value not in known.values)
            lookups[at] = replace(known, values=known.values + more)
            return at
    lookups.append(lookup)
    return len(lookups) - 1


def _table_type(name: str, spec: FactorSpec, sources: FactorSources) -> ColumnType:
    assert spec.table is not None, "a factor without constant has a table"
    if spec.table not in sources.tables:
        raise RatingRefused(f"factor {name}: there is no attached table {spec.table}", ("factors", name, "table"))
    column = spec.column or name
    kind = sources.table_column(spec.table, column)
    if kind is None:
        known = ", ".join(sources.tables[spec.table].columns)
        message = f"factor {name}: table {spec.table} has no column {column}; it has {known}"
        raise RatingRefused(message, ("factors", name))
    return kind


def _lookup(name: str, spec: FactorSpec, sources: FactorSources) -> Lookup:
    assert spec.table is not None, "a factor without constant has a table"
    table = sources.tables[spec.table]
    theirs = table.key or spec.table_key or spec.key
    if not spec.key or len(spec.key) != len(theirs):
        message = f"factor {name}: rows of table {spec.table} are found by {', '.join(theirs) or 'a key'}"
        raise RatingRefused(f"{message}; 'key' names the record's columns for them", ("factors", name, "key"))
    keys = tuple(
        (_key(name, ours, their, spec.table, sources), their) for ours, their in zip(spec.key, theirs, strict=True)
    )
    dated = spec.dated or (None if spec.valid else table.dated)
    valid = None if dated else _validity(spec, table)
    for bound in (dated,) if dated else valid or ():
        kind = sources.table_column(spec.table, bound)
        if kind is None or kind.kind != "date":
            message = f"factor {name}: column {bound} of table {spec.table} is to be a date column"
            raise RatingRefused(message, ("factors", name, "dated" if dated else "valid"))
    on = None if spec.on is None or spec.on == BUSINESS_DATE else _date_column(name, spec.on, sources)
    return Lookup(spec.table, keys, valid, (spec.column or name,), dated, spec.find == "exact", on)


def _validity(spec: FactorSpec, table: TableSpec) -> tuple[str, str] | None:
    valid = spec.valid or table.valid
    return VALIDITY if valid is None and all(column in table.columns for column in VALIDITY) else valid


def _date_column(name: str, column: str, sources: FactorSources) -> Column:
    kind = sources.columns.get(column)
    if kind is None or kind.kind not in ("date", "timestamp"):
        known = ", ".join(known for known, type_ in sources.columns.items() if type_.kind in ("date", "timestamp"))
        message = f"factor {name}: '{column}' under 'on' is no date or timestamp column of this record kind"
        raise RatingRefused(f"{message}; those are {known or 'none'}, and {BUSINESS_DATE}", ("factors", name, "on"))
    return sources.column(column)


def _key(name: str, ours: str, theirs: str, table: str, sources: FactorSources) -> Column:
    """What a key column is compared with: a column of the record, or a text in single quotes."""
    their_type = sources.table_column(table, theirs)
    path = ("factors", name, "key")
    if their_type is None:
        raise RatingRefused(f"factor {name}: table {table} has no column {theirs}", path)
    if re.fullmatch("'[^']*'", ours):
        our = Column(ours, ColumnType("text"), literal(ours[1:-1]))
    elif ours in sources.columns:
        our = sources.column(ours)
    else:
        message = f"factor {name} is looked up by {ours}, which this record kind does not have"
        if ours == BEARER:
            message = f"factor {name} is looked up by {ours}, which only a charge with per_share_of has"
        raise RatingRefused(f"{message}; its columns are {', '.join(sources.columns)}", path)
    if our.type.kind != their_type.kind:
        message = f"factor {name}: column {ours} is {our.type}, but {theirs} of table {table} is {their_type}"
        raise RatingRefused(f"{message}; a key has one type on both sides", path)
    return our


def _constant(name: str, spec: FactorSpec, text: str, exponent: int) -> tuple[ColumnType, str]:
    """The type of a constant, and its value as SQL."""
    kind = _constant_type(text) if spec.type is None else ColumnType.parse(spec.type, exponent)
    refusal = RatingRefused(f"factor {name}: '{text}' is not a value of type {kind}", ("factors", name, "constant"))
    match kind.kind:
        case "text":
            return kind, literal(text)
        case "boolean":
            if text not in ("true", "false"):
                raise refusal
            return kind, text.upper()
        case _:
            return kind, _number(text, kind, refusal)


def _constant_type(text: str) -> ColumnType:
    if re.fullmatch(r"-?\d+", text):
        return ColumnType("integer")
    decimals = re.fullmatch(r"-?\d+\.(\d+)", text)
    if decimals:
        return ColumnType("decimal", min(len(decimals[1]), 18))
    return ColumnType("boolean") if text in ("true", "false") else ColumnType("text")


def _number(text: str, kind: ColumnType, refusal: RatingRefused) -> str:
    """The constant as SQL; refused where it has more decimals than its type, or more digits than 64 bits hold."""
    found = re.fullmatch(r"(-?)(\d+)(?:\.(\d+))?", text)
    if found is None or len((found[3] or "").rstrip("0")) > kind.scale:
        raise refusal
    unscaled = int(found[2] + (found[3] or "").rstrip("0").ljust(kind.scale, "0"))
    if unscaled >= 10**18:
        raise refusal
    if kind.kind == "decimal":
        return f"CAST({literal(text)} AS {kind.duckdb})"
    return f"CAST({found[1]}{unscaled} AS BIGINT)"
