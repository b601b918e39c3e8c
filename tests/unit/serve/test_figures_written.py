"""Figures in files: each amount with the decimals of its own currency, and no name runs as a formula."""

from pathlib import Path

from openpyxl import load_workbook

from everycent.serve.figures.asked import Figures, columns
from everycent.serve.figures.writing import spoken, write

FIGURES = Figures(
    "balances", "Balances", columns(["party"], ["balance"]),
    (("=1+1", 123456, "CNY"), ("m-8", -500, "JPY"), ("永和豆漿", 1234, "KWD")),
)  # fmt: skip


def test_each_amount_has_the_decimals_of_its_currency(tmp_path: Path) -> None:
    assert [row[1] for row in spoken(FIGURES)] == ["1,234.56", "-500", "1.234"]
    assert FIGURES.totals() == {"CNY": {"balance": 123456}, "JPY": {"balance": -500}, "KWD": {"balance": 1234}}
    for name in ("f.csv", "f.xlsx"):
        write(FIGURES, tmp_path / name)
    lines = (tmp_path / "f.csv").read_text(encoding="utf-8").splitlines()
    assert [line.replace('"', "") for line in lines[1:]] == ["'=1+1,1234.56,CNY", "m-8,-500,JPY", "永和豆漿,1.234,KWD"]
    sheet = load_workbook(tmp_path / "f.xlsx")["balances"]
    assert [row[1].value for row in list(sheet.rows)[1:]] == [1234.56, -500, 1.234]
    assert list(sheet.rows)[1][0].data_type == "s", "a name is a text"
