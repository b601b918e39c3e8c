"""Tables that people open: what does not fit a worksheet goes on the next; beyond a workbook it is refused."""

from pathlib import Path

import pyarrow as pa
import pytest
from openpyxl import load_workbook

from everycent.proof.recon.breaks.desk import NotDone
from everycent.serve import break_files, sheets


def test_more_rows_than_a_sheet_has_go_on_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (break_files, sheets):
        monkeypatch.setattr(module, "SHEET_ROWS_MAX", 2)
    table = pa.table({"key": ["A", "B", "C", "D", "E"]})
    sheets.write_sheet(tmp_path / "all.xlsx", "breaks", table)
    book = load_workbook(tmp_path / "all.xlsx")
    held = {name: [row[0] for row in book[name].iter_rows(values_only=True)] for name in book.sheetnames}
    assert held == {"breaks": ["key", "A", "B"], "breaks 2": ["key", "C", "D"], "breaks 3": ["key", "E"]}
    monkeypatch.setattr(sheets, "SHEETS_MAX", 2)
    with pytest.raises(NotDone, match="5 rows do not fit a workbook"):
        sheets.write_sheet(tmp_path / "more.xlsx", "breaks", table)
    assert not (tmp_path / "more.xlsx").exists()
