"""A graduated price, slice by slice: the slices are the total's, and their amounts the price's."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everycent.proof.explain.core.model_text import ModelText
from everycent.proof.explain.core.slices import slices_told

MONTHLY = {"tiers": [{"up_to": "1000.00", "rate": "0.05"}, {"up_to": "5000.00", "rate": "0.08"}, {"rate": "0.10"}]}
ENTERED = {"tiers": [{"up_to": "10", "price": "1.5", "flat": "3"}, {"flat": "4", "price": "0.125"}]}


@pytest.mark.parametrize(
    ("price", "before", "after", "told"),
    [
        (MONTHLY, "700.00", "1200.00", "300.00 at 0.05 = 15.00; 200.00 at 0.08 = 16.00"),
        (MONTHLY, "1000.00", "1000.01", "0.01 at 0.08 = 0.0008"),
        (MONTHLY, "0", "6000.00", "1000.00 at 0.05 = 50.00; 4000.00 at 0.08 = 320.00; 1000.00 at 0.10 = 100.00"),
        (ENTERED, "0", "8", "3 for entering the tier from 0 on; 8 at 1.5 = 12"),
        (ENTERED, "8", "11", "2 at 1.5 = 3; 4 for entering the tier from 10 on; 1 at 0.125 = 0.125"),
        (MONTHLY, "0", "-5.00", None),
        (MONTHLY, "0", "(none)", None),
        ({"tiers": [{"rate": "share * 2"}]}, "0", "5", None),
        ({}, "0", "5", None),
    ],
)
def test_slices_are_told(price: dict[str, Any], before: str, after: str, told: str | None) -> None:
    assert slices_told(price, before, after) == told


@given(st.integers(0, 10**7), st.integers(1, 10**7))
def test_slices_and_amounts_add_up(before: int, width: int) -> None:
    ends = [Decimal(cents) / 100 for cents in (before, before + width)]
    told = slices_told(MONTHLY, *(f"{end:.2f}" for end in ends))
    assert told is not None
    parts = [part.replace(" at ", " = ").split(" = ") for part in told.split("; ")]
    assert sum(Decimal(size) for size, _, _ in parts) == Decimal(width) / 100

    def price(total: Decimal) -> Decimal:
        tiers = ((Decimal(0), Decimal("0.05")), (Decimal(1000), Decimal("0.03")), (Decimal(5000), Decimal("0.02")))
        return sum((max(Decimal(0), total - start) * more for start, more in tiers), Decimal(0))

    assert sum(Decimal(amount) for _, _, amount in parts) == price(ends[1]) - price(ends[0])


def test_what_is_looked_up_for_a_price_says_in_which_table() -> None:
    text = ModelText("""
charges:
  proceeds: {amount: paid, convert: {from: paid_in, rates: fx.csv}}
  fee:
    rules:
      - {price: {flat: {amount: 1}}}
      - {price: {rate_card: {table: card.csv, by: [kind], column: fee}}}
""")
    assert text.factor("exchange rate of proceeds") == "from fx.csv"
    assert text.factor_table("rate card of fee rule 2") == "card.csv"


def test_a_tag_that_is_money_is_told_as_money() -> None:
    text = ModelText("""
records:
  sale:
    columns: {price: money, coupon: {type: money, default: "0"}, units: integer}
    tags: {paid: price - coupon, each: price / units, several: units > 1}
""")
    assert [text.is_money("sale", name) for name in ("price", "paid", "several", "units", "none")] == [
        True, True, False, False, False,
    ]  # fmt: skip


def test_money_is_in_its_column_s_currency_its_record_s_or_the_model_s() -> None:
    text = ModelText("""
currency: CNY
records:
  sale:
    currency: paid_in
    columns: {price: money, fee: {type: money, currency: USD}, paid_in: {type: text, in: [CNY, JPY]}}
  usage: {columns: {cost: money}}
""")
    body = {"paid_in": "JPY"}
    assert [text.currency_of("sale", body, name) for name in ("price", "fee", None)] == ["JPY", "USD", "JPY"]
    assert (text.currency_of("usage", {}, "cost"), ModelText("").currency_of("usage", {})) == ("CNY", None)
