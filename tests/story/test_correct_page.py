"""The how-to on corrections: what it tells is run from it, and what it shows is what is printed."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "correct.md").read_text(encoding="utf-8")
BLOCKS = re.compile(r"(?:`([\w-]+\.csv)`[^\n]*\n\n)?```(\w*)\n(.*?)```", re.DOTALL)


def test_the_page_tells_what_happens(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    monkeypatch.chdir(tmp_path)
    shown = 0
    for file, language, block in BLOCKS.findall(PAGE):
        if language == "yaml":
            Path("model.yaml").write_text(block, encoding="utf-8")
        elif file:
            Path(file).write_text(block, encoding="utf-8")
        elif language == "text":
            printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
            for line in block.splitlines():
                assert line.rstrip() in printed, f"{line!r} is not in {printed}"
            shown += 1
        else:
            capsys.readouterr()
            assert run_app(shlex.split(block)[1:]) == exits.OK
    assert shown == 4
    statements = "SELECT period, state, receivable_minor - payable_minor FROM settlement.statement ORDER BY 1"
    found = [(period, state, int(net)) for period, state, net in database.connection.execute(statements).fetchall()]
    assert found == [("2026-03-03", "closed", 450), ("2026-03-04", "open", -270)], "180 is 2 % of 90.00"
