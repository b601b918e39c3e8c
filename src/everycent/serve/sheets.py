"""Writes one table as a file that people open: CSV or XLSX, by the file's ending; whole, or not at all."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pyarrow as pa
import pyarrow.compute as pc

from everycent.proof.recon.breaks.desk import NotDone
from everycent.serve.break_files import SHEET_ROWS_MAX, SHEETS_MAX, guarded, known, looks_of, write_sheets


def write_sheet(path: Path, title: str, table: pa.Table, amounts_in: Mapping[str, str] = MappingProxyType({})) -> None:
    """Texts that a spreadsheet would run as formulas are kept as texts. amounts_in: of columns of amounts, that of the
    currency whose decimals each has. Raises NotDone, OSError."""
    ending = path.suffix.lower()
    if ending not in (".csv", ".xlsx"):
        raise NotDone(f"{path}: a sheet is written as .csv or .xlsx")
    if ending == ".xlsx" and table.num_rows > SHEET_ROWS_MAX * SHEETS_MAX:
        raise NotDone(f"{path}: {table.num_rows:,} rows do not fit a workbook; write a .csv file, or choose by --where")
    part = path.with_name(f".{path.name}.part")
    try:
        if ending == ".csv":
            from pyarrow import csv

            csv.write_csv(_with_own_decimals(guarded(table), amounts_in), part)
        else:
            _write_workbook(part, title, table, amounts_in)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _with_own_decimals(table: pa.Table, amounts_in: Mapping[str, str]) -> pa.Table:
    """The amounts as texts, each with the decimals of its currency, where these differ: a column's numbers have all the
    same."""
    moneys = {code: known(code) for held in amounts_in.values() for code in pc.unique(table[held]).to_pylist()}
    exponents = {code: money.exponent for code, money in moneys.items() if money is not None}
    if len(set(exponents.values())) < 2:
        return table
    for name, held in amounts_in.items():
        texts = pa.nulls(table.num_rows, pa.string())
        for code in sorted(exponents):
            its_own = pc.if_else(pc.equal(table[held], code), table[name], None)
            texts = pc.coalesce(texts, its_own.cast(pa.decimal128(38, exponents[code])).cast(pa.string()))
        table = table.set_column(table.column_names.index(name), name, texts)
    return table


def _write_workbook(path: Path, title: str, table: pa.Table, amounts_in: Mapping[str, str]) -> None:
    from xlsxwriter import Workbook

    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with Workbook(str(path), {**options, "strings_to_numbers": False, "tmpdir": str(path.parent)}) as book:
        looks = looks_of(book)
        write_sheets(book, title, _without_zone(table), looks, amounts_in)


def _without_zone(table: pa.Table) -> pa.Table:
    """A spreadsheet's times know no zone: they are in UTC."""
    fields = [
        field.with_type(pa.timestamp("us")) if pa.types.is_timestamp(field.type) else field for field in table.schema
    ]
    return table.cast(pa.schema(fields))
