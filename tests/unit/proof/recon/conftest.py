"""An engine, and sides written the way people write them down: "A1 100 paid", one row a line."""

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import SIDE
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.stage import Reconciled, reconcile

Row = tuple[str, int, str | None]


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    with LocalEngine(threads=2, memory_mb=1024, temp_dir=tmp_path_factory.mktemp("spill")) as local:
        yield local


@pytest.fixture(scope="session")
def compare(engine: LocalEngine) -> Callable[..., Reconciled]:
    """Reconciles two sides, each given as lines of text, as a list of (key, amount, status), or as a table."""

    def run(
        left: str | list[Row] | pa.Table,
        right: str | list[Row] | pa.Table,
        tolerance: int = 0,
        left_sums: bool = False,
        right_sums: bool = False,
        status: bool = True,
    ) -> Reconciled:
        how = ReconPlan("bill", tolerance, left_sums, right_sums, status)
        return reconcile(how, side_of(left, "ours.csv"), side_of(right, "bill.csv"), engine)

    return run


def side_of(given: str | list[Row] | pa.Table, file: str) -> pa.Table:
    if isinstance(given, pa.Table):
        return given
    rows = given if isinstance(given, list) else [as_row(line) for line in given.splitlines()]
    return pa.table(
        {
            "source_file": pa.array([file] * len(rows), pa.string()),
            "source_line": pa.array(range(1, len(rows) + 1), pa.int64()),
            "key": pa.array([row[0] for row in rows], pa.string()),
            "amount_minor": pa.array([row[1] for row in rows], pa.int64()),
            "status": pa.array([row[2] for row in rows], pa.string()),
        },
        schema=SIDE,
    )


def as_row(line: str) -> Row:
    key, amount, *status = line.split()
    return key, int(amount), status[0] if status else None
