import iso4217
import pytest

from everycent.base.money.currency import Currency, CurrencyWithoutMinorUnit, UnknownCurrency, all_currencies, currency


@pytest.mark.parametrize(
    ("code", "exponent"), [("JPY", 0), ("CLF", 4), ("CNY", 2), ("USD", 2), ("KWD", 3), ("BHD", 3), ("KRW", 0)]
)
def test_decimals_come_from_iso_4217(code: str, exponent: int) -> None:
    assert currency(code) == Currency(code, exponent)


def test_every_current_currency_of_the_library_is_known() -> None:
    published = {entry.code: entry.exponent for entry in iso4217.Currency}
    settled = {code: exponent for code, exponent in published.items() if exponent is not None}
    assert {found.code: found.exponent for found in all_currencies()} == settled
    assert len(settled) > 150
    for code in published.keys() - settled.keys():
        with pytest.raises(CurrencyWithoutMinorUnit, match=code):
            currency(code)


@pytest.mark.parametrize(
    ("code", "advice"),
    [("cny", "did you mean CNY"), ("CNU", "CN"), ("¥", "write a code like"), ("DEM", "not a current")],
)
def test_an_unknown_code_is_refused_with_names_that_are_near(code: str, advice: str) -> None:
    with pytest.raises(UnknownCurrency, match=advice):
        currency(code)


def test_money_without_a_minor_unit_is_refused() -> None:
    with pytest.raises(CurrencyWithoutMinorUnit, match="'XXX' has no minor unit"):
        currency("XXX")
