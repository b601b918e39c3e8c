"""Sides in a few characters a row: "A1 100 paid", one row a line; the place is the line's number."""

import pyarrow as pa

from everycent.proof.recon.contract import SIDE
from everycent.proof.recon.core.plan import ReconPlan

Row = tuple[str, int, str | None]


def side(rows: list[Row], file: str) -> pa.Table:
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


def written(text: str, file: str) -> pa.Table:
    rows: list[Row] = []
    for line in text.strip().splitlines():
        key, amount, *status = line.split()
        rows.append((key, int(amount), status[0] if status else None))
    return side(rows, file)


def plan(tolerance: int = 0, left_sums: bool = False, right_sums: bool = False, status: bool = True) -> ReconPlan:
    return ReconPlan("bill", tolerance, left_sums, right_sums, status)
