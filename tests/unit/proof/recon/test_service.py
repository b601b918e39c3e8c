"""Runs are kept once; the database holds what the stage gave."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic
from typing import Any

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import connect
from everycent.proof.recon.contract import REFUSED, SIDE
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.service import ReconRun, run

PLAN = ReconPlan("bill", tolerance_minor=1, left_sums=False, right_sums=False, compares_status=False)


def taking(*rows: tuple[str, int], refused: int = 0, left_out: int = 0) -> SideRows:
    side = [
        {"source_file": "f", "source_line": n, "key": key, "amount_minor": amount, "status": None}
        for n, (key, amount) in enumerate(rows, 1)
    ]
    bad = [{"source_file": "f", "source_line": 100 + n, "reason": "no key: no value in id"} for n in range(refused)]
    return SideRows(pa.Table.from_pylist(side, SIDE), pa.Table.from_pylist(bad, REFUSED), left_out)


def counts(database: Any) -> list[int]:
    tables = ("run", "total", "break", "write_off", "refused")
    return [database.connection.execute(f"SELECT count(*) FROM recon.{table}").fetchone()[0] for table in tables]


@pytest.fixture
def go(database: Any, engine: LocalEngine) -> Any:
    def start(left: SideRows, right: SideRows, plan: ReconPlan = PLAN) -> ReconRun:
        return run(database.connection, engine, "default", "market", "CNY", plan, left, right)

    return start


def test_the_same_sides_again_change_nothing_and_say_so(database: Any, go: Any) -> None:
    left, right = taking(("A", 100), ("B", 5), ("C", 7), refused=2), taking(("A", 101), ("B", 9), left_out=3)
    first = go(left, right)
    assert (first.run_no, first.changed) == (1, True)
    assert counts(database) == [1, 8, 2, 1, 2]
    again = go(left, right)
    assert (again.run_id, again.run_no, again.changed) == (first.run_id, 1, False)
    assert again.reconciled == first.reconciled
    assert counts(database) == [1, 8, 2, 1, 2]


def test_of_two_at_the_same_time_one_compares_and_the_other_finds_it(
    database: Any, engine: LocalEngine, go: Any, tmp_path: Path
) -> None:
    left, right = taking(("A", 100), ("B", 5)), taking(("A", 101))

    def compare_too() -> ReconRun:
        with (
            LocalEngine(threads=1, memory_mb=100, temp_dir=tmp_path / "beside") as own,
            connect(database.settings) as connection,
        ):
            return run(connection, own, "default", "market", "CNY", PLAN, left, right)

    with ThreadPoolExecutor(1) as beside:
        with database.connection.transaction():
            first = go(left, right)
            second = beside.submit(compare_too)
            waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            until = monotonic() + 30
            while database.connection.execute(waiting).fetchone()[0] == 0:
                assert monotonic() < until and not second.done(), "it waits for the first"
        found = second.result(30)
    assert first.changed and not found.changed
    assert (found.run_id, found.run_no, found.reconciled) == (first.run_id, 1, first.reconciled)


def test_other_sides_or_another_way_to_compare_are_another_run(go: Any) -> None:
    one, other = taking(("A", 100)), taking(("A", 101))
    strict = ReconPlan("bill", tolerance_minor=0, left_sums=False, right_sums=False, compares_status=False)
    runs = [go(one, other), go(other, one), go(one, other, strict), go(one, one)]
    assert [each.run_no for each in runs] == [1, 2, 3, 4]
    assert len({each.run_id for each in runs}) == 4


def test_rows_in_another_order_are_the_same_side(go: Any) -> None:
    left = taking(("A", 1), ("B", 2))
    turned = SideRows(left.rows.take([1, 0]), left.refused, left.left_out)
    assert go(left, left).changed
    assert not go(turned, left).changed
