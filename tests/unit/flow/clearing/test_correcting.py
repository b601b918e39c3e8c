"""What a correction takes back: to the cent what stood, out of the totals that it was in. The law of 冲正: to take back
and to put the same in again changes no total."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import ACCUMULATOR
from everycent.flow.clearing.stage import CORRECTING, taken_back

POTS = [("spring", "m-1", "2026-03"), ("spring", "m-2", "2026-03"), (None, None, None)]
LEAVES = ["brand", "platform"]
Share = tuple[int, int, int, int]

#: Record, bearer, pot, amount: several rows of one bearer may stand, as adjustments of closed statements do.
SHARES = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 1), st.integers(0, 2), st.integers(-(10**15), 10**15)), max_size=12
)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    folder: Path = tmp_path_factory.mktemp("spill")
    with LocalEngine(1, 100, folder) as engine:
        yield engine


def rows(shares: list[Share]) -> pa.Table:
    """CORRECTING rows of the shares."""
    found = [
        {
            **dict.fromkeys(CORRECTING.names),
            "record_id": UUID(int=record).bytes,
            "charge": "coupon",
            "bearer": bearer + 1,
            "debtor": f"{LEAVES[bearer]}:b",
            "creditor": "merchant:m",
            "amount_minor": amount,
            "currency": "CNY",
            "legal_entity": "e",
            "booked_on": date(2026, 3, record),
            "sequence_no": record,
            **dict(zip(("budget", "pot", "period"), POTS[pot], strict=True)),
            "leaf": LEAVES[bearer] if POTS[pot][0] else None,
        }
        for record, bearer, pot, amount in shares
    ]
    return pa.Table.from_pylist(found, CORRECTING)


def totals(shares: list[Share]) -> dict[tuple[Any, ...], int]:
    """What the shares add up to, leaf by leaf of each pot."""
    carried: Counter[tuple[Any, ...]] = Counter()
    for _, bearer, pot, amount in shares:
        if POTS[pot][0]:
            carried[(*POTS[pot], LEAVES[bearer])] += amount
    return dict(carried)


def accumulators(carried: dict[tuple[Any, ...], int]) -> pa.Table:
    names = ACCUMULATOR.columns.names
    found = [dict(zip(names, (*key, total), strict=True)) for key, total in sorted(carried.items())]
    return pa.Table.from_pylist(found, ACCUMULATOR.columns)


def told(table: pa.Table) -> dict[tuple[Any, ...], int]:
    """What the accumulators say, without those at nothing."""
    return {tuple(row.values())[:-1]: row["total_minor"] for row in table.to_pylist() if row["total_minor"]}


@settings(deadline=None, max_examples=40)
@given(others=SHARES, mine=SHARES)
def test_what_is_taken_back_is_gone_from_the_totals(local: LocalEngine, others: list[Share], mine: list[Share]) -> None:
    gone, left = taken_back(rows(mine), accumulators(totals(others + mine)), local)
    assert told(left) == {key: total for key, total in totals(others).items() if total}
    carried = Counter(totals(others + mine))
    for row in gone.to_pylist():  # each goes on where the one before it ended
        key = tuple(row[name] for name in ("budget", "pot", "period", "leaf"))
        if row["budget"] is None:
            assert (row["total_before_minor"], row["total_after_minor"]) == (None, None)
            continue
        assert row["total_before_minor"] == carried[key]
        carried[key] += row["amount_minor"]
        assert row["total_after_minor"] == carried[key]


@settings(deadline=None, max_examples=40)
@given(others=SHARES, mine=SHARES)
def test_taking_back_twice_is_putting_in_again(local: LocalEngine, others: list[Share], mine: list[Share]) -> None:
    before = accumulators(totals(others + mine))
    gone, left = taken_back(rows(mine), before, local)
    again, back = taken_back(gone, left, local)
    assert told(back) == told(before)
    owed: Counter[tuple[Any, ...]] = Counter()
    for row in (*gone.to_pylist(), *again.to_pylist()):
        owed[(row["record_id"], row["bearer"], row["budget"], row["pot"])] += row["amount_minor"]
    assert not any(owed.values())
