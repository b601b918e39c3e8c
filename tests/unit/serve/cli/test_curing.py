"""`everycent breaks handle`, `repair`, `recheck`, `rerun`: a file of scenarios from its first run to mended breaks."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app

SCENARIOS = """\
name: order-checks
currency: CNY
calendar: {time_zone: Asia/Shanghai}
recon:
  bill:
    left: {file: orders.csv, columns: {id: text, paid: money}, key: id, amount: paid}
    right: {file: bill.csv, columns: {id: text, paid: money}, key: id, amount: paid}
    breaks:
      repair:
        - {name: ask-again, kinds: missing_right, script: {file: ask.py}}
      alert: {to: [{log: warning}], group_by: scenario}
"""


@pytest.fixture
def folder(database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A is lacking on the right, B differs. The cure adds A to the bill."""
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    (tmp_path / "checks.yaml").write_text(SCENARIOS)
    (tmp_path / "orders.csv").write_text("id,paid\nA,1.00\nB,2.00\nC,3.00\n")
    (tmp_path / "bill.csv").write_text("id,paid\nB,2.50\nC,3.00\n")
    program = tmp_path / "ask.py"
    program.write_text(
        f"#!{sys.executable}\nimport json, sys\nkey = json.load(sys.stdin)['break']['key']\n"
        "open('bill.csv', 'a').write(key + ',1.00\\n')\nprint('asked')\n"
    )
    program.chmod(0o755)
    return tmp_path


def go(folder: Path, capsys: pytest.CaptureFixture[str], command: str, *arguments: str) -> tuple[int, Any]:
    files = ["--left", str(folder / "orders.csv"), "--right", str(folder / "bill.csv")]
    given = files if command in ("rerun", "recheck") else []
    code = run_app(["breaks", command, str(folder / "checks.yaml"), *arguments, *given, "--json"])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def states(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    every = [f"state={state}" for state in ("waiting", "confirmed", "repaired", "alerted", "closed")]
    where = [word for state in every for word in ("--where", state)]
    run_app(["breaks", "list", *where, "--json"])
    listed = json.loads(capsys.readouterr().out.splitlines()[-1])
    return {each["key"]: each["reason"] or each["state"] for each in listed["breaks"]}


def test_breaks_are_repaired_told_and_looked_at_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert go(folder, capsys, "rerun")[0] == exits.FAILED
    assert states(capsys) == {"A": "confirmed", "B": "confirmed"}
    _, tried = go(folder, capsys, "repair", "--dry-run")
    assert [(one["key"], one["dry_run"]) for one in tried["repaired"]] == [("A", True)]
    (folder / "bill.csv").write_text("id,paid\nB,2.50\nC,3.00\n")
    code, handled = go(folder, capsys, "handle")
    assert code == exits.OK
    assert [(one["key"], one["end"], one["said"]) for one in handled["repaired"]] == [
        ("A", "done", "exit code 0: asked")
    ]
    assert (handled["messages"], handled["alerted"], handled["delivered"]) == (1, 1, 1)
    assert states(capsys) == {"A": "repaired", "B": "alerted"}
    _, looked = go(folder, capsys, "recheck")
    assert (looked["looked_at"], looked["mended"]) == (1, 1)
    assert states(capsys) == {"A": "repaired", "B": "alerted"}
    _, listed = go(folder, capsys, "recheck", "--where", "key=B", "--count", "1")
    assert (listed["looked_at"], listed["mended"]) == (1, 0)


@pytest.mark.parametrize(
    ("wrong", "right", "says"),
    [
        ("kinds: missing_right", "kinds: gone", "'gone' is no kind of break; write one of missing_left, missing_right"),
        ("kinds: missing_right", "causes: gone", "'gone' is no cause; write one of within_tolerance"),
        ("kinds: missing_right", "when: colour = 1", "colour"),
        ("kinds: missing_right", "most_amount: 1.005", "1.005"),
        ("script: {file: ask.py}", "script: {file: none.py}", "there is no program none.py beside the model"),
        ("script: {file: ask.py}", "script: {file: ../ask.py}", "is not beside the model"),
        ("script: {file: ask.py}", "handler: hold", "repair handler 'hold' is not installed; installed are: none"),
        ("script: {file: ask.py}", "dry_run: first", "a repair is made in one way; write one of handler, rest, script"),
        ("{log: warning}", "{mail: {to: a, from: b, server: 'smtp://u:secret@x'}}", "a model holds no passwords"),
    ],
)
def test_wrong_words_are_told_before_anything_is_run(
    folder: Path, capsys: pytest.CaptureFixture[str], wrong: str, right: str, says: str
) -> None:
    (folder / "checks.yaml").write_text(SCENARIOS.replace(wrong, right))
    assert run_app(["breaks", "handle", str(folder / "checks.yaml")]) == exits.REFUSED
    printed = " ".join(capsys.readouterr().err.split())
    assert says in printed and "secret" not in printed
