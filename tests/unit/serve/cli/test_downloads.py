"""`everycent statement download` and the search of `statement list`: a merchant reads what it is paid, line by line."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from pypdf import PdfReader
from small_market import market

from everycent.flow.payments.contract import InstructionState
from everycent.flow.settlement.contract import LineKind, StatementState
from everycent.serve.cli import exits
from everycent.serve.cli.app import run_app
from everycent.serve.downloads import fonts, pdf
from everycent.serve.downloads.words import word

MODEL = market(
    """\
    charges:
      goods: {for: sold, amount: price, debtor: platform, creditor: merchant}
      commission: {for: sold, amount: price * 0.1, round: half_up, debtor: merchant, creditor: platform}
    non_order_charges:
      fine: {of: [merchant], settled_by: statement}
    statements:
      merchant: {cycle: daily, reserve: {ratio: "0.05", release_after: 30 days}}
      brand: {cycle: monthly}
    """
)
SOLD = """\
id,merchant,brand,price,coupon,at
A1,m-7,b,99.99,0,2026-03-01 10:00:00
A2,m-7,b,20.00,0,2026-03-01 10:00:00
A3,永和豆漿,b,2.00,0,2026-03-01 10:00:00
"""
M7, YH = (f"promotions/merchant:{key}/2026-03-01/CNY/shanghai" for key in ("m-7", "永和豆漿"))
#: What m-7 has: sold, less commission, less a twentieth held back.
BALANCE = "102.59"

Say = Callable[..., tuple[int, Any]]


@pytest.fixture
def say(say: Say, tmp_path: Path) -> Say:
    """Gives a command about the market, whose first day is closed and paid, with a fine; its code and its JSON."""
    (tmp_path / "model.yaml").write_text(MODEL, encoding="utf-8")
    (tmp_path / "sold.csv").write_text(SOLD, encoding="utf-8")

    assert say("run MODEL --records SOLD --as-of 2026-03-01")[0] == exits.OK
    fine = "non-order give MODEL --kind fine --party merchant:m-7 --on 2026-03-01 --by ann --amount 7 --reference F-1"
    assert say(fine)[0] == exits.OK
    code, told = say("run MODEL --records SOLD --as-of 2026-03-02")
    assert code == exits.OK and told["verified"], told
    return say


def test_a_merchant_reads_its_statement_in_each_form(say: Say, tmp_path: Path, capsys: Any) -> None:
    forms = ("--format", "csv", "--format", "xlsx", "--format", "pdf")
    folder = tmp_path / "out"
    code, told = say("statement download", M7, *forms, "--out", str(folder))
    assert code == exits.OK, told
    sheet, book, paper = (Path(path) for path in told["written"])
    assert sheet.name == "promotions_merchant_m-7_2026-03-01_CNY_shanghai.csv" and len(list(folder.iterdir())) == 3

    lines = list(csv.DictReader(sheet.open(encoding="utf-8")))
    assert [(line["order"], line["charge"], line["due"]) for line in lines] == [
        ("A1", "commission", "-10.00"), ("A1", "goods", "99.99"), ("A2", "commission", "-2.00"),
        ("A2", "goods", "20.00"),
    ]  # fmt: skip

    read = load_workbook(book)
    front = [[cell.value for cell in row] for row in read["Settlement statement"].rows]
    assert ["Balance", BALANCE] in [row[:2] for row in front]
    assert ["commission", "2", "0.00", "12.00", "-12.00"] in front
    assert ["goods", "2", "119.99", "0.00", "119.99"] in front
    assert [row[6].value for row in read["Details"].rows] == ["due", -10.0, 99.99, -2.0, 20.0]

    text = "\n".join(page.extract_text() for page in PdfReader(paper).pages)
    for said in (M7, "net: one amount", f"{BALANCE} CNY", "Held back", "-5.40", "commission", "A2", "99.99",
                 "fine F-1", "-7.00",
                 "to be sent", "Page 1 of 1"):  # fmt: skip
        assert said in text, (said, text)
    assert run_app(["statement", "download", M7, "--format", "csv", "--out", str(folder)]) == exits.OK
    assert "written: " in capsys.readouterr().out


def test_chinese_is_written_with_a_font_that_has_it_or_not_at_all(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.delenv(fonts.FONT_VARIABLE, raising=False)
    monkeypatch.setattr(fonts, "folders", list)
    code, told = say("statement download", YH, "--out", str(tmp_path / "none"))
    assert code == exits.REFUSED and "no font is found that can write '和永漿豆'" in told.replace("\n", " ")
    assert list((tmp_path / "none").iterdir()) == []
    assert say("statement download", M7, "--out", str(tmp_path))[0] == exits.OK, "Latin needs none"
    code, told = say("statement download", YH, "--format", "csv", "--out", str(tmp_path))
    assert code == exits.OK and "永和豆漿" in Path(told["written"][0]).name
    (tmp_path / "f.ttf").write_bytes(b"no font")
    code, told = say("statement download", YH, "--font", str(tmp_path / "f.ttf"), "--out", str(tmp_path))
    assert code == exits.REFUSED and "is no font that can be read" in told
    assert "there is no font" in say("statement download", YH, "--font", "gone.ttf")[1]


def test_chinese_is_embedded_where_the_system_has_a_font(say: Say, tmp_path: Path) -> None:
    if not any(fonts._found(needs_cjk=True)):
        pytest.skip("this system has no font with Chinese: install fonts-noto-cjk to see this")
    code, told = say("statement download", YH, "--language", "zh", "--out", str(tmp_path))
    assert code == exits.OK, told
    page = PdfReader(told["written"][0]).pages[0]
    text = page.extract_text().replace("\x00", "")  # the reader's way with codes of two bytes
    assert "结算单" in text and "永和豆漿" in text and "流水倒扣" in text
    embedded = [font["/DescendantFonts"][0]["/FontDescriptor"] for font in page["/Resources"]["/Font"].values()]
    assert all("/FontFile2" in each or "/FontFile3" in each for each in embedded)


def test_without_what_writes_pdfs_it_is_said_what_to_install(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fpdf", None)
    code, told = say("statement download", M7, "--out", str(tmp_path))
    assert code == exits.REFUSED and "pip install 'everycent[pdf]'" in told


def test_many_lines_go_over_pages_and_end_with_a_word(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pdf, "LINES_PRINTED", 3)
    _, told = say("statement download", M7, "--out", str(tmp_path))
    text = PdfReader(told["written"][0]).pages[0].extract_text()
    assert "Shown are the first 3 of 4 lines" in text


def test_statements_are_found_by_days_and_amounts(say: Say) -> None:
    def found(*asked: str) -> list[str]:
        return [each["statement_id"] for each in say("statement list", *asked)[1]["statements"]]

    assert found() == [M7, YH] or found() == [YH, M7]
    assert found("--currency", "CNY", "--least", BALANCE) == [M7]
    assert found("--currency", "CNY", "--most", "102.58") == [YH]
    assert found("--currency", "JPY") == [] and found("--since", "2026-03-02") == []
    assert len(found("--since", "2026-03-01", "--until", "2026-03-01")) == 2


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (["statement", "list", "--least", "5"], "say which with --currency"),
        (["statement", "list", "--least", "5.001", "--currency", "CNY"], "--least: '5.001' has 3 decimals"),
        (["statement", "download", "none"], "there is no statement 'none'"),
        (["statement", "download", "none", "--format", "doc"], "--format doc: write one of csv, xlsx, pdf"),
        (["statement", "download", "none", "--language", "fr"], "--language fr: write one of en, zh"),
    ],
)
def test_what_cannot_be_meant_is_said(
    database: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, asked: list[str], says: str
) -> None:
    monkeypatch.setenv("EVERYCENT_DATABASE_URL", database.settings.database_url)
    monkeypatch.setenv("EVERYCENT_DATA_DIR", str(tmp_path / ".everycent"))
    assert run_app(asked) == exits.REFUSED
    assert says in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("state", [*StatementState, *InstructionState, *LineKind])
def test_what_a_statement_may_say_has_a_chinese_word(state: str) -> None:
    assert word(state, "zh") != state and not word(state, "zh").isascii()
