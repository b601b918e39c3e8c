import uuid
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from everycent.base.engine.local import LocalEngine
from everycent.flow.pipeline.difference import Difference, compare

COLUMNS = ("record_id", "charge", "bearer", "debtor", "creditor", "amount_minor", "currency")
Row = tuple[str, str, int, str, str, int]


def view(engine: LocalEngine, name: str, rows: list[Row]) -> str:
    columns = list(zip(*((*row, "CNY") for row in rows), strict=True)) or [()] * len(COLUMNS)
    types = (pa.string(), pa.string(), pa.int16(), pa.string(), pa.string(), pa.int64(), pa.string())
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    engine.connection.register(name, pa.table(dict(zip(COLUMNS, arrays, strict=True))))
    return name


def compared(engine: LocalEngine, before: list[Row], after: list[Row], records_max: int = 10) -> Difference:
    return compare(engine, view(engine, "before", before), view(engine, "after", after), records_max)


def test_a_higher_commission_and_a_coupon_that_moves_to_the_brand(engine: LocalEngine):
    before = [
        ("A1", "commission", 0, "seller:7", "platform", 500),
        ("A2", "commission", 0, "seller:8", "platform", 300),
        ("A1", "coupon", 1, "platform", "seller:7", 600),
        ("A1", "coupon", 2, "brand:b", "seller:7", 400),
    ]
    after = [
        ("A1", "commission", 0, "seller:7", "platform", 550),
        ("A2", "commission", 0, "seller:8", "platform", 300),
        ("A1", "coupon", 1, "platform", "seller:7", 100),
        ("A1", "coupon", 2, "brand:b", "seller:7", 900),
    ]
    found = compared(engine, before, after)
    assert found.charges.to_pylist() == [
        {"charge": "commission", "currency": "CNY", "before_minor": 800, "after_minor": 850, "records": 1},
        {"charge": "coupon", "currency": "CNY", "before_minor": 1000, "after_minor": 1000, "records": 1},
    ]
    assert found.parties.to_pylist() == [
        {"party": "platform", "currency": "CNY", "before_minor": 200, "after_minor": 750},
        {"party": "brand:b", "currency": "CNY", "before_minor": -400, "after_minor": -900},
        {"party": "seller:7", "currency": "CNY", "before_minor": 500, "after_minor": 450},
    ]
    assert [tuple(row.values()) for row in found.bearers.to_pylist()] == [
        ("coupon", 1, "platform", "CNY", 600, 100),
        ("coupon", 2, "brand", "CNY", 400, 900),
    ]
    assert [(row["record_id"], row["charge"]) for row in found.records.to_pylist()] == [
        ("A1", "commission"),
        ("A1", "coupon"),
    ], "a charge whose shares move differs, though its sum does not"
    assert found.differing == 2


def test_nothing_differs_where_both_are_the_same(engine: LocalEngine):
    rows = [("A1", "fee", 0, "seller:7", "platform", 2**62), ("A2", "fee", 0, "seller:7", "platform", 2**62)]
    found = compared(engine, rows, rows)
    assert (found.differing, found.records.num_rows, found.parties.num_rows) == (0, 0, 0)
    assert found.charges.to_pylist() == [
        {"charge": "fee", "currency": "CNY", "before_minor": 2**63, "after_minor": 2**63, "records": 0}
    ], "sums are wider than amounts"


rows_of_money = st.lists(
    st.tuples(
        st.sampled_from([str(uuid.UUID(int=number)) for number in range(4)]),
        st.sampled_from(["fee", "tax"]),
        st.integers(0, 2),
        st.sampled_from(["seller:7", "platform"]),
        st.sampled_from(["brand:b", "platform"]),
        st.integers(-1000, 1000),
    ),
    max_size=12,
)


@settings(max_examples=40)
@given(rows_of_money, rows_of_money)
def test_it_agrees_with_adding_one_by_one(before: list[Row], after: list[Row]):
    with LocalEngine(1, 256, Path("spill")) as engine:
        found = compared(engine, before, after, records_max=3)
    sums: dict[tuple[str, ...], list[int]] = defaultdict(lambda: [0, 0])
    leaves: dict[tuple[object, ...], int] = defaultdict(int)
    for side, rows in enumerate((before, after)):
        for record, charge, bearer, debtor, creditor, amount in rows:
            sums["charge", charge][side] += amount
            sums["party", creditor][side] += amount
            sums["party", debtor][side] -= amount
            leaves[record, charge, bearer, debtor, creditor] += amount if side else -amount
    assert {(r["charge"],): [r["before_minor"], r["after_minor"]] for r in found.charges.to_pylist()} == {
        key[1:]: pair for key, pair in sums.items() if key[0] == "charge"
    }
    assert {r["party"]: [r["before_minor"], r["after_minor"]] for r in found.parties.to_pylist()} == {
        key[1]: pair for key, pair in sums.items() if key[0] == "party" and pair[0] != pair[1]
    }
    differing = {leaf[:2] for leaf, amount in leaves.items() if amount}
    assert found.differing == len(differing) and found.records.num_rows == min(3, len(differing))
