"""Bars: lengths go with amounts, both sides of nothing, and names fit whatever they are written in."""

import re
from types import SimpleNamespace

from everycent.serve.figures.asked import Figures, columns
from everycent.serve.report.bars import Bar, Part, bars, shortened
from everycent.serve.report.figures import figures_section

ZH = "永和豆漿大王旗艦店（上海浦东新区世纪大道旗舰体验中心）"


def widths(picture: str) -> list[float]:
    return [float(found) for found in re.findall(r'<rect[^>]* width="([\d.]+)"', picture)]


def starts(picture: str) -> list[float]:
    return [float(found) for found in re.findall(r'<rect[^>]* x="([\d.]+)"', picture)]


def test_parts_stand_one_after_another_and_below_nothing_to_the_left() -> None:
    drawn = [Bar("a", "a", (Part("x", "x", 300, "0"), Part("y", "y", 100, "1"))),
             Bar("b", "b", (Part("z", "z", -200, "2"),))]  # fmt: skip
    picture = bars(drawn, 2, "what")
    (x, y, z), (at_x, at_y, at_z) = widths(picture), starts(picture)
    assert abs(x - 3 * y) < 0.3 and abs(z - 2 * y) < 0.3
    assert abs(at_x + x - at_y) < 0.2 and abs(at_z + z - at_x) < 0.2
    assert ">4.00</text>" in picture and ">-2.00</text>" in picture


def test_nothing_to_draw_is_no_picture() -> None:
    assert bars([], 2, "what") == ""


def test_only_debts_are_drawn_within_the_picture() -> None:
    picture = bars([Bar("a", "a", (Part("x", "x", -500, "0"),))], 0, "what")
    assert min(starts(picture)) >= 300 and starts(picture)[0] + widths(picture)[0] <= 1120


def test_a_long_name_is_cut_by_its_width() -> None:
    assert shortened("merchant:m-7") == "merchant:m-7"
    assert shortened(ZH, 12) == "永和豆漿大…"
    assert shortened("a" * 50, 12) == "a" * 11 + "…"


def test_the_page_shows_what_there_is_and_nothing_of_what_there_is_not() -> None:
    revenue = Figures(
        "revenue", "", columns(["legal_entity", "charge", "what"], ["earned", "given", "net"]),
        (("上海", f"{ZH}<b>", "revenue", 5, 0, 5, "CNY"), ("上海", "deposit", "deposit held", 7, 0, 7, "CNY")),
    )  # fmt: skip

    nothing = Figures("cost", "", columns(["charge"], ["amount"]), ())
    data = SimpleNamespace(exponent=2, figures={"revenue": revenue, "cost": nothing})
    page = figures_section(data)  # type: ignore[arg-type]
    assert "0.05" in page and "c-open" in page, "a deposit has a colour of its own"
    assert "<b>" not in page and "Cost by bearer" not in page
    assert figures_section(SimpleNamespace(figures={})) == ""  # type: ignore[arg-type]
