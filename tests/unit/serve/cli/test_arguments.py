"""A shell's pattern gives many files to one option."""

import pytest

from everycent import __version__
from everycent.serve.cli.app import _repeated, run_app


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["--version"]) == 0
    assert capsys.readouterr().out == f"everycent {__version__}\n"


def test_several_files_follow_one_option() -> None:
    given = ["run", "model.yaml", "--records", "a.csv", "b.csv", "c.csv", "--out", "out"]
    spread = ["run", "model.yaml", "--records", "a.csv", "--records", "b.csv", "--records", "c.csv", "--out", "out"]
    assert _repeated(given) == spread


def test_options_that_are_repeated_already_and_other_options_stay_as_they_are() -> None:
    given = ["run", "m.yaml", "--records", "a", "--records", "b", "--bill", "c", "--as-of", "2026-01-01", "--json"]
    assert _repeated(given) == given
    assert _repeated(["verify", "--model", "x"]) == ["verify", "--model", "x"]
