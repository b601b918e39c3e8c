"""The same figure in another currency is a break."""

from typing import Any

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import SIDE
from everycent.proof.recon.core.plan import ReconPlan
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
