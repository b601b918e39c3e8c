from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.base.money.rounding import Rounding, round_fraction

ORACLE = {
    Rounding.HALF_UP: ROUND_HALF_UP,
    Rounding.HALF_EVEN: ROUND_HALF_EVEN,
    Rounding.DOWN: ROUND_DOWN,
    Rounding.UP: ROUND_UP,
}


@pytest.mark.parametrize(
    ("value", "half_up", "half_even", "down", "up"),
    [
        ("2.5", 3, 2, 2, 3),
        ("3.5", 4, 4, 3, 4),
        ("-2.5", -3, -2, -2, -3),
        ("2.4", 2, 2, 2, 3),
        ("-0.1", 0, 0, 0, -1),
        ("7", 7, 7, 7, 7),
    ],
)
def test_each_rounding_by_name(value: str, half_up: int, half_even: int, down: int, up: int) -> None:
    exact = Fraction(value)
    rounded = [round_fraction(exact, rounding) for rounding in Rounding]
    assert rounded == [half_up, half_even, down, up]


@given(st.decimals(-(10**12), 10**12, places=6), st.sampled_from(Rounding))
def test_it_agrees_with_decimal(value: Decimal, rounding: Rounding) -> None:
    assert round_fraction(Fraction(value), rounding) == value.quantize(Decimal(1), ORACLE[rounding])


@given(st.fractions(), st.sampled_from(Rounding))
def test_it_is_symmetric_around_zero_and_never_a_unit_away(value: Fraction, rounding: Rounding) -> None:
    rounded = round_fraction(value, rounding)
    assert round_fraction(-value, rounding) == -rounded
    assert abs(rounded - value) < 1
