"""Values as explain tells them: a decimal without needless zeros, exactly what it was."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.proof.explain.core.numbers import plain


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (Decimal("0.05000000"), "0.05"),  # a commission of five percent, in the eight decimals of an attached table
        (Decimal("7.24510000"), "7.2451"),  # an exchange rate
        (Decimal("1.00000000"), "1"),
        (Decimal("100.00000000"), "100"),
        (Decimal("100"), "100"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0E-8"), "0"),
        (Decimal("-0.30"), "-0.3"),
        (Decimal("0.00000001"), "0.00000001"),
        (1200, "1200"),
        ("0.0500", "0.0500"),  # a text stays as it is
        (None, "(none)"),
    ],
)
def test_a_value_is_told(value: object, told: str) -> None:
    assert plain(value) == told


@given(st.decimals(-(10**10), 10**10, places=8))
def test_no_digit_that_counts_is_lost(value: Decimal) -> None:
    told = plain(value)
    assert Decimal(told) == value and not (("." in told) and told.endswith("0")) and "E" not in told
