"""What people and programs read: tables whose cells are text, JSON that is one object, nothing in colour in a file."""

import json
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from everycent.serve.cli import terminal
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


@pytest.mark.parametrize("watched", [True, False])
def test_what_is_under_way_is_one_line_on_a_terminal_and_plain_lines_elsewhere(
    monkeypatch: pytest.MonkeyPatch, watched: bool
) -> None:
    written = StringIO()
    monkeypatch.setattr(terminal, "err", Console(file=written, force_terminal=watched, width=80))
    with terminal.under_way() as say:
        say("1 of 2: [/]: begun")
        terminal.err.print("1 of 2: ended")
        say("2 of 2: b: begun")
    told = written.getvalue()
    assert "1 of 2: [/]: begun" in told and "2 of 2: b: begun" in told
    assert ("\x1b[2K" in told) is watched, "a terminal's line is written over"
    assert watched or told.splitlines() == ["1 of 2: [/]: begun", "1 of 2: ended", "2 of 2: b: begun"]


def test_a_long_reason_is_cut_to_one_line() -> None:
    assert shorten("a\n b") == "a b"
    assert shorten("x" * 300) == "x" * 199 + "…"


def test_a_terminal_too_narrow_breaks_no_name_amount_or_day(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = ("statement", "due", "", "state", "payment", "closes on")
    rows = [
        [
            "market/merchant:books/2026-W10/CNY/shanghai",
            "1,425.00",
            "CNY",
            "approved",
            "paid on 2026-03-10",
            "2026-03-09",
        ]
    ]

    def printed(width: int) -> list[str]:
        written = StringIO()
        monkeypatch.setattr(terminal, "out", Console(file=written, force_terminal=True, width=width, color_system=None))
        print_table("Statements", columns, rows, right=frozenset({1}))
        return [line.rstrip() for line in written.getvalue().splitlines()]

    assert printed(60) == [
        "Statements",
        "statement",
        "       due       state     payment             closes on",
        "market/merchant:books/2026-W10/CNY/shanghai",
        "  1,425.00  CNY  approved  paid on 2026-03-10  2026-03-09",
    ]
    assert len(printed(160)) == 3, "side by side where there is room"
