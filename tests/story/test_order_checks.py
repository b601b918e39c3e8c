"""Checks between systems that hold no money: paid, shipped, used and redeemed against what the order says."""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

from everycent.base.engine.local import LocalEngine
from everycent.flow.pipeline.service import Session
from everycent.proof.recon.contract import Surroundings
from everycent.serve.chaining import Chained, run_chain
from everycent.serve.loading import Place
from everycent.serve.reconciling import plan_scenarios
from everycent.serve.scenario_files import load_scenario_file

EXAMPLE = Path(__file__).parents[2] / "examples" / "order-checks"


def found(done: Chained) -> dict[str, str]:
    assert done.result is not None, done.failure
    return {row["key"]: row["bucket"] for row in done.result.breaks.to_pylist()}


def test_four_scenarios_of_a_page_each(database: Any, engine: LocalEngine, tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLE, tmp_path / "checks")
    file = load_scenario_file(folder / "scenarios.yaml")
    session = Session(database.settings, database.connection, engine, database.details)
    around = Surroundings(folder, date(2026, 3, 1), tmp_path, {}, database.settings)
    place = Place(session, file, file, around)
    done = {planned.name: run_chain(place, planned, {}) for planned in plan_scenarios(file, file)}
    assert {name: found(each) for name, each in done.items()} == {
        "paid_but_waiting": {"O2": "status_differs", "O9": "missing_right"},
        "shipped_but_to_be_shipped": {"O4": "missing_right"},
        "coupon_used_but_unused": {"C2": "missing_right"},
        "ordered_but_not_redeemed": {"O2": "missing_right", "O4": "duplicated_right"},
    }
    result = done["paid_but_waiting"].result
    assert result is not None
    (checked,) = result.checked
    assert [(row["key"], row["kind"], row["reason"]) for row in checked.findings.to_pylist()] == [
        ("O2", "paid_but_waiting", "paid, and the order still waits"),
        ("O9", "paid_without_order", "paid, and there is no such order"),
    ]
