"""Two files through rules: what is sure is matched, what is not stays, and all of it adds up."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from everycent.serve.cli.app import run_app

OURS = """id,amount,paid_on,memo,shop
A1,10.00,2026-03-01,x,s1
A2,20.00,2026-03-01,y,s1
A3,30.00,2026-03-02,z,s1
A4,40.00,2026-03-02,p1,s2
A5,5.00,2026-03-02,p1,s2
A6,7.00,2026-03-02,q,s2
A7,7.00,2026-03-02,q,s2
A8,1.00,2026-03-02,r,s2
"""
THEIRS = """id,amount,paid_on,memo,shop
A1,10.00,2026-03-01,x,s1
B2,20.00,2026-03-03,y,s1
A3,29.99,2026-03-02,z,s1
B4,45.00,2026-03-02,p1,s2
B6,7.00,2026-03-03,q,s2
B9,99.00,2026-03-03,t,s2
"""
RULES = ["dates: {within: 2 days}", "tolerance: {absolute: 0.02}", "subset: {shapes: many_to_one, by: reference}"]


@pytest.fixture
def sides(tmp_path: Path) -> list[str]:
    (tmp_path / "ours.csv").write_text(OURS)
    (tmp_path / "theirs.csv").write_text(THEIRS)
    return [str(tmp_path / "ours.csv"), str(tmp_path / "theirs.csv"), "--key", "id"]


def run(capsys: Any, *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run_app(["recon", *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_rules_explain_what_no_key_joins(sides: list[str], tmp_path: Path, capsys: Any) -> None:
    said = [word for rule in RULES for word in ("--rule", rule)]
    out = tmp_path / "out"
    code, told = run(capsys, *sides, *said, "--out", str(out))
    assert (code, told["matches"]) == (1, {"unique": 3, "ambiguous": 1, "budget_exhausted": 0})
    rows = {name: (each["left_rows"], each["right_rows"]) for name, each in told["buckets"].items()}
    assert {name: each for name, each in rows.items() if any(each)} == {
        "equal": (1, 1), "missing_left": (0, 1), "missing_right": (1, 0), "matched": (4, 3), "ambiguous": (2, 1),
    }  # fmt: skip
    assert sum(each["difference_minor"] for each in told["buckets"].values()) == told["difference_minor"] == -9099
    matched = pq.read_table(out / "matches.parquet").to_pylist()
    assert [(row["match_no"], row["rule"], row["label"], row["key"], str(row["amount"])) for row in matched] == [
        (1, "dates", "unique", "A2", "20.00"), (1, "dates", "unique", "B2", "20.00"),
        (2, "dates", "ambiguous", "A6", "7.00"), (2, "dates", "ambiguous", "A7", "7.00"),
        (2, "dates", "ambiguous", "B6", "7.00"),
        (3, "tolerance", "unique", "A3", "30.00"), (3, "tolerance", "unique", "A3", "29.99"),
        (4, "subset", "unique", "A4", "40.00"), (4, "subset", "unique", "A5", "5.00"),
        (4, "subset", "unique", "B4", "45.00"),
    ]  # fmt: skip
    assert [row["ways"] for row in matched[2:5]] == [1, 1, 2]
    breaks = {row["key"]: row for row in pq.read_table(out / "breaks.parquet").to_pylist()}
    assert set(breaks) == {"A6", "A7", "A8", "B6", "B9"}
    assert (breaks["A8"]["left_memo"], breaks["B9"]["right_shop"]) == ("r", "s2")  # as typed as before
    page = (out / "report.html").read_text()
    assert "Rules look at" in page and "explained by a rule" in page


def test_all_that_is_matched_agrees(tmp_path: Path, capsys: Any) -> None:
    for name, text in (("ours", OURS), ("theirs", OURS.replace("A", "B").replace("2026-03-02", "2026-03-03"))):
        lines = text.splitlines()[:4]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n")
    sides = [str(tmp_path / "ours.csv"), str(tmp_path / "theirs.csv"), "--key", "id"]
    assert run(capsys, *sides)[0] == 1
    code, told = run(capsys, *sides, "--rule", "dates: {within: 1 day, by: [reference, counterparty]}")
    assert (code, told["breaks"], told["matches"]["unique"]) == (0, 0, 3)


def test_rules_look_at_columns_that_are_not_compared(tmp_path: Path, capsys: Any) -> None:
    """Memos that always differ would make every row a break; as what a rule looks at they find the partner."""
    (tmp_path / "ours.csv").write_text("id,amount,memo,paid\nA,5.00,ref 17,2026-03-01\nB,5.00,ref 18,2026-03-01\n")
    (tmp_path / "theirs.csv").write_text("id,amount,note,paid\nC,5.00,REF 18,2026-03-02\nD,5.00,REF 17,2026-03-02\n")
    (tmp_path / "rules.yaml").write_text(
        "rules: [{reference: {similar: 90}}]\ncolumns: {reference: memo=note, occurred_on: paid}\n"
    )
    sides = [str(tmp_path / "ours.csv"), str(tmp_path / "theirs.csv"), "--key", "id", "--compare", "amount"]
    out = tmp_path / "out"
    code, told = run(capsys, *sides, "--rules", str(tmp_path / "rules.yaml"), "--out", str(out))
    assert (code, told["breaks"], told["matches"]["unique"]) == (0, 0, 2)
    matched = pq.read_table(out / "matches.parquet")["key"].to_pylist()
    assert sorted(zip(matched[::2], matched[1::2], strict=True)) == [("A", "D"), ("B", "C")]


def test_rules_in_a_file_say_which_columns_they_look_at(sides: list[str], tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules:\n  - group: {by: group}\ncolumns: {group: memo}\n")
    code, told = run(capsys, *sides, "--rules", str(path))
    assert (code, told["matches"]["unique"]) == (1, 2)  # p1: 40.00 + 5.00 = 45.00, and y


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rule", "dates: {inside: 2 days}"], "unknown word 'inside'"),
        (["--rule", "group: {by: group}"], "looks at 'group', which the left side does not name"),
        (["--rules", "nowhere.yaml"], "there is no file of rules nowhere.yaml"),
        (["--rules", "{folder}/empty.yaml"], "has no rule"),
        (["--rules", "{folder}/odd.yaml"], "there is no 'colour'"),
        (["--rules", "{folder}/gone.yaml"], "the left side has no column 'note'"),
        (["--rules", "{folder}/date.yaml"], "'memo' does not hold times; say --compare memo:time"),
        (["--rules", "{folder}/odd.yaml", "--rule", "key: {}"], "write all rules into the file, or none"),
        (["--rule", "convert: {rates: fx}"], "convert"),
    ],
)
def test_rules_that_do_not_fit_are_refused(
    sides: list[str], tmp_path: Path, capsys: Any, words: list[str], said: str
) -> None:
    rule = "rules: [{dates: {within: 2 days}}]\n"
    for name, text in (
        ("empty", "rules: []\n"), ("odd", rule + "columns: {colour: memo}\n"),
        ("gone", rule + "columns: {group: note}\n"), ("date", rule + "columns: {occurred_on: memo}\n"),
    ):  # fmt: skip
        (tmp_path / f"{name}.yaml").write_text(text)
    assert run_app(["recon", *sides, *(word.replace("{folder}", str(tmp_path)) for word in words)]) == 2
    assert said in " ".join(capsys.readouterr().err.split())


def test_currencies_do_not_meet(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "ours.csv").write_text("id,amount,currency,on\nA,5.00,EUR,2026-03-01\nB,5.00,USD,2026-03-01\n")
    (tmp_path / "theirs.csv").write_text("id,amount,currency,on\nC,5.00,USD,2026-03-02\nD,6.00,EUR,2026-03-02\n")
    sides = [str(tmp_path / "ours.csv"), str(tmp_path / "theirs.csv"), "--key", "id"]
    out = tmp_path / "out"
    _, told = run(capsys, *sides, "--rule", "dates: {within: 2 days}", "--out", str(out))
    assert told["matches"]["unique"] == 1
    assert pq.read_table(out / "matches.parquet")["key"].to_pylist() == ["B", "C"]
