"""From a side's rows, as stored or as read, to what is compared: which take part, their key, amount and status."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from everycent.base.engine.formula import CompiledAmount, Formula, compile_condition, parse_formula
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import Currency
from everycent.proof.recon.contract import DECLARED, REFUSED, SIDE, SideSpec
from everycent.proof.recon.core.seen import (
    FINEST,
    Seen,
    compile_minor,
    from_minor,
    money_of,
    plan_seen,
    rows_sql,
    side_days,
    too_fine_sql,
)

_SQL_TYPES = {pa.string(): "VARCHAR", pa.int64(): "BIGINT"}


@dataclass(frozen=True)
class SideRows:
    """One side. `rows` (SIDE, and the columns of ITEM that its words name) are compared, `refused` (REFUSED) cannot be;
    `left_out` do not take part by `when`.

    `rows` given as text is the name of a table in the engine, which holds more than memory does.
    """

    rows: pa.Table | str
    refused: pa.Table
    left_out: int


@dataclass(frozen=True)
class SidePlan:
    """A side with its formulas checked. `scope` reaches each column in the rows `r`; `own`: the columns of its amounts
    that are in their row's currency, as they are written, with FINEST decimals."""

    spec: SideSpec
    scope: Mapping[str, Column]
    when: Formula | None
    amount: Formula
    exponent: int
    seen: tuple[Seen, ...] = ()
    calendar: BusinessCalendar | None = None
    own: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of SIDE, and what else it has of an ITEM."""
        return (*SIDE.names, *(seen.column for seen in self.seen))


def plan_side(
    spec: SideSpec,
    types: Mapping[str, ColumnType],
    currency: Currency,
    calendar: BusinessCalendar | None = None,
    in_minor: Collection[str] = (),
) -> SidePlan:
    """Checks the side's words and formulas against its columns. Stored records hold theirs in `body`.

    `calendar`: by which a time has its business day; where `occurred_at` is a time there must be one. Where the side
    names each row's currency, its money has FINEST decimals, but for the columns `in_minor`: minor units of that.
    Raises FormulaError for a formula, ValueError for a key or status that is no column or an amount that is no number.
    """
    path = "r.body." if spec.records is not None else "r."
    scope = {name: Column(name, kind, path + identifier(name)) for name, kind in types.items()}
    for name in (*spec.key, *((spec.status,) if spec.status is not None else ())):
        if name not in scope:
            raise ValueError(f"'{name}' is not a column of this side; its columns are {', '.join(sorted(scope))}")
    money = money_of(spec, scope)
    if money is not None:
        scope |= {name: from_minor(scope[name]) for name in in_minor}
    amount = parse_formula(spec.amount, scope)
    if not amount.type.is_number:
        raise ValueError(f"amount: '{spec.amount}' is {amount.type}; write a formula that gives an amount")
    when = None if spec.when is None else parse_formula(spec.when, scope)
    if when is not None and when.type.kind != "boolean":
        raise ValueError(f"when: '{spec.when}' is {when.type}; write a condition")
    seen = plan_seen(spec, scope, currency.exponent)
    assert calendar is not None or all(one.second is None for one in seen), "a time has a day by a calendar"
    fee = () if spec.fee is None else parse_formula(spec.fee, scope).columns
    finest = ColumnType("money", FINEST)
    own = tuple(
        name
        for name in dict.fromkeys((*amount.columns, *fee))
        if money is not None and scope[name].type == finest and name not in in_minor
    )
    return SidePlan(spec, scope, when, amount, currency.exponent, seen, calendar, own)


def with_declared(plan: SidePlan, names: Iterable[str]) -> SidePlan:
    """The plan of a side whose rows keep these of its columns as they are declared, for checkers (see DECLARED)."""
    kept = tuple(
        Seen(DECLARED + name, plan.scope[name].sql, declared=plan.scope[name].type) for name in sorted(set(names))
    )
    return replace(plan, seen=(*plan.seen, *kept))


def side_from_rows(plan: SidePlan, rows: pa.Table, engine: LocalEngine) -> SideRows:
    """`rows` hold the plan's columns (in `body` for records), source_file and source_line. Nothing is lost (asserted).

    A row for which `when` is not true does not take part. A row without a key or an amount is refused with its reason.
    """
    side = side_in_engine(plan, [rows], engine, "recon_side")
    taken = engine.query("FROM recon_side")
    engine.connection.execute("DROP TABLE recon_side")
    return replace(side, rows=taken)


def side_in_engine(plan: SidePlan, parts: Iterable[pa.Table | str], engine: LocalEngine, name: str) -> SideRows:
    """As side_from_rows, for rows that come in parts; those that are compared stay in the engine, as the table `name`.

    A part given as text is a table or view of the engine.
    """
    growing = GrowingSide(plan, engine, name)
    for part in parts:
        growing.add(part)
    return growing.done()


class GrowingSide:
    """A side whose parts come one by one, between those of other sides perhaps."""

    def __init__(self, plan: SidePlan, engine: LocalEngine, name: str) -> None:
        """Makes the table `name`, empty."""
        columns = ", ".join(
            [f"{identifier(field.name)} {_SQL_TYPES[field.type]}" for field in SIDE]
            + [f"{identifier(seen.column)} {seen.sql_type}" for seen in plan.seen]
        )
        engine.connection.execute(f"CREATE OR REPLACE TABLE {identifier(name)} ({columns})")
        self._plan, self._engine, self._name = plan, engine, name
        self._refused, self._left_out = [REFUSED.empty_table()], 0

    def add(self, part: pa.Table | str) -> None:
        """A part as side_from_rows takes it; given as text it is a table or view of the engine."""
        more, out = _add_part(self._plan, part, self._engine, self._name)
        self._refused.append(more)
        self._left_out += out

    def refuse(self, rows: pa.Table) -> None:
        """Rows (REFUSED) that could not even be read."""
        self._refused.append(rows)

    def done(self) -> SideRows:
        """All that was added."""
        places = [("source_file", "ascending"), ("source_line", "ascending")]
        return SideRows(self._name, pa.concat_tables(self._refused).sort_by(places), self._left_out)


def _add_part(plan: SidePlan, part: pa.Table | str, engine: LocalEngine, name: str) -> tuple[pa.Table, int]:
    """Adds what is compared to the table; returns the rows that are refused, and how many are left out."""
    condition = "true" if plan.when is None else f"({compile_condition(plan.when)}) IS TRUE"
    rows = rows_sql(plan.spec, plan.scope, plan.exponent)
    found = f"FROM ({_found_sql(plan, rows, condition)})"
    second = next((seen.second for seen in plan.seen if seen.second is not None), None)
    columns = ", ".join(map(identifier, plan.columns))
    given: dict[str, pa.Table | str] = {"side_rows": part}
    if second is not None and plan.calendar is not None:
        given["side_days"] = side_days(second, rows, condition, part, engine, plan.calendar)
    added = engine.query(f"INSERT INTO {identifier(name)} SELECT {columns} {found} WHERE reason IS NULL", **given)[
        "Count"
    ][0].as_py()
    refused = engine.query(f"SELECT source_file, source_line, reason {found} WHERE reason IS NOT NULL", **given).cast(
        REFUSED
    )
    counted = engine.query(
        f"SELECT count(*) AS rows, count(*) FILTER (NOT ({condition})) AS out FROM {rows}", side_rows=part
    ).to_pylist()[0]
    assert added + refused.num_rows + counted["out"] == counted["rows"], "each row is compared, refused or left out"
    return refused, counted["out"]


def _found_sql(plan: SidePlan, rows: str, condition: str) -> str:
    """The columns of SIDE and, where a row of `rows` cannot be compared, the reason, of those that take part."""
    money = money_of(plan.spec, plan.scope)
    amount = compile_minor(plan.amount, plan.exponent, own=money is not None)
    given = "" if money is None else f", {money} AS code, r.recon_decimals"
    given += "".join(f", {plan.scope[name].sql} AS recon_own_{at}" for at, name in enumerate(plan.own))
    refusals = [] if money is None else ["WHEN recon_decimals IS NULL THEN 'no amount: ' || code || ' is no currency'"]
    refusals += [
        f"WHEN {finer} IS NOT NULL THEN {finer}"
        for finer in (too_fine_sql(name, f"recon_own_{at}") for at, name in enumerate(plan.own))
    ]
    seen = "".join(f", {one.sql} AS {identifier(one.column)}" for one in plan.seen)
    second = next((one.second for one in plan.seen if one.second is not None), None)
    days = "" if second is None else f"LEFT JOIN side_days AS d ON d.at = {second}"
    status = _status_sql(plan)
    columns = ", ".join(map(identifier, plan.columns))
    return f"""SELECT {columns}, CASE
            {" ".join(refusals)}
            WHEN amount_minor IS NULL THEN no_amount
            WHEN key IS NULL THEN {_no_key_sql(plan)} END AS reason
        FROM (SELECT r.source_file AS source_file, r.source_line::BIGINT AS source_line,
                {_key_sql(plan)} AS key, {_amount_sql(amount)} AS amount_minor,
                CASE WHEN ({amount.fast_sql}) IS NULL THEN {_no_amount_sql(amount)} END AS no_amount,
                ({status})::VARCHAR AS status{seen}{given}
            FROM {rows} {days} WHERE {condition})"""


def _status_sql(plan: SidePlan) -> str:
    """What the row's status counts as."""
    if plan.spec.status is None:
        return "NULL"
    status = f"({plan.scope[plan.spec.status].sql})::VARCHAR"
    if not plan.spec.status_map:
        return status
    cases = " ".join(f"WHEN {literal(given)} THEN {literal(ours)}" for given, ours in plan.spec.status_map.items())
    return f"CASE {status} {cases} ELSE {status} END"


def _key_sql(plan: SidePlan) -> str:
    """The key columns as text joined by "/", which a part's own "/" does not imitate. NULL where a part is missing."""
    parts = [f"nullif({plan.scope[name].sql}::VARCHAR, '')" for name in plan.spec.key]
    if len(parts) == 1:
        return parts[0]
    return " || '/' || ".join(rf"replace(replace({part}, '\', '\\'), '/', '\/')" for part in parts)


def _no_key_sql(plan: SidePlan) -> str:
    return literal(f"no key: no value in {' or '.join(plan.spec.key)}")


def _amount_sql(amount: CompiledAmount) -> str:
    return f"coalesce({amount.fast_sql}, CASE WHEN ({amount.missing_sql}) IS NULL THEN {amount.wide_sql} END)"


def _no_amount_sql(amount: CompiledAmount) -> str:
    return f"""CASE
        WHEN ({amount.missing_sql}) IS NOT NULL THEN 'no amount: column ' || ({amount.missing_sql}) || ' has no value'
        WHEN {amount.zero_division_sql} THEN 'no amount: division by zero'
        ELSE 'no amount: it does not fit 64 bits' END"""
