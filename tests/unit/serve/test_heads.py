"""Files whose table does not begin on the first line, or whose last row is the sum of the others."""

import json
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from everycent.serve.cli.app import run_app
from everycent.serve.heads import before_header, is_total, lines_before_header

OURS = "id,amount,day\nA1,1250.50,2026-03-01\nA2,-30.00,2026-03-02\nA3,1234567.89,2026-03-13\n"
GERMAN = "A1;1.250,50;01.03.2026\nA2;-30,00;02.03.2026\nA3;1.234.567,89;13.03.2026\n"


def compared(folder: Path, capsys: Any, theirs: bytes | Path, *options: str) -> tuple[int, dict[str, Any]]:
    (folder / "ours.csv").write_text(OURS)
    path = theirs if isinstance(theirs, Path) else folder / "theirs.csv"
    if isinstance(theirs, bytes):
        path.write_bytes(theirs)
    left = run_app(["recon", str(folder / "ours.csv"), str(path), "--json", *options])
    return left, json.loads(capsys.readouterr().out)


def equal(told: dict[str, Any]) -> int:
    return int(told["buckets"]["equal"]["right_rows"])


@pytest.mark.parametrize(
    ("theirs", "encoding"),
    [
        ("Export of a bank\nAccount: 123, EUR\n\nid,amount,day\n" + OURS.partition("\n")[2], "utf-8-sig"),
        ("Bank;;\nKonto: 123\n\nid;amount;day\n" + GERMAN, "utf-16"),
        ("对账单\n账户：１２３\nid,amount,day\n" + OURS.partition("\n")[2], "gbk"),
        ("id\tamount\tday\n" + OURS.partition("\n")[2].replace(",", "\t"), "utf-8"),
        (
            "id|amount|day\nA1|$1,250.50|Mar 01, 2026\nA2|(30.00)|Mar 02, 2026\nA3|€ 1,234,567.89|Mar 13, 2026\n",
            "utf-8",
        ),
        ("id;amount;day\nA1;1250,50;01-Mar-2026\nA2;30,00-;02-Mar-2026\nA3;1 234 567,89 €;13-Mar-2026\n", "cp1252"),
    ],
)
def test_lines_before_the_header_are_left_out_where_they_show(
    tmp_path: Path, capsys: Any, theirs: str, encoding: str
) -> None:
    ended, told = compared(tmp_path, capsys, theirs.encode(encoding))
    assert (ended, equal(told), told["difference_minor"]) == (0, 3, 0)
    assert told["others"] == ["day"]


def test_lines_are_skipped_as_it_is_said_and_keep_their_numbers(tmp_path: Path, capsys: Any) -> None:
    theirs = f"a,b,c\nd,e,f\n{OURS}A4,oops,2026-03-13\n".encode()
    ended, told = compared(tmp_path, capsys, theirs, "--right-skip-lines", "2", "--out", str(tmp_path / "out"))
    assert (ended, equal(told), told["right"]["refused"]) == (1, 3, 1)
    assert "theirs.csv:7" in (tmp_path / "out" / "report.html").read_text()


def test_nothing_behind_what_is_skipped_is_said(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "ours.csv").write_text(OURS)
    sides = [str(tmp_path / "ours.csv")] * 2
    assert run_app(["recon", *sides, "--left-skip-lines", "9"]) == 2
    assert "no header line behind the 9 lines that are skipped" in capsys.readouterr().err


@pytest.mark.parametrize(
    "last", ["Total,1235788.39,\n", "合计：,1235788.39,\n", "Total;1235788.39\n".replace(";", ","), "total,,\n"]
)
def test_a_last_row_that_is_the_total_is_a_figure_of_the_file(tmp_path: Path, capsys: Any, last: str) -> None:
    ended, told = compared(tmp_path, capsys, (OURS + last).encode())
    assert (ended, equal(told), told["right"]["rows"], told["right"]["refused"]) == (0, 3, 3, 0)
    figures = [(each["name"], each["stated"], each["agrees"]) for each in told["right"]["controls"]]
    assert figures == ([] if ",," in last else [("the total of amount", "1235788.39", True)])


def test_a_total_that_lies_is_told(tmp_path: Path, capsys: Any) -> None:
    ended, told = compared(tmp_path, capsys, (OURS + "Total,1235788.38,\n").encode())
    assert (ended, equal(told)) == (1, 3)
    (figure,) = told["right"]["controls"]
    assert (figure["found"], figure["line"], figure["agrees"]) == ("1235788.39", 5, False)


def test_a_row_that_is_called_total_and_is_whole_is_a_row(tmp_path: Path, capsys: Any) -> None:
    ended, told = compared(tmp_path, capsys, (OURS + "total,5.00,2026-03-13\n").encode())
    assert (ended, told["right"]["rows"]) == (1, 4)


def test_a_workbook_with_a_title_and_several_sheets(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "theirs.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        for name in ("March", "April"):
            sheet = book.add_worksheet(name)
            sheet.write(0, 0, "Statement of March")
            rows = [line.split(",") for line in OURS.splitlines()]
            for at, row in enumerate(rows[: 4 if name == "March" else 2], 2):
                for place, cell in enumerate(row):
                    sheet.write(at, place, float(cell) if place == 1 and at > 2 else cell)
            sheet.write(9, 0, "Total")
    ended, told = compared(tmp_path, capsys, path)
    assert (ended, equal(told)) == (0, 3)
    ended, told = compared(tmp_path, capsys, path, "--right-sheet", "April")
    assert (ended, equal(told)) == (1, 1)
    monkeypatch.chdir(tmp_path)  # short names: a table wraps long ones
    run_app(["recon", "ours.csv", "theirs.xlsx"])
    assert "sheet March of March, April" in " ".join(capsys.readouterr().out.split())


def test_one_per_cent_is_one(tmp_path: Path, capsys: Any) -> None:
    theirs = (OURS.replace("1250.50", "1250.5%")).encode()
    assert compared(tmp_path, capsys, theirs)[0] == 0


@pytest.mark.parametrize(
    ("text", "before"),
    [
        ("", 0), ("id\n", 0), ("id,amount\nA,1\n", 0), ("id,amount\nA,1,2\nB,1,2\n", 0),  # its rows are broken
        ("note\nid,amount\nA,1\n", 1), ("note\n\n\nid,amount\nA,1\nB,2\n", 3),
        ('note: "two\nid,amount\nA,1\nB,2\n', 1), ("note\nA,1\nB,2\n", 0),  # there is no header
    ],
)  # fmt: skip
def test_what_stands_before_a_header(text: str, before: int) -> None:
    assert lines_before_header(text, ",") == before


@given(rows=st.lists(st.lists(st.sampled_from(["", "a", "b", "1", "2026-01-01"]), max_size=4), max_size=6))
def test_only_narrower_rows_are_left_out(rows: list[list[str]]) -> None:
    filled = [(at, row) for at, row in enumerate(rows) if any(row)]
    before = before_header(filled)
    header = next((row for at, row in filled if at >= before), [])
    width = len(header) - next((n for n, cell in enumerate(reversed(header)) if cell), 0)
    assert all(len([cell for cell in row if cell]) < max(width, 1) for at, row in filled if at < before)
    assert not before or all(cell in ("a", "b", "") for cell in header)


def test_a_total_is_one_by_its_first_word() -> None:
    assert is_total(["Total", "", "3"]) and is_total([None, "Grand Total:", None])
    assert not is_total(["Total", "2", "3"]) and not is_total(["A", "total", ""]) and not is_total([None, ""])
