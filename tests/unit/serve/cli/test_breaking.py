"""`everycent breaks` on the command line: what it prints, asks for and refuses."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import REFUSED, SIDE
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.handling import HandlingSpec
from everycent.proof.recon.service import SideRows, run
from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app


def side(file: str, **amounts: int) -> SideRows:
    rows = [
        {"source_file": file, "source_line": line, "key": key, "amount_minor": amount}
        for line, (key, amount) in enumerate(amounts.items(), 1)
    ]
    return SideRows(pa.Table.from_pylist(rows, SIDE), REFUSED.empty_table(), 0)


@pytest.fixture(autouse=True)
def three_breaks(database: Any, engine: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A differs by 0.05, B is missing on the right, C on the left; found three days ago."""
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    plan = ReconPlan("bill", 0, left_sums=False, right_sums=False, compares_status=False)
    words = HandlingSpec.model_validate({"write_off": {"approve_above": "0.06"}, "resolve_within": "3 days"})
    left, right, found_at = side("l", A=105, B=7), side("r", A=100, C=9), datetime.now(UTC) - timedelta(days=3, hours=1)
    run(database.connection, engine, "default", "shop", "CNY", plan, left, right, words, found_at)


def answer(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, Any]:
    code = run_app(["breaks", *arguments, "--json"])
    return code, json.loads(capsys.readouterr().out.splitlines()[-1])


def ids(capsys: pytest.CaptureFixture[str], key: str) -> list[str]:
    _, listed = answer(capsys, "list", "--where", f"key={key}", "--where", "state=confirmed")
    return [each["break_id"] for each in listed["breaks"]]


def test_breaks_are_listed_with_their_age(capsys: pytest.CaptureFixture[str]) -> None:
    code, listed = answer(capsys, "list")
    assert (code, listed["count"], [each["key"] for each in listed["breaks"]]) == (exits.OK, 3, ["A", "B", "C"])
    assert listed["ages"] == [
        {"age": "3 to 7 days", "state": "confirmed", "currency": "CNY", "breaks": 3, "difference_minor": 3}
    ]
    assert run_app(["breaks", "list"]) == exits.OK
    printed = capsys.readouterr().out
    assert "Breaks: 3 of 3" in printed and "amount_differs" in printed and "0.05" in printed and "3 d" in printed


def test_the_beginning_of_an_id_names_a_break(capsys: pytest.CaptureFixture[str]) -> None:
    (whole,) = ids(capsys, "A")
    assert run_app(["breaks", "assign", whole[:10], "--to", "bob", "--as", "ann"]) == exits.OK
    assert capsys.readouterr().out == "1 done\n"
    _, shown = answer(capsys, "show", whole[:10])
    assert (shown["state"], shown["owner"], [move["who"] for move in shown["history"]]) == (
        "in_hand",
        "bob",
        ["everycent", "ann"],
    )
    assert run_app(["breaks", "show", "zz"]) == exits.REFUSED
    assert "there is no break 'zz'" in capsys.readouterr().err


def test_many_at_once_want_their_count_confirmed(capsys: pytest.CaptureFixture[str]) -> None:
    many = ["breaks", "close", "--where", "older_than=2", "--reason", "accepted", "--as", "ann"]
    assert run_app(many) == exits.REFUSED
    assert "3 breaks fit; nothing was done. If you mean all of them, add --count 3" in capsys.readouterr().err
    assert run_app([*many, "--count", "2"]) == exits.REFUSED
    assert run_app([*many, "--count", "3"]) == exits.OK
    assert answer(capsys, "list", "--where", "reason=accepted")[1]["count"] == 1
    others = ["breaks", "approve", "--where", "state=to_approve", "--count", "2", "--as", "bob"]
    assert run_app(others) == exits.OK
    assert answer(capsys, "list", "--where", "reason=accepted")[1]["count"] == 3


def test_a_large_write_off_waits_for_another_person(capsys: pytest.CaptureFixture[str]) -> None:
    (large,) = ids(capsys, "C")
    assert run_app(["breaks", "write-off", large, "--why", "old", "--as", "ann"]) == exits.OK
    assert run_app(["breaks", "approve", large, "--as", "ann"]) == exits.FAILED
    assert "a second person must approve" in capsys.readouterr().err
    assert run_app(["breaks", "approve", large, "--as", "bob"]) == exits.OK
    capsys.readouterr()
    assert answer(capsys, "show", large)[1]["reason"] == "written_off"


def test_an_attached_file_can_be_taken_out_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (of,) = ids(capsys, "A")
    (tmp_path / "note.txt").write_text("seen")
    assert run_app(["breaks", "attach", of, "--file", str(tmp_path / "note.txt"), "--as", "ann"]) == exits.OK
    assert run_app(["breaks", "show", of, "--attachments", str(tmp_path / "out")]) == exits.OK
    assert [file.read_text() for file in (tmp_path / "out").iterdir()] == ["seen"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["close", "--reason", "bored", "--where", "key=A"],
            "--reason bored: write one of accepted, duplicate, handled",
        ),
        (["list", "--where", "colour=red"], "write NAME=VALUE with one of the names model, scenario, owner, key"),
        (["list", "--where", "state=lost"], "a state is one of waiting, confirmed"),
        (["list", "--where", "older_than=x"], "write a number of days"),
        (["comment", "--say", "hm", "--where", "key=none"], "no break fits"),
        (["comment", "--say", "hm"], "no break is named"),
        (["comment", "--say", "hm", "--where", "key=A", "--count", "1", "--as", " "], "is not a person's name"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_app(["breaks", *arguments]) == exits.REFUSED
    assert says in " ".join(capsys.readouterr().err.split())


def test_each_act_has_the_options_that_all_have(capsys: pytest.CaptureFixture[str]) -> None:
    for act in ("assign", "comment", "attach", "write-off", "approve", "decline", "close", "reopen", "settle"):
        assert run_app(["breaks", act, "--help"]) == exits.OK
        shown = capsys.readouterr().out
        assert all(option in shown for option in ("[ID]...", "--where", "--count", "--as", "--json")), act


def test_ageing_says_who_has_what_and_what_is_overdue(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (of,) = ids(capsys, "A")
    assert run_app(["breaks", "assign", of, "--to", "=bob()", "--as", "ann"]) == exits.OK
    capsys.readouterr()
    code, told = answer(capsys, "ageing", "--out", str(tmp_path / "ageing.csv"))
    rows = {row["name"]: row for row in told["rows"]}
    assert code == exits.OK and list(rows) == ["none", "=bob()"]
    nobody = rows["none"]
    assert (nobody["breaks"], nobody["overdue"], nobody["ages"]["3 to 7 days"]) == (2, 2, 2)
    assert (nobody["difference_minor"], nobody["at_stake_minor"]) == (-2, 16)
    assert (tmp_path / "ageing.csv").read_text().splitlines() == [
        '"owner","breaks","up to 1 day","1 to 3 days","3 to 7 days","7 to 30 days","over 30 days","overdue",'
        '"oldest_days","difference","at_stake","currency"',
        '"none",2,0,0,2,0,0,2,3,-0.02,0.16,"CNY"',
        '"\'=bob()",1,0,0,1,0,0,1,3,0.05,0.05,"CNY"',
    ]
    assert run_app(["breaks", "ageing", "--by", "kind"]) == exits.OK
    printed = capsys.readouterr().out
    assert "Open breaks by kind" in printed and "amount_differs" in printed and "at stake" in printed
    assert run_app(["breaks", "ageing", "--by", "colour"]) == exits.REFUSED


def test_all_that_fit_are_written_as_a_sheet(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from openpyxl import load_workbook

    where = ["--where", "overdue=yes", "--where", "owner=none", "--limit", "1"]
    for name in ("all.csv", "all.xlsx"):
        assert run_app(["breaks", "list", *where, "--out", str(tmp_path / name)]) == exits.OK
        assert "(3 breaks)" in capsys.readouterr().out
    head, *rows = load_workbook(tmp_path / "all.xlsx")["breaks"].iter_rows(values_only=True)
    found = [dict(zip(head, row, strict=True)) for row in rows]
    assert [(row["key"], row["difference"], row["age_days"], row["overdue"]) for row in found] == [
        ("A", 0.05, 3, True), ("B", 0.07, 3, True), ("C", -0.09, 3, True),
    ]  # fmt: skip
    text = (tmp_path / "all.csv").read_text().splitlines()
    assert len(text) == 4 and '"A"' in text[1] and ",1.05,1.00,0.05," in text[1]
    assert run_app(["breaks", "list", "--out", str(tmp_path / "all.pdf")]) == exits.REFUSED
    assert "a sheet is written as .csv or .xlsx" in capsys.readouterr().err


def test_a_write_off_without_limits_says_so(
    database: Any, engine: LocalEngine, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = ReconPlan("free", 0, left_sums=False, right_sums=False, compares_status=False)
    run(database.connection, engine, "default", "shop", "CNY", plan, side("l", F=718_988), side("r"))
    (of,) = ids(capsys, "F")
    code, told = answer(capsys, "write-off", of, "--as", "ann")
    assert (code, len(told["moved"])) == (exits.OK, 1)
    assert (
        "free has no limit for write-offs, and nobody else was asked: such are its words since run 1"
        in (told["notes"][0])
    )


def test_a_break_is_named_by_its_key_and_one_that_fits_needs_no_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(["breaks", "assign", "A", "--to", "bob", "--as", "ann"]) == exits.OK
    assert run_app(["breaks", "comment", "--where", "key=B", "--say", "asked", "--as", "ann"]) == exits.OK
    assert run_app(["breaks", "write-off", "C", "--why", "old", "--as", "ann"]) == exits.OK
    assert "1 wait for another person's yes: everycent breaks approve" in capsys.readouterr().err
    assert run_app(["breaks", "approve", "C", "--as", "bob"]) == exits.OK
    capsys.readouterr()
    assert run_app(["breaks", "show", "C"]) == exits.OK
    shown = " ".join(capsys.readouterr().out.split())
    for said in ("left none", "right 0.09 CNY · r, line 2", "difference -0.09 CNY", "closed: written_off"):
        assert said in shown
    assert "ask_write_off to_approve ann written_off, -0.09 CNY old" in shown
    assert run_app(["breaks", "show", "A"]) == exits.OK
    assert "assign in_hand ann to bob" in " ".join(capsys.readouterr().out.split())
    assert run_app(["breaks", "list", "--where", "owner=zoe"]) == exits.OK
    assert capsys.readouterr().out == "no break fits\n"
