"""Commands as a user gives them, in a folder and a database of their own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from everycent.serve.cli.app import run_app


@pytest.fixture
def say(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, Any]]:
    """Gives a command; its exit code and its JSON object, or what it complains of. MODEL and SOLD stand for model.yaml
    and sold.csv in the test's folder."""
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))

    def give(text: str, *more: str) -> tuple[int, Any]:
        words = text.replace("MODEL", str(tmp_path / "model.yaml")).replace("SOLD", str(tmp_path / "sold.csv")).split()
        code = run_app([*words, *more, "--json"])
        printed = capsys.readouterr()
        return code, json.loads(printed.out) if printed.out else printed.err

    return give
