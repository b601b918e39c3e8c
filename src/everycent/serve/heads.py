"""Where the table of a file begins and ends that nobody has declared: lines before its header are left out, and a last
row that is the total of the others is a figure that the file states of itself."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.flow.intake.contract import Control
from everycent.proof.recon.service import Mark, number_sql

#: Words by which a last row says that it is no row but the sum of all.
TOTALS = frozenset((
    "total", "totals", "grand total", "subtotal", "sum", "sums", "gesamt", "gesamtsumme", "summe", "saldo", "totaal",
    "totale", "totales", "suma", "somme", "合计", "总计", "总额", "总和", "小计", "汇总", "合計", "總計",
))  # fmt: skip
_LOOKED_AT = 400
#: What a header's cell is not: a number or a date.
_VALUE = re.compile(r"[-+(]?[¥￥$€£]? ?[-+]?[\d][\d.,' /:%)-]*[^A-Za-z\u4e00-\u9fff]?")


def lines_before_header(text: str, delimiter: str) -> int:
    """How many lines of a text file's beginning stand before its header; 0 where nothing tells."""
    rows: list[tuple[int, list[str]]] = []
    reader, before = csv.reader(text.splitlines(keepends=True), delimiter=delimiter), 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((before, cells))
            before = reader.line_num
            if len(rows) == _LOOKED_AT:
                break
    except csv.Error:
        return 0
    return before_header(rows)


def before_header(rows: Sequence[tuple[int, Sequence[str]]]) -> int:
    """Of rows that are not empty, each with how many lines stand before it: those before the header.

    The header is the first row as wide as most rows are, of names alone, where all before it are narrower.
    """
    widths = [_width(cells) for _, cells in rows]
    if len(rows) < 2:
        return 0
    usual = max(Counter(widths).items(), key=lambda item: (item[1], item[0]))[0]
    if usual < 2 or widths[0] >= usual:
        return 0
    at = next(place for place, width in enumerate(widths) if width >= usual)
    before, header = rows[at]
    names = [cell.strip() for cell in header]
    told = [name for name in names if name]
    if len(set(told)) != len(told) or any(_VALUE.fullmatch(name) for name in told) or len(told) < usual:
        return 0
    return before


def _width(cells: Sequence[str]) -> int:
    """How many cells there are, empty ones at the end left out."""
    width = len(cells)
    while width and not cells[width - 1].strip():
        width -= 1
    return width


def is_total(cells: Sequence[str | None]) -> bool:
    """Whether a row's first value calls it a total, and some of its cells are empty."""
    told = [cell.strip() for cell in cells if cell is not None and cell.strip()]
    said = told[0].rstrip(":：").strip().lower() if told else ""
    return said in TOTALS and len(told) < len(cells)


@dataclass(frozen=True)
class LastTotal:
    """A file's last row, which is no row but states the sums of others; it is not in the relation any more."""

    line: int
    controls: tuple[Control, ...]


def last_total(relation: str, columns: Sequence[str], malformed: pa.Table, engine: LocalEngine) -> LastTotal | None:
    """Takes the last row out of the relation where it is a total. `malformed`: rows (MALFORMED) that had another width:
    the last of these is a total where it says so and one of its numbers is the sum of a column."""
    listed = ", ".join(map(identifier, columns))
    rows = engine.query(f"SELECT source_line, {listed} FROM {identifier(relation)} ORDER BY source_line DESC LIMIT 1")
    last = rows.to_pylist()[0] if rows.num_rows else None
    torn = malformed.sort_by("line").to_pylist()[-1] if malformed.num_rows else None
    if torn is not None and (last is None or torn["line"] > last["source_line"]):
        return _of_another_width(torn, relation, columns, engine)
    if last is None or not is_total(cells := [last[name] for name in columns]):
        return None
    engine.connection.execute(f"DELETE FROM {identifier(relation)} WHERE source_line = {int(last['source_line'])}")
    controls = []
    for name, cell in zip(columns, cells, strict=True):
        found = _sums(relation, name, cell, engine)
        if found is not None:
            controls.append(Control(f"the total of {name}", *found, last["source_line"]))
    return LastTotal(last["source_line"], tuple(controls))


def _of_another_width(
    torn: dict[str, object], relation: str, columns: Sequence[str], engine: LocalEngine
) -> LastTotal | None:
    cells = re.split(r"[,;\t|]", str(torn["raw"]), maxsplit=1)
    if cells[0].strip(' "').rstrip(":：").lower() not in TOTALS:
        return None
    rest = next(iter(csv.reader(cells[1:], delimiter=str(torn["raw"])[len(cells[0])])), []) if len(cells) > 1 else []
    for cell in filter(str.strip, rest):
        for name in columns:
            found = _sums(relation, name, cell, engine)
            if found is not None and Decimal(found[0]) == Decimal(found[1]):
                line = int(str(torn["line"]))
                return LastTotal(line, (Control(f"the total of {name}", *found, line),))
    return None


def _sums(relation: str, column: str, cell: str | None, engine: LocalEngine) -> tuple[str, str] | None:
    """The number in a cell, and what the column adds up to; None where either is none."""
    if cell is None or not cell.strip():
        return None
    marks: tuple[Mark, ...] = (".", ",")
    text = f"nullif(trim({identifier(column)}), '')"
    for mark in marks:
        number = number_sql(text, mark)
        row = engine.query(
            f"""SELECT {number_sql(literal(cell.strip()), mark)} AS stated, count({text}) AS cells,
            count({number}) AS numbers, sum({number})::DECIMAL(38, 9) AS found FROM {identifier(relation)}"""
        ).to_pylist()[0]
        if row["stated"] is not None and row["cells"] == row["numbers"] > 0:
            return f"{row['stated'].normalize():f}", f"{row['found'].normalize():f}"
    return None
