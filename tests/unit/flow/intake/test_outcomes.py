"""Each row of a file ends as accepted, duplicate, conflict or quarantined, with a reason a person understands."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

import pyarrow as pa
import pytest

from everycent.base.engine.formula import FormulaError
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import currency
from everycent.flow.intake.contract import StepContext
from everycent.flow.intake.core.steps import StepBroke
from everycent.flow.intake.readers.opening import open_source
from everycent.flow.intake.stage import Intake, prepare, unclaimed

Reasons = Callable[[list[Intake]], list[str]]

HEADER = "order_id,line_no,merchant,price,coupon,sold_at\n"
A1 = "A1,1,m-7,99.99,10.00,2026-03-01 10:00:00\n"


def test_an_accepted_row_is_a_record(market: Any) -> None:
    (taken,) = market.take("item_sold", HEADER + A1)
    (record,) = taken.records.to_pylist()
    assert record["key"] == "A1/1"
    assert record["occurred_at"] == datetime(2026, 3, 1, 2, tzinfo=UTC)
    assert (record["business_date"], record["booked_on"]) == (date(2026, 3, 1), date(2026, 3, 1))
    assert record["amount_minor"] == 9999
    assert (record["source_file"], record["source_line"]) == ("items.csv", 2)
    assert record["body"]["price"] == 9999
    assert record["body"]["coupon"] == 1000
    assert taken.counts == {
        "rows_read": 1, "accepted": 1, "duplicate": 0, "conflict": 0, "quarantined": 0, "ignored": 0
    }  # fmt: skip


def test_ids_and_hashes_stay_what_they_are(market: Any) -> None:
    """Written down by hand from the definition in core/identity.py: a change of these is a change of every id."""
    from hashlib import sha256
    from uuid import UUID

    (taken,) = market.take("item_sold", HEADER + A1)
    record = taken.records.to_pylist()[0]
    identity = "\x1f".join(["shanghai", "market", "item_sold", "A1/1", "0"])
    assert record["record_id"] == UUID(sha256(identity.encode()).hexdigest()[:32])
    sold_at_us = str(int(datetime(2026, 3, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000)
    cells = [
        ("coupon", "1000"),
        ("line_no", "1"),
        ("merchant", "m-7"),
        ("order_id", "A1"),
        ("price", "9999"),
        ("sold_at", sold_at_us),
    ]
    content = "".join(f"{name}\x1f{len(text)}\x1f{text}\x1e" for name, text in cells)
    assert record["content_hash"] == UUID(sha256(content.encode()).hexdigest()[:32])


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("10.005", "price: '10.005' has 3 decimals, CNY has 2; write 10.00 or 10.01"),
        ("-10.005", "price: '-10.005' has 3 decimals, CNY has 2; write -10.00 or -10.01"),
        ("NaN", "price: 'NaN' is not a number; write for example 12345.67"),
        ("-inf", "price: '-inf' is not a number; write for example 12345.67"),
        ("1e30", "price: '1e30' is in scientific notation; write all digits, for example 12345.67"),
        ('"1,234.50"', "price: '1,234.50' has thousands separators; write the digits together, for example 12345.67"),
        ("free", "price: 'free' is not an amount; write for example 12345.67"),
        ("12..3", "price: '12..3' is not an amount; write for example 12345.67"),
        (
            "92233720368547758.08",
            "price: '92233720368547758.08' does not fit; "
            "CNY lies between -92233720368547758.08 and 92233720368547758.07",
        ),
        ("", "price is missing"),
        ("  ", "price is missing"),
    ],
)
def test_a_price_that_is_no_amount(market: Any, reasons: Reasons, cell: str, reason: str) -> None:
    taken = market.take("item_sold", HEADER + f"A1,1,m-7,{cell},,2026-03-01\n" + A1)
    assert reasons(taken) == [f"2 quarantined: {reason}"]
    assert taken[0].counts["accepted"] == 1


@pytest.mark.parametrize(
    ("cell", "minor"),
    [
        ("1", 100),
        ("1.5", 150),
        (" 1.50 ", 150),
        ("-0.01", -1),
        ("+2", 200),
        ("1.500", 150),
        ("92233720368547758.07", 2**63 - 1),
        ("-92233720368547758.08", -(2**63)),
    ],
)
def test_amounts_are_exact(market: Any, cell: str, minor: int) -> None:
    (taken,) = market.take("item_sold", HEADER + f"A1,1,m-7,{cell},,2026-03-01\n")
    assert taken.records.column("amount_minor").to_pylist() == [minor]


@pytest.mark.parametrize(
    ("code", "cell", "minor"), [("JPY", "100", 100), ("KWD", "1.005", 1005), ("JPY", "100.0", 100)]
)
def test_currencies_have_their_own_decimals(market: Any, code: str, cell: str, minor: int) -> None:
    market.currency = currency(code)
    (taken,) = market.take("item_sold", HEADER + f"A1,1,m-7,{cell},,2026-03-01\n")
    assert taken.records.column("amount_minor").to_pylist() == [minor]


def test_yen_have_no_decimals(market: Any, reasons: Reasons) -> None:
    market.currency = currency("JPY")
    taken = market.take("item_sold", HEADER + "A1,1,m-7,100.5,,2026-03-01\n")
    assert reasons(taken) == ["2 quarantined: price: '100.5' has 1 decimal, JPY has 0; write 100 or 101"]


@pytest.mark.parametrize(
    ("column", "declared", "cell", "reason"),
    [
        ("x", "integer", "1.5", "x: '1.5' has 1 decimal, integer has 0; write 1 or 2"),
        ("x", "integer", str(2**63), f"x: '{2**63}' does not fit; integer lies between {-(2**63)} and {2**63 - 1}"),
        ("x", "decimal(4)", "0.12345", "x: '0.12345' has 5 decimals, decimal(4) has 4; write 0.1234 or 0.1235"),
        ("x", "boolean", "perhaps", "x: 'perhaps' is neither true nor false; write true or false, or use 'map'"),
        ("x", "date", "2026-02-30", "x: '2026-02-30' is not a date like 2026-03-01; name its form with 'format'"),
        ("x", "timestamp", "1/3", "x: '1/3' is not a time like 2026-03-01 10:00:00; name its form with 'format'"),
        ("x", {"type": "money", "min": "1.00"}, "0.99", "x is 0.99; it must be 1.00 or more"),
        ("x", {"type": "integer", "max": "9"}, "10", "x is 10; it must be 9 or less"),
        ("x", {"type": "text", "in": ["paid", "sent"]}, "lost", "x is lost; it must be one of paid, sent"),
        ("x", {"type": "money", "unit": "minor"}, "1.5", "x: '1.5' is not a whole number of minor units, such as 1230"),
        ("x", "text", "", "x is missing"),
    ],
)  # fmt: skip
def test_a_cell_that_breaks_its_declaration(
    market: Any, reasons: Reasons, column: str, declared: Any, cell: str, reason: str
) -> None:
    market.declare("item_sold", columns={column: declared})
    taken = market.take("item_sold", HEADER.rstrip() + ",x\n" + f"A1,1,m-7,1.00,,2026-03-01,{cell}\n")
    assert reasons(taken) == [f"2 quarantined: {reason}"]


@pytest.mark.parametrize(
    ("declared", "cell", "value"),
    [
        ({"type": "money", "unit": "minor"}, "1234", 1234),
        ({"type": "money", "sign": "negate"}, "12.34", -1234),
        ({"type": "money", "sign": "absolute"}, "-12.34", 1234),
        ({"type": "text", "map": {"已完成": "delivered"}}, "已完成", "delivered"),
        ({"type": "text", "map": {"已完成": "delivered"}}, "lost", "lost"),
        ({"type": "text", "default": "none"}, "", "none"),
        ({"type": "boolean", "map": {"是": "true", "否": "false"}}, "是", True),
        ({"type": "date", "format": "%d.%m.%Y"}, "03.02.2026", date(2026, 2, 3)),
        ("timestamp", "2026-03-01T02:00:00Z", datetime(2026, 3, 1, 10)),
        ("timestamp", "2026-03-01 10:00:00.123456", datetime(2026, 3, 1, 10, 0, 0, 123456)),
        ("integer", "7.0", 7),
    ],
)
def test_cells_are_adjusted(market: Any, declared: Any, cell: str, value: object) -> None:
    market.declare("item_sold", columns={"x": declared})
    (taken,) = market.take("item_sold", HEADER.rstrip() + ",x\n" + f"A1,1,m-7,1.00,,2026-03-01,{cell}\n")
    assert [body["x"] for body in taken.records.column("body").to_pylist()] == [value]


def test_checks_give_their_name_and_the_values(market: Any, reasons: Reasons) -> None:
    market.declare("item_sold", check={"coupon within price": "coupon <= price"})
    rows = "A1,1,m,1.00,2.50,2026-03-01\nA2,1,m,1.00,,2026-03-01\nA3,1,m,1.00,1.00,2026-03-01\n"
    assert reasons(market.take("item_sold", HEADER + rows)) == [
        "2 quarantined: coupon within price: coupon <= price is not so; coupon = 2.50, price = 1.00",
        "3 quarantined: coupon within price: cannot be checked: coupon is missing",
    ]


def test_an_amount_that_cannot_be_computed(market: Any, reasons: Reasons) -> None:
    market.declare("item_sold", amount="price / coupon")
    rows = "A1,1,m,1.00,,2026-03-01\nA2,1,m,1.00,0,2026-03-01\n"
    assert reasons(market.take("item_sold", HEADER + rows)) == [
        "2 quarantined: amount: price / coupon cannot be computed: coupon is missing",
        "3 quarantined: amount: price / coupon divides by zero; price = 1.00, coupon = 0.00",
    ]


def test_tags_are_computed_into_the_body(market: Any) -> None:
    market.declare("item_sold", tags={"large": "price >= 100"}, check={"large only": "large"})
    (taken,) = market.take("item_sold", HEADER + "A1,1,m,100.00,,2026-03-01\nA2,1,m,99.99,,2026-03-01\n")
    assert [(row["order_id"], row["large"]) for row in taken.records.column("body").to_pylist()] == [("A1", True)]


def test_the_same_row_again_is_a_duplicate_and_other_content_a_conflict(market: Any, reasons: Reasons) -> None:
    changed = A1.replace("99.99", "98.99")
    taken = market.take("item_sold", HEADER + A1 + A1 + changed)
    assert reasons(taken) == [
        "3 duplicate: the same row came before: items.csv, line 2",
        "4 conflict: the same id came before with other content: items.csv, line 2; price is 98.99 and was 99.99",
    ]
    again = market.take("item_sold", market.file("later.csv", HEADER + A1 + changed))
    assert reasons(again) == [
        "2 duplicate: the same row came before: items.csv, line 2",
        "3 conflict: the same id came before with other content: items.csv, line 2",
    ]
    assert again[0].counts["accepted"] == 0


def test_a_quarantined_row_does_not_take_its_id(market: Any, reasons: Reasons) -> None:
    taken = market.take("item_sold", HEADER + A1.replace("99.99", "free") + A1)
    assert taken[0].counts["accepted"] == 1


def test_ids_with_a_slash_stay_apart(market: Any) -> None:
    market.declare("item_sold", columns={"line_no": "text"})
    (taken,) = market.take("item_sold", HEADER + "A/1,2,m,1,,2026-03-01\nA,1/2,m,1,,2026-03-01\n")
    assert taken.records.column("key").to_pylist() == ["A\\/1/2", "A/1\\/2"]


REFUNDS = "refund_id,order_id,line_no,refunded,refunded_at\n"


def test_refunds_are_measured_against_their_original(market: Any, reasons: Reasons) -> None:
    market.take("item_sold", HEADER + A1)
    refunds = REFUNDS + (
        "R1,A1,1,60.00,2026-03-05\n"
        "R2,A1,1,40.00,2026-03-05\n"  # one cent too much: it does not count
        "R3,A1,1,39.99,2026-03-05\n"
        "R4,A1,1,0.01,2026-03-05\n"
        "R5,A9,1,1.00,2026-03-05\n"
        "R6,A1,1,0.00,2026-03-05\n"
    )
    taken = market.take("item_refunded", refunds)
    assert taken[0].records.column("key").to_pylist() == ["R1", "R3"]
    assert taken[0].records.column("refund_of").to_pylist() == [market.stored[0]["record_id"][0].as_py()] * 2
    worth = "of item_sold A1/1, which is worth 99.99 CNY and of which"
    assert reasons(taken) == [
        f"3 quarantined: refunds 40.00 CNY {worth} 60.00 CNY is refunded already; at most 39.99 CNY is left",
        f"5 quarantined: refunds 0.01 CNY {worth} 99.99 CNY is refunded already; at most 0.00 CNY is left",
        "6 quarantined: refunds item_sold A9/1, which has not arrived; take it in first, then run this file again",
        "7 quarantined: a refund must be above 0; this one is 0.00 CNY",
    ]


def test_kinds_share_a_file_and_no_row_is_lost(market: Any, reasons: Reasons) -> None:
    market.declare("item_sold", columns={"status": "text"}, when="status = 'sold'")
    market.declare("item_kept", columns={"status": "text"}, when="status = 'kept'")
    text = HEADER.rstrip() + ",status\n" + "".join(
        f"A{n},1,m,1.00,,2026-03-01,{status}\n" for n, status in enumerate(["sold", "kept", "lost", "sold"])
    ) + "broken\n"  # fmt: skip
    path = market.file("shared.csv", text)
    plans = [market.plan("item_sold"), market.plan("item_kept")]
    (rows,) = open_source(path, plans[0].spec, plans[0].columns_wanted, plans[0].columns_optional).shards(100)
    prepared = [prepare(plan, rows, {}, market.engine) for plan in plans]
    assert [one.ignored_rows.to_pylist() for one in prepared] == [[3, 4, 6], [2, 4, 5, 6]]
    lost = unclaimed(rows, prepared, market.engine)
    assert [(row["source_line"], row["reason"]) for row in lost.to_pylist()] == [
        (4, "no record kind takes this row: `when` is true for none of them"),
        (6, "the row has 1 field, the header has 7; quote a field that holds ','"),
    ]
    assert market.take("item_sold", path)[0].counts["ignored"] == 3


def test_nothing_is_booked_before_the_first_open_day(market: Any) -> None:
    market.open_on = date(2026, 4, 1)
    (taken,) = market.take("item_sold", HEADER + A1 + A1.replace("A1", "A2").replace("-03-", "-05-"))
    assert taken.records.column("booked_on").to_pylist() == [date(2026, 4, 1), date(2026, 5, 1)]
    assert taken.records.column("business_date").to_pylist() == [date(2026, 3, 1), date(2026, 5, 1)]


def test_a_business_day_ends_at_the_day_cut(market: Any) -> None:
    market.calendar = BusinessCalendar("Asia/Shanghai", time(6))
    (taken,) = market.take("item_sold", HEADER + A1.replace("10:00:00", "05:59:59"))
    assert taken.records.column("business_date").to_pylist() == [date(2026, 2, 28)]


def test_a_business_takes_a_step_of_its_own(market: Any, reasons: Reasons) -> None:
    def no_coupon_above_price(rows: pa.Table, context: StepContext) -> pa.Table:
        assert context.kind == "item_sold"
        import pyarrow.compute as pc

        least = pc.min_element_wise(rows["price"], rows["coupon"], skip_nulls=False)
        return rows.set_column(rows.schema.get_field_index("coupon"), "coupon", least)

    market.steps["cap_coupon"] = no_coupon_above_price
    market.declare("item_sold", steps="cap_coupon", check={"coupon within price": "coupon is null or coupon <= price"})
    (taken,) = market.take("item_sold", HEADER + "A1,1,m,1.00,2.50,2026-03-01\nA2,1,m,x,2.50,2026-03-01\n")
    assert taken.records.column("body").to_pylist()[0]["coupon"] == 100
    assert taken.counts["quarantined"] == 1
    market.steps["cap_coupon"] = lambda rows, context: rows.slice(1)
    with pytest.raises(StepBroke, match="other rows or another order"):
        market.take("item_sold", HEADER + A1)


@pytest.mark.parametrize(
    ("words", "path", "message"),
    [
        ({"amount": "prise"}, "amount", "prise"),
        ({"check": {"odd": "occurred_at + 7 days"}}, "check.odd", None),
        ({"tags": {"Price": "price"}}, "tags.Price", "case makes no difference"),
        ({"id": "order"}, "id", "'order' is not a column of this kind"),
        ({"occurred_at": "price"}, "occurred_at", "must be a timestamp or a date"),
        ({"steps": "nowhere"}, "steps", "no installed entry point"),
        ({"refunds": "gift", "of": "order_id"}, "refunds", "'gift' is not another record kind"),
        ({"refunds": "item_sold", "of": "order_id"}, "of", "must give the id of item_sold, order_id, line_no"),
        ({"columns": {"x": {"type": "text", "min": "1"}}}, "columns.x.min", "only a number has a least"),
        ({"columns": {"x": {"type": "money", "max": "1.005"}}}, "columns.x.max", "'1.005' has 3 decimals"),
    ],
)  # fmt: skip
def test_a_kind_that_cannot_be_planned(market: Any, words: dict[str, Any], path: str, message: str) -> None:
    market.declare("bad", **words)
    with pytest.raises(FormulaError, match=message) as refused:
        market.plan("bad")
    assert ".".join(refused.value.path) == f"records.bad.{path}"


def test_blanks_around_a_text_are_no_part_of_it_unless_the_column_says_so(market: Any) -> None:
    rows = "A1,1, m-7,1.00,,2026-03-01\n A1 ,2,m-7\t,1.00,,2026-03-01\nA1,3,  ,1.00,,2026-03-01\n"
    (taken,) = market.take("item_sold", HEADER + rows)
    bodies = [record["body"] for record in taken.records.to_pylist()]
    assert [(body["order_id"], body["merchant"]) for body in bodies] == [("A1", "m-7"), ("A1", "m-7")]
    assert taken.counts["quarantined"] == 1, "nothing but blanks is no merchant"
    market.declare("item_sold", columns={"merchant": {"type": "text", "trim": "no"}})
    (kept,) = market.take("item_sold", HEADER + rows.replace("A1", "A2"))
    assert [record["body"]["merchant"] for record in kept.records.to_pylist()] == [" m-7", "m-7\t", "  "]


def test_the_same_row_with_other_blanks_is_a_duplicate(market: Any) -> None:
    first, again = market.take("item_sold", HEADER + A1 + A1.replace("m-7", " m-7 "), rows_per_shard=1)
    assert (first.counts["accepted"], again.counts["duplicate"], again.counts["conflict"]) == (1, 1, 0)
