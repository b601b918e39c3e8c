"""What is found is told in its own currency, and each currency adds up by itself."""

import json
import random
from typing import Any

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.types import ColumnType
from everycent.base.money.currency import currency
from everycent.proof.recon.contract import DECLARED, SIDE, MatchLabel, SideSpec
from everycent.proof.recon.core.across import across
from everycent.proof.recon.core.in_currencies import InCurrencies, in_currencies
from everycent.proof.recon.core.leftovers import items_of, numbered
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.seen import FINEST
from everycent.proof.recon.core.side import plan_side, side_from_rows, with_declared
from everycent.proof.recon.in_modes import compare_in_modes, with_currencies
from everycent.proof.recon.stage import reconcile

WITH_CURRENCY = SIDE.append(pa.field("currency", pa.string()))
Row = tuple[str, str | None, int]


def rows(*found: Row) -> pa.Table:
    """Rows of a side: key, currency, minor units."""
    listed = [
        {"source_file": "f", "source_line": line, "key": key, "currency": code, "amount_minor": minor}
        for line, (key, code, minor) in enumerate(found, 1)
    ]
    return pa.Table.from_pylist(listed, WITH_CURRENCY)


def plan(**more: Any) -> ReconPlan:
    words: dict[str, Any] = {"left_sums": False, "right_sums": False, "compares_status": False, "currency": "CNY"}
    return ReconPlan("bill", 0, **(words | more))


def told(how: ReconPlan, left: pa.Table, right: pa.Table, engine: LocalEngine) -> InCurrencies:
    done, beyond = compare_in_modes(how, reconcile, left, right, engine)
    return with_currencies(how, done, beyond, left, right, engine).money


def test_a_break_is_in_what_its_rows_are_in(engine: LocalEngine) -> None:
    left = rows(("A", "CNY", 5), ("B", "JPY", 5), ("C", "CNY", 5), ("E", None, 5), ("F", "KWD", 9), ("F", "KWD", 9))
    right = rows(("A", "CNY", 6), ("B", "JPY", 6), ("C", "USD", 6), ("D", "JPY", 6), ("E", "CNY", 5), ("F", "KWD", 9))
    found = told(plan(), left, right, engine)
    assert [tuple(row.values()) for row in found.breaks.to_pylist()] == [
        (2, "JPY", "JPY", None, None),
        (3, "CNY", "USD", None, None),
        (4, None, "JPY", None, None),
        (5, "KWD", None, None, None),
    ]
    equal = [row for row in found.totals.to_pylist() if row["bucket"] == "equal"]
    assert [(row["currency"], int(row["left_minor"]), row["right_rows"]) for row in equal] == [
        ("CNY", 5, 1), ("KWD", 9, 1)
    ]  # fmt: skip


def test_where_all_is_in_the_scenarios_currency_nothing_is_told(engine: LocalEngine) -> None:
    left, right = rows(("A", "CNY", 5), ("B", None, 5)), rows(("A", "CNY", 6))
    found = told(plan(), left, right, engine)
    assert (found.breaks.num_rows, found.totals.num_rows) == (0, 0)


def test_a_key_that_adds_up_in_several_currencies_is_told_in_each(engine: LocalEngine) -> None:
    left = rows(("A", "USD", 100), ("A", "JPY", 200), ("A", "JPY", 3))
    found = told(plan(left_sums=True), left, rows(("A", "USD", 300)), engine)
    (row,) = found.breaks.to_pylist()
    assert (row["left_currency"], json.loads(row["left_amounts"])) == (None, {"JPY": 203, "USD": 100})
    assert (row["right_currency"], row["right_amounts"]) == ("USD", None)


def test_rows_in_several_currencies_are_no_item_of_a_rule(engine: LocalEngine) -> None:
    left = rows(("A", "USD", 100), ("A", "JPY", 200), ("B", "JPY", 7), ("B", "JPY", 7), ("C", None, 1), ("C", "CNY", 1))
    done = reconcile(plan(left_sums=True), left, rows(), engine)
    items = items_of("left", numbered(done.breaks), left, True, "CNY", engine).to_pylist()
    assert [(row["key"], row["currency"], row["amount_minor"]) for row in items] == [("B", "JPY", 14), ("C", None, 2)]


@pytest.mark.parametrize(("sums", "one_way"), [(False, False), (True, False), (False, True), (True, True)])
def test_each_currency_adds_up_by_itself(engine: LocalEngine, sums: bool, one_way: bool) -> None:
    """That buckets are the sides and that equal is equal is asserted inside; here the sides are added up from rows."""
    dice = random.Random(7)
    sides = [
        [
            (f"k{dice.randint(1, 90)}", dice.choice([None, "CNY", "JPY", "JPY", "KWD"]), dice.randint(-2, 2))
            for _ in range(200)
        ]
        for _ in range(2)
    ]
    how = plan(left_sums=sums, one_way=one_way, tolerances={"JPY": 1})
    found = told(how, *(rows(*side) for side in sides), engine).totals.to_pylist()
    assert {row["bucket"] for row in found} >= {"equal", "amount_differs", "only_right" if one_way else "missing_left"}
    for code in ("CNY", "JPY", "KWD"):
        held = [sum(minor for _, each, minor in side if (each or "CNY") == code) for side in sides]
        lines = [row for row in found if row["currency"] == code]
        assert [sum(int(row[f"{side}_minor"]) for row in lines) for side in ("left", "right")] == held


def test_what_rules_match_counts_in_its_currency(engine: LocalEngine) -> None:
    left, right = rows(("A", "JPY", 5)), rows(("A", "JPY", 5), ("B", "CNY", 1))
    done = reconcile(plan(), left, right, engine)
    matched = pa.table({"label": [str(MatchLabel.UNIQUE)], "side": ["left"], "currency": ["JPY"], "rows": [0],
                        "amount_minor": pa.array([0], pa.decimal128(38, 0)), "key": ["A"]})  # fmt: skip
    found = in_currencies(plan(), done, matched, left, right, engine).totals.to_pylist()
    assert [(row["bucket"], row["currency"]) for row in found] == [("equal", "JPY"), ("missing_left", "CNY")]


TYPES = {"id": ColumnType("text"), "paid": ColumnType("money", FINEST), "cash": ColumnType("money", 2),
         "in": ColumnType("text")}  # fmt: skip


def test_checkers_see_money_in_ten_thousandths(engine: LocalEngine) -> None:
    """12.34 CNY and 500 JPY, as they compare in their own minor units and as a checker has them."""
    spec = SideSpec.model_validate({"key": "id", "amount": "paid", "currency": "in"})
    given = pa.table(
        {"id": ["a", "b"], "paid": [123_400, 5_000_000], "in": [None, "JPY"], "source_file": ["f", "f"],
         "source_line": [1, 2]}
    )  # fmt: skip
    types = {name: kind for name, kind in TYPES.items() if name != "cash"}
    seen = with_declared(plan_side(spec, types, currency("CNY")), ["paid"])
    rows = side_from_rows(seen, given, engine).rows
    assert rows["amount_minor"].to_pylist() == [1234, 500]
    assert rows[f"{DECLARED}paid"].to_pylist() == [123_400, 5_000_000]


def taken(engine: LocalEngine, *found: tuple[str | None, int, int], amount: str) -> tuple[list[Any], list[Any]]:
    """Rows of currency, `paid` in ten-thousandths and `cash` in minor units: what is compared and what is set aside."""
    spec = SideSpec.model_validate({"key": "id", "amount": amount, "currency": "in"})
    given = pa.table(
        {
            "id": [f"k{line}" for line in range(len(found))],
            "paid": pa.array([paid for _, paid, _ in found], pa.int64()),
            "cash": pa.array([cash for _, _, cash in found], pa.int64()),
            "in": pa.array([code for code, _, _ in found], pa.string()),
            "source_file": ["f.csv"] * len(found),
            "source_line": list(range(1, len(found) + 1)),
        }
    )
    side = side_from_rows(plan_side(spec, TYPES, currency("CNY"), in_minor=["cash"]), given, engine)
    return side.rows["amount_minor"].to_pylist(), [(r["source_line"], r["reason"]) for r in side.refused.to_pylist()]


def test_an_amount_has_the_minor_units_of_its_row(engine: LocalEngine) -> None:
    """1.234 KWD, 12.30 CNY (twice: a row that names none has the scenario's), 5 JPY, -0.0001 UYW."""
    given = (("KWD", 12_340, 0), ("CNY", 123_000, 0), (None, 123_000, 0), ("JPY", 50_000, 0), ("UYW", -1, 0))
    assert taken(engine, *given, amount="paid") == ([1234, 1230, 1230, 5, -1], [])


def test_an_amount_finer_than_its_currency_is_set_aside_by_name(engine: LocalEngine) -> None:
    given = (("JPY", 5_000, 0), ("CNY", 12_340, 0), (None, -12_340, 0), ("KWD", 12_345, 0), ("JPY", 50_000, 0))
    assert taken(engine, *given, amount="paid") == (
        [5],
        [
            (1, "paid: 0.5 has 1 decimal, JPY has 0; write 0 or 1"),
            (2, "paid: 1.234 has 3 decimals, CNY has 2; write 1.23 or 1.24"),
            (3, "paid: -1.234 has 3 decimals, the scenario's currency has 2; write -1.23 or -1.24"),
            (4, "paid: 1.2345 has 4 decimals, KWD has 3; write 1.234 or 1.235"),
        ],
    )


def test_minor_units_are_those_of_the_row(engine: LocalEngine) -> None:
    """Cash of 1230 is 1,230 yen, 12.30 yuan, 1.230 dinars; what is calculated from it is rounded in its own."""
    given = (("JPY", 0, 1230), ("CNY", 0, 1230), ("KWD", 0, 1230), (None, 0, 1230))
    assert taken(engine, *given, amount="cash")[0] == [1230] * 4
    assert taken(engine, *given, amount="cash * 0.0005 + paid")[0] == [1, 1, 1, 1]
    assert taken(engine, *given, amount="cash - 0.30")[0] == [1230, 1200, 930, 1200]


@pytest.mark.parametrize("amount", ["paid", "paid * 2"])
def test_a_code_that_is_no_currency_is_said_first(engine: LocalEngine, amount: str) -> None:
    assert taken(engine, ("XYZ", 5_000, 0), amount=amount)[1] == [(1, "no amount: XYZ is no currency")]


def test_of_more_than_two_sides_each_says_its_currencies(engine: LocalEngine) -> None:
    till, bank = rows(("A", None, 5), ("B", "JPY", 5), ("B", "JPY", 2)), rows(("A", "CNY", 6), ("B", "USD", 7))
    card = rows(("B", "JPY", 5), ("B", "USD", 7), ("B", "USD", 1)).drop_columns(["status"])
    card = card.append_column("status", pa.array(["ok", None, "ok"]))
    breaks = reconcile(plan(left_sums=True), till, bank, engine).breaks
    sides = {"till": till, "bank": bank, "card": card, "shop": bank.drop_columns(["currency"])}
    a, b = across(sides, [breaks], "CNY", engine).to_pylist()
    assert (int(a["till_amount_minor"]), a["till_currency"], a["card_rows"], a["card_currency"]) == (5, "CNY", 0, None)
    assert (b["till_rows"], int(b["till_amount_minor"]), b["till_currency"], b["till_amounts"]) == (2, 7, "JPY", None)
    assert (b["card_rows"], b["card_amount_minor"], b["card_currency"]) == (3, None, "JPY+USD")
    assert (json.loads(b["card_amounts"]), b["card_statuses"], b["till_statuses"]) == ({"JPY": 5, "USD": 8}, "ok", None)
    assert b["shop_currency"] == "CNY"
