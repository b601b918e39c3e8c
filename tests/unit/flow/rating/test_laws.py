"""Laws of rating: however records are cut into batches, the rows are the same; no record ends without one."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from market import RATE, charge, plan, rates, records

from everycent.base.engine.local import LocalEngine
from everycent.flow.rating.stage import rate

TABLE = {"commission_rates.csv": rates(("toys", "2026-01-01", None, "0.05"), ("food", None, "2026-03-01", "0.01"))}
PLAN = plan(
    {
        "tax": charge("commission * 0.06", when="coupon >= 0"),
        "goods": charge("price - coupon", debtor="platform", creditor="merchant"),
        "commission": charge(
            rules=[
                {"name": "small", "when": "price < 10", "amount": "greatest(price * rate, 0.30)"},
                {"name": "each", "when": "qty <> 1", "amount": "price * rate / qty"},
                {"amount": "price * rate", "when": "coupon < 5"},
            ]
        ),
    },
    {"rate": RATE},
)
MAYBE = st.sampled_from([None, -1, 0, 1, 2, 999, 1000, 10**17, 2**63 - 1])
ITEMS = st.lists(
    st.fixed_dictionaries(
        {
            "price": MAYBE,
            "coupon": MAYBE,
            "qty": MAYBE,
            "category": st.sampled_from(["toys", "food", "gift", None]),
            "merchant": st.sampled_from(["m-1", "m/2", "", None]),
            "on": st.sampled_from(["2025-12-31", "2026-03-01"]),
        }
    ),
    max_size=12,
)


@settings(max_examples=8)
@given(items=ITEMS, size=st.integers(1, 5))
def test_the_cut_law_and_no_record_is_lost(local: LocalEngine, items: list[dict[str, object]], size: int) -> None:
    given_ = records(*items)
    whole = rate(PLAN, given_, TABLE, local)
    parts = [rate(PLAN, given_.slice(start, size), TABLE, local) for start in range(0, len(items), size)]
    for name in ("charges", "held", "snapshots"):
        table: pa.Table = getattr(whole, name)
        assert table.to_pylist() == [row for part in parts for row in getattr(part, name).to_pylist()]
    ended = {row["record_id"] for table in (whole.charges, whole.held) for row in table.to_pylist()}
    assert ended == set(given_["record_id"].to_pylist())


def test_the_order_of_many_records_is_kept(local: LocalEngine) -> None:
    """More rows than one DuckDB vector, several rates to a key: joins give rows back in any order."""
    many = {"commission_rates.csv": rates(*((name, None, None, "0.05") for name in ("toys", "food")))}
    given_ = records(*({"price": at, "category": ("toys", "food", "gift")[at % 3]} for at in range(9000)))
    found = rate(PLAN, given_, many, local)
    order = {id_: at for at, id_ in enumerate(given_["record_id"].to_pylist())}
    for table in (found.charges, found.held, found.snapshots):
        places = [order[id_] for id_ in table["record_id"].to_pylist()]
        assert places == sorted(places)
    goods = [row["amount_minor"] for row in found.charges.to_pylist() if row["charge"] == "goods"]
    assert goods == [at - 1000 for at in range(9000)]
