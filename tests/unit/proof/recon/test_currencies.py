"""The same figure in another currency is a break."""

from typing import Any

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.proof.recon.contract import SIDE, ReconSpec
from everycent.proof.recon.core.plan import ReconPlan, plan_recon
from everycent.proof.recon.stage import Reconciled, reconcile

WITH_CURRENCY = SIDE.append(pa.field("currency", pa.string()))
#: Of each key, the sides' currencies, None where a row names none; all amounts are 500, in a scenario of CNY.
ROWS: list[tuple[str, str | None, str | None]] = [
    ("same", "USD", "USD"),
    ("other", "CNY", "USD"),
    ("unnamed and the scenario's", None, "CNY"),
    ("unnamed and another", None, "JPY"),
]


def rows(side: int, status: str | None = None) -> pa.Table:
    found: list[dict[str, Any]] = [
        {"source_file": "f", "source_line": line, "key": row[0], "amount_minor": 500, "currency": row[side],
         "status": status} for line, row in enumerate(ROWS, 1)
    ]  # fmt: skip
    return pa.Table.from_pylist(found, WITH_CURRENCY)


def breaks(done: Reconciled) -> dict[str, tuple[str, str | None, str | None]]:
    return {row["key"]: (row["bucket"], row["left_status"], row["right_status"]) for row in done.breaks.to_pylist()}


@pytest.mark.parametrize("sums", [False, True], ids=["rows are single", "rows add up"])
def test_the_same_figure_in_another_currency_does_not_agree(engine: LocalEngine, sums: bool) -> None:
    plan = ReconPlan("bill", 0, sums, sums, compares_status=False, currency="CNY")
    assert breaks(reconcile(plan, rows(1), rows(2, "paid"), engine)) == {
        "other": ("status_differs", "CNY", "USD"),
        "unnamed and another": ("status_differs", "CNY", "JPY"),
    }


def test_a_status_that_is_compared_is_told_beside_the_currency(engine: LocalEngine) -> None:
    plan = ReconPlan("bill", 0, left_sums=False, right_sums=False, compares_status=True, currency="CNY")
    found = breaks(reconcile(plan, rows(1, "paid"), rows(2, "paid"), engine))
    assert found["other"] == ("status_differs", "paid CNY", "paid USD")
    assert "same" not in found


def test_a_side_that_names_no_currency_has_the_scenarios(engine: LocalEngine) -> None:
    plan = ReconPlan("bill", 0, left_sums=False, right_sums=False, compares_status=False, currency="CNY")
    engine.query("CREATE OR REPLACE TABLE ours AS FROM given", given=rows(1).drop_columns("currency"))
    engine.query("CREATE OR REPLACE TABLE theirs AS FROM given", given=rows(2))
    assert set(breaks(reconcile(plan, "ours", "theirs", engine))) == {"same", "other", "unnamed and another"}


def amounts(*found: tuple[str, str, int]) -> pa.Table:
    """Rows of a side: key, currency, minor units."""
    listed = [
        {"source_file": "f", "source_line": line, "key": key, "currency": code, "amount_minor": minor}
        for line, (key, code, minor) in enumerate(found, 1)
    ]
    return pa.Table.from_pylist(listed, WITH_CURRENCY)


LEFT = amounts(("A", "USD", 100), ("A", "JPY", 200), ("B", "USD", -105), ("B", "JPY", 7))
RIGHT = amounts(("A", "USD", 200), ("A", "JPY", 100), ("B", "JPY", 7), ("B", "USD", -105))


def test_rows_that_add_up_do_so_in_each_currency_by_itself(engine: LocalEngine) -> None:
    plan = ReconPlan("bill", 0, left_sums=True, right_sums=True, compares_status=False, currency="CNY")
    found = breaks(reconcile(plan, LEFT, RIGHT, engine))
    assert found == {"A": ("status_differs", "JPY 200 + USD 1.00", "JPY 100 + USD 2.00")}


def test_single_rows_of_one_key_meet_in_their_own_currency(engine: LocalEngine) -> None:
    plan = ReconPlan("bill", 0, left_sums=False, right_sums=False, compares_status=False, currency="CNY")
    found = reconcile(plan, LEFT, RIGHT, engine).breaks.to_pylist()
    assert {row["key"] for row in found} == {"A"}


def in_yen_and_yuan(sums: bool) -> ReconPlan:
    return ReconPlan("bill", 5, sums, sums, compares_status=False, currency="CNY", tolerances={"JPY": 1})


OURS = amounts(("A", "CNY", 1000), ("B", "JPY", 1000), ("C", "JPY", 1000), ("D", "USD", 1000), ("E", "CNY", 1000),
               ("F", "JPY", 300), ("G", "USD", 7))  # fmt: skip
THEIRS = amounts(("A", "CNY", 1005), ("B", "JPY", 1001), ("C", "JPY", 1005), ("D", "USD", 1001), ("E", "USD", 1003),
                 ("G", "USD", 7))  # fmt: skip


@pytest.mark.parametrize("sums", [False, True], ids=["rows are single", "rows add up"])
@pytest.mark.parametrize("in_engine", [False, True], ids=["as tables", "in the engine"])
def test_a_tolerance_holds_in_its_own_currency(engine: LocalEngine, sums: bool, in_engine: bool) -> None:
    """0.05 CNY writes off no 5 JPY; a currency without a tolerance has none, nor has a key in two of them."""
    sides: list[pa.Table | str] = [OURS, THEIRS]
    if in_engine:
        for name, table in (("ours", OURS), ("theirs", THEIRS)):
            engine.query(f"CREATE OR REPLACE TABLE {name} AS FROM given", given=table)
        sides = ["ours", "theirs"]
    done = reconcile(in_yen_and_yuan(sums), *sides, engine)
    assert [(row["key"], int(row["difference_minor"])) for row in done.write_offs.to_pylist()] == [("A", -5), ("B", -1)]
    assert [(row["key"], row["bucket"]) for row in done.breaks.to_pylist()] == [
        ("C", "amount_differs"), ("D", "amount_differs"), ("E", "amount_differs"), ("F", "missing_right")
    ]  # fmt: skip
    assert (done.residual_minor, done.left_total.rows, done.right_total.rows) == (0, 7, 6)


def test_where_all_rows_are_in_the_scenarios_currency_nothing_is_parted(engine: LocalEngine) -> None:
    ours, theirs = (amounts(("A", "CNY", minor), ("B", "CNY", 7)) for minor in (1000, 1005))
    plain = ReconPlan("bill", 5, False, False, compares_status=False, currency="CNY")
    one, other = (reconcile(plan, ours, theirs, engine) for plan in (plain, in_yen_and_yuan(False)))
    assert one == other and one.write_offs.num_rows == 1


def test_a_tolerance_is_read_in_the_minor_units_of_each_currency() -> None:
    side = {"file": "a.csv", "columns": {"id": "text", "paid": "money", "in": "text"}, "key": "id", "amount": "paid"}

    def planned(tolerance: Any, **more: str) -> ReconPlan:
        words = {"left": side, "right": {**side, **more}, "tolerance": tolerance}
        return plan_recon("bill", ReconSpec.model_validate(words), currency("CNY"))

    each = planned({"KWD": "0.005", "CNY": "0.05", "JPY": "5"}, currency="in")
    assert (each.tolerance_minor, dict(each.tolerances)) == (5, {"JPY": 5, "KWD": 5})
    alone = planned("0.05", currency="in")
    assert (alone.tolerance_minor, dict(alone.tolerances)) == (5, {})
    assert planned("0", currency="in").words, "runs from before, whose breaks were in no currency, are of another kind"
    assert planned("0.05").words == ""
    assert planned({"JPY": "5"}, currency="in").tolerance_minor == 0
    assert each.words != planned({"CNY": "0.05", "JPY": "4"}, currency="in").words, "they make runs of another kind"
    for wrong, said in (
        ({"JPY": "0.5"}, "JPY has 0"),
        ({"RMB": "1"}, "did you mean CNY"),
        ({}, "no currency is named"),
    ):
        with pytest.raises(ValueError, match=said):
            planned(wrong, currency="in")
    with pytest.raises(ValueError, match="no row is in JPY, for no side names the `currency`"):
        planned({"CNY": "0.05", "JPY": "5"})
