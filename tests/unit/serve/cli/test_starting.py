"""What a small command loads: nothing that takes longer than its work."""

import subprocess
import sys
from pathlib import Path

_PROGRAM = """
import sys

from everycent.serve.cli.app import run_app

try:
    run_app(["recon", "ours.csv", "bill.csv"])
except SystemExit as end:
    assert end.code == 1, end.code
loaded = {"numba", "pandas", "sqlglot"} & set(sys.modules)
assert not loaded, loaded
"""

_ARROW_AFTERWARDS = """
import importlib.util
import sys

import pyarrow as pa

from everycent.serve.cli.starting import without_pandas

without_pandas()
assert pa.array([1, None]).null_count == 1 and "pandas" not in sys.modules
if importlib.util.find_spec("pandas") is not None:
    import pandas

    assert pa.table({"minor": [1, 2]}).to_pandas()["minor"].sum() == 3
    assert pa.array(pandas.Series([1.0, None])).null_count == 1
"""


def run(program: str, folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_two_small_files_are_compared_without_what_takes_long_to_load(tmp_path: Path) -> None:
    (tmp_path / "ours.csv").write_text("order_id,amount,paid_at\nA1,1.00,2026-03-01\nA2,2.00,2026-03-01\n")
    (tmp_path / "bill.csv").write_text("order_id,amount,paid_at\nA1,1.00,2026-03-01\nA2,2.01,2026-03-01\n")
    run(_PROGRAM, tmp_path)


def test_who_imports_pandas_later_gets_it(tmp_path: Path) -> None:
    run(_ARROW_AFTERWARDS, tmp_path)
