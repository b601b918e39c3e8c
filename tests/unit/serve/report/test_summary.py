"""The terminal's tables: a narrow window may fold words, it must not cut a number."""

import io

import pytest
from rich.console import Console

from everycent.serve.report.data import ReportData
from everycent.serve.report.summary import summary_table


@pytest.mark.parametrize("width", [80, 100, 160])
def test_no_number_is_cut(example: ReportData, width: int) -> None:
    screen = io.StringIO()
    Console(file=screen, width=width).print(summary_table(example))
    text = screen.getvalue()
    assert "…" not in text
    for flow in example.flows:
        assert example.amount(flow.charged_minor) in text
    for total in example.instructions_by_direction.values():
        assert example.amount(total.amount_minor) in text


def test_the_verdict_stands_last(example: ReportData) -> None:
    screen = io.StringIO()
    Console(file=screen, width=100).print(summary_table(example))
    assert screen.getvalue().rstrip().endswith("verified: every cent accounted for")


def test_empty_books_have_a_summary(empty: ReportData) -> None:
    screen = io.StringIO()
    Console(file=screen, width=80).print(summary_table(empty))
    assert "records accepted" in screen.getvalue()
