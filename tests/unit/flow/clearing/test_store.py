"""What was refunded before is found again, from a real PostgreSQL and from the lake."""

from typing import Any

import pyarrow as pa
import pytest
from market import charge, records
from till import Till

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.batches import open_batch
from everycent.base.platform.details import Details
from everycent.flow.clearing.contract import OBLIGATION, Cleared
from everycent.flow.clearing.store import refund_state
from everycent.flow.intake.contract import RECORD
from everycent.flow.rating.contract import CHARGE, HELD

MODEL = {
    "goods": charge("price - coupon", debtor="platform", creditor="merchant"),
    "care": charge("weight", debtor="platform", creditor="merchant"),
    "coupon": charge("coupon", creditor="merchant", apportion={"bearers": {"platform": 1, "brand": 2}}),
}


def commit(details: Details, kind: str, given: pa.Table, cleared: Cleared, held: pa.Table) -> None:
    batch = open_batch(details, "market", "v1", kind, "items.csv", 0, kind)
    for schema, rows in ((RECORD, given), (CHARGE, cleared.charges), (OBLIGATION, cleared.obligations), (HELD, held)):
        batch.write(schema, rows)
    rows_read = given.num_rows
    counts = {"rows_read": rows_read, "accepted": rows_read, "duplicates": 0, "conflicts": 0, "quarantined": 0}
    batch.commit(counts, lambda *_: None)


@pytest.mark.parametrize("lake_from_rows", [1, 1000])
def test_what_was_given_back_before_is_found_again(database: Any, engine: LocalEngine, lake_from_rows: int) -> None:
    details = Details(database.connection, database.settings.lake_dir, "shanghai", lake_from_rows)
    till = Till(MODEL, engine)
    till.sell({"amount": 9999}, {"amount": 5000})
    commit(details, "item_delivered", till.sold, till.cleared, till.held)
    back = till.give_back(("A1", 3333), ("A1", 9000), ("A9", 1))
    asked = records(*({"key": key, "refund_of": "A1", "amount": 3333} for key in ("R1",)))
    refunds = asked.set_column(0, "record_id", back.charges["record_id"].slice(0, 1))
    commit(details, "item_refunded", refunds, back, back.held)

    state = refund_state(details, engine, "market", records({"key": "R9", "refund_of": "A1"}, {"refund_of": "A9"}))
    assert state.originals.to_pylist() == [
        {"record_id": till.sold["record_id"][0].as_py(), "amount_minor": 9999, "refunded_minor": 3333}
    ]
    assert state.charges.num_rows == 2
    assert sorted(state.obligations["amount_minor"].to_pylist()) == [333, 667, 8999]
    given_back = {(row["charge"], row["bearer"]): row["refunded_minor"] for row in state.refunded.to_pylist()}
    assert given_back == {("coupon", 1): 111, ("coupon", 2): 222, ("goods", 0): 3000}
    assert state.held["charge"].to_pylist() == ["care"]
