"""A statement as CSV and as XLSX: whole, or not at all."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from everycent.serve.break_files import looks_of, write_sheets
from everycent.serve.downloads.document import Document
from everycent.serve.downloads.facts import charges, facts, settled, sums
from everycent.serve.downloads.words import word
from everycent.serve.sheets import write_sheet


def lines_table(document: Document) -> pa.Table:
    """The lines with the statement's id and its currency; amounts in major units, exact."""
    places = document.money.exponent
    due = [Decimal(minor).scaleb(-places) for minor in document.lines["due_minor"].to_pylist()]
    rows = len(due)
    return pa.table(
        {
            "statement": pa.array([document.statement_id] * rows, pa.string()),
            **{name: document.lines[name] for name in ("kind", "order", "booked_on", "charge", "other_party")},
            "due": pa.array(due, pa.decimal128(38, places)),
            "currency": pa.array([document.money.code] * rows, pa.string()),
        }
    )


def write_csv(document: Document, path: Path) -> None:
    """The lines alone. Raises OSError."""
    write_sheet(path, "lines", lines_table(document))


def write_xlsx(document: Document, path: Path, language: str) -> None:
    """A sheet of what it says, and one (or more) of its lines. Raises OSError."""
    from xlsxwriter import Workbook

    part = path.with_name(f".{path.name}.part")
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    try:
        with Workbook(str(part), {**options, "in_memory": True}) as book:
            looks = {**looks_of(book), "time": book.add_format({"num_format": "yyyy-mm-dd"})}
            _front(book.add_worksheet(word("title", language)), document, language, looks)
            write_sheets(book, word("details", language), lines_table(document), looks)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _front(sheet: Any, document: Document, language: str, looks: dict[str, Any]) -> None:
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 4, 20)
    row = 0
    for name, value in (*facts(document, language), *sums(document, language)):
        sheet.write_string(row, 0, name, looks["head"])
        sheet.write_string(row, 1, value)
        row += 1
    for heads, rows in (charges(document, language), settled(document, language)):
        row += 1
        for line in (heads, *rows):
            for at, cell in enumerate(line):
                sheet.write_string(row, at, cell, looks["head"] if line is heads else None)
            row += 1
