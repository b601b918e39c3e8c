"""The generated marketplace adds up, is the same for one seed, and its faults are exactly those that are listed."""

from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pytest

from everycent.serve.demo import orders as draw
from everycent.serve.demo.bill import FAULTS
from everycent.serve.demo.marketplace import DemoFiles, generate

ORDERS = 2_000


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoFiles:
    return generate(tmp_path_factory.mktemp("demo"), ORDERS, seed=7)


def rows(demo: DemoFiles, query: str) -> list[tuple[object, ...]]:
    """Answers a query over the files by name; every cell is text until it is cast."""
    con = duckdb.connect()
    for file in demo.folder.rglob("*.csv"):
        con.execute(f"CREATE VIEW {file.stem} AS FROM read_csv('{file}', all_varchar = true)")
    return con.sql(query).fetchall()


def test_items_add_up_to_payments_in_every_order(demo: DemoFiles) -> None:
    assert rows(
        demo,
        """
        FROM (SELECT order_id, sum(price::DECIMAL(18,2) - coupon::DECIMAL(18,2) + freight::DECIMAL(18,2)) AS cost
              FROM item_delivered GROUP BY order_id)
        FULL JOIN (SELECT order_id, sum(amount::DECIMAL(18,2)) AS paid FROM payment_received GROUP BY order_id)
        USING (order_id) SELECT count(*) FILTER (cost = paid), count(*)
        """,
    ) == [(ORDERS, ORDERS)]


def test_refunds_add_up_to_payment_refunds_and_stay_within_what_was_paid(demo: DemoFiles) -> None:
    assert rows(
        demo,
        """
        FROM (SELECT refund_id, refunded::DECIMAL(18,2) AS refunded FROM item_refunded)
        FULL JOIN (SELECT refund_id, sum(amount::DECIMAL(18,2)) AS part FROM payment_refunded GROUP BY refund_id)
        USING (refund_id) SELECT bool_and(refunded = part)
        """,
    ) == [(True,)]
    assert (
        rows(
            demo,
            """
        FROM payment_received p JOIN payment_refunded r USING (payment_id)
        SELECT payment_id GROUP BY payment_id, p.amount HAVING sum(r.amount::DECIMAL(18,2)) > p.amount::DECIMAL(18,2)
        """,
        )
        == []
    )


def test_the_listed_faults_are_all_that_differs_from_the_bill(demo: DemoFiles) -> None:
    found = rows(
        demo,
        """
        WITH books AS (FROM payment_received SELECT payment_id AS reference, amount, 'pay' AS kind
                       UNION ALL FROM payment_refunded SELECT payment_refund_id, amount, 'refund'),
             bill AS (FROM channel_bill SELECT reference, min(amount) AS amount, min(status) AS status, count(*) AS n
                      GROUP BY reference)
        FROM books FULL JOIN bill USING (reference)
        SELECT CASE WHEN bill.amount IS NULL THEN 'missing_right' WHEN books.amount IS NULL THEN 'missing_left'
                    WHEN n > 1 THEN 'duplicated_right' WHEN books.amount <> bill.amount THEN 'amount_differs'
                    WHEN status <> 'SUCCESS' THEN 'status_differs' END AS bucket, reference
        WHERE bucket IS NOT NULL ORDER BY ALL
        """,
    )
    listed = rows(demo, "SELECT bucket, reference FROM faults ORDER BY ALL")
    assert found == listed
    assert {bucket for bucket, _ in listed} == set(FAULTS) and len(listed) == 15


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(demo: DemoFiles, tmp_path: Path) -> None:
    again, other = generate(tmp_path / "again", ORDERS, seed=7), generate(tmp_path / "other", ORDERS, seed=8)
    for file in (path for path in demo.folder.rglob("*") if path.is_file()):
        assert (again.folder / file.relative_to(demo.folder)).read_bytes() == file.read_bytes()
    assert other.records[0].read_bytes() != demo.records[0].read_bytes()


def test_chunks_do_not_depend_on_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draw, "CHUNK_ORDERS", 500)
    generate(tmp_path / "two", 1_000, seed=3)
    generate(tmp_path / "three", 1_500, seed=3)
    # The number of sellers grows with the orders; all that does not name a seller must be the same.
    two = (tmp_path / "two" / "data" / "payment_received.csv").read_text().splitlines()
    three = (tmp_path / "three" / "data" / "payment_received.csv").read_text().splitlines()
    assert len(two) < len(three)
    assert [line.split(",")[0] for line in two] == [line.split(",")[0] for line in three[: len(two)]]


def test_the_shape_is_the_one_promised(demo: DemoFiles) -> None:
    several_sellers = rows(demo, "SELECT order_id FROM item_delivered GROUP BY 1 HAVING count(DISTINCT seller_id) > 1")
    assert 0.08 < len(several_sellers) / ORDERS < 0.16
    [(refunded,)] = rows(demo, "SELECT count(DISTINCT (order_id, line_no)) FROM item_refunded")
    [(items,)] = rows(demo, "SELECT count(*) FROM item_delivered")
    assert isinstance(refunded, int) and isinstance(items, int) and 0.04 < refunded / items < 0.08
    no_distributor = "distributor IS NULL OR distributor = ''"
    assert rows(demo, f"SELECT count(*) > 0 FROM item_delivered WHERE {no_distributor}") == [(True,)]
    late = "delivered_at::TIMESTAMP > paid_at::TIMESTAMP + INTERVAL 15 DAY"
    assert rows(demo, f"SELECT count(*) > 10 FROM item_delivered WHERE {late}") == [(True,)]


@pytest.mark.parametrize(("code", "places"), [("JPY", 0), ("KWD", 3)])
def test_other_currencies_keep_the_minor_units(demo: DemoFiles, tmp_path: Path, code: str, places: int) -> None:
    other = generate(tmp_path, ORDERS, seed=7, currency=code)
    column = "SELECT amount FROM payment_received ORDER BY payment_id"
    theirs = [Decimal(str(amount)) for (amount,) in rows(other, column)]
    ours = [Decimal(str(amount)) for (amount,) in rows(demo, column)]
    assert all(-amount.as_tuple().exponent == places for amount in theirs)  # type: ignore[operator]
    assert [amount.scaleb(places) for amount in theirs] == [amount.scaleb(2) for amount in ours]


def test_a_number_of_orders_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="between 10 and 100,000,000"):
        generate(tmp_path, 3, seed=1)


def test_parquet_holds_the_same_rows(demo: DemoFiles, tmp_path: Path) -> None:
    generate(tmp_path, ORDERS, seed=7, file_format="parquet")
    con = duckdb.connect()
    [(total,)] = con.sql(f"SELECT sum(price) FROM '{tmp_path}/data/item_delivered.parquet'").fetchall()
    assert rows(demo, "SELECT sum(price::DECIMAL(18,2)) FROM item_delivered") == [(total,)]
    assert np.isfinite(float(total))
