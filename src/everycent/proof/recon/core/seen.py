"""What a side's rows have beside key, amount and status, for rules, totals and payouts: words checked, and as SQL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from everycent.base.engine.formula import CompiledAmount, Formula, compile_amount, compile_value, parse_formula
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import all_currencies
from everycent.base.money.rounding import Rounding
from everycent.proof.recon.contract import ITEM, SideSpec

#: By the word of a side, the column of ITEM.
COLUMN_OF = {
    "occurred_at": "occurred_on",
    "reference": "reference",
    "counterparty": "counterparty",
    "group": "group",
    "fee": "fee_minor",
    "currency": "currency",
    "kind": "kind",
}
_SQL_TYPES = {pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.date32(): "DATE"}
#: Decimals of money whose rows name their currency: as many as any currency has, until it is known which one it is.
FINEST = max(one.exponent for one in all_currencies())
_EXPONENTS = sorted({one.exponent for one in all_currencies()})


@dataclass(frozen=True)
class Seen:
    """A column of ITEM, `kind`, or one that a checker sees, that a side's rows `r` have.

    `second`: SQL of the whole second, on the wall, whose business day it is, for which rows are joined with `side_days`
    as `d`; None where the SQL says it all.
    """

    column: str
    sql: str
    second: str | None = None
    declared: ColumnType | None = None  # of what a checker sees

    @property
    def sql_type(self) -> str:
        """As the engine calls it."""
        if self.declared is not None:
            return self.declared.duckdb
        return "VARCHAR" if self.column == "kind" else _SQL_TYPES[ITEM.field(self.column).type]


def plan_seen(spec: SideSpec, scope: Mapping[str, Column], exponent: int) -> tuple[Seen, ...]:
    """The columns of ITEM that the side's words name, in their order.

    FormulaError for a formula, ValueError for a column that is not there or has the wrong type.
    """
    return tuple(
        _planned(word, column, getattr(spec, word), scope, money_of(spec, scope), exponent)
        for word, column in COLUMN_OF.items()
        if getattr(spec, word) is not None
    )


def money_of(spec: SideSpec, scope: Mapping[str, Column]) -> str | None:
    """SQL of the code of each row's currency; None where all rows have the scenario's."""
    if spec.currency is None or spec.currency not in scope:
        return None
    return f"nullif(({scope[spec.currency].sql})::VARCHAR, '')"


def rows_sql(spec: SideSpec, scope: Mapping[str, Column], exponent: int) -> str:
    """SQL of the rows `r`; where each names its currency, with `recon_decimals`, how many that has: NULL of a code that
    no currency has."""
    money = money_of(spec, scope)
    if money is None:
        return "side_rows AS r"
    return f"(SELECT *, {exponent_sql(money, exponent)} AS recon_decimals FROM side_rows AS r) AS r"


def compile_minor(formula: Formula, exponent: int, *, own: bool) -> CompiledAmount:
    """As compile_amount; own: in the minor units of each row's own currency."""
    if not own:
        return compile_amount(formula, exponent, Rounding.HALF_UP)
    of = {decimals: compile_amount(formula, decimals, Rounding.HALF_UP) for decimals in _EXPONENTS}

    def chosen(which: Callable[[CompiledAmount], str]) -> str:
        arms = " ".join(f"WHEN {decimals} THEN {which(amount)}" for decimals, amount in of.items())
        return f"CASE r.recon_decimals {arms} END"

    amount = of[2]
    return CompiledAmount(
        chosen(lambda one: one.fast_sql), chosen(lambda one: one.wide_sql), amount.missing_sql, amount.zero_division_sql
    )


def from_minor(column: Column) -> Column:
    """A column that holds minor units of each row's currency, as one with FINEST decimals."""
    return replace(column, type=ColumnType("money", FINEST), sql=f"TRY({column.sql} * {finer_sql('r.recon_decimals')})")


def too_fine_sql(name: str, amount: str) -> str:
    """SQL: why an `amount` with FINEST decimals is none of its row's currency, whose `code` and `recon_decimals` the
    row has; NULL where it is one."""
    unit = finer_sql("recon_decimals")
    given = f"rtrim({written_minor_sql(str(FINEST), amount)}, '0')"
    places = f"length(split_part({given}, '.', 2))"
    near = (
        written_minor_sql("recon_decimals", f"({amount} // {unit}{more})")
        for more in ("", f" + sign({amount})::BIGINT")
    )
    return f"""CASE WHEN {amount} % {unit} <> 0 THEN {literal(f"{name}: ")} || {given} || ' has ' || {places}
        || CASE {places} WHEN 1 THEN ' decimal, ' ELSE ' decimals, ' END || coalesce(code, 'the scenario''s currency')
        || ' has ' || recon_decimals || '; write ' || {" || ' or ' || ".join(near)} END"""


def written_minor_sql(decimals: str, minor: str) -> str:
    """SQL of minor units as people write them, exactly; `decimals` is SQL of how many there are."""
    arms = " ".join(
        f"WHEN {places} THEN CASE WHEN {minor} < 0 THEN '-' ELSE '' END || (abs({minor}) // {10**places})::VARCHAR"
        f" || '.' || lpad((abs({minor}) % {10**places})::VARCHAR, {places}, '0')"
        for places in _EXPONENTS
        if places
    )
    return f"CASE {decimals} {arms} ELSE ({minor})::VARCHAR END"


def finer_sql(decimals: str) -> str:
    """SQL: how many units of FINEST decimals make a minor unit of a currency that has so many `decimals`."""
    arms = " ".join(f"WHEN {places} THEN {10 ** (FINEST - places)}" for places in _EXPONENTS)
    return f"(CASE {decimals} {arms} END)"


def _planned(word: str, column: str, text: str, scope: Mapping[str, Column], money: str | None, exponent: int) -> Seen:
    if word in ("occurred_at", "currency") and text not in scope:
        raise ValueError(f"{word}: '{text}' is not a column of this side; its columns are {', '.join(sorted(scope))}")
    if word == "occurred_at":
        kind, sql = scope[text].type, scope[text].sql
        if kind.kind not in ("date", "timestamp"):
            raise ValueError(f"occurred_at: '{text}' is {kind}; name a column of type date or timestamp")
        second = None if kind.kind == "date" else f"date_trunc('second', {sql})"
        return Seen(column, sql if second is None else "d.day", second)
    if word == "currency":
        if scope[text].type.kind != "text":
            raise ValueError(f"currency: '{text}' is {scope[text].type}; name a column of type text")
        return Seen(column, str(money))
    formula = parse_formula(text, scope)
    if word == "fee":
        if not formula.type.is_number:
            raise ValueError(f"fee: '{text}' is {formula.type}; write a formula that gives an amount")
        fee = compile_minor(formula, exponent, own=money is not None)
        return Seen(column, f"coalesce({fee.fast_sql}, {fee.wide_sql})")
    return Seen(column, f"nullif(({compile_value(formula)})::VARCHAR, '')")


def days_of(seconds: pa.ChunkedArray, calendar: BusinessCalendar) -> pa.Table:
    """(at, day): the business day of each second on the wall, given each once."""
    local_us = seconds.cast(pa.timestamp("us")).cast(pa.int64()).to_numpy()
    days = calendar.business_dates(calendar.to_utc_us(local_us))
    return pa.table({"at": seconds, "day": pa.array(days.astype("datetime64[D]"), pa.date32())})


def side_days(
    second: str, rows: str, condition: str, part: pa.Table | str, engine: LocalEngine, calendar: BusinessCalendar
) -> pa.Table:
    """`days_of` the rows `r` (`rows`, see rows_sql) of a part of a side."""
    found = engine.query(
        f"SELECT DISTINCT {second} AS at FROM {rows} WHERE {condition} AND {second} IS NOT NULL", side_rows=part
    )
    return days_of(found["at"], calendar)


def exponent_sql(currency: str, otherwise: int) -> str:
    """Decimals of the currency with this code; NULL of a code that no currency has."""
    codes: dict[int, list[str]] = {}
    for one in all_currencies():
        codes.setdefault(one.exponent, []).append(one.code)
    arms = " ".join(
        f"WHEN {currency} IN ({', '.join(map(literal, sorted(named)))}) THEN {exponent}"
        for exponent, named in sorted(codes.items())
    )
    return f"CASE WHEN {currency} IS NULL THEN {otherwise} {arms} END"
