"""What was accepted is found again, and what was refunded adds up, from a real PostgreSQL and from the lake."""

from typing import Any

import pyarrow as pa
import pytest

from everycent.base.platform.batches import open_batch
from everycent.base.platform.details import Details
from everycent.flow.intake import store
from everycent.flow.intake.contract import KNOWN, ORIGINALS, QUARANTINE, RECORD
from everycent.flow.intake.stage import Intake

SOLD = (
    "order_id,line_no,merchant,price,coupon,sold_at\nA1,1,m,9.00,,2026-03-01\nA2,1,m,5,,2026-03-01\n,1,m,1,,2026-03\n"
)
REFUNDED = "refund_id,order_id,line_no,refunded,refunded_at\nR1,A1,1,2.00,2026-03-02\nR2,A1,1,3.00,2026-03-02\n"


def commit(details: Details, kind: str, intake: Intake) -> None:
    batch = open_batch(details, "market", "v1", kind, "items.csv", 0, kind)
    batch.write(RECORD, intake.records)
    batch.write(QUARANTINE, intake.quarantine)
    counts = {"duplicates": intake.counts["duplicate"], "conflicts": intake.counts["conflict"]}
    batch.commit(
        {**{name: intake.counts[name] for name in ("rows_read", "accepted", "quarantined")}, **counts}, lambda *_: None
    )


@pytest.mark.parametrize("lake_from_rows", [1, 1000])
def test_records_and_refunds_are_found_again(market: Any, database: Any, lake_from_rows: int) -> None:
    details = Details(database.connection, database.settings.lake_dir, "shanghai", lake_from_rows)
    (sold,) = market.take("item_sold", SOLD)
    (refunded,) = market.take("item_refunded", REFUNDED)
    commit(details, "item_sold", sold)
    commit(details, "item_refunded", refunded)

    ids = pa.chunked_array([*sold.records["record_id"].chunks, pa.array([bytes(16)], pa.uuid())])
    known = store.known(details, market.engine, "market", ids)
    assert known.schema == KNOWN
    assert sorted(known["source_line"].to_pylist()) == [2, 3]

    originals = store.originals(details, market.engine, "market", refunded.records["refund_of"])
    assert originals.schema == ORIGINALS
    assert [(row["amount_minor"], row["refunded_minor"]) for row in originals.to_pylist()] == [(900, 500)]
    assert database.connection.execute("SELECT count(*) FROM intake.quarantine").fetchone() in [(1,), (0,)]


def test_nothing_is_known_before_anything_came(market: Any, database: Any) -> None:
    (sold,) = market.take("item_sold", SOLD)
    assert store.known(database.details, market.engine, "market", sold.records["record_id"]).num_rows == 0
    assert store.originals(database.details, market.engine, "market", sold.records["refund_of"]).num_rows == 0
