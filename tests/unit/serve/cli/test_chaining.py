"""`everycent recon run` as a person and a program call it."""

import json
from pathlib import Path
from typing import Any

import pytest

from everycent.serve.cli.app import run_app

FILE = """
name: checks
currency: CNY
calendar: {time_zone: Asia/Shanghai}
recon:
  bills:
    left: {file: "*.csv", columns: {id: text, amount: money}, key: id, amount: amount}
    right: {file: "*.csv", columns: {id: text, amount: money}, key: id, amount: amount}
    handle: [log]
  others:
    trigger: {file_arrival: {paths: "inbox/*.csv", settled: 0 days}}
    left: {load: {files: {paths: ours.csv}}, columns: {id: text, amount: money}, key: id, amount: amount}
    right: {file: "*.csv", columns: {id: text, amount: money}, key: id, amount: amount}
"""


@pytest.fixture
def folder(database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(database.settings.data_dir))
    (tmp_path / "scenarios.yaml").write_text(FILE)
    (tmp_path / "ours.csv").write_text("id,amount\nA,1.00\nB,2.00\n")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "theirs.csv").write_text("id,amount\nA,1.00\nB,2.50\nC,oops\n")
    return tmp_path


def run(folder: Path, *arguments: str) -> int:
    return run_app(["recon", "run", str(folder / "scenarios.yaml"), *arguments])


def test_no_cell_of_breaks_runs_as_a_formula(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "formulas.csv").write_text("id,amount\n=1+1,2.50\n@x,1.00\n")
    sides = ["--left", str(folder / "formulas.csv"), "--right", str(folder / "inbox" / "theirs.csv")]
    assert run(folder, "--only", "bills", *sides, "--as-of", "2026-03-01", "--out", str(folder / "out")) == 1
    capsys.readouterr()
    written = (folder / "out" / "breaks.csv").read_text()
    assert '"\'=1+1"' in written
    assert '"\'@x"' in written
    assert ',"=' not in written
    assert ',"@' not in written


def test_a_scenario_with_files_given(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sides = ["--left", str(folder / "ours.csv"), "--right", str(folder / "inbox" / "theirs.csv")]
    assert run(folder, "--only", "bills", *sides, "--as-of", "2026-03-01", "--out", str(folder / "out"), "--json") == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("1 of 1: bills: begun\n1 of 1: bills: 2 and 2 rows, 1 break, 1 not comparable, ")
    told = json.loads(printed.out)
    (one,) = told["runs"]
    assert (told["as_of"], one["scenario"], one["breaks"], one["refused"]) == (
        "2026-03-01", "bills", 1, {"left": 0, "right": 1},
    )  # fmt: skip
    assert one["difference_minor"] == -50
    assert [each["said"] for each in one["handlers"]] == ["a line in recon.jsonl"]
    assert [Path(path).name for path in told["written"]] == ["breaks.parquet", "breaks.csv", "report.html"]
    assert '{""id"":""B"",""amount"":""2.50""}' in (folder / "out" / "breaks.csv").read_text()
    assert run(folder, "--only", "bills", "--left", str(folder / "ours.csv"), "--right", str(folder / "ours.csv")) == 0
    assert "equal" in capsys.readouterr().out
    assert run_app(["verify", "--model", "checks"]) == 0  # of a file without a settlement model, too
    assert "rows of checks" in capsys.readouterr().out


def test_where_total_and_details_part_is_told_and_beyond_the_limit_it_fails(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every row is equal by its key; B is in March on one side and in April on the other."""
    of_days = "columns: {id: text, amount: money, on: date}, key: id, amount: amount, occurred_at: 'on'"
    said = FILE.replace("columns: {id: text, amount: money}, key: id, amount: amount", of_days)
    said = said.replace("    handle: [log]\n", "    total: {by: occurred_on, limit: LIMIT}\n")
    sides = []
    for name, day in (("left", "2026-03-31"), ("right", "2026-04-01")):
        (folder / f"{name}.csv").write_text(f"id,amount,on\nA,1.00,2026-03-31\nB,2.00,{day}\n")
        sides += [f"--{name}", str(folder / f"{name}.csv")]
    for limit, code in (("2.00", 0), ("1.99", 1)):
        (folder / "scenarios.yaml").write_text(said.replace("LIMIT", limit))
        assert run(folder, "--only", "bills", *sides) == code
        told = " ".join(capsys.readouterr().err.split())
        assert "bills: 2 of 2 totals part" in told
        assert '{"occurred_on":"2026-03-31"}: left less right is 2.00, details show 0.00' in told
        assert ("2 of them beyond the limit: the run has failed" in told) is (code == 1)


def test_what_is_due_is_run_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--due") == 1
    said = capsys.readouterr()
    assert "others, run 1" in said.out and "theirs.csv, line 4: not compared: " in said.err
    told = [line.rpartition(", ")[0] or line for line in said.err.splitlines() if " of 2: " in line]  # without the time
    assert told == [
        "1 of 2: bills: begun",
        "1 of 2: bills: nothing is due",
        "2 of 2: others: begun",
        "2 of 2: others: 2 and 2 rows, 1 break, 1 not comparable",
    ]
    assert run(folder, "--due") == 0
    assert "nothing is due" in capsys.readouterr().out


def test_what_is_asked_for_and_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--only", "bill") == 2
    assert "checks has no reconciliation 'bill'; it has: bills, others" in capsys.readouterr().err
    assert run(folder, "--only", "bills") == 1
    assert "bills was not compared: the left side is a file like *.csv, and none was given" in capsys.readouterr().err
    (folder / "scenarios.yaml").write_text(FILE.replace("handle: [log]", "handle: [lug]"))
    assert run(folder) == 2
    assert "there is no handler 'lug'; installed are: " in capsys.readouterr().err
    (folder / "scenarios.yaml").write_text("name: checks\ncurrency: CNX\ncalendar: {time_zone: Mars}\nrecon: {}\n")
    assert run(folder) == 2
    said = capsys.readouterr().err
    assert "scenarios.yaml:2:11: currency: " in said and "scenarios.yaml:3:23: calendar.time_zone: " in said
    assert "no reconciliation is declared" in said


def test_a_scenario_file_is_checked_without_running_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = next(folder.glob("*.yaml"))
    assert run_app(["model", "check", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] and "bills" in told["reconciliations"]
    file.write_text(file.read_text().replace("key:", "keys:", 1))
    assert run_app(["model", "check", str(file)]) == 2
    assert "keys" in capsys.readouterr().err


def test_the_report_of_scenario_files_is_where_they_are_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(folder, "--only", "bills", "--left", str(folder / "ours.csv"), "--right", str(folder / "inbox" / "theirs.csv"))
    capsys.readouterr()
    assert run_app(["report", "--out", str(folder / "report.html")]) == 2
    assert "everycent recon run FILE --out DIR" in " ".join(capsys.readouterr().err.split())


RULED = """
name: ruled
currency: CNY
calendar: {time_zone: Asia/Shanghai}
recon:
  by_rule:
    left: {load: {files: {paths: ours.csv}}, columns: {id: text, amount: money}, key: id, amount: amount}
    right: {load: {files: {paths: inbox/theirs.csv}}, columns: {id: text, amount: money}, key: id, amount: amount}
    rules: [{tolerance: {absolute: "0.50"}}]
"""


def test_a_key_of_a_scenario_file_is_replayed_with_its_rows_breaks_and_matches(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "scenarios.yaml").write_text(RULED)
    (folder / "inbox" / "theirs.csv").write_text("id,amount\nA,1.00\nB,2.50\nC,3.00\n")
    assert run(folder, "--as-of", "2026-03-01", "--out", str(folder / "out")) == 1
    said = " ".join(capsys.readouterr().out.split())
    assert "matched, the amounts differ within the tolerance; written off: -0.50" in said
    assert {path.name for path in (folder / "out").iterdir()} >= {"matches.parquet", "match_differences.parquet"}
    lives = {}
    for key in ("B", "C"):
        assert run_app(["replay", key, "--json"]) == 0
        lives[key] = json.loads(capsys.readouterr().out)["events"]
    assert [each["text"] for each in lives["B"] if "by rule tolerance" in each["text"]] == [
        "by_rule run 1, B: left row of 2.00 CNY unique by rule tolerance, with B",
        "by_rule run 1, B: right row of 2.50 CNY unique by rule tolerance, with B",
    ]
    assert {each["kind"] for each in lives["C"]} == {"reconciled", "break", "handled"}
    assert any('{"id":"C","amount":"3.00"}' in each["text"] for each in lives["C"])
    assert run_app(["replay", "C", "--model", "nowhere"]) == 2
    assert "it holds ruled" in capsys.readouterr().err


def test_a_folder_is_no_side(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--left", str(folder)) == 2
    assert "is a folder; name its files" in capsys.readouterr().err
    assert run_app(["recon", str(folder), str(folder / "ours.csv")]) == 2
    assert "is a folder; name a file in it" in " ".join(capsys.readouterr().err.split())
