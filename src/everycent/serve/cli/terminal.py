"""What the command prints: progress and tables for people, one JSON object for programs."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from rich.cells import cell_len
from rich.console import Console

#: Where output is no terminal (a file, a pipe), tables may be this wide; 80 would fold their cells.
_WIDTH_OF_A_FILE = 160
#: No column is folded to fewer characters.
_FOLDED_LEAST = 10

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH_OF_A_FILE)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Reporter(Protocol):
    """Told how far a long piece of work has come."""

    def __call__(self, stage: str, done: int, total: int | None) -> None: ...


def _silent(stage: str, done: int, total: int | None) -> None:
    del stage, done, total


@contextmanager
def progress(*, quiet: bool) -> Iterator[Reporter]:
    """Bars on a terminal's standard error, one a stage; nothing where output is for programs or not a terminal."""
    if quiet or not err.is_terminal:
        yield _silent
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bars:
        tasks: dict[str, Any] = {}  # stage -> its bar

        def report(stage: str, done: int, total: int | None) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report


@contextmanager
def under_way() -> Iterator[Callable[[str], None]]:
    """Says on standard error what is under way: on a terminal in a line that lives until the next thing is said, with
    the time since; elsewhere, and so where output is for programs, in a plain line each."""
    if not err.is_terminal:
        yield lambda text: err.print(text, markup=False)
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as live:
        task = live.add_task("")
        yield lambda text: live.reset(task, description=text)


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    readable = (sys.stdout.encoding or "").lower().startswith("utf")  # elsewhere JSON's own escapes are safe
    sys.stdout.write(json.dumps(value, ensure_ascii=not readable, default=str) + "\n")


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], *, right: frozenset[int] = frozenset()
) -> None:
    """A table on standard output; the columns numbered in `right` are aligned right. The first one, which names its row
    and is copied from, is the last to be folded, unless it takes nearly half of the width. Where a terminal is too
    narrow for the cells' words side by side, each name has a line of its own."""
    from rich.table import Table
    from rich.text import Text

    if out.is_terminal and len(columns) > 2 and _words_wide(columns, rows) > out.width:
        _print_below_names(title, columns, rows, right)
        return
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    names_fit = max((len(str(row[0])) for row in rows), default=0) <= out.width * 9 // 20
    for at, column in enumerate(columns):
        side: Literal["left", "right"] = "right" if at in right else "left"
        table.add_column(column, justify=side, overflow="fold", no_wrap=at == 0 and names_fit)
    for row in rows:
        table.add_row(*(Text(_said(cell)) for cell in row))
    out.print(table)


def _words_wide(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> int:
    """How many characters a table takes where no word of it is broken, with two between its columns."""
    return sum(
        max((cell_len(word) for cell in cells for word in _said(cell).split()), default=0) + 2
        for cells in zip(columns, *rows, strict=True)
    ) - 2  # fmt: skip


def _print_below_names(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], right: frozenset[int]
) -> None:
    """Each row's name, which a terminal may break anywhere, and its other cells below; what still does not fit is taken
    from the widest column."""
    from rich.table import Table
    from rich.text import Text

    others = [[_said(cell) for cell in row[1:]] for row in (columns, *rows)]
    widths = [max(map(cell_len, cells)) for cells in zip(*others, strict=True)]
    widest = widths.index(max(widths))
    beyond = 2 + sum(widths) + 2 * len(widths) - out.width
    widths[widest] = max(_FOLDED_LEAST, widths[widest] - max(0, beyond))
    out.print(title, style="bold", markup=False)
    for at, cells in enumerate(others):
        style = "" if at else "dim"
        out.print(columns[0] if at == 0 else _said(rows[at - 1][0]), style=style, markup=False)
        line = Table.grid(padding=(0, 2, 0, 0))
        line.add_column(width=0)
        for column, width in enumerate(widths, start=1):
            line.add_column(width=width, justify="right" if column in right else "left", overflow="fold")
        line.add_row("", *(Text(cell, style=style) for cell in cells))
        out.print(line)


def _said(cell: Any) -> str:
    return "" if cell is None else str(cell)


def shorten(text: str, characters: int = 200) -> str:
    """The text on one line, cut off where it is very long."""
    line = " ".join(text.split())
    return line if len(line) <= characters else f"{line[: characters - 1]}…"
