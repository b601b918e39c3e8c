"""Decimal texts in bulk, against Python's decimals."""

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.flow.intake.bills.figures import EMPTY, GOOD, NO_FIGURE, difference, directed, figures, plain

AMOUNT = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=4)


@pytest.mark.parametrize(
    ("text", "millionths", "status"),
    [
        ("12.34", 12_340_000, GOOD),
        (" -0.5\t", -500_000, GOOD),
        ("+7", 7_000_000, GOOD),
        (".5", 500_000, GOOD),
        ("0.1234560000", 123_456, GOOD),
        ("", 0, EMPTY),
        (None, 0, EMPTY),
        (" \t", 0, EMPTY),
        ("a1", 0, NO_FIGURE),
        ("1a", 0, NO_FIGURE),
        ("-", 0, NO_FIGURE),
        (".", 0, NO_FIGURE),
        ("1.2.3", 0, NO_FIGURE),
        ("1,000", 0, NO_FIGURE),
        ("1e3", 0, NO_FIGURE),
        ("0.1234567", 0, NO_FIGURE),
        ("1234567890123", 0, NO_FIGURE),
        ("9" * 40, 0, NO_FIGURE),
    ],
)
def test_one_text(text: str | None, millionths: int, status: int) -> None:
    read = figures(pa.array([text], pa.string()))
    assert (read.values.tolist(), read.status.tolist()) == ([millionths], [status])


@given(st.lists(AMOUNT, max_size=20), st.integers(0, 5))
def test_a_total_is_what_decimals_add_up_to(amounts: list[Decimal], cut: int) -> None:
    texts = pa.array([f"{amount:f}" for amount in amounts], pa.string()).slice(cut)
    assert figures(texts).total() == sum(amounts[cut:], Decimal(0))


def test_a_total_of_more_than_64_bits() -> None:
    texts = pa.array(["999999999999.999999"] * 20, pa.string())
    assert figures(texts).total() == Decimal("19999999999999.999980")


@given(st.lists(st.tuples(st.none() | AMOUNT, st.none() | AMOUNT), max_size=12))
def test_a_difference_is_what_decimals_give(pairs: list[tuple[Decimal | None, Decimal | None]]) -> None:
    plus, minus = (
        pa.array([None if pair[at] is None else f"{pair[at]:f}" for pair in pairs], pa.string()) for at in (0, 1)
    )
    found = difference(plus, minus, figures(plus), figures(minus)).to_pylist()
    for (left, right), text in zip(pairs, found, strict=True):
        if left is None and right is None:
            assert text is None
        else:
            assert Decimal(text) == (left or 0) - (right or 0)


def test_a_word_beside_each_amount_says_where_it_goes() -> None:
    kinds = pa.array(["in", "out", "/", None, "out", "in"])
    amount, moved = directed(kinds, pa.array(["1.00", "0.50", "9", "9", "-2.00", None]), "in", "out")
    assert amount.to_pylist() == ["1.00", "-0.50", None, None, "2.00", None]
    assert moved == {"in": (Decimal(2), Decimal(1)), "out": (Decimal(2), Decimal("-1.5"))}


def test_a_figure_is_told_as_people_write_it() -> None:
    assert [plain(Decimal(text)) for text in ("3", "0.000000", "1.5", "-2.340000", "0.00012")] == [
        *("3", "0.00", "1.50", "-2.34", "0.00012"),
    ]
