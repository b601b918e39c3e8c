"""The page of two files: what it says in the singular, without amounts, in several currencies, and of long texts."""

import re
from pathlib import Path

import pytest

from everycent.base.engine.local import LocalEngine
from everycent.serve.comparing import Asked, compare_files
from everycent.serve.report.two_files import render_two_files

LONG = "上海市浦东新区碧波路六百九十号" * 5


def told(engine: LocalEngine, folder: Path, left: str, right: str) -> str:
    """The page's text in English; in Chinese what stands in the data."""
    for name, text in (("l.csv", left), ("r.csv", right)):
        (folder / name).write_text(text, encoding="utf-8")
    compared = compare_files(folder / "l.csv", folder / "r.csv", Asked(key=("id",)), engine)
    render_two_files(compared, page := folder / "report.html")
    html = page.read_text(encoding="utf-8").partition("</style>")[2].partition("<script>")[0]
    html = re.sub(r'<(span|tspan) data-lang="zh">[^<]*</(span|tspan)>', "", html)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_one_break_is_one_break(engine: LocalEngine, tmp_path: Path) -> None:
    page = told(engine, tmp_path, "id,paid\nA,1.00\nB,2.00\n", "id,paid\nA,1.00\nB,2.50\n")
    assert "1 break; left minus right is -0.5" in page and "1 breaks" not in page


def test_without_amounts_nothing_is_said_of_them(engine: LocalEngine, tmp_path: Path) -> None:
    page = told(engine, tmp_path, "id,state\nA,on\nB,off\n", "id,state\nA,on\nB,on\n")
    assert "a column differs" in page and "Breaks, by key" in page
    assert "amounts agree" not in page and "0.00" not in page


def test_amounts_of_several_currencies_are_not_added(engine: LocalEngine, tmp_path: Path) -> None:
    head = "id,day,paid,currency\n"
    left = f"{head}A,2026-01-01,5.00,CNY\nB,2026-01-15,7.00,USD\n"
    right = f"{head}A,2026-01-01,1.00,CNY\nB,2026-01-15,1.00,USD\n"
    page = told(engine, tmp_path, left, right)
    ages = page.partition("newest day in the files")[2].partition("Where the sides differ")[0]
    assert "1 break" in ages and "Amount in dispute" not in ages


def test_texts_that_part_late_are_seen_to_part(engine: LocalEngine, tmp_path: Path) -> None:
    page = told(engine, tmp_path, f"id,note\nA,{LONG}甲\nB,x\n", f"id,note\nA,{LONG}乙\nB,x\n")
    assert "甲" in page and "乙" in page


def test_the_columns_that_differ_are_shown_and_the_others_named(engine: LocalEngine, tmp_path: Path) -> None:
    names = [f"c{at}" for at in range(10)]
    left, right = (f"id,{','.join(names)}\nA,{','.join(['x'] * 9)},{last}\n" for last in ("ours", "theirs"))
    page = told(engine, tmp_path, left, right)
    assert "ours" in page and "theirs" in page
    assert "Left out here, and in breaks.csv: c7, c8." in page


def test_whole_numbers_are_shown_as_ids_are_written(engine: LocalEngine, tmp_path: Path) -> None:
    head = "id,merchant,fee,paid\n"
    page = told(engine, tmp_path, f"{head}A,1601959334,1234.50,2.00\n", f"{head}A,1601959335,1234.75,2.00\n")
    assert "1601959334" in page and "1601959335" in page
    assert "1,234.50" in page and "1,234.75" in page
