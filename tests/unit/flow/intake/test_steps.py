"""A business's own step comes from an installed package, by its entry point."""

import sys
from pathlib import Path
from typing import Any

import pytest

from everycent.flow.intake.service import UnknownStep, load_steps

STEP = """
import pyarrow as pa

def double(rows, context):
    at = rows.schema.get_field_index("price")
    doubled = pa.array([None if price is None else 2 * price for price in rows["price"].to_pylist()], pa.int64())
    return rows.set_column(at, "price", doubled)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package as an installer would leave it: a module, and metadata that names its entry point."""
    (tmp_path / "market_steps.py").write_text(STEP)
    info = tmp_path / "market_steps-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: market-steps\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[everycent.intake_steps]\ndouble_price = market_steps:double\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "market_steps", raising=False)


def test_a_step_of_an_installed_package_is_taken(market: Any, installed: None) -> None:
    market.steps = load_steps(["double_price"])
    market.declare("item_sold", steps="double_price", check={"at least two": "price >= 2"})
    (taken,) = market.take("item_sold", "order_id,line_no,merchant,price,coupon,sold_at\nA1,1,m,1.00,,2026-03-01\n")
    assert taken.records["amount_minor"].to_pylist() == [200]


def test_a_step_that_nobody_installed(installed: None) -> None:
    with pytest.raises(UnknownStep, match="step 'halve_price' is not installed; installed are: double_price"):
        load_steps(["halve_price"])
