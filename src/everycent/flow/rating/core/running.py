"""Factors that depend on what came before: what each record moves, and the totals before and after it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.formula import Formula, FormulaError, compile_amount, parse_formula
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.tables import UUID
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.currency import Currency
from everycent.base.money.rounding import Rounding
from everycent.base.money.span import Span, span_labels
from everycent.flow.intake.contract import RecordMoney
from everycent.flow.parties.contract import party_key_sql
from everycent.flow.rating.contract import FactorSpec, RatingRefused
from everycent.flow.rating.core.history import STOCK, TOTALS, average_costs, running_totals
from everycent.flow.rating.history import AccumulatorSpec, MovingAverageSpec, RefundsTotal

#: What a record moves of a factor's total; NULL amounts move nothing and leave the factor unknown to the record.
MOVES = pa.schema(
    [
        pa.field("record_id", UUID, nullable=False),
        pa.field("pot", pa.string(), nullable=False),
        pa.field("period", pa.string(), nullable=False),
        pa.field("refund_of", UUID),
        pa.field("amount", pa.int64()),
        pa.field("quantity", pa.int64()),
    ]
)
#: MOVES in strict order with what stands after each.
MOVED = pa.schema([*MOVES, pa.field("total_after", pa.int64()), pa.field("quantity_after", pa.int64())])
#: A factor's totals: quantity_after is NULL where it is no stock.
STANDING = pa.schema(
    [
        pa.field("pot", pa.string(), nullable=False),
        pa.field("period", pa.string(), nullable=False),
        pa.field("total_after", pa.int64(), nullable=False),
        pa.field("quantity_after", pa.int64()),
    ]
)

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Moving:
    """What records of one kind move, as SQL over their columns c<n>; both are BIGINT, `quantity_sql` NULL of totals."""

    columns: tuple[Column, ...]
    amount_sql: str
    quantity_sql: str
    pot_sql: str


@dataclass(frozen=True)
class Running:
    """A factor that depends on what came before. `kinds`: by the record kinds that it is asked by.

    `rounding`: of the worth of goods that go out; None where it is a running total. `period`, `refunds`: of a total.
    """

    name: str
    type: ColumnType
    kinds: Mapping[str, Moving]
    period: Span
    refunds: RefundsTotal
    rounding: Rounding | None

    @property
    def takes_back(self) -> bool:
        """Whether a refund takes back what its original moved."""
        return self.refunds is not RefundsTotal.KEEP

    @property
    def in_own_period(self) -> bool:
        """Whether it does so in the period of its own day, not in its original's."""
        return self.refunds is RefundsTotal.OWN_PERIOD


def history_type(spec: FactorSpec, exponent: int) -> ColumnType:
    """The type of a factor that depends on what came before."""
    return ColumnType.parse(spec.type or "money", exponent)


def plan_running(
    factors: Mapping[str, FactorSpec],
    columns: Mapping[str, Mapping[str, ColumnType]],
    money: Mapping[str, RecordMoney],
    currency: Currency,
) -> tuple[Running, ...]:
    """The factors that depend on what came before, as declared. `columns`, and what their `money` is in: of each record
    kind; `currency`: the model's. Raises RatingRefused."""
    found = []
    for name, spec in factors.items():
        kind_type = history_type(spec, currency.exponent)
        if kind_type.kind == "money":
            _refuse_other_money(name, spec, money, currency)
        if spec.accumulator is not None:
            adding = {
                kind: _adding(name, kind, text, spec.accumulator, columns[kind], kind_type)
                for kind, text in spec.accumulator.add.items()
            }
            total = spec.accumulator
            found.append(Running(name, kind_type, adding, total.period, total.refunds, None))
        if spec.moving_average is not None:
            stock = _stock(name, spec.moving_average, columns, kind_type)
            found.append(Running(name, kind_type, stock, Span.NONE, RefundsTotal.KEEP, spec.moving_average.round))
    return tuple(found)


def _refuse_other_money(name: str, spec: FactorSpec, money: Mapping[str, RecordMoney], currency: Currency) -> None:
    """Totals of money are in the model's currency: what is in another cannot be added to them."""
    total, stock = spec.accumulator, spec.moving_average
    parts: list[tuple[str, str, Path]] = []
    if total is not None:
        parts = [(kind, text, ("accumulator", "add", kind)) for kind, text in total.add.items()]
    if stock is not None:
        parts = [(kind, lot.cost, ("moving_average", "in", kind, "cost")) for kind, lot in stock.in_.items()]
    for kind, text, path in parts:
        of = money[kind].of
        named = [
            column for column in of if of[column] != currency.code and re.search(rf"\b{re.escape(column)}\b", text)
        ]
        if named:
            message = f"factor {name} adds up {currency.code}, and '{named[0]}' of {kind} is in {of[named[0]]}"
            raise RatingRefused(
                f"{message}; add up a column in {currency.code}, or one that is no money", ("factors", name, *path)
            )


def _adding(
    name: str, kind: str, text: str, spec: AccumulatorSpec, columns: Mapping[str, ColumnType], of: ColumnType
) -> Moving:
    scope = _scope(columns)
    amount = _amount(text, scope, of, ("factors", name, "accumulator", "add", kind), Rounding.HALF_UP)
    return Moving(tuple(scope.values()), amount, "CAST(NULL AS BIGINT)", _pot_sql(spec.per, scope))


def _stock(
    name: str, spec: MovingAverageSpec, columns: Mapping[str, Mapping[str, ColumnType]], money: ColumnType
) -> dict[str, Moving]:
    path: Path = ("factors", name, "moving_average")
    found = {}
    for kind, lot in spec.in_.items():
        scope = _scope(columns[kind])
        units = _units(lot.quantity, scope, (*path, "in", kind, "quantity"))
        cost = _amount(lot.cost, scope, money, (*path, "in", kind, "cost"), spec.round)
        there = f"({units}) > 0 AND ({cost}) >= 0"
        pot = _pot_sql(spec.per, scope)
        found[kind] = Moving(
            tuple(scope.values()), f"CASE WHEN {there} THEN {cost} END", f"CASE WHEN {there} THEN {units} END", pot
        )
    for kind, text in spec.out.items():
        scope = _scope(columns[kind])
        units = _units(text, scope, (*path, "out", kind))
        taken = f"CASE WHEN ({units}) > 0 THEN -({units}) END"
        found[kind] = Moving(tuple(scope.values()), "CAST(0 AS BIGINT)", taken, _pot_sql(spec.per, scope))
    return found


def _scope(columns: Mapping[str, ColumnType]) -> dict[str, Column]:
    return {name: Column(name, kind, f"c{at}") for at, (name, kind) in enumerate(columns.items())}


def _pot_sql(per: tuple[str, ...], scope: Mapping[str, Column]) -> str:
    return party_key_sql(tuple(scope[name].sql for name in per)) if per else "''"


def _read(text: str, scope: Mapping[str, Column], path: Path) -> Formula:
    try:
        formula = parse_formula(text, scope)
    except FormulaError as error:
        raise RatingRefused(error.message, path, error.position) from None
    if not formula.root.is_number:
        raise RatingRefused(f"a number is needed here; '{text}' is {formula.type}", path)
    return formula


def _amount(text: str, scope: Mapping[str, Column], of: ColumnType, path: Path, rounding: Rounding) -> str:
    """BIGINT in the last decimal of the type; 0 where a column is empty, NULL where it cannot be computed."""
    amount = compile_amount(_read(text, scope, path), of.scale, rounding)
    computed = f"coalesce({amount.fast_sql}, {amount.wide_sql})"
    return f"CASE WHEN {amount.missing_sql} IS NOT NULL THEN 0 ELSE {computed} END"


def _units(text: str, scope: Mapping[str, Column], path: Path) -> str:
    formula = _read(text, scope, path)
    if formula.type.scale != 0 or formula.type.kind == "money":
        message = f"units are counted in whole numbers; '{text}' is {formula.type}"
        raise RatingRefused(f"{message}; write a column of type integer, or round(..., 0)", path)
    amount = compile_amount(formula, 0, Rounding.DOWN)
    return f"coalesce({amount.fast_sql}, {amount.wide_sql})"


def moves(running: Running, kind: str, records: pa.Table, engine: LocalEngine) -> pa.Table:
    """MOVES rows of the records (RECORD rows of a kind that the factor is asked by) whose pot is known."""
    moving = running.kinds[kind]
    body = records.column("body")
    parts = dict(zip([field.name for field in body.type], body.flatten(), strict=True))
    codes, labels = span_labels(running.period, records.column("business_date").to_numpy())
    period = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(labels, pa.string())).cast(pa.string())
    plain = pa.table(
        {
            "pos": pa.array(np.arange(records.num_rows)),
            "record_id": records.column("record_id"),
            "period": period,
            **{column.sql: parts[column.name] for column in moving.columns},
        }
    )
    found = engine.query(
        f"""
        SELECT record_id, pot, period, NULL::UUID AS refund_of, amount, quantity FROM (
            SELECT pos, record_id, period, {moving.pot_sql} AS pot, {moving.amount_sql} AS amount,
                {moving.quantity_sql} AS quantity FROM r
        ) WHERE pot IS NOT NULL ORDER BY pos
        """,
        r=plain,
    )
    return found.cast(MOVES)


def run(running: Running, events: pa.Table, standing: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Events with the totals after them (MOVED rows of those that could be computed), and STANDING after the last.

    `events`: MOVES rows in strict order. `standing`: the factor's STANDING rows before them. Raises BeyondInt64.
    """
    known = pc.is_valid(events.column("amount")) if running.rounding is None else _lots(events)
    events = events.filter(known)
    keys = _keys(events)
    amounts, quantities = events.column("amount"), events.column("quantity")
    if running.rounding is not None:
        amounts, quantities = _worth(keys, events, standing, running.rounding)
    total_after, totals = _summed(keys, amounts, standing, "total_after")
    moved = events.set_column(4, MOVES.field("amount"), amounts).set_column(5, MOVES.field("quantity"), quantities)
    if running.rounding is None:
        nothing = pa.nulls(events.num_rows, pa.int64())
        after = moved.append_column(MOVED.field("total_after"), total_after)
        return after.append_column(MOVED.field("quantity_after"), nothing).cast(MOVED), _standing(totals, None)
    quantity_after, stock = _summed(keys, quantities, standing, "quantity_after")
    after = moved.append_column(MOVED.field("total_after"), total_after)
    return after.append_column(MOVED.field("quantity_after"), quantity_after).cast(MOVED), _standing(totals, stock)


_BETWEEN = "\x1f"


def _keys(rows: pa.Table) -> pa.ChunkedArray:
    """Period and pot as one text."""
    return pc.binary_join_element_wise(rows.column("period"), rows.column("pot"), _BETWEEN)


def _lots(events: pa.Table) -> pa.ChunkedArray:
    return pc.and_(pc.is_valid(events.column("amount")), pc.is_valid(events.column("quantity")))


def _summed(
    keys: pa.ChunkedArray, amounts: pa.ChunkedArray | pa.Array, standing: pa.Table, name: str
) -> tuple[pa.Array, pa.Table]:
    state = pa.table([_keys(standing), standing.column(name)], schema=TOTALS)
    return running_totals(pa.table({"pot": keys, "amount": amounts}), state, "after")


def _standing(totals: pa.Table, stock: pa.Table | None) -> pa.Table:
    """STANDING rows, by period and pot; both tables have the same pots in the same order."""
    parts = pc.split_pattern(totals.column("pot"), _BETWEEN, max_splits=1).combine_chunks()
    quantity = pa.nulls(totals.num_rows, pa.int64()) if stock is None else stock.column("total")
    columns = [pc.list_element(parts, 1), pc.list_element(parts, 0), totals.column("total"), quantity]
    return pa.table(columns, schema=STANDING)


def _worth(
    keys: pa.ChunkedArray, events: pa.Table, standing: pa.Table, rounding: Rounding
) -> tuple[pa.Array, pa.Array]:
    """What each event moves of the stock's value, and of its units: nothing where more goes out than there is."""
    lots = pa.table({"pot": keys, "quantity": events.column("quantity"), "cost_minor": events.column("amount")})
    before = pa.table(
        [_keys(standing), standing.column("quantity_after"), standing.column("total_after")], schema=STOCK
    )
    worth, _ = average_costs(lots, before, rounding)
    out = pc.less(events.column("quantity"), 0).combine_chunks()
    covered = pc.is_valid(worth)
    amounts = pc.if_else(out, pc.negate(pc.fill_null(worth, 0)), pc.fill_null(worth, 0))
    return amounts, pc.if_else(covered, events.column("quantity").combine_chunks(), 0)
