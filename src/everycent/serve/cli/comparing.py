"""`everycent recon LEFT RIGHT`: two files, compared; what differs on the terminal and in files."""

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.settings import Settings
from everycent.flow.intake.service import contradiction
from everycent.proof.recon.contract import Bucket, MatchLabel
from everycent.proof.recon.service import Field, Mark, NothingToCompare, Reading, column_names
from everycent.serve.break_files import BUCKETS_EN, Place, breaks_table, write_breaks, written_together
from everycent.serve.cli import exits
from everycent.serve.cli.starting import without_pandas
from everycent.serve.cli.terminal import err, out, print_json, print_table, progress, shorten
from everycent.serve.comparing import Asked, Compared, compare_files
from everycent.serve.opening import FileSide

BREAKS_SHOWN = 12
WRITTEN = ("breaks.parquet", "breaks.csv", "breaks.xlsx", "report.html")
WRITTEN_BY_RULES = ("matches.parquet", "matches.csv")
_STOPPED = 130
_WAYS = {"whole": "as a whole number", "number": "as a number", "digits": "as a number, digit by digit",
         "time": "as a time", "text": "as text"}  # fmt: skip


def compare_command(left: Path, right: Path, asked: Asked, folder: Path | None, *, as_json: bool) -> int:
    """0 where both sides agree, 1 where they do not or a file contradicts itself."""
    without_pandas()
    settings = Settings.load()
    together = cast(
        "AbstractContextManager[Place | None]", nullcontext() if folder is None else written_together(folder)
    )
    try:
        with (
            tempfile.TemporaryDirectory(prefix="everycent-recon-") as spill,
            LocalEngine(settings.threads, settings.memory_mb, Path(spill)) as engine,
            together as place,
            progress(quiet=as_json) as tell,
        ):
            compared = compare_files(left, right, asked, engine, tell)
            said: list[str] = []
            if place is not None:
                tell("writing the breaks", 0, None)
                said = write_breaks(compared, place)
                _write_page(compared, place("report.html"))
    except KeyboardInterrupt:
        nothing = "nothing was written" if folder is None else f"nothing was written to {folder}"
        err.print(f"everycent: stopped; {nothing}", markup=False)
        return _STOPPED
    names = WRITTEN if compared.ruled is None else (*WRITTEN, *WRITTEN_BY_RULES)
    written = [] if folder is None else [folder / name for name in names]
    if as_json:
        print_json(_as_dict(compared, written))
    else:
        _print(compared, written)
    for note in said:
        err.print(note, markup=False)
    return exits.OK if compared.agrees else exits.FAILED


def reading_of(
    blanks: Sequence[str], numbers: tuple[str | None, str | None], times: tuple[str | None, str | None]
) -> Reading:
    """How cells become values, by what was said. Raises NothingToCompare."""
    marks: list[Mark | None] = []
    for side, said in zip(("left", "right"), numbers, strict=True):
        if said not in (None, "point", "comma"):
            raise NothingToCompare(f"--{side}-numbers {said}: write point, as in 1,250.50, or comma, as in 1.250,50")
        marks.append({"point": ".", "comma": ",", None: None}[said])
    for side, written in zip(("left", "right"), times, strict=True):
        if written is not None and "%" not in written:
            raise NothingToCompare(f"--{side}-dates {written}: write for example %d.%m.%Y or '%d/%m/%Y %H:%M'")
    return Reading(tuple(blanks), marks=(marks[0], marks[1]), times=times)


def _write_page(compared: Compared, path: Path) -> None:
    from everycent.serve.report.two_files import render_two_files

    render_two_files(compared, path)


def _print(compared: Compared, written: list[Path]) -> None:
    found, plan = compared.reconciled, compared.plan
    _print_read(compared)
    rows = [
        [BUCKETS_EN[Bucket(row["bucket"])], f"{row['left_rows']:,}", f"{row['right_rows']:,}", *_amounts(compared, row)]
        for row in found.totals.to_pylist()
        if row["left_rows"] or row["right_rows"]
    ]
    left, right = found.left_total, found.right_total
    whole = {
        "left_minor": left.amount_minor,
        "right_minor": right.amount_minor,
        "difference_minor": found.difference_minor,
    }
    rows.append(["in all", f"{left.rows:,}", f"{right.rows:,}", *_amounts(compared, whole)])
    headings = ["", "left rows", "right rows", "left", "right", "left - right"]
    width = len(headings) if plan.amount is not None and len(plan.currencies) < 2 else 3
    print_table(
        "Where each row ends", headings[:width], [row[:width] for row in rows], right=frozenset(range(1, width))
    )
    shown = breaks_table(compared).slice(0, BREAKS_SHOWN).to_pylist()
    if shown:
        amounts = {"left": "left_amount", "right": "right_amount", "left - right": "difference"}
        told = {} if plan.amount is None else amounts
        print_table(
            f"Breaks: {found.breaks.num_rows:,}, here {len(shown):,}",
            ["key", "kind", *told, "where the others differ"],
            [
                [
                    shorten(row["key"], 40),
                    BUCKETS_EN[Bucket(row["bucket"])],
                    *(row[name] for name in told.values()),
                    _apart(compared, row),
                ]
                for row in shown
            ],
            right=frozenset(range(2, 2 + len(told))),
        )
    if len(plan.currencies) > 1:
        _print_currencies(compared)
    _print_troubles(compared)
    for path in written:
        out.print(f"written: {path}", markup=False)


def _print_read(compared: Compared) -> None:
    """What the files are and how they are compared; what was guessed is said to be."""
    asked, plan = compared.asked, compared.plan
    lines = []
    for word, side, given in zip(("left", "right"), compared.sides, asked.files, strict=True):
        written = f"{side.kind}{f', {side.written}' if side.written else ''}"
        lines.append((word, f"{side.path} ({written})", given.format is not None))
    lines.append(("key", ", ".join(pair.name for pair in plan.key), bool(asked.key)))
    said = bool(asked.compare)
    if plan.amount is None:
        lines.append(("amount", "none: no column of both sides holds numbers", said))
    else:
        lines.append(("amount", f"{plan.amount.pair.name}, {plan.decimals} decimals{_note(plan.amount)}", said))
    for kind, way in _WAYS.items():
        names = [f"{field.pair.name}{_note(field)}" for field in plan.others if field.kind == kind]
        if names:
            lines.append((f"compared {way}", ", ".join(names), said))
    if compared.ruled is not None:
        seen = ", ".join(f"{name}: {column}" for name, column in compared.ruled.columns.items()) or "key and amount"
        lines.append(("rules look at", seen, bool(asked.rules.columns)))
    for word, alone in zip(("left", "right"), compared.uncompared, strict=True):
        if alone:
            lines.append(("not compared", f"{word} {', '.join(alone)}", said))
    rows = [[what, shorten(how), "" if by else "guessed"] for what, how, by in lines]
    print_table("How the files are compared", ["", "", ""], rows)


def _note(field: Field) -> str:
    return "" if field.note is None else f" ({field.note.en})"


def _by_currency(compared: Compared) -> list[dict[str, Any]]:
    """Each currency's rows and totals of both sides, rows without a currency last; none where nothing is an amount."""
    if compared.plan.amount is None:
        return []
    sides = [{row["currency"]: row for row in side.to_pylist()} for side in compared.held]
    found = []
    for code in sorted({*sides[0], *sides[1]}, key=lambda code: (code is None, code or "")):
        left, right = (side.get(code, {"rows": 0, "minor": 0}) for side in sides)
        left_minor, right_minor = int(left["minor"] or 0), int(right["minor"] or 0)
        found.append(
            {"currency": code, "left_rows": left["rows"], "right_rows": right["rows"], "left_minor": left_minor,
             "right_minor": right_minor, "difference_minor": left_minor - right_minor}
        )  # fmt: skip
    return found


def _print_currencies(compared: Compared) -> None:
    rows = [
        [row["currency"] or "none", f"{row['left_rows']:,}", f"{row['right_rows']:,}", *_amounts(compared, row)]
        for row in _by_currency(compared)
    ]
    headings = ["currency", "left rows", "right rows", "left", "right", "left - right"]
    print_table("By currency", headings, rows, right=frozenset(range(1, 6)))


def _apart(compared: Compared, row: dict[str, Any]) -> str:
    """The other columns that differ, each with both its values."""
    if not row["differs"]:
        return ""
    named = zip(compared.plan.other_names, column_names(compared.plan), strict=True)
    values = [(name, row[left], row[right]) for name, (left, right) in named if row[left] != row[right]]
    return shorten("; ".join(f"{name}: {_value(left)} | {_value(right)}" for name, left, right in values))


def _value(value: object) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _amounts(compared: Compared, row: dict[str, Any]) -> list[str]:
    decimals = compared.plan.decimals
    return [f"{Decimal(row[f'{name}_minor']).scaleb(-decimals):,f}" for name in ("left", "right", "difference")]


def _print_troubles(compared: Compared) -> None:
    for note in compared.notes:
        err.print(f"note: {note.en}", style="yellow", markup=False)
    for side, refused in zip(compared.sides, compared.refused, strict=True):
        for row in refused.slice(0, 5).to_pylist():
            err.print(f"{side.path}, line {row['source_line']}: not compared: {row['reason']}", markup=False)
        if refused.num_rows > 5:
            err.print(f"{side.path}: {refused.num_rows:,} rows are not compared", markup=False)
    for side, control in compared.lying:
        err.print(f"{side.path}: the file contradicts itself: {contradiction(control)}", markup=False)


def _as_dict(compared: Compared, written: list[Path]) -> dict[str, Any]:
    found = compared.reconciled
    return {
        "key": [pair.name for pair in compared.plan.key],
        "amount": None if compared.plan.amount is None else compared.plan.amount.pair.name,
        "decimals": compared.plan.decimals,
        "others": [field.pair.name for field in compared.plan.others],
        "not_compared": dict(zip(("left", "right"), map(list, compared.uncompared), strict=True)),
        "left": _side_dict(compared.left, found.left_total.rows, found.left_total.amount_minor, compared.refused[0]),
        "right": _side_dict(
            compared.right, found.right_total.rows, found.right_total.amount_minor, compared.refused[1]
        ),
        "difference_minor": found.difference_minor,
        "residual_minor": found.residual_minor,
        "breaks": found.breaks.num_rows,
        "buckets": {
            row["bucket"]: {name: int(row[name]) for name in ("left_rows", "right_rows", "difference_minor")}
            for row in found.totals.to_pylist()
        },
        "matches": None
        if compared.ruled is None
        else {str(label): compared.ruled.explained.matches_with(label) for label in MatchLabel},
        "written_off_minor": int(pc.sum(found.write_offs["difference_minor"]).as_py() or 0),
        "currencies": list(compared.plan.currencies),
        "by_currency": _by_currency(compared),
        "notes": [note.en for note in compared.notes],
        "written": [str(path) for path in written],
    }


def _side_dict(side: FileSide, rows: int, amount_minor: int, refused: pa.Table) -> dict[str, Any]:
    return {
        "file": str(side.path),
        "format": side.kind,
        "rows": rows,
        "amount_minor": amount_minor,
        "refused": refused.num_rows,
        "controls": [
            {"name": c.name, "stated": c.stated, "found": c.found, "line": c.line, "agrees": c.agrees}
            for c in side.controls
        ],
    }
