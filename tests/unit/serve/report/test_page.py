"""The page stands alone, says both languages, escapes what it is given, and its picture adds up."""

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from everycent.base.money.cycle import FOREVER
from everycent.serve.figures.asked import Column, Figures
from everycent.serve.report.data import ROWS_SHOWN, Check, FlowRow, ReportData, StandingRow
from everycent.serve.report.page import render
from everycent.serve.report.sankey import sankey

VOID = {"meta", "path", "rect", "br"}


class Page(HTMLParser):
    """Reads a page and remembers its references; complains about tags that do not nest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID or (tag == "path" and not self.get_starttag_text().endswith("/>")):  # type: ignore[union-attr]
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def page_of(data: ReportData, tmp_path: Path) -> tuple[str, Page]:
    path = tmp_path / "report.html"
    render(data, path)
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert page.open == []
    return html, page


@pytest.mark.parametrize("books", ["example", "empty"])
def test_it_stands_alone(books: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    html, page = page_of(request.getfixturevalue(books), tmp_path)
    assert all(reference.startswith("#") for reference in page.references)
    assert "url(" not in html and "@import" not in html and "http" not in html


def test_a_period_that_no_event_has_ended_says_no_day(example: ReportData, tmp_path: Path) -> None:
    (stall,) = (one._replace(due_on=FOREVER + timedelta(days=1)) for one in example.statements[:1])
    columns = (("who", "text"), ("what", "text"), ("since", "date"), ("things", "count"), ("amount", "amount"))
    waits = Figures(
        "waiting", "", tuple(Column(*column) for column in columns), (("an event", "to close", None, 1, 5400),)
    )
    html, _ = page_of(replace(example, statements=(stall,), figures={"waiting": waits}), tmp_path)
    assert "<td>…</td>" in html and "9999" not in html and "<td>None</td>" not in html


def test_it_speaks_both_languages(example: ReportData, tmp_path: Path) -> None:
    html, page = page_of(example, tmp_path)
    text = " ".join(page.text)
    for said in ("Verified: every cent accounted for", "已核验：每一分钱都有着落", "Payment instructions", "收付款单"):
        assert said in text
    assert html.count('data-lang="en"') == html.count('data-lang="zh"')


@pytest.mark.parametrize(("lang", "first"), [("auto", "en"), ("en", "en"), ("zh", "zh")])
def test_the_language_shown_first_can_be_chosen(example: ReportData, tmp_path: Path, lang: str, first: str) -> None:
    render(example, tmp_path / "report.html", lang)  # type: ignore[arg-type]
    assert f'<html lang="{first}" data-language="{lang}">' in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_everything_from_outside_is_escaped(example: ReportData, tmp_path: Path) -> None:
    evil = "<script>alert('1')</script>\"&"
    data = replace(
        example,
        model=evil,
        flows=(*example.flows, FlowRow(evil, evil, evil, 1, 100, 1)),
        standings=(*example.standings, StandingRow(evil, "open", 99)),
        parties=(example.parties[0]._replace(party_id=evil),),
        statements=(example.statements[0]._replace(statement_id=evil, state=evil),),
        instructions=(example.instructions[0]._replace(account=evil, party_id=evil, state=evil),),
        breaks=(example.breaks[0]._replace(key=evil, left_status=evil, place=evil),),
        set_aside=(example.set_aside[0]._replace(reason=evil, example=evil),),
        intake=(example.intake[0]._replace(file=evil, kind=evil),),
        checks=(Check(evil, False, evil),),
    )
    html, _ = page_of(data, tmp_path)
    assert html.count("<script>") == 1, "only the page's own script"
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        ((), "Not verified yet"),
        ((Check("a", True, ""),), "Verified: every cent accounted for"),
        ((Check("a", True, ""), Check("the ledger balances", False, "batch 7: 0.01 too much")), "1 of 2 checks failed"),
    ],
)
def test_the_verdict_comes_first(example: ReportData, tmp_path: Path, checks: tuple[Check, ...], says: str) -> None:
    _, page = page_of(replace(example, checks=checks), tmp_path)
    text = "".join(page.text)
    assert says in text and text.index(says) < text.index("Records accepted")


def test_long_tables_say_where_the_rest_is(example: ReportData, tmp_path: Path) -> None:
    _, page = page_of(example, tmp_path)
    assert len(example.statements) == ROWS_SHOWN
    assert f"Showing {ROWS_SHOWN} of 9,120; all of them are in statements.parquet." in "".join(page.text)


def test_the_pictures_columns_add_up(empty: ReportData) -> None:
    data = replace(
        empty,
        flows=(
            FlowRow("channel", "received", "platform", 2, 100_00, 0),
            FlowRow("platform", "goods", "seller", 2, 80_00, 0),
            FlowRow("seller", "commission", "platform", 2, 8_00, 0),
        ),
        standings=(
            StandingRow("platform", "passed", 80_00),
            StandingRow("platform", "kept", 28_00),
            StandingRow("seller", "offset", 8_00),
            StandingRow("seller", "paid", 72_00),
        ),
    )
    svg = sankey(data)
    places = re.findall(r'<rect[^>]* x="([\d.]+)"[^>]* height="([\d.]+)"', svg)
    heights: dict[str, float] = {}
    for x, height in places:
        heights[x] = heights.get(x, 0.0) + float(height)
    assert len(heights) == 4 and max(heights.values()) - min(heights.values()) < 0.5


def test_no_money_no_picture(empty: ReportData) -> None:
    assert sankey(empty) == ""


@pytest.mark.parametrize(
    ("exponent", "minor", "text"),
    [(2, 123456789, "1,234,567.89"), (2, -5, "-0.05"), (0, 1234, "1,234"), (3, 1, "0.001"), (2, 0, "0.00")],
)
def test_amounts_are_printed_exactly(empty: ReportData, exponent: int, minor: int, text: str) -> None:
    assert replace(empty, exponent=exponent).amount(minor) == text
