"""The waterfall: bars lead from one total to the other; figures are exact whatever the lengths."""

import re

import pytest

from everycent.serve.report.waterfall import Step, waterfall


def bars(picture: str) -> list[tuple[float, float]]:
    return [
        (float(x), float(x) + float(w))
        for x, w in re.findall(r'<rect[^>]* x="([\d.]+)"[^>]* width="([\d.]+)"', picture)
    ]


def test_each_bar_begins_where_the_one_before_ends() -> None:
    picture = waterfall(1000, 700, [Step("lost", "缺", -500, "returned"), Step("more", "多", 200, "paid")], 2)
    left, lost, more, right = bars(picture)
    assert left[1] == pytest.approx(lost[1], abs=0.2), "what is lost is taken from the left total"
    assert lost[0] == pytest.approx(more[0], abs=0.2) and more[1] == pytest.approx(right[1], abs=0.2)
    assert left[0] == right[0], "totals begin at zero"
    for figure in ("10.00", "-5.00", "+2.00", "7.00"):
        assert f">{figure}</text>" in picture


def test_small_differences_of_large_totals_are_seen() -> None:
    picture = waterfall(10**15, 10**15 - 3, [Step("a cent", "分", -3, "returned")], 2)
    _, step, _ = bars(picture)
    assert step[1] - step[0] > 50 and "does not begin at zero" in picture
    assert "10,000,000,000,000.00" in picture


def test_totals_below_zero_and_nothing_at_all_are_drawn() -> None:
    assert len(bars(waterfall(-500, 250, [Step("back", "退", 750, "paid")], 2))) == 3
    assert len(bars(waterfall(0, 0, [], 0))) == 2


def test_causes_that_are_not_the_difference_are_a_bug() -> None:
    with pytest.raises(AssertionError, match="the causes are the whole difference"):
        waterfall(10, 5, [], 2)
