"""Factors from what came before, in strict order: a window's running totals and average costs, as values to rate with.

Events are a window's records in strict order. State goes in and comes out, so any cut into windows gives the same
values; a rewind begins with the state at its first record. What this gives goes into `rate_given`.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.kernels.running import stock_costs, totals_before
from everycent.base.money.rounding import Rounding

Minor = npt.NDArray[np.int64]

#: An accumulator's state: the values of its `over` columns and its period, as one text, and what was added up there.
TOTALS = pa.schema([pa.field("pot", pa.string(), nullable=False), pa.field("total", pa.int64(), nullable=False)])
#: A moving average's state: the article, its quantity in stock, and what that is worth in minor units.
STOCK = pa.schema(
    [
        pa.field("pot", pa.string(), nullable=False),
        pa.field("quantity", pa.int64(), nullable=False),
        pa.field("value_minor", pa.int64(), nullable=False),
    ]
)


def running_totals(
    events: pa.Table, totals: pa.Table, including: Literal["before", "after"]
) -> tuple[pa.Array, pa.Table]:
    """Each event's total before it, or with it (`after`), int64; and TOTALS after the last, ordered by pot.

    `events`: pot (text; NULL where a key is empty: the value is NULL, and holds its charge) and amount (int64; NULL
    where the event adds nothing). Raises BeyondInt64.
    """
    groups, known, state = _placed(events, totals.column("pot"))
    amounts = _filled(events.column("amount"))
    there = np.flatnonzero(known)
    balances = _state(state, totals, "total")
    before = totals_before(groups[there], amounts[there], balances)
    values = np.zeros(events.num_rows, dtype=np.int64)
    values[there] = before if including == "before" else before + amounts[there]
    after = pa.table({"pot": state, "total": pa.array(balances)}, schema=TOTALS)
    return pa.array(values, mask=~known), after.sort_by("pot")


def average_costs(events: pa.Table, stock: pa.Table, rounding: Rounding) -> tuple[pa.Array, pa.Table]:
    """What each event's goods cost at the moving weighted average, int64 minor units; and STOCK after the last.

    `events`: pot (text), quantity (int64, above zero: a purchase, below: a sale; NULL: neither), cost_minor (int64, of
    a purchase). NULL comes out where goods are sold that are not in stock, which holds the charge. Raises BeyondInt64.
    """
    groups, known, state = _placed(events, stock.column("pot"))
    quantities, costs = _filled(events.column("quantity")), _filled(events.column("cost_minor"))
    there = np.flatnonzero(known & (quantities != 0))
    left, worth_left = _state(state, stock, "quantity"), _state(state, stock, "value_minor")
    worth, covered = stock_costs(groups[there], quantities[there], costs[there], left, worth_left, rounding)
    values, missing = np.zeros(events.num_rows, dtype=np.int64), np.ones(events.num_rows, dtype=np.bool_)
    values[there], missing[there] = worth, ~covered
    after = pa.table({"pot": state, "quantity": pa.array(left), "value_minor": pa.array(worth_left)}, schema=STOCK)
    return pa.array(values, mask=missing), after.sort_by("pot")


def _placed(events: pa.Table, known_pots: pa.ChunkedArray) -> tuple[Minor, npt.NDArray[np.bool_], pa.Array]:
    """Each event's pot as a place among all pots, whether it has one, and the pots: known ones first, then new ones."""
    pots = events.column("pot")
    fresh = pc.unique(pots).drop_null()
    old = pa.concat_arrays([pa.array([], pa.string()), *known_pots.chunks])
    every = pa.concat_arrays([old, fresh.filter(pc.invert(pc.is_in(fresh, value_set=old)))])
    found = pc.index_in(pots, value_set=every, skip_nulls=True)
    places: Any = pc.fill_null(found, 0).to_numpy().astype(np.int64)
    return places, pc.is_valid(pots).to_numpy(), every


def _state(pots: pa.Array, state: pa.Table, name: str) -> Minor:
    """One number for each pot; 0 for a new one."""
    numbers = np.zeros(len(pots), dtype=np.int64)
    numbers[: state.num_rows] = state.column(name).to_numpy()
    return numbers


def _filled(column: pa.ChunkedArray) -> Minor:
    numbers: Minor = np.asarray(pc.fill_null(column, 0).to_numpy(), dtype=np.int64)
    return numbers
