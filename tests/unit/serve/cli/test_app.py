"""The command line itself: codes of refusals, what a command imports, and that bugs are not hidden."""

import subprocess
import sys

import pytest

from everycent.base.platform.server_home import ServerFailed
from everycent.flow.intake.contract import SourceError
from everycent.serve.cli import exits, models
from everycent.serve.cli.app import run_app
from everycent.serve.cli.refusals import exit_code, message


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (SourceError("a.csv is empty"), exits.REFUSED, "a.csv is empty"),
        (
            FileNotFoundError(2, "No such file or directory", "none/x"),
            exits.REFUSED,
            "none/x: no such file or directory; the folder none is not there: make it, or name another",
        ),
        (
            FileNotFoundError(2, "No such file or directory", "x.csv"),
            exits.REFUSED,
            "x.csv: no such file or directory; name one that is there",
        ),
        (
            PermissionError(13, "Permission denied", "out/x"),
            exits.REFUSED,
            "out/x: permission denied; name a path that you may use, or have its rights changed",
        ),
        (IsADirectoryError(21, "Is a directory", "out"), exits.REFUSED, "out: is a directory; name a file in it"),
        (OSError(28, "No space left on device", "out/x"), exits.UNAVAILABLE, "out/x: no space left on device"),
        (ServerFailed("initdb failed"), exits.UNAVAILABLE, "initdb failed"),
        (AssertionError("a bug"), None, "a bug"),
    ],
)
def test_refusals_have_codes_and_bugs_have_none(error: Exception, code: int | None, said: str) -> None:
    assert exit_code(error) == code
    assert message(error) == said


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def buggy(*_: object, **__: object) -> int:
        raise KeyError("a bug")

    monkeypatch.setattr(models, "check_command", buggy)
    with pytest.raises(KeyError):
        run_app(["model", "check", "model.yaml"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["modle"], "No such command 'modle'. Did you mean 'model'?"),
        (["run"], "Missing argument"),
        (["demo", "--orders", "0"], "Invalid value for '--orders'"),
        (["run", "m.yaml", "--records", "x", "--as-of", "1.3.2026"], "'1.3.2026' is not a date; write for example"),
        (["payments", "read", "camt.xml", "--as-of", "tomorrow"], "'tomorrow' is not a date; write for example"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(arguments) == exits.REFUSED
    captured = capsys.readouterr()
    assert said in captured.err and "Usage: everycent" in captured.err and captured.out == ""


def test_help_and_version_load_nothing_heavy() -> None:
    heavy = ["numba", "numpy", "pyarrow", "duckdb", "sqlglot", "pandas", "psycopg", "pydantic", "alembic"]
    program = (
        "import sys; from everycent.serve.cli.app import run_app; code = run_app(['--help']); "
        f"loaded = [name for name in {heavy} if name in sys.modules]; "
        "sys.exit(f'loaded {loaded}, code {code}' if loaded or code else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("run", "init", "demo", "explain", "verify", "report", "model", "db"):
        assert command in done.stdout


def test_checking_a_model_compiles_nothing() -> None:
    program = (
        "import sys; import everycent.serve.cli.models; "
        "sys.exit(str([name for name in ('numba', 'pandas', 'alembic', 'lxml') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "numba" not in done.stderr and "pandas" not in done.stderr and "alembic" not in done.stderr
