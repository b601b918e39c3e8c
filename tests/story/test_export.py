"""The files of --out: the same rows in the same order, however many of them memory can order at once."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from everycent.flow.pipeline import export
from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app
from everycent.serve.demo.marketplace import generate


def test_more_rows_than_memory_orders_are_written_in_the_same_order(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    monkeypatch.setenv("EVERYCENT_MEMORY_MB", "64")
    monkeypatch.setenv("EVERYCENT_LAKE_FROM_ROWS", "300")  # some tables in each tier
    market = generate(tmp_path / "market", 300, seed=8)
    arguments = ["run", str(market.model), "--records", str(market.folder / "data"), "--bill", str(market.bills[0])]
    arguments += ["--as-of", market.as_of.isoformat(), "--out"]
    assert run_app([*arguments, str(tmp_path / "at-once")]) == exits.OK
    page = (tmp_path / "at-once" / "report.html").read_text(encoding="utf-8")
    assert "in the bank file" in page, "the first page already knows the file that was written beside it"
    monkeypatch.setattr(export, "_ROWS_PER_MB", 1)
    assert run_app([*arguments, str(tmp_path / "in-ranges")]) == exits.OK
    names = [path.name for path in sorted((tmp_path / "at-once").glob("*.parquet"))]
    assert {"records.parquet", "charges.parquet", "obligations.parquet"} <= set(names)
    for name in names:
        at_once, in_ranges = (pq.read_table(tmp_path / folder / name) for folder in ("at-once", "in-ranges"))
        assert in_ranges.equals(at_once), name
    assert pq.read_table(tmp_path / "in-ranges" / "obligations.parquet").num_rows > 2 * 64, "several ranges"
