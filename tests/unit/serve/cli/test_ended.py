"""What a command leaves that is told to end before it is done: nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb

ROWS = 400_000


def test_two_files_that_are_told_to_end_leave_nothing(tmp_path: Path) -> None:
    for side in ("ours", "bill"):
        rows = f"SELECT 'payment-' || i AS id, i * 7 % 1000 AS amount FROM range({ROWS}) AS numbers(i)"
        duckdb.sql(f"COPY ({rows}) TO '{tmp_path / side}.csv'")
    spills, out = tmp_path / "spills", tmp_path / "out"
    spills.mkdir()
    command = [sys.executable, "-m", "everycent.serve.cli", "recon", "ours.csv", "bill.csv", "--out", str(out)]
    running = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "TMPDIR": str(spills)}, stderr=subprocess.PIPE)
    while running.poll() is None and not list(spills.iterdir()):
        time.sleep(0.002)
    for _ in range(2):  # the second one does not stop what the first one has undone
        running.send_signal(signal.SIGTERM)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM, said
    assert b"stopped; nothing was written" in said
    assert not list(spills.iterdir()) and not out.exists()
