"""The page about scenarios that run daily: what it tells one to type is typed here, from the page itself."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

PAGE = (Path(__file__).parents[2] / "docs/how-to/run-a-scenario-daily.md").read_text(encoding="utf-8")


def test_the_commands_work_as_they_are_written(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```(\w*)\n(.*?)```", PAGE, re.DOTALL)
    [declared] = [text for language, text in blocks if language == "yaml"]
    Path("nightly.yaml").write_text(declared.replace("settled: 2 minutes", "settled: 0 minutes"))
    Path("inbox").mkdir()
    Path("inbox/ours_0301.csv").write_text("order_id,paid\nA1,1.00\nA2,2.00\n")
    Path("inbox/bill_0301.csv").write_text("order_id,paid\nA1,1.00\nA2,2.50\n")
    lines = [line for language, text in blocks if language == "" for line in text.splitlines()]
    assert len(lines) == 8
    for line in lines:
        assert run_app(shlex.split(line)[1:]) == exits.OK, line
    said = capsys.readouterr().out
    assert "job 1 (channel-bill): done" in said, "the files have arrived"
    assert "nightly, channel-bill, paused: not loaded yet" in said
    assert "job 2 (channel-bill): both sides loaded" in said
    [row] = database.connection.execute("SELECT run_no, left_rows, difference_minor FROM recon.run").fetchall()
    assert row == (1, 2, -50)
