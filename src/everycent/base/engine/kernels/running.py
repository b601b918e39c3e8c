"""What came before, in strict order: running totals by group, and the moving weighted average cost of stock.

Exact for every int64; amounts are in minor units, quantities whole. State goes in and comes out, so any cut of the
events into batches gives the same values.
"""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.compiling import kernel
from everycent.base.engine.kernels.scaling import scale
from everycent.base.money.rounding import Rounding

Minor = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_Unsigned = npt.NDArray[np.uint64]


class BeyondInt64(ArithmeticError):
    """A running total that 64 bits do not hold; the message says at which event."""


def totals_before(groups: Places, amounts: Minor, balances: Minor) -> Minor:
    """For each event, in order, what its group added up to before it.

    groups: int64[n], each event's group as a place in balances. amounts: int64[n]. balances: int64[g], each group's
    total before the first event; brought up to after the last, in place. Gives int64[n]. Raises BeyondInt64, and then
    balances are as they were.
    """
    assert len(groups) == len(amounts), "one group for each amount"
    before, after = np.empty(len(amounts), dtype=np.int64), balances.copy()
    at = _totals_before(groups, amounts, after, before)
    if at >= 0:
        raise BeyondInt64(f"the total of group {groups[at]} passes 64 bits at event {at}")
    balances[:] = after
    return before


def stock_costs(
    groups: Places, quantities: Minor, costs: Minor, stock: Minor, values: Minor, rounding: Rounding
) -> tuple[Minor, Flags]:
    """The moving weighted average: what each event puts into stock or takes out of it is worth, in order.

    groups: int64[n], each event's article as a place in stock. quantities: int64[n], above zero where goods come in at
    `costs` (int64[n], minor units of the whole lot, 0 or more), below zero where goods go out. stock, values: int64[g],
    each article's quantity and value before the first event, 0 or more; brought up to after the last, in place.

    Gives (worth, covered), int64[n] and bool[n]. What goes out is worth its part of the stock's value, quantity times
    value by stock, rounded once; the last unit takes what is left, so that what went out adds up to what came in. Goods
    that go out without being in stock are not covered: worth 0, and stock stays as it is. Raises BeyondInt64, and then
    stock and values are as they were.
    """
    assert len(groups) == len(quantities) == len(costs), "columns of one table"
    assert not len(costs) or (costs[quantities > 0] >= 0).all(), "goods that come in cost 0 or more"
    assert not len(stock) or min(stock.min(), values.min()) >= 0, "stock and its value are 0 or more"
    worth, covered = np.zeros(len(groups), dtype=np.int64), np.ones(len(groups), dtype=np.bool_)
    left, value = stock.copy(), values.copy()
    at = _stock_costs(groups, quantities, costs, left, value, _ROUNDINGS.index(rounding), worth, covered)
    if at >= 0:
        raise BeyondInt64(f"the stock of article {groups[at]}, or its value, passes 64 bits at event {at}")
    stock[:], values[:] = left, value
    return worth, covered


_ROUNDINGS = (Rounding.DOWN, Rounding.UP, Rounding.HALF_UP, Rounding.HALF_EVEN)
_DOWN, _UP, _HALF_UP, _HALF_EVEN = range(4)
_INT64_MAX = 9223372036854775807


@kernel
def _totals_before(groups: Places, amounts: Minor, balances: Minor, before: Minor) -> int:
    """Fills `before`. Gives the first event whose total does not fit, -1 if there is none."""
    for event in range(len(amounts)):
        group, amount = groups[event], amounts[event]
        old = balances[group]
        new = old + amount
        if ((old ^ new) & (amount ^ new)) < 0:
            return event
        before[event] = old
        balances[group] = new
    return -1


@kernel
def _stock_costs(
    groups: Places,
    quantities: Minor,
    costs: Minor,
    stock: Minor,
    values: Minor,
    rounding: int,
    worth: Minor,
    covered: Flags,
) -> int:
    """Fills `worth` and `covered`. Gives the first event whose stock does not fit, -1 if there is none."""
    for event in range(len(groups)):
        group, quantity = groups[event], quantities[event]
        if quantity >= 0:
            cost = costs[event] if quantity > 0 else np.int64(0)
            if stock[group] > _INT64_MAX - quantity or values[group] > _INT64_MAX - cost:
                return event
            stock[group] += quantity
            values[group] += cost
            worth[event] = cost
        elif quantity < -stock[group]:
            covered[event] = False
        else:
            part = _part(np.uint64(values[group]), np.uint64(-quantity), np.uint64(stock[group]), rounding)
            worth[event] = np.int64(part)
            stock[group] += quantity
            values[group] -= np.int64(part)
    return -1


@kernel
def _part(value: np.uint64, quantity: np.uint64, stock: np.uint64, rounding: int) -> np.uint64:
    """value * quantity / stock, rounded; 0 < quantity <= stock. The product has up to 126 bits."""
    one = np.uint64(1)
    whole, part = value // stock, value - value // stock * stock
    quotient, rest = scale(part, quantity, stock)
    found = whole * quantity + quotient
    twice = rest + rest
    up = rest > np.uint64(0) and rounding == _UP
    up = up or (rounding == _HALF_UP and twice >= stock)
    up = up or (rounding == _HALF_EVEN and (twice > stock or (twice == stock and found & one == one)))
    return found + one if up else found
