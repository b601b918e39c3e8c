"""From rows to a side: nothing is lost on the way."""

from typing import Any

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.types import ColumnType
from everycent.base.money.currency import currency
from everycent.proof.recon.contract import ReconSpec, SideSpec
from everycent.proof.recon.core.plan import plan_recon
from everycent.proof.recon.core.side import SideRows, plan_side, side_from_rows, side_in_engine
from everycent.proof.recon.stage import reconcile

TYPES = {
    "order": ColumnType("text"),
    "line": ColumnType("integer"),
    "paid": ColumnType("money", 2),
    "fee": ColumnType("money", 2),
    "parts": ColumnType("integer"),
    "state": ColumnType("text"),
}

CNY = currency("CNY")


def take(engine: LocalEngine, words: dict[str, Any], *rows: dict[str, Any], stored: bool = False) -> SideRows:
    spec = SideSpec.model_validate({"records": "paid"} | words if stored else words)
    columns = pa.schema([(name, kind.arrow) for name, kind in TYPES.items()])
    if stored:
        body = pa.array([{name: row.get(name) for name in TYPES} for row in rows], pa.struct(list(columns)))
        given = pa.table({"body": body})
    else:
        given = pa.Table.from_pylist([{name: row.get(name) for name in TYPES} for row in rows], columns)
    given = given.append_column("source_file", pa.array(["f.csv"] * len(rows), pa.string()))
    given = given.append_column("source_line", pa.array(range(1, len(rows) + 1), pa.int64()))
    return side_from_rows(plan_side(spec, TYPES, currency("CNY")), given, engine)


@pytest.mark.parametrize("stored", [False, True])
def test_key_amount_and_status_come_from_the_row(engine: LocalEngine, stored: bool) -> None:
    words = {"key": ["order", "line"], "amount": "paid - fee", "status": "state"}
    side = take(engine, words, {"order": "A", "line": 1, "paid": 1000, "fee": 6, "state": "done"}, stored=stored)
    assert side.rows.to_pylist() == [
        {"source_file": "f.csv", "source_line": 1, "key": "A/1", "amount_minor": 994, "status": "done"}
    ]


def test_a_row_that_is_not_meant_does_not_take_part(engine: LocalEngine) -> None:
    words = {"key": "order", "amount": "paid", "when": "state = 'paid'"}
    rows = [{"order": key, "paid": 1, "state": state} for key, state in (("A", "paid"), ("B", "open"), ("C", None))]
    side = take(engine, words, *rows)
    assert side.rows["key"].to_pylist() == ["A"]
    assert (side.left_out, side.refused.num_rows) == (2, 0)


def test_a_row_without_key_or_amount_is_refused_with_its_reason(engine: LocalEngine) -> None:
    words = {"key": ["order", "line"], "amount": "paid / parts"}
    side = take(
        engine,
        words,
        {"order": "A", "line": 1, "paid": 10, "parts": 2},
        {"order": "", "line": 1, "paid": 10, "parts": 2},
        {"order": "B", "line": None, "paid": 10, "parts": 2},
        {"order": "B", "line": 2, "paid": None, "parts": 2},
        {"order": "B", "line": 3, "paid": 10, "parts": 0},
    )
    assert side.rows["amount_minor"].to_pylist() == [5]
    assert [(row["source_line"], row["reason"]) for row in side.refused.to_pylist()] == [
        (2, "no key: no value in order or line"),
        (3, "no key: no value in order or line"),
        (4, "no amount: column paid has no value"),
        (5, "no amount: division by zero"),
    ]


def test_a_slash_in_a_key_does_not_make_two_keys_one(engine: LocalEngine) -> None:
    words = {"key": ["order", "state"], "amount": "paid"}
    rows = [{"order": one, "state": two, "paid": 1} for one, two in (("a/", "b"), ("a", "/b"), ("a\\", "/b"))]
    assert len(set(take(engine, words, *rows).rows["key"].to_pylist())) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"key": "ordr", "amount": "paid"}, "'ordr' is not a column of this side; its columns are fee"),
        ({"key": "order", "amount": "paid", "status": "x"}, "'x' is not a column"),
        ({"key": "order", "amount": "state"}, "'state' is text; write a formula that gives an amount"),
        ({"key": "order", "amount": "paid", "when": "paid"}, "'paid' is money; write a condition"),
    ],
)
def test_what_is_wrong_is_named(engine: LocalEngine, words: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan_side(SideSpec.model_validate(words), TYPES, currency("CNY"))


def test_a_tolerance_is_in_the_currency(engine: LocalEngine) -> None:
    def spec(tolerance: str) -> ReconSpec:
        side = {"key": "order", "amount": "paid", "status": "state"}
        return ReconSpec.model_validate({"left": side, "right": side | {"rows": "sum"}, "tolerance": tolerance})

    plan = plan_recon("bill", spec("0.05"), currency("CNY"))
    assert (plan.tolerance_minor, plan.left_sums, plan.right_sums, plan.compares_status) == (5, False, True, True)
    assert plan_recon("bill", spec("5"), currency("JPY")).tolerance_minor == 5
    with pytest.raises(ValueError, match="2; write"):
        plan_recon("bill", spec("0.005"), currency("CNY"))
    with pytest.raises(ValueError, match="-1 is negative; write 0 or more"):
        plan_recon("bill", spec("-1"), currency("CNY"))


def test_rows_in_parts_make_the_same_side_in_the_engine(engine: LocalEngine) -> None:
    plan = plan_side(SideSpec.model_validate({"key": "order", "amount": "paid", "when": "line > 1"}), TYPES, CNY)
    columns = pa.schema([(name, kind.arrow) for name, kind in TYPES.items()])
    rows = [{"order": "ABC"[n % 3], "paid": None if n % 4 == 0 else n, "line": n % 5} for n in range(40)]
    given = pa.Table.from_pylist([{name: row.get(name) for name in TYPES} for row in rows], columns)
    given = given.append_column("source_file", pa.array(["f.csv"] * 40, pa.string()))
    given = given.append_column("source_line", pa.array(range(1, 41), pa.int64()))
    whole = side_from_rows(plan, given, engine)
    engine.connection.register("stored", given.slice(30))
    parts = side_in_engine(plan, [given.slice(0, 3), given.slice(3, 27), "stored"], engine, "left side")
    assert engine.query("FROM side ORDER BY source_line", side=parts.rows).equals(whole.rows)
    assert parts.refused.equals(whole.refused) and parts.left_out == whole.left_out > 0
    side = {"records": "paid", "key": "order", "amount": "paid", "rows": "sum"}
    twice = plan_recon("twice", ReconSpec.model_validate({"left": side, "right": side}), CNY)
    agreed = reconcile(twice, parts.rows, whole.rows, engine)
    assert (agreed.residual_minor, agreed.left_total) == (0, agreed.right_total)
