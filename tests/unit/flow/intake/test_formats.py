"""The same rows in four formats are the same records; any cut of a file into shards gives the same outcome."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everycent.flow.intake.contract import RecordSpec, SourceError
from everycent.flow.intake.readers.opening import open_source

ROWS = [
    ("A1", 1, "上海一店", Decimal("99.90"), Decimal("10.00"), datetime(2026, 3, 1, 10, 0)),
    ("A1", 2, 'the "Q"', Decimal("0.10"), None, datetime(2026, 3, 1, 23, 59, 59)),
    ("A/2", 1, "m,7", Decimal("144.00"), Decimal("0.30"), datetime(2026, 3, 2)),
]
NAMES = ["order_id", "line_no", "merchant", "price", "coupon", "sold_at"]


def as_csv(folder: Path) -> Path:
    import csv

    path = folder / "items.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([NAMES, *ROWS])
    return path


def as_json_lines(folder: Path) -> Path:
    lines = []
    for row in ROWS:
        values = {
            name: str(value) if isinstance(value, datetime) else value for name, value in zip(NAMES, row, strict=True)
        }
        lines.append(
            json.dumps({k: f"#{v}#" if isinstance(v, Decimal) else v for k, v in values.items()}, ensure_ascii=False)
        )
    path = folder / "items.jsonl"
    path.write_text("\n".join(lines).replace('"#', "").replace('#"', ""), encoding="utf-8")
    return path


def as_workbook(folder: Path) -> Path:
    path = folder / "items.xlsx"
    workbook = xlsxwriter.Workbook(str(path))
    sheet = workbook.add_worksheet("items")
    moment = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sheet.write_row(0, 0, NAMES)
    for at, row in enumerate(ROWS, 1):
        sheet.write_row(at, 0, row[:-1])
        sheet.write_datetime(at, 5, row[-1], moment)
    workbook.close()
    return path


def as_parquet(folder: Path) -> Path:
    path = folder / "items.parquet"
    types = [
        pa.string(),
        pa.int32(),
        pa.dictionary(pa.int32(), pa.string()),
        pa.decimal128(12, 4),
        pa.float64(),
        pa.timestamp("ns"),
    ]
    columns = list(zip(*ROWS, strict=True))
    columns[4] = tuple(None if value is None else float(value) for value in columns[4])
    arrays = [pa.array(list(column), type_) for column, type_ in zip(columns, types, strict=True)]
    pq.write_table(pa.table(arrays, names=NAMES), path, row_group_size=2)
    return path


def test_four_formats_give_the_same_records(market: Any, tmp_path: Path) -> None:
    seen = []
    for write in (as_csv, as_json_lines, as_workbook, as_parquet):
        market.stored.clear()
        (taken,) = market.take("item_sold", write(tmp_path))
        assert taken.quarantine.to_pylist() == []
        seen.append(taken.records.drop_columns(["source_file", "source_line"]))
    assert all(records.equals(seen[0]) for records in seen[1:])
    assert seen[0]["amount_minor"].to_pylist() == [9990, 10, 14400]


def test_parquet_floats_are_taken_only_where_they_are_exact(market: Any, tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    prices = [0.1 + 0.2, 0.3, float("nan"), 1e30, 1200.0]
    columns = {"order_id": list("abcde"), "line_no": [1.0] * 5, "merchant": ["m"] * 5, "price": prices}
    at = pa.array([datetime(2026, 3, 1, 2, tzinfo=UTC)] * 5, pa.timestamp("us", "UTC"))
    pq.write_table(pa.table({**columns, "sold_at": at}), path)
    (taken,) = market.take("item_sold", path)
    assert taken.records["amount_minor"].to_pylist() == [30, 120000]
    assert taken.records["occurred_at"].to_pylist() == [datetime(2026, 3, 1, 2, tzinfo=UTC)] * 2
    assert [row["reason"] for row in taken.quarantine.to_pylist()] == [
        "price: '0.30000000000000004' has 17 decimals, CNY has 2; write 0.30 or 0.31",
        "price: 'nan' is not a number; write for example 12345.67",
        "price: '1e+30' is in scientific notation; write all digits, for example 12345.67",
    ]


def test_parquet_shards_do_not_depend_on_row_groups(tmp_path: Path) -> None:
    spec = RecordSpec.model_validate({"id": "x", "occurred_at": "x", "columns": {"x": "text"}})
    for group in (1, 3, 100):
        pq.write_table(
            pa.table({"x": list(range(10)), "y": list(range(10))}), tmp_path / "x.parquet", row_group_size=group
        )
        source = open_source(tmp_path / "x.parquet", spec, ["x"])
        found = [
            (rows.shard_no, rows.table["x"].to_pylist(), rows.lines.to_pylist()) for rows in source.shards(4, first=1)
        ]
        assert found == [(1, [4, 5, 6, 7], [5, 6, 7, 8]), (2, [8, 9], [9, 10])]
        assert source.count_rows() == 10


@pytest.mark.parametrize(
    ("written", "minor"),
    [("1.44E2", 14400), ("1e-2", 1), ("-0.5e1", -500), ("14400e-2", 14400), ('"144"', 14400), ("0e9", 0)],
)
def test_numbers_of_json_may_be_written_with_a_power_of_ten(market: Any, written: str, minor: int) -> None:
    row = f'{{"order_id": "A1", "line_no": 1, "merchant": "m", "price": {written}, "sold_at": "2026-03-01"}}'
    (taken,) = market.take("item_sold", market.file("items.jsonl", row))
    assert taken.records["amount_minor"].to_pylist() == [minor]


@pytest.mark.parametrize("written", ['"1.44E2"', "1e999", "1e99999999999999999999"])
def test_what_is_no_amount_stays_as_it_is_written(market: Any, written: str) -> None:
    row = f'{{"order_id": "A1", "line_no": 1, "merchant": "m", "price": {written}, "sold_at": "2026-03-01"}}'
    (taken,) = market.take("item_sold", market.file("items.jsonl", row))
    assert "is in scientific notation" in taken.quarantine["reason"][0].as_py()


def test_json_objects_that_name_a_value_twice_are_set_aside(market: Any, tmp_path: Path) -> None:
    """Of two prices neither is taken: it cannot be told which one is meant."""
    good = '{"order_id": "A1", "line_no": 1, "merchant": "m", "price": 1.00, "sold_at": "2026-03-01"}'
    twice = good.replace("A1", "A2").replace('"price": 1.00', '"price": 1.00, "price": 9.00')
    said = "in the line an object has the name 'price' twice; which one counts cannot be told: write it once"
    (taken,) = market.take("item_sold", market.file("items.jsonl", f"{good}\n{twice}"))
    assert taken.records["amount_minor"].to_pylist() == [100]
    assert [(row["source_line"], row["reason"]) for row in taken.quarantine.to_pylist()] == [(2, said)]


def test_json_lines_that_are_none(market: Any, tmp_path: Path) -> None:
    good = '{"order_id": "A1", "line_no": 1, "merchant": "m", "price": 12345678901234.56, "sold_at": "2026-03-01"}'
    path = market.file(
        "items.jsonl", f"{good}\n\n{{broken\n[1]\n" + good.replace("A1", "A2").replace("34.56", "34.567")
    )
    (taken,) = market.take("item_sold", path)
    assert taken.records["amount_minor"].to_pylist() == [1234567890123456]
    assert [(row["source_line"], row["reason"], row["raw"][:7]) for row in taken.quarantine.to_pylist()] == [
        (
            3,
            "the line is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
            "{broken",
        ),
        (4, "the line is a JSON array; write one object a line, without brackets around them", "[1]"),
        (
            5,
            "price: '12345678901234.567' has 3 decimals, CNY has 2; write 12345678901234.56 or 12345678901234.57",
            '{"order',
        ),
    ]


@pytest.mark.parametrize(
    ("name", "content"), [("a.parquet", b"no"), ("a.xlsx", b"no"), ("a.jsonl", b""), ("a.jsonl", b'{"y": 1}')]
)
def test_files_that_are_not_what_their_names_say(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    spec = RecordSpec.model_validate({"id": "x", "occurred_at": "x", "columns": {"x": "text"}})
    with pytest.raises(SourceError, match=name):
        open_source(tmp_path / name, spec, ["x"])


def test_a_sheet_is_found_by_its_name(tmp_path: Path) -> None:
    spec = RecordSpec.model_validate({"id": "x", "occurred_at": "x", "columns": {"x": "text"}, "sheet": "orders"})
    with pytest.raises(SourceError, match="has no sheet 'orders'; it has: items"):
        open_source(as_workbook(tmp_path), spec)


ORDER = st.tuples(st.sampled_from(["A", "B", "C"]), st.sampled_from(["1.00", "2.00", "bad", ""]), st.booleans())
REFUND = st.tuples(
    st.sampled_from(["R1", "R2", "R3", "R4"]),
    st.sampled_from(["A", "B", "D"]),
    st.sampled_from(["0.40", "0.60", "1.00", "0"]),
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(orders=st.lists(ORDER, max_size=5), refunds=st.lists(REFUND, min_size=2, max_size=8))
def test_any_cut_gives_the_same_outcome(market: Any, orders: Any, refunds: Any) -> None:
    sold = "order_id,line_no,merchant,price,coupon,sold_at\n" + "".join(
        f"{order},1,m,{price},,2026-03-01\n" if whole else f"{order},1\n" for order, price, whole in orders
    )
    returned = "refund_id,order_id,line_no,refunded,refunded_at\n" + "".join(
        f"{refund},{order},1,{amount},2026-03-02\n" for refund, order, amount in refunds
    )
    outcomes = []
    for rows_per_shard in (1, 3, 1000):
        market.stored.clear()
        taken = [
            *market.take("item_sold", sold, rows_per_shard),
            *market.take("item_refunded", returned, rows_per_shard),
        ]
        records = [row for intake in taken for row in intake.records.to_pylist()]
        aside = [
            (row["kind"], row["source_line"], row["outcome"])
            for intake in taken
            for row in intake.quarantine.to_pylist()
        ]
        outcomes.append((records, aside))
    assert outcomes[0] == outcomes[1] == outcomes[2]
