"""What people and programs read: tables whose cells are text, JSON that is one object, nothing in colour in a file."""

import json
from datetime import date
from pathlib import Path

import pytest

from everycent.serve.cli.terminal import print_json, print_table, progress, shorten


def test_cells_are_text_and_never_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("rows", ["name", "count"], [["[red]x[/]", 3], [None, 12], ["[/]", 1]], right=frozenset({1}))
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "rows",
        "name       count",
        "[red]x[/]      3",
        "              12",
        "[/]            1",
    ]


def test_json_is_one_object_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"day": date(2026, 3, 1), "file": Path("a/b"), "name": "卖家\n"})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"day": "2026-03-01", "file": "a/b", "name": "卖家\n"}


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(quiet=False) as report:
        report("sale ([/])", 1, 2)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_a_long_reason_is_cut_to_one_line() -> None:
    assert shorten("a\n b") == "a b"
    assert shorten("x" * 300) == "x" * 199 + "…"
