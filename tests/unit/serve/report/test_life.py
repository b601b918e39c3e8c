"""The page of a life: a dot for each day and kind, all events, everything escaped."""

from datetime import UTC, date, datetime
from pathlib import Path

from everycent.proof.explain.contract import Event, Life
from everycent.serve.report.life import render_life, timeline

EVENTS = (
    Event(datetime(2026, 3, 1, 10, tzinfo=UTC), "record", "r", "paid <P1>", "m", "f.csv:2"),
    Event(datetime(2026, 3, 1, 10, tzinfo=UTC), "charge", "r/fee", "fee: 1.00 CNY", "m"),
    Event(datetime(2026, 3, 1, 10, tzinfo=UTC), "charge", "r/tax", "tax: 0.06 CNY", "m"),
    Event(date(2026, 3, 9), "statement", "s", "s closed", "m"),
    Event(None, "break", "b", "missing", "m"),
)


def test_a_dot_stands_for_each_day_and_kind() -> None:
    picture = timeline(EVENTS)
    assert picture.count("<circle") == 4, "two charges of one day share a dot"
    assert ">2</text>" in picture and "2026-03-09" in picture and "no date" in picture
    assert "paid &lt;P1&gt;" in picture and "paid <P1>" not in picture


def test_the_page_stands_alone_in_both_languages(tmp_path: Path) -> None:
    render_life(Life("P1 & co", EVENTS, ("statement <x> is still open",)), tmp_path / "life.html")
    page = (tmp_path / "life.html").read_text()
    assert "P1 &amp; co 的全流程回放" in page and "The life of P1 &amp; co" in page
    assert "statement &lt;x&gt; is still open" in page and "f.csv:2" in page
    assert "http://" not in page and "https://" not in page and "src=" not in page
