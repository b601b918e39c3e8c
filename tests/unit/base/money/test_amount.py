from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.base.money.amount import (
    INT64_MAX,
    INT64_MIN,
    BeyondInt64,
    EmptyAmount,
    ExponentNotAllowed,
    NotAnAmount,
    NotFinite,
    ThousandsSeparatorNotAllowed,
    TooManyDecimals,
    format_minor,
    grouped_minor,
    parse_minor,
    parse_typed,
)
from everycent.base.money.currency import Currency, all_currencies, currency

CNY, JPY, KWD = currency("CNY"), currency("JPY"), currency("KWD")


@pytest.mark.parametrize(
    ("text", "unit", "minor"),
    [
        ("12.30", CNY, 1230),
        ("-12.3", CNY, -1230),
        ("12", CNY, 1200),
        ("+0.01", CNY, 1),
        ("-0.00", CNY, 0),
        ("12.3000", CNY, 1230),
        (" 7.5 ", CNY, 750),
        ("007", CNY, 700),
        ("500", JPY, 500),
        ("500.0", JPY, 500),
        ("1.234", KWD, 1234),
        ("92233720368547758.07", CNY, INT64_MAX),
        ("-92233720368547758.08", CNY, INT64_MIN),
    ],
)
def test_text_says_minor_units(text: str, unit: Currency, minor: int) -> None:
    assert parse_minor(text, unit) == minor


@pytest.mark.parametrize(
    ("text", "unit", "refusal", "message"),
    [
        ("", CNY, EmptyAmount, "is empty; write for example 12345.67"),
        ("  ", CNY, EmptyAmount, "is empty"),
        ("12.345", CNY, TooManyDecimals, "has 3 decimals, CNY has 2"),
        ("12.5", JPY, TooManyDecimals, "has 1 decimals, JPY has 0; write for example 1234567"),
        ("0.0001", KWD, TooManyDecimals, "has 4 decimals, KWD has 3"),
        ("NaN", CNY, NotFinite, "not a number"),
        ("-inf", CNY, NotFinite, "not a number"),
        ("1e30", CNY, ExponentNotAllowed, "scientific notation; write all digits"),
        ("1.5E-2", CNY, ExponentNotAllowed, "scientific notation"),
        ("1,234.56", CNY, ThousandsSeparatorNotAllowed, "write the digits together"),
        ("1.234,56", CNY, ThousandsSeparatorNotAllowed, "write the digits together"),
        ("92233720368547758.08", CNY, BeyondInt64, "lies between -92233720368547758.08 and 92233720368547758.07"),
        ("9" * 5000, CNY, BeyondInt64, r"9\.\.\.' does not fit"),
        ("12.", CNY, NotAnAmount, "is not an amount"),
        (".5", CNY, NotAnAmount, "is not an amount"),
        ("--1", CNY, NotAnAmount, "is not an amount"),
        ("¥12", CNY, NotAnAmount, "is not an amount"),
        ("１２", CNY, NotAnAmount, "is not an amount"),
        ("12 34", CNY, NotAnAmount, "is not an amount"),
    ],
)
def test_a_refusal_is_named_after_the_rule_that_was_broken(
    text: str, unit: Currency, refusal: type[NotAnAmount], message: str
) -> None:
    with pytest.raises(refusal, match=message) as raised:
        parse_minor(text, unit)
    assert type(raised.value) is refusal


@given(st.integers(INT64_MIN, INT64_MAX), st.sampled_from(all_currencies()))
def test_what_is_written_reads_back_the_same_in_every_currency(minor: int, unit: Currency) -> None:
    written = format_minor(minor, unit)
    assert parse_minor(written, unit) == minor
    assert Decimal(written).scaleb(unit.exponent) == minor
    assert len(written.partition(".")[2]) == unit.exponent


@given(st.text(alphabet="0123456789+-.,eE nainf", max_size=25))
def test_any_text_is_either_exact_or_refused(text: str) -> None:
    try:
        minor = parse_minor(text, CNY)
    except NotAnAmount as refusal:
        assert "write for example" in str(refusal) or "lies between" in str(refusal)
    else:
        assert Decimal(text.strip()) * 100 == minor


@pytest.mark.parametrize(
    ("minor", "unit", "shown"),
    [
        (123456789, CNY, "1,234,567.89"),
        (-99999, CNY, "-999.99"),
        (-100000, CNY, "-1,000.00"),
        (1234, JPY, "1,234"),
        (5, KWD, "0.005"),
    ],
)
def test_people_read_thousands_apart_and_may_type_them_back(minor: int, unit: Currency, shown: str) -> None:
    assert grouped_minor(minor, unit) == shown
    assert parse_typed(shown, unit) == parse_typed(format_minor(minor, unit), unit) == minor


@pytest.mark.parametrize(
    ("text", "unit"),
    [("1,234", CNY), ("1.234,56", CNY), ("1,23.45", CNY), ("1,234.5", CNY), ("1,234.50", JPY), ("1 234.50", CNY)],
)
def test_separators_that_no_table_here_writes_are_refused_when_typed(text: str, unit: Currency) -> None:
    with pytest.raises(ThousandsSeparatorNotAllowed if text != "1,23.45" else NotAnAmount):
        parse_typed(text, unit)
