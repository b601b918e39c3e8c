"""Attached tables: clean, typed, one row for a key; and records that take columns from them."""

from collections.abc import Callable
from typing import Any

import pytest

from everycent.flow.intake.contract import SourceError, TableSpec
from everycent.flow.intake.readers.tables import Attached, load_table
from everycent.flow.intake.stage import Intake, IntakeRefused

RATES: dict[str, Any] = {"file": "rates.csv", "key": "category", "columns": {"category": "text", "rate": "decimal(4)"}}
DATED = {
    **RATES,
    "valid": ["valid_from", "valid_to"],
    "columns": {
        **RATES["columns"],
        "valid_from": {"type": "date", "required": "no"},
        "valid_to": {"type": "date", "required": "no"},
    },
}


def load(market: Any, declared: dict[str, Any], text: str) -> Attached:
    path = market.file("rates.csv", text)
    spec = TableSpec.model_validate(declared)
    return load_table("rates", spec, path, market.currency, market.calendar, market.engine)


def test_a_table_is_typed_and_sorted_by_its_key(market: Any) -> None:
    attached = load(market, RATES, "category,rate\ntoys,0.05\nbooks,0.1\n")
    assert [(row["category"], str(row["rate"])) for row in attached.rows.to_pylist()] == [
        ("books", "0.1000"),
        ("toys", "0.0500"),
    ]
    assert len(attached.content_hash) == 64


SAME_TIME = "rates.csv: lines 2 and 3 hold at the same time for category a; end one where the other begins"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "toys,0.05\nbooks,x\n",
            "rates.csv, line 3: rate: 'x' is not a number; write for example 1234.5; an attached table must be clean",
        ),
        ("toys,\n", "rates.csv, line 2: rate is missing; an attached table must be clean"),
        (
            "toys\n",
            "rates.csv, line 2: the row has 1 field, the header has 2; quote a field that holds ','",
        ),
        (
            "toys,1\nbooks,1\ntoys,2\n",
            "rates.csv: lines 2 and 4 have the same key, category toys; keep one, or say with 'valid' when each holds",
        ),
    ],
)
def test_a_table_that_is_not_clean_is_refused(market: Any, rows: str, message: str) -> None:
    with pytest.raises(SourceError) as refused:
        load(market, RATES, "category,rate\n" + rows)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,1,2026-01-01,2026-03-01\na,2,2026-02-01,\n", SAME_TIME),
        ("a,1,,\na,2,2026-02-01,\n", SAME_TIME),
        (
            "a,1,2026-02-01,2026-01-01\n",
            "rates.csv, line 2: it ends before it begins (category a); valid_to is the first day after",
        ),
    ],
)
def test_one_row_holds_at_any_time(market: Any, rows: str, message: str) -> None:
    with pytest.raises(SourceError) as refused:
        load(market, DATED, "category,rate,valid_from,valid_to\n" + rows)
    assert str(refused.value) == message


def test_validity_ranges_may_touch(market: Any) -> None:
    text = "category,rate,valid_from,valid_to\na,2,2026-02-01,\na,1,,2026-02-01\n"
    assert [str(row["rate"]) for row in load(market, DATED, text).rows.to_pylist()] == ["1.0000", "2.0000"]


DAILY = {
    "file": "rates.csv",
    "key": "category",
    "dated": "day",
    "columns": {"category": "text", "day": "date", "rate": "decimal(4)"},
}


def test_a_table_with_a_row_for_each_date(market: Any) -> None:
    text = "category,day,rate\na,2026-03-02,2\na,2026-03-01,1\n"
    assert [str(row["day"]) for row in load(market, DAILY, text).rows.to_pylist()] == ["2026-03-01", "2026-03-02"]
    with pytest.raises(SourceError, match="lines 2 and 4 have the same key, category a"):
        load(market, DAILY, text + "a,2026-03-02,3\n")


def test_a_column_is_not_read_from_a_table_with_a_row_for_each_date(market: Any) -> None:
    market.tables["rates"] = TableSpec.model_validate(DAILY)
    market.attached["rates"] = load(market, DAILY, "category,day,rate\n").rows
    market.declare("item_sold", columns={"category": "text", "rate": {"type": "decimal(4)", "from": "rates.rate"}})
    with pytest.raises(IntakeRefused, match=r"has a row for each date .* make it a factor"):
        market.take("item_sold", "order_id,line_no,merchant,price,sold_at,category\n")


def test_a_record_takes_columns_from_a_table(market: Any, reasons: Callable[[list[Intake]], list[str]]) -> None:
    orders = {
        "file": "orders.csv",
        "key": "order_id",
        "columns": {
            "order_id": "text",
            "status": "text",
            "delivered": {"type": "timestamp", "required": "no"},
            "bought": "timestamp",
            "fee": "money",
        },
    }
    market.tables["orders"] = TableSpec.model_validate(orders)
    text = "order_id,status,delivered,bought,fee\n"
    text += "A1,done,2026-03-05 10:00,2026-03-01 00:00,1.50\nA2,open,,2026-03-02 00:00,0\n"
    path = market.file("orders.csv", text)
    attached = load_table("orders", market.tables["orders"], path, market.currency, market.calendar, market.engine)
    market.attached["orders"] = attached.rows
    columns = {
        "status": {"type": "text", "from": "orders.status"},
        "fee": {"type": "money", "from": "orders.fee"},
        "sold_at": {"type": "timestamp", "from": ["orders.delivered", "orders.bought"]},
    }
    market.declare("item_sold", columns=columns)
    taken = market.take("item_sold", "order_id,line_no,merchant,price\nA2,1,m,1.00\nA1,1,m,1.00\nA9,1,m,1.00\n")
    rows = taken[0].records.to_pylist()
    assert [(row["key"], row["body"]["status"], row["body"]["fee"], str(row["business_date"])) for row in rows] == [
        ("A2/1", "open", 0, "2026-03-02"),
        ("A1/1", "done", 150, "2026-03-05"),
    ]
    assert reasons(taken) == ["4 quarantined: sold_at is missing: orders has no row of order_id A9"]


def test_a_record_finds_the_row_that_holds_when_it_occurred(market: Any) -> None:
    market.tables["rates"] = TableSpec.model_validate(DATED)
    text = "category,rate,valid_from,valid_to\ntoys,0.02,2026-03-01,\ntoys,0.01,,2026-03-01\n"
    market.attached["rates"] = load(market, DATED, text).rows
    market.declare("item_sold", columns={"category": "text", "rate": {"type": "decimal(4)", "from": "rates.rate"}})
    rows = "A1,1,m,1.00,2026-02-28 23:59:59,toys\nA2,1,m,1.00,2026-03-01,toys\n"
    (taken,) = market.take("item_sold", "order_id,line_no,merchant,price,sold_at,category\n" + rows)
    assert [str(body["rate"]) for body in taken.records["body"].to_pylist()] == ["0.0100", "0.0200"]


def test_a_table_from_a_database(market: Any, database: Any) -> None:
    spec = TableSpec.model_validate(
        {
            **RATES,
            "file": None,
            "database": "RATES_URL",
            "sql": "SELECT 'toys' AS category, 0.05 AS rate UNION ALL SELECT 'books', 0.1;",
        }
    )
    url = {"RATES_URL": database.settings.database_url}
    attached = load_table("rates", spec, None, market.currency, market.calendar, market.engine, url)
    assert [(row["category"], str(row["rate"])) for row in attached.rows.to_pylist()] == [
        ("books", "0.1000"),
        ("toys", "0.0500"),
    ]
    writing = spec.model_copy(update={"sql": "WITH x AS (DELETE FROM intake.record RETURNING key) SELECT key FROM x"})
    with pytest.raises(SourceError, match="refused its sql"):
        load_table("rates", writing, None, market.currency, market.calendar, market.engine, url)
    with pytest.raises(SourceError, match="set the environment variable RATES_URL"):
        load_table("rates", spec, None, market.currency, market.calendar, market.engine, {})
