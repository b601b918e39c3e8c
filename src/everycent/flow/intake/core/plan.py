"""A record kind, ready to be taken in: its words resolved and its formulas compiled to DuckDB expressions.

Inside the plan's SQL columns have numbers, so that no name of a model or a file can clash with another: c0, c1 ... are
the source's columns, t0 ... the cells' texts, v0 ... the typed values, g0 ... the tags.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from everycent.base.engine.formula import CompiledAmount, Formula
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import Currency
from everycent.flow.intake.contract import RECORDS_OWN, ColumnSpec, RecordMoney, RecordSpec, Step, TableSpec
from everycent.flow.intake.core.cells import CellReader, shown_sql, written_sql
from everycent.flow.intake.core.currencies import each, money_in, record_money
from everycent.flow.intake.core.formulas import Condition, Scopes, amount, condition, tag, tag_money
from everycent.flow.intake.core.limits import limit_cases
from everycent.flow.intake.core.refusal import IntakeRefused, Word


@dataclass(frozen=True)
class Lookup:
    """An attached table that columns come from: found by its key columns in the source's columns of the same name."""

    table: str
    spec: TableSpec
    keys: tuple[CellReader, ...]


@dataclass(frozen=True)
class Cell:
    """Where a cell comes from: a column of the file, or, where `lookup` is set, a typed one of that attached table,
    which has a `currency` where it is money."""

    column: str
    lookup: int | None = None
    type: ColumnType | None = None
    currency: str | None = None


@dataclass(frozen=True)
class Field:
    """A declared column: `at` is its number; of its cells the first that is not empty is read.

    `own`: readers of money that is in the currency of its record, by code; the number of the column that holds it is
    `currency_at`.
    """

    at: int
    reader: CellReader
    cells: tuple[Cell, ...]
    own: tuple[CellReader, ...] = ()
    currency_at: int = 0

    @property
    def column(self) -> Column:
        return Column(self.reader.name, self.reader.type, f"v{self.at}")

    def value_sql(self) -> str:
        """The typed value of the text t<at>; NULL where it has none."""
        if not self.own:
            return self.reader.value_sql(f"t{self.at}")
        arms = " ".join(f"WHEN {literal(of.currency.code)} THEN {of.value_sql(f't{self.at}')}" for of in self.own)
        return f"(CASE t{self.currency_at} {arms} END)"

    def fault_sql(self) -> str:
        """Why the text t<at> has no value; only asked where it is not NULL and its value is."""
        text, code = f"t{self.at}", f"t{self.currency_at}"
        if not self.own:
            return self.reader.fault_sql(text)
        arms = " ".join(f"WHEN {literal(of.currency.code)} THEN {of.fault_sql(text)}" for of in self.own)
        codes = literal(f" is none of {', '.join(of.currency.code for of in self.own)}")
        said = f"{literal(f'{self.reader.name}: ')} || {shown_sql(text)} || ' is in no known currency: '"
        return f"(CASE {code} {arms} ELSE {said} || coalesce({shown_sql(code)} || {codes}, 'it is missing') END)"

    def limit_cases(self, path: Word) -> list[str]:
        """`WHEN ... THEN reason` for each limit that the value can break. Raises IntakeRefused below `path`."""
        value = f"v{self.at}"
        if not self.own:
            return limit_cases(self.reader, value, path)
        return [
            f"WHEN v{self.currency_at} = {literal(of.currency.code)} AND {case.removeprefix('WHEN ')}"
            for of in self.own
            for case in limit_cases(of, value, path)
        ]


@dataclass(frozen=True)
class IntakePlan:
    """What `prepare` and `decide` follow. `columns_wanted` and `columns_optional` are what to read from a file."""

    kind: str
    spec: RecordSpec
    currency: Currency
    calendar: BusinessCalendar
    tenant: str
    source: str
    fields: tuple[Field, ...]
    money: RecordMoney
    lookups: tuple[Lookup, ...]
    tags: Mapping[str, tuple[Column, str]]
    when: Condition | None
    checks: Mapping[str, Condition]
    amount: tuple[Formula, CompiledAmount] | None
    steps: tuple[Step, ...]
    columns_wanted: tuple[str, ...]
    columns_optional: tuple[str, ...]

    @property
    def columns(self) -> Mapping[str, Column]:
        """The declared columns, then the tags, by name: the body of a record."""
        declared = {field.reader.name: field.column for field in self.fields}
        return {**declared, **{name: column for name, (column, _) in self.tags.items()}}

    @property
    def body_type(self) -> pa.StructType:
        """The body's type in Arrow."""
        return pa.struct([pa.field(name, column.type.arrow) for name, column in self.columns.items()])

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.reader.name == name)

    def written(self, column: Column, value: str, code: str) -> str:
        """SQL of a column's value as a person writes it; `code` is SQL of its record's currency."""
        if self.money.of.get(column.name) != RECORDS_OWN:
            return written_sql(column.type, value)
        return self.written_amount(value, code)

    def written_amount(self, value: str, code: str) -> str:
        """SQL of an amount in its record's currency."""
        return each(self.money, code, lambda known: written_sql(ColumnType("money", known.exponent), value))

    def code_sql(self, body: str) -> str:
        """SQL of a record's currency, given SQL of its body."""
        return literal(self.currency.code) if self.money.column is None else f"{body}.{identifier(self.money.column)}"

    @property
    def code_at(self) -> str:
        """SQL of a row's currency, by its number."""
        return literal(self.currency.code) if self.money.column is None else f"v{self.field(self.money.column).at}"


def plan_intake(
    kind: str,
    spec: RecordSpec,
    *,
    tables: Mapping[str, TableSpec],
    all_kinds: Mapping[str, RecordSpec],
    currency: Currency,
    calendar: BusinessCalendar,
    tenant: str,
    source: str,
    steps: Mapping[str, Step] | None = None,
) -> IntakePlan:
    """Resolves `spec`. `steps` are the business's own by entry point name. Raises IntakeRefused, a FormulaError."""
    root = ("records", kind)
    _check_names(root, spec)
    money = record_money(root, spec, currency)
    used = _used_tables(spec, tables)
    lookups = tuple(_lookup(root, name, tables[name], currency, calendar) for name in used)
    fields = _fields(root, spec, money, tables, used, currency, calendar)
    code = literal(currency.code) if money.column is None else f"v{list(spec.columns).index(money.column)}"
    scopes = Scopes(money, code, {field.reader.name: field.column for field in fields})
    tags = {
        name: tag((*root, "tags", name), at, name, text, scopes) for at, (name, text) in enumerate(spec.tags.items())
    }
    tagged = {name: tag_money((*root, "tags", name), spec.tags[name], tags[name][0].type, scopes) for name in tags}
    of = {name: what for name, what in tagged.items() if what is not None}
    all_scopes = scopes.with_tags({name: column for name, (column, _) in tags.items()}, of)
    _check_refund(root, spec, all_kinds, currency)
    _check_validity(root, fields, spec, lookups)
    wanted, optional = _sources(fields, lookups)
    return IntakePlan(
        kind=kind,
        spec=spec,
        currency=currency,
        calendar=calendar,
        tenant=tenant,
        source=source,
        fields=fields,
        money=all_scopes.money,
        lookups=lookups,
        tags=tags,
        when=None if spec.when is None else condition((*root, "when"), spec.when, scopes),
        checks={name: condition((*root, "check", name), text, all_scopes) for name, text in spec.check.items()},
        amount=None if spec.amount is None else amount((*root, "amount"), spec.amount, all_scopes),
        steps=tuple(_step((*root, "steps"), name, steps or {}) for name in spec.steps),
        columns_wanted=wanted,
        columns_optional=optional,
    )


def cell_reader(path: Word, name: str, spec: ColumnSpec, currency: Currency, calendar: BusinessCalendar) -> CellReader:
    """How a column's cells are read; `currency` is of money that names none. Raises IntakeRefused."""
    currency = money_in(path, name, spec, currency)
    try:
        type_ = ColumnType.parse(spec.type, money_scale=currency.exponent)
    except ValueError as error:
        raise IntakeRefused((*path, "type"), str(error)) from None
    if spec.unit == "minor" and type_.kind != "money":
        raise IntakeRefused((*path, "unit"), f"{name} is {type_}; only money has a unit")
    if spec.sign != "keep" and not type_.is_number:
        raise IntakeRefused((*path, "sign"), f"{name} is {type_}; only a number has a sign")
    if (spec.min or spec.max) and not type_.is_number:
        raise IntakeRefused(
            (*path, "min" if spec.min else "max"), f"{name} is {type_}; only a number has a least and a most"
        )
    if spec.format is not None and type_.kind not in ("timestamp", "date"):
        raise IntakeRefused((*path, "format"), f"{name} is {type_}; only a timestamp or a date has a format")
    reader = CellReader(name, spec, type_, currency, calendar.time_zone)
    limit_cases(reader, "NULL", path)  # refuses limits that the type cannot hold
    return reader


def _fields(
    root: Word,
    spec: RecordSpec,
    money: RecordMoney,
    tables: Mapping[str, TableSpec],
    used: tuple[str, ...],
    model: Currency,
    calendar: BusinessCalendar,
) -> tuple[Field, ...]:
    """The declared columns; money that is in the record's currency has a reader for each."""
    at_currency = 0 if money.column is None else list(spec.columns).index(money.column)
    found = []
    for at, (name, column) in enumerate(spec.columns.items()):
        path = (*root, "columns", name)
        cells = tuple(_cell(path, source, tables, used, model) for source in column.sources or (name,))
        readers = tuple(cell_reader(path, name, column, known, calendar) for known in money.currencies)
        theirs = [cell.currency for cell in cells if cell.currency is not None]
        if column.type == "money" and any(code != money.of[name] for code in theirs):
            message = f"{name} is in {money.of[name]}, but where it is read from it is in {theirs[0]}"
            raise IntakeRefused((*path, "from"), f"{message}; give both the same 'currency'")
        is_own = money.of.get(name) == RECORDS_OWN
        found.append(Field(at, readers[0], cells, readers if is_own else (), at_currency))
    return tuple(found)


def _check_names(root: Word, spec: RecordSpec) -> None:
    seen: dict[str, str] = {}
    for name in (*spec.columns, *spec.tags):
        word = "tags" if name in spec.tags else "columns"
        if name.lower() in seen:
            raise IntakeRefused(
                (*root, word, name), f"'{name}' is named twice ('{seen[name.lower()]}'); case makes no difference"
            )
        seen[name.lower()] = name
    for word, names in (("id", spec.id), ("of", spec.of), ("occurred_at", (spec.occurred_at,))):
        for name in names:
            if name not in spec.columns:
                raise IntakeRefused(
                    (*root, word), f"'{name}' is not a column of this kind; it has {', '.join(spec.columns)}"
                )
    if not spec.id:
        raise IntakeRefused((*root, "id"), "name at least one column that identifies a record")
    if spec.columns[spec.occurred_at].type not in ("timestamp", "date"):
        raise IntakeRefused((*root, "occurred_at"), f"'{spec.occurred_at}' must be a timestamp or a date")


def _used_tables(spec: RecordSpec, tables: Mapping[str, TableSpec]) -> tuple[str, ...]:
    sources = (source.partition(".") for column in spec.columns.values() for source in column.sources)
    return tuple(dict.fromkeys(table for table, dot, _ in sources if dot and table in tables))


def _lookup(root: Word, name: str, spec: TableSpec, currency: Currency, calendar: BusinessCalendar) -> Lookup:
    if not spec.key:
        raise IntakeRefused((*root, "columns"), f"table '{name}' has no key to find its rows by; give it 'key'")
    path = ("tables", name, "columns")
    keys = tuple(cell_reader((*path, key), key, spec.columns[key], currency, calendar) for key in spec.key)
    return Lookup(name, spec, keys)


def _cell(path: Word, source: str, tables: Mapping[str, TableSpec], used: tuple[str, ...], currency: Currency) -> Cell:
    table, dot, column = source.partition(".")
    if not dot or table not in used:
        return Cell(source)
    there = tables[table].columns
    if column not in there:
        raise IntakeRefused((*path, "from"), f"table '{table}' has no column '{column}'; it has {', '.join(there)}")
    theirs = money_in(("tables", table, "columns", column), column, there[column], currency)
    kind = ColumnType.parse(there[column].type, money_scale=theirs.exponent)
    return Cell(column, used.index(table), kind, theirs.code if kind.kind == "money" else None)


def _check_refund(root: Word, spec: RecordSpec, all_kinds: Mapping[str, RecordSpec], currency: Currency) -> None:
    if spec.refunds is None:
        if spec.of:
            raise IntakeRefused((*root, "of"), "'of' names the refunded record; say which kind with 'refunds'")
        return
    refunded = all_kinds.get(spec.refunds)
    if refunded is None or spec.refunds == root[1]:
        raise IntakeRefused(
            (*root, "refunds"), f"'{spec.refunds}' is not another record kind; there are {', '.join(all_kinds)}"
        )
    if refunded.amount is None:
        raise IntakeRefused(
            ("records", spec.refunds, "amount"), f"{root[1]} refunds it, so say what it is worth with 'amount'"
        )
    if spec.amount is None:
        raise IntakeRefused((*root, "amount"), "say how much is refunded with 'amount'")
    if (spec.currency is None) != (refunded.currency is None):
        raise IntakeRefused(
            (*root, "currency"),
            f"a refund is in the currency of what it refunds: both {root[1]} and {spec.refunds} name their column with "
            "'currency', or neither does",
        )
    types = [
        [str(ColumnType.parse(kind.columns[name].type, currency.exponent)) for name in names if name in kind.columns]
        for kind, names in ((spec, spec.of), (refunded, refunded.id))
    ]
    if types[0] != types[1]:
        raise IntakeRefused(
            (*root, "of"), f"'of' must give the id of {spec.refunds}, {', '.join(refunded.id)} ({', '.join(types[1])})"
        )


def _check_validity(root: Word, fields: tuple[Field, ...], spec: RecordSpec, lookups: tuple[Lookup, ...]) -> None:
    for lookup in lookups:
        if lookup.spec.dated is not None:
            message = f"table '{lookup.table}' has a row for each date ('dated'), so a column cannot be read from it"
            raise IntakeRefused((*root, "columns"), f"{message}; make it a factor")
    dated = [lookup.table for lookup in lookups if lookup.spec.valid is not None]
    occurred = next(field for field in fields if field.reader.name == spec.occurred_at)
    if dated and any(cell.lookup is not None for cell in occurred.cells):
        raise IntakeRefused(
            (*root, "occurred_at"), f"table '{dated[0]}' changes over time, so the time must be the row's own"
        )


def _step(path: Word, name: str, steps: Mapping[str, Step]) -> Step:
    if name not in steps:
        raise IntakeRefused(path, f"'{name}' is no installed entry point of group everycent.intake_steps")
    return steps[name]


def _sources(fields: tuple[Field, ...], lookups: tuple[Lookup, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The file's columns that must be there, and those that may be."""
    own = [(field.reader.spec, cell.column) for field in fields for cell in field.cells if cell.lookup is None]
    needed = [column for spec, column in own if spec.required and spec.default is None]
    needed += [key.name for lookup in lookups for key in lookup.keys]
    wanted = tuple(dict.fromkeys(needed))
    return wanted, tuple(dict.fromkeys(column for _, column in own if column not in wanted))
