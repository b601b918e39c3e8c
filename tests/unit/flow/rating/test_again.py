"""Rating again: from a snapshot the same bytes, whatever tables and constants say by now; parked charges alone."""

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from market import CNY, PARTIES, RATE, RATES, amounts, charge, plan, rates, record_id, records, types

from everycent.base.engine.local import LocalEngine
from everycent.flow.rating.contract import FactorSpec
from everycent.flow.rating.stage import Known, Rated, RatingTerms, rate, rate_again, rate_given

CHARGES = {
    "commission": charge("price * rate / qty", when="coupon >= 0"),
    "tax": charge("coalesce(commission, 0) * share + coupon"),
    "label": charge(rules=[{"when": "rate > 0.02", "amount": "1"}, {"when": "qty > 1", "amount": "price * share"}]),
}
COLUMNS_KEPT = ("charges", "held", "snapshots")
TABLE = {"commission_rates.csv": rates(("toys", None, None, "0.05"), ("food", None, None, "0.01"))}
OTHER = {"commission_rates.csv": rates(("toys", None, None, "0.77"), ("food", None, None, "0.66"))}


def terms(share: str = "0.06", charges: dict = CHARGES) -> RatingTerms:
    factors = {"rate": RATE, "share": FactorSpec(constant=share)}
    tables = {"commission_rates.csv": RATES}
    return RatingTerms(plan(charges, factors), charges, factors, types(), PARTIES, tables, CNY, {})


def in_order(table: pa.Table) -> list[dict]:
    return sorted(table.to_pylist(), key=lambda row: (row["record_id"], row.get("charge", "")))


MAYBE = st.sampled_from([None, -1, 0, 1, 2, 999, 10**17])
ITEMS = st.lists(
    st.fixed_dictionaries(
        {"price": MAYBE, "coupon": MAYBE, "qty": MAYBE, "category": st.sampled_from(["toys", "food"])}
    ),
    max_size=8,
)


@settings(max_examples=6)
@given(items=ITEMS)
def test_from_its_snapshot_a_record_is_rated_to_the_same_bytes(local: LocalEngine, items: list[dict]) -> None:
    given_ = records(*items)
    first = rate(terms().plan, given_, TABLE, local)
    values = pa.table(
        {
            "record_id": first.snapshots["record_id"],
            **{name: pa.array([body[name] for body in first.snapshots["body"].to_pylist()], kind) for name, kind in (
                ("rate", pa.decimal128(18, 4)), ("share", pa.decimal128(18, 2)))},
        }
    )  # fmt: skip
    again = rate_given(terms(share="0.99"), given_, values, OTHER, local)
    for name in COLUMNS_KEPT:
        assert in_order(getattr(again, name)) == in_order(getattr(first, name)), name


def test_a_value_that_is_not_given_is_looked_up(local: LocalEngine) -> None:
    given_ = records({"category": "toys"}, {"category": "food"})
    values = pa.table(
        {
            "record_id": given_["record_id"],
            "rate": pa.array([None, "0.5000"], pa.string()).cast(pa.decimal128(18, 4)),
            "share": pa.array([None, None], pa.string()).cast(pa.decimal128(18, 2)),
        }
    )
    found = rate_given(terms(charges={"commission": charge("price * rate")}), given_, values, TABLE, local)
    assert sorted(amounts(found.charges)) == [("commission", 500), ("commission", 5000)]


def parked(found: Rated, ids_: pa.ChunkedArray, name: str) -> Known:
    """What is known after `found`: one charge waits in each record, and nothing is frozen."""
    waiting = pa.table({"record_id": ids_, "charge": pa.repeat(pa.scalar(name), len(ids_))})
    values = {"rate": pa.nulls(len(ids_), pa.decimal128(18, 4)), "share": pa.nulls(len(ids_), pa.decimal128(18, 2))}
    standing = found.charges.select(["record_id", "charge", "amount_minor"])
    return Known(waiting, standing, pa.table({"record_id": ids_, **values}))


def test_only_what_waits_is_rated_and_on_what_stands(local: LocalEngine) -> None:
    given_ = records({"category": "books"})
    first = rate(terms(charges={"commission": charge("price * 0.1")}).plan, given_, TABLE, local)
    both = {"commission": charge("price * 0.9"), "tax": charge("commission * rate")}
    table = {"commission_rates.csv": rates(("books", None, None, "0.5"))}
    again = rate_again(terms(charges=both), given_, parked(first, given_["record_id"], "tax"), table, local)
    assert amounts(again.charges) == [("tax", 500)], "half of the 10.00 that stand, not of 90.00"
    assert again.held.num_rows == 0
    assert again.charges["record_id"].to_pylist()[0].bytes == record_id("A1")


def test_a_charge_that_does_not_apply_after_all_leaves_no_row(local: LocalEngine) -> None:
    given_ = records({"category": "books"})
    first = rate(terms(charges={"goods": charge("price")}).plan, given_, TABLE, local)
    known = parked(first, given_["record_id"], "tax")
    more = {"goods": charge("price"), "tax": charge("price", when="rate > 0.5")}
    missing = rate_again(terms(charges=more), given_, known, TABLE, local)
    assert missing.held["charge"].to_pylist() == ["tax"]
    table = {"commission_rates.csv": rates(("books", None, None, "0.5"))}
    assert rate_again(terms(charges=more), given_, known, table, local).held.num_rows == 0
