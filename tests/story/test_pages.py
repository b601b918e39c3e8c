"""What the pages tell a newcomer to type is typed here, from the pages themselves: nothing is copied out of them."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

ROOT = Path(__file__).parents[2]
FIRST_MODEL = (ROOT / "docs/how-to/first-model.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(autouse=True)
def own_workspace(database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    monkeypatch.chdir(tmp_path)


def blocks(page: str) -> list[tuple[str, str, str]]:
    """(language, text, the line of prose before it) of each fenced block."""
    found = re.findall(r"([^\n]*)\n\n```(\w*)\n(.*?)```", page, re.DOTALL)
    return [(language, text, before) for before, language, text in found]


def commands(text: str) -> list[list[str]]:
    """The arguments of each line that calls everycent, without its remark."""
    return [shlex.split(line, comments=True)[1:] for line in text.splitlines() if line.startswith("everycent ")]


def test_the_first_model_of_the_how_to_works_as_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    model, typed = "", []
    for language, text, before in blocks(FIRST_MODEL):
        file = re.search(r"`(\w+\.csv)`", before)
        if language == "yaml":
            model += text
        elif file and not text.startswith("everycent"):
            Path(file[1]).write_text(text)
        else:
            typed += commands(text)
    Path("model.yaml").write_text(model)
    assert sorted(path.name for path in Path().glob("*.csv")) == ["rates.csv", "sales.csv"]
    assert [words[0] for words in typed] == ["model", "model", "run", "verify", "report", "explain", "replay"]
    for words in typed:
        assert run_app(words) == exits.OK, words
    said = capsys.readouterr().out
    assert "1 passed, 0 failed" in said and "verified: every cent accounted for" in said
    assert "net 88.00, to be paid by instruction" in said  # what it says of anna's week
    assert "88.00 EUR to be paid to seller:anna" in said and "A1/2" in said  # and of the order's life
    assert "The life of A1" in Path("life.html").read_text()
    run = next(words for words in typed if words[0] == "run")
    assert run_app(run) == exits.OK
    assert "nothing changed: all of this was there already" in capsys.readouterr().out
    assert Path("report.html").is_file() and list(Path("out").glob("payments-*.xml"))


def test_the_readmes_five_minutes_go_as_they_are_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (typed,) = (text for _, text, _ in blocks(README) if "everycent init" in text)
    lines = [line for line in typed.splitlines() if line.startswith(("everycent ", "cd ", "alias ", ". "))]
    assert lines[0].startswith(". .venv/bin/activate")
    for line in lines[1:]:
        words = shlex.split(line, comments=True)
        if words[0] == "cd":
            monkeypatch.chdir(words[1])
        else:
            assert run_app(words[1:]) == exits.OK, line
    said = capsys.readouterr().out
    assert "4 passed, 0 failed" in said and said.count("verified: every cent accounted for") == 3
