"""Writes one table as a file that people open: CSV or XLSX, by the file's ending; whole, or not at all."""

from pathlib import Path

import pyarrow as pa

from everycent.proof.recon.breaks.desk import NotDone
from everycent.serve.break_files import SHEET_ROWS_MAX, SHEETS_MAX, guarded, write_sheets


def write_sheet(path: Path, title: str, table: pa.Table) -> None:
    """Texts that a spreadsheet would run as formulas are kept as texts. Raises NotDone, OSError."""
    ending = path.suffix.lower()
    if ending not in (".csv", ".xlsx"):
        raise NotDone(f"{path}: a sheet is written as .csv or .xlsx")
    if ending == ".xlsx" and table.num_rows > SHEET_ROWS_MAX * SHEETS_MAX:
        raise NotDone(f"{path}: {table.num_rows:,} rows do not fit a workbook; write a .csv file, or choose by --where")
    part = path.with_name(f".{path.name}.part")
    try:
        if ending == ".csv":
            from pyarrow import csv

            csv.write_csv(guarded(table), part)
        else:
            _write_workbook(part, title, table)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _write_workbook(path: Path, title: str, table: pa.Table) -> None:
    from xlsxwriter import Workbook

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(str(path), {**options, "strings_to_numbers": False, "tmpdir": str(path.parent)}) as book:
        scales = [field.type.scale for field in table.schema if pa.types.is_decimal(field.type)]
        places = max(scales, default=0)
        looks = {
            "head": book.add_format({"bold": True, "bottom": 1}),
            "amount": book.add_format({"num_format": f"#,##0.{'0' * places}" if places else "#,##0"}),
            "time": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        }  # fmt: skip
        write_sheets(book, title, _without_zone(table), looks)


def _without_zone(table: pa.Table) -> pa.Table:
    """A spreadsheet's times know no zone: they are in UTC."""
    fields = [
        field.with_type(pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field for field in table.schema
    ]
    return table.cast(pa.schema(fields))
