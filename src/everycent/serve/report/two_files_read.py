"""How two files were read, on their page: what was said, what was guessed, their own totals, and the rows left out."""

from collections.abc import Iterable
from html import escape

from everycent.flow.intake.contract import Control
from everycent.proof.recon.service import Field
from everycent.serve.comparing import Compared
from everycent.serve.report.data import ROWS_SHOWN
from everycent.serve.report.tables import code, long_text, number, section, table
from everycent.serve.report.words import both, spoken


def read_section(compared: Compared) -> str:
    """Formats, key, amount and comparison, each with whether it was said or guessed."""
    asked, plan = compared.asked, compared.plan
    rows = []
    for key, side, given in zip(("read.left", "read.right"), compared.sides, asked.files, strict=True):
        written = f"{side.kind}{f', {side.written}' if side.written else ''}"
        rows.append(_row(both(key), escape(f"{side.path}: {written}"), said=given.format is not None))
    rows.append(_row(both("read.key"), escape(", ".join(pair.name for pair in plan.key)), said=bool(asked.key)))
    if plan.amount is None:
        rows.append(_row(both("read.amount"), both("read.amount.none"), said=bool(asked.compare)))
    else:
        found = both("read.decimals", plan.amount.pair.name, plan.decimals) + _note(plan.amount)
        rows.append(_row(both("read.amount"), found, said=bool(asked.compare)))
    rows.append(_row(both("read.tolerance"), escape(asked.tolerance), said=asked.tolerance != "0"))
    rows += [
        _row(escape(field.pair.name), both(f"read.{field.kind}") + _note(field), said=bool(asked.compare))
        for field in plan.others
    ]
    if compared.ruled is not None:
        seen = ", ".join(f"{name}: {column}" for name, column in compared.ruled.columns.items())
        rows.append(_row(both("read.rules"), escape(seen or "–"), said=bool(asked.rules.columns)))
    for side, alone in zip(compared.sides, compared.uncompared, strict=True):
        if alone:
            rows.append(_row(escape(", ".join(alone)), f"{escape(side.path.name)}: {both('read.alone')}", said=False))
    return section("read", table(("read.what", "read.found", "read.by"), rows, 0), note="read.note")


def _row(what: str, found: str, *, said: bool) -> tuple[str, str, str]:
    by = both("read.said") if said else both("read.guessed")
    return f'<td class="long">{what}</td>', f'<td class="long">{found}</td>', f"<td>{by}</td>"


def _note(field: Field) -> str:
    return "" if field.note is None else f" ({spoken(field.note.en, field.note.zh)})"


def controls_section(compared: Compared) -> str:
    """What bills state of themselves beside what their rows give."""
    told = controls_table((side.path.name, control) for side in compared.sides for control in side.controls)
    return section("controls", told) if told else ""


def controls_table(stated: Iterable[tuple[str, Control]]) -> str:
    """Each figure that a file, by its name, states of itself; nothing where none does."""
    rows = [
        (
            code(file),
            long_text(control.name),
            number(control.stated),
            number(control.found),
            f'<td><span class="tag {"good" if control.agrees else "bad"}">'
            f"{both('controls.agrees' if control.agrees else 'controls.lies')}</span></td>",
        )
        for file, control in stated
    ]
    heads = ("controls.file", "controls.name", "controls.stated", "controls.found", "controls.result")
    return table(heads, rows, 2, first=2) if rows else ""


def refused_section(compared: Compared) -> str:
    """Rows that could not be compared, with their places and reasons."""
    rows = [
        (code(f"{row['source_file']}:{row['source_line']}"), long_text(row["reason"]))
        for refused in compared.refused
        for row in refused.slice(0, ROWS_SHOWN).to_pylist()
    ]
    whole = sum(refused.num_rows for refused in compared.refused)
    if not whole:
        return ""
    more = f'<p class="note">{both("breaks.some", len(rows), f"{whole:,}")}</p>' if whole > len(rows) else ""
    return section("notcompared", table(("place", "reason"), rows, 0), more)
