"""Factors from what came before: in any cut into windows as one event at a time in plain Python."""

from collections import defaultdict
from fractions import Fraction
from typing import Any, Literal

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.money.rounding import Rounding
from everycent.flow.rating.core.history import STOCK, TOTALS, average_costs, running_totals

POT = st.sampled_from(["m-1/2026-03", "m-1/2026-04", "m-2/2026-03", None])
EVENTS = st.lists(st.tuples(POT, st.one_of(st.none(), st.integers(-(10**12), 10**12))), max_size=30)


def events(rows: list[tuple[Any, ...]], *names: str) -> pa.Table:
    kinds = [pa.string(), *(pa.int64() for _ in names)]
    columns = zip(*rows, strict=True) if rows else [() for _ in kinds]
    return pa.table({name: pa.array(column, kind) for name, column, kind in
                     zip(("pot", *names), columns, kinds, strict=True)})  # fmt: skip


@pytest.mark.parametrize("including", ["before", "after"])
@settings(max_examples=60)
@given(rows=EVENTS, cut=st.integers(1, 7))
def test_running_totals(including: Literal["before", "after"], rows: list[tuple[Any, ...]], cut: int) -> None:
    expected, sums = [], defaultdict(int)
    for pot, amount in rows:
        if pot is None:
            expected.append(None)
            continue
        before = sums[pot]
        sums[pot] += amount or 0
        expected.append(before if including == "before" else sums[pot])
    found, state = [], TOTALS.empty_table()
    for start in range(0, len(rows), cut):
        values, state = running_totals(events(rows[start : start + cut], "amount"), state, including)
        found += values.to_pylist()
    assert found == expected
    assert {row["pot"]: row["total"] for row in state.to_pylist()} == dict(sums)
    assert state["pot"].to_pylist() == sorted(sums)


LOTS = st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(-5, 9), st.integers(0, 10**6)), max_size=25)


@settings(max_examples=60)
@given(rows=LOTS, cut=st.integers(1, 5))
def test_the_average_cost_of_stock(rows: list[tuple[Any, ...]], cut: int) -> None:
    expected: list[int | None] = []
    stock: dict[str, list[int]] = {}
    for pot, quantity, cost in rows:
        held = stock.setdefault(pot, [0, 0]) if pot is not None else [0, 0]
        if pot is None or quantity == 0:
            expected.append(None)
        elif quantity > 0:
            held[0], held[1] = held[0] + quantity, held[1] + cost
            expected.append(cost)
        elif -quantity > held[0]:
            expected.append(None)
        else:
            out = int(Fraction(-quantity * held[1], held[0]) + Fraction(1, 2))
            held[0], held[1] = held[0] + quantity, held[1] - out
            expected.append(out)
    found, state = [], STOCK.empty_table()
    for start in range(0, len(rows), cut):
        part = events(rows[start : start + cut], "quantity", "cost_minor")
        values, state = average_costs(part, state, Rounding.HALF_UP)
        found += values.to_pylist()
    assert found == expected
    assert {row["pot"]: [row["quantity"], row["value_minor"]] for row in state.to_pylist()} == stock
