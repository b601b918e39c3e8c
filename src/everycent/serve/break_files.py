"""Writes what a comparison of two files found: breaks.parquet, breaks.csv, breaks.xlsx; whole, or not at all."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.money.currency import Currency, UnknownCurrency, currency
from everycent.proof.recon.contract import CAUSES, Bucket, CauseText
from everycent.serve.comparing import Compared

#: So many rows fit a worksheet, its head not counted; what is more goes on the next sheet.
SHEET_ROWS_MAX = 1_048_575
#: A workbook of more sheets opens on few machines; breaks.parquet and breaks.csv have all rows.
SHEETS_MAX = 4
_CELL_CHARACTERS_MAX = 32_767
#: A spreadsheet holds numbers in 64-bit floats: what has more digits is written as text.
_DIGITS_EXACT = 15
_DECIMALS_SHOWN_MAX = 9
_FIRST_DAY = datetime(1900, 3, 1)  # noqa: DTZ001 (a spreadsheet's dates know no zone, and are wrong before)
#: How a cell begins that a spreadsheet takes for a formula.
_FORMULA = r"^[=+\-@\t\r]"
_WIDTHS = {"key": 28, "cause": 34, "differs": 24}

#: What buckets are called on the command line and in files.
BUCKETS_EN = {
    Bucket.EQUAL: "equal",
    Bucket.WITHIN_TOLERANCE: "within tolerance",
    Bucket.MISSING_LEFT: "missing on the left",
    Bucket.MISSING_RIGHT: "missing on the right",
    Bucket.DUPLICATED_LEFT: "duplicated on the left",
    Bucket.DUPLICATED_RIGHT: "duplicated on the right",
    Bucket.AMOUNT_DIFFERS: "amount differs",
    Bucket.STATUS_DIFFERS: "other column differs",
    Bucket.MATCHED: "matched by a rule",
    Bucket.AMBIGUOUS: "ambiguous: several ways",
    Bucket.BUDGET_EXHAUSTED: "not all ways were tried",
}


#: Gives the place at which a file of this name is to be written.
Place = Callable[[str], Path]


#: What a comparison of any columns calls the causes that speak of statuses.
_OTHER_COLUMNS = {
    "status_differs": CauseText("the amounts agree, another column differs", "金额一致，其他列不一致"),
    "amount_and_status_differ": CauseText("the amounts differ, and so does another column", "金额与其他列均不一致"),
}


def cause_text(cause: str) -> CauseText:
    """Why a break is one, in words that fit two files."""
    return _OTHER_COLUMNS.get(cause, CAUSES[cause])


@contextmanager
def written_together(folder: Path) -> Iterator[Place]:
    """Gives places to write files at, which take their names in the folder when all of them are written; on an error,
    or where the work is stopped, none of them is there. Raises OSError where the folder cannot be written to."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: dict[Path, Path] = {}

    def place(name: str) -> Path:
        part = folder / f".{name}.part"
        parts[part] = folder / name
        return part

    try:
        place("breaks.parquet").touch()  # a folder that cannot be written to says so before the work, not after it
        yield place
        for part, path in parts.items():
            part.replace(path)
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(folder)) from error
    finally:
        for part in parts:
            part.unlink(missing_ok=True)


def write_breaks(compared: Compared, place: Place) -> list[str]:
    """Writes the files; returns what a reader should know of them."""
    from pyarrow import csv, parquet

    table = breaks_table(compared)
    if compared.ruled is not None:
        matches = matches_table(compared)
        parquet.write_table(matches, place("matches.parquet"))
        csv.write_csv(guarded(matches), place("matches.csv"))
    parquet.write_table(table, place("breaks.parquet"))
    csv.write_csv(guarded(table), place("breaks.csv"))
    _write_workbook(compared, table, place("breaks.xlsx"))
    left_out = _left_out(table)
    return [] if left_out is None else [f"breaks.xlsx: {left_out}"]


def _left_out(table: pa.Table) -> str | None:
    """What does not fit the workbook, and where it is; None where all of it does."""
    fits = SHEET_ROWS_MAX * SHEETS_MAX
    if table.num_rows <= fits:
        return None
    return f"the first {fits:,} of {table.num_rows:,} breaks; breaks.parquet and breaks.csv have all of them"


def matches_table(compared: Compared) -> pa.Table:
    """The rows that rules claimed, with amounts in major units; of ambiguous matches, in how many of their ways."""
    assert compared.ruled is not None, "there are rules"
    told = compared.ruled.explained
    ways = told.alternatives.group_by(["match_no", "side", "row_no"]).aggregate([([], "count_all")])
    joined = told.matches.join(ways, ["match_no", "side", "row_no"]).rename_columns(
        [*told.matches.column_names, "ways"]
    )
    table = joined.sort_by([("match_no", "ascending"), ("side", "ascending"), ("row_no", "ascending")])
    decimals, at = compared.plan.decimals, table.column_names.index("amount_minor")
    amounts = table.column(at).combine_chunks()
    whole = _pointed(amounts, decimals) if isinstance(amounts, pa.Array) else amounts
    return table.set_column(at, "amount", whole).drop_columns(["row_no", "status"])


def breaks_table(compared: Compared) -> pa.Table:
    """The breaks with amounts in major units."""
    table, decimals = compared.breaks, compared.plan.decimals
    for name in ("left_amount", "right_amount", "difference"):
        at = table.column_names.index(f"{name}_minor")
        # The same digits, with the point in their midst: no division
        whole = pa.chunked_array([_pointed(chunk, decimals) for chunk in table.column(at).chunks], _decimal(decimals))
        table = table.set_column(at, name, whole)
    return table


def _pointed(minor: pa.Array, decimals: int) -> pa.Array:
    return pa.Array.from_buffers(_decimal(decimals), len(minor), minor.buffers(), offset=minor.offset)


def _decimal(decimals: int) -> pa.DataType:
    return pa.decimal128(38, decimals)


def guarded(table: pa.Table) -> pa.Table:
    """Texts that a spreadsheet would run as formulas, with an apostrophe before them."""
    for at, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = table.column(at)
            quoted = pc.binary_join_element_wise("'", column, "")
            table = table.set_column(
                at, field.name, pc.if_else(pc.match_substring_regex(column, _FORMULA), quoted, column)
            )
    return table


def _write_workbook(compared: Compared, table: pa.Table, path: Path) -> None:
    from xlsxwriter import Workbook
    from xlsxwriter.exceptions import FileCreateError

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "in_memory": False}
    book = Workbook(str(path), {**options, "strings_to_numbers": False, "tmpdir": str(path.parent)})
    looks = looks_of(book)
    _summary(book.add_worksheet("summary"), compared, _left_out(table), looks)
    write_sheets(book, "breaks", table.slice(0, SHEET_ROWS_MAX * SHEETS_MAX), looks)
    try:
        book.close()
    except FileCreateError as error:
        raise error.args[0] if error.args and isinstance(error.args[0], OSError) else OSError(str(error)) from None


def looks_of(book: Any) -> dict[str, Any]:
    """The formats of heads, times and amounts; those of an amount are called by how many decimals it has."""
    amounts = {
        f"amount{places}": book.add_format({"num_format": f"#,##0.{'0' * places}" if places else "#,##0"})
        for places in range(_DECIMALS_SHOWN_MAX + 1)
    }
    head, time = book.add_format({"bold": True, "bottom": 1}), book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    return {"head": head, "time": time, **amounts}


def known(code: str | None) -> Currency | None:
    """The currency of a code; None of what is none, as of several."""
    try:
        return None if code is None else currency(code)
    except UnknownCurrency:
        return None


def write_sheets(
    book: Any,
    title: str,
    table: pa.Table,
    looks: dict[str, Any],
    amounts_in: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """The table on as many sheets as it needs: `title`, `title 2`, and so on, each with the head. amounts_in: of
    columns of amounts, that of the currency whose decimals each has."""
    held = {table.column_names.index(name): table.column_names.index(code) for name, code in amounts_in.items()}
    for number, since in enumerate(range(0, max(table.num_rows, 1), SHEET_ROWS_MAX), 1):
        part = table.slice(since, SHEET_ROWS_MAX)
        sheet = book.add_worksheet(title if number == 1 else f"{title} {number}")
        sheet.freeze_panes(1, 1)
        for at, name in enumerate(part.column_names):
            sheet.set_column(at, at, _WIDTHS.get(name, 16))
            sheet.write_string(0, at, name, looks["head"])
        for row, values in enumerate(rows_of(part), 1):
            for at, value in enumerate(values):
                write_cell(sheet, row, at, _with_decimals(value, values[held[at]]) if at in held else value, looks)
        if part.num_rows:
            sheet.autofilter(0, 0, part.num_rows, part.num_columns - 1)


def _with_decimals(value: Decimal | None, code: str | None) -> Decimal | None:
    """An amount with the decimals of its currency."""
    money = known(code)
    return value if value is None or money is None else value.quantize(Decimal(1).scaleb(-money.exponent))


def rows_of(table: pa.Table) -> Iterator[Sequence[Any]]:
    """The table's rows, some thousands in memory at once."""
    for batch in table.to_batches(10_000):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def write_cell(sheet: Any, row: int, at: int, value: object, looks: dict[str, Any]) -> None:
    """A cell of the value's own kind; what a spreadsheet cannot hold exactly is text."""
    match value:
        case None:
            return
        case Decimal() if len(value.as_tuple().digits) <= _DIGITS_EXACT:
            sheet.write_number(row, at, value, looks[f"amount{_decimals_shown(value)}"])
        case int() if abs(value) < 10**_DIGITS_EXACT:
            sheet.write_number(row, at, value)
        case datetime() if value >= _FIRST_DAY:
            sheet.write_datetime(row, at, value, looks["time"])
        case date() if not isinstance(value, datetime):
            sheet.write_datetime(row, at, value, looks["time"])
        case Decimal():
            sheet.write_string(row, at, f"{value:f}")
        case _:
            sheet.write_string(row, at, str(value)[:_CELL_CHARACTERS_MAX])


def _decimals_shown(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return min(max(-exponent, 0), _DECIMALS_SHOWN_MAX) if isinstance(exponent, int) else 0


def _summary(sheet: Any, compared: Compared, left_out: str | None, looks: dict[str, Any]) -> None:
    """The files, where each row ends, and what explains the difference."""
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 6, 18)
    found, decimals = compared.reconciled, compared.plan.decimals
    adds_up = len(compared.plan.currencies) < 2
    lines: list[Sequence[object]] = [
        ("left file", str(compared.left.path)),
        ("right file", str(compared.right.path)),
        ("key", ", ".join(pair.name for pair in compared.plan.key)),
        ("amount", "none" if compared.plan.amount is None else compared.plan.amount.pair.name),
        *(("note", note.en) for note in compared.notes),
        *(() if left_out is None else (("the next sheets have", left_out),)),
        (),
        ("where each row ends", "left rows", "right rows", *(("left", "right", "left - right") if adds_up else ())),
    ]
    for row in found.totals.to_pylist():
        totals = [row[f"{name}_minor"] for name in ("left", "right", "difference")] if adds_up else []
        amounts = (Decimal(minor).scaleb(-decimals) for minor in totals)
        lines.append((BUCKETS_EN[Bucket(row["bucket"])], row["left_rows"], row["right_rows"], *amounts))
    left, right = found.left_total, found.right_total
    totals = [left.amount_minor, right.amount_minor, found.difference_minor] if adds_up else []
    lines.append(("in all", left.rows, right.rows, *(Decimal(minor).scaleb(-decimals) for minor in totals)))
    lines += [(), ("what explains left - right", "currency", "breaks", "amount")]
    for row in compared.caused.to_pylist():
        amount = Decimal(row["minor"]).scaleb(-decimals)
        lines.append((cause_text(row["cause"]).en, row["currency"] or "", row["rows"], amount))
    refused = [table.num_rows for table in compared.refused]
    lines += [(), ("rows not compared", *refused)]
    for number, line in enumerate(lines):
        for at, value in enumerate(line):
            write_cell(sheet, number, at, value, looks)
