"""What each kind of price comes to: at its borders, below zero, in yen and dinars, and against an oracle."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from market import COLUMNS, KIND, PARTIES, charge, reasons, records, types
from price_oracle import graduated, priced
from pydantic import ValidationError

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.base.money.rounding import Rounding, round_fraction
from everycent.flow.rating.contract import RatingRefused
from everycent.flow.rating.stage import Rated, plan_rating, rate

TIERS = [{"up_to": "10", "price": "5"}, {"up_to": "20", "price": "4"}, {"price": "3"}]
BY_VALUE = [
    {"up_to": "100", "rate": "0.05", "flat": "1"},
    {"up_to": "500", "rate": "0.03"},
    {"rate": "0.01", "flat": "2"},
]


def found(
    engine: LocalEngine, price: Mapping[str, Any], items: Sequence[Mapping[str, Any]], code: str = "CNY", **words: Any
) -> Rated:
    """Rates items by one charge of that price, in a currency."""
    money = currency(code)
    charges = {"fee": charge(price=price, **words)}
    plan = plan_rating(charges, {}, KIND, types(COLUMNS, money), PARTIES, {}, money)
    return rate(plan, records(*items), {}, engine)


def costs(engine: LocalEngine, price: Mapping[str, Any], column: str, values: Sequence[int], **words: Any) -> list[int]:
    return found(engine, price, [{column: value} for value in values], **words).charges["amount_minor"].to_pylist()


def test_flat(local: LocalEngine) -> None:
    assert costs(local, {"flat": {"amount": "2.50"}}, "qty", [0, 7]) == [250, 250]


def test_percentage_between_its_minimum_and_its_maximum(local: LocalEngine) -> None:
    price = {"percentage": {"of": "price", "rate": "0.05", "minimum": "0.30", "maximum": "3"}}
    values = [0, 100, 600, 601, 5999, 6001, 10**9, -100, -5000, -(10**9)]
    assert costs(local, price, "price", values) == [30, 30, 30, 30, 300, 300, 300, -30, -250, -300]


def test_units_beyond_the_free_ones(local: LocalEngine) -> None:
    price = {"per_unit": {"quantity": "qty", "price": "0.25", "free": "100"}}
    assert costs(local, price, "qty", [0, 100, 101, 104, -100, -104]) == [0, 0, 25, 100, 0, -100]


def test_a_package_begun_is_a_package_paid(local: LocalEngine) -> None:
    price = {"package": {"quantity": "qty", "size": "10", "price": "5"}}
    assert costs(local, price, "qty", [0, 1, 10, 11, 20, 21, -1, -11]) == [0, 500, 500, 1000, 1000, 1500, -500, -1000]
    free = {"package": {"quantity": "qty", "size": "10", "price": "5", "free": "5"}}
    assert costs(local, free, "qty", [5, 6, 15, 16, -5, -6]) == [0, 500, 500, 1000, 0, -500]


def test_a_tier_includes_its_upper_bound(local: LocalEngine) -> None:
    """The tenth unit is in the first tier, the eleventh in the second; just so the whole of a volume."""
    values = [0, 1, 10, 11, 20, 21, -10, -11]
    sliced = [0, 500, 5000, 5400, 9000, 9300, -5000, -5400]
    assert costs(local, {"graduated": {"of": "qty", "tiers": TIERS}}, "qty", values) == sliced
    whole = [0, 500, 5000, 4400, 8000, 6300, -5000, -4400]
    assert costs(local, {"volume": {"of": "qty", "tiers": TIERS}}, "qty", values) == whole


def test_a_flat_part_is_paid_for_each_tier_entered(local: LocalEngine) -> None:
    values = [0, 1, 10000, 10001, 50000, 50001]
    sliced = [0, 100, 600, 600, 1800, 2000]  # one cent more than a bound enters the next tier
    assert costs(local, {"graduated": {"of": "price", "tiers": BY_VALUE}}, "price", values) == sliced
    whole = [0, 100, 600, 300, 1500, 700]
    assert costs(local, {"volume": {"of": "price", "tiers": BY_VALUE}}, "price", values) == whole


def test_slices_of_a_running_total_add_up_to_the_price_of_the_total(local: LocalEngine) -> None:
    price = {"graduated": {"of": "price", "from": "coupon", "tiers": BY_VALUE}}
    sales, before = [333, 1, 9666, 40001, 77, -50078, 20], 0
    items = []
    for sale in sales:
        items.append({"price": sale, "coupon": before})
        before += sale
    amounts = found(local, price, items).charges["amount_minor"].to_pylist()
    assert sum(amounts) == round_fraction(graduated(BY_VALUE, Fraction(before, 100)) * 100, Rounding.HALF_UP)
    assert amounts[2:4] == [483, 1400]  # 3.34 to 100.00; then to 500.01, which enters the third tier


def test_a_missing_quantity_holds_the_charge_whatever_its_tier(local: LocalEngine) -> None:
    held = found(local, {"graduated": {"of": "qty", "tiers": TIERS}}, [{"qty": None}]).held
    assert reasons(held) == [("fee", "held", "column qty is empty")]
    held = found(local, {"volume": {"of": "qty", "tiers": [{"price": "weight"}]}}, [{}]).held
    assert reasons(held) == [("fee", "held", "column weight is empty")]


def test_what_no_amount_can_hold_is_set_aside(local: LocalEngine) -> None:
    held = found(local, {"per_unit": {"quantity": "qty", "price": "100"}}, [{"qty": 10**18}]).held
    reason = "the per unit price of qty is more than an amount can hold (64 bits) with qty = 1000000000000000000"
    assert reasons(held) == [("fee", "quarantined", reason)]


AMOUNT = st.decimals(0, 50, places=3).map(str)
POSITIVE = st.decimals("0.001", 50, places=3).map(str)


@st.composite
def tiers(draw: st.DrawFn) -> list[dict[str, str]]:
    bounds = sorted(draw(st.sets(st.integers(1, 3000), max_size=5)))
    kind = draw(st.sampled_from(["rate", "price"]))
    found: list[dict[str, str]] = []
    for bound in [*bounds, None]:
        tier = {} if bound is None else {"up_to": str(bound)}
        words = draw(st.sampled_from([(kind,), ("flat",), (kind, "flat")]))
        found.append(tier | {word: draw(AMOUNT) for word in words})
    return found


@st.composite
def prices(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["percentage", "per_unit", "package", "graduated", "volume"]))
    match kind:
        case "percentage":
            low, high = sorted([draw(st.integers(0, 90)), draw(st.integers(0, 90))])
            bounds = draw(st.sampled_from([{}, {"minimum": low}, {"maximum": high}, {"minimum": low, "maximum": high}]))
            words = {"of": "weight", "rate": draw(AMOUNT), **{word: str(bound) for word, bound in bounds.items()}}
        case "per_unit":
            words = {"quantity": "weight", "price": draw(AMOUNT), "free": draw(AMOUNT)}
        case "package":
            words = {"quantity": "weight", "size": draw(POSITIVE), "price": draw(AMOUNT), "free": draw(AMOUNT)}
        case _:
            words = {"of": "weight", "tiers": draw(tiers())}
    return {kind: words}


@settings(max_examples=60)
@given(
    price=prices(),
    values=st.lists(st.integers(-4_000_000, 4_000_000), min_size=1, max_size=8),
    code=st.sampled_from(["JPY", "CNY", "KWD"]),
    rounding=st.sampled_from(list(Rounding)),
)
@example(
    {"volume": {"of": "weight", "tiers": [{"up_to": "1", "flat": "1"}, {"flat": "2"}]}},
    [0, 1000, 1001, -1000],
    "JPY",
    Rounding.UP,
)
def test_every_price_is_what_the_oracle_says(
    local: LocalEngine, price: dict[str, Any], values: list[int], code: str, rounding: Rounding
) -> None:
    """`weight` has three decimals; bounds are hit exactly where values are whole."""
    minor = 10 ** currency(code).exponent
    rows = [*values, *(value // 1000 * 1000 for value in values)]
    items = [{"weight": Fraction(value, 1000)} for value in rows]
    decimals = [{"weight": _decimal(item["weight"])} for item in items]
    amounts = found(local, price, decimals, code, round=rounding).charges["amount_minor"].to_pylist()
    assert amounts == [round_fraction(priced(price, item["weight"]) * minor, rounding) for item in items]


@settings(max_examples=30)
@given(
    steps=tiers(),
    sales=st.lists(st.integers(-300_000, 900_000), min_size=1, max_size=8),
    code=st.sampled_from(["JPY", "CNY", "KWD"]),
)
def test_however_a_total_is_sliced_it_costs_the_same(
    local: LocalEngine, steps: list[dict[str, str]], sales: list[int], code: str
) -> None:
    minor = 10 ** currency(code).exponent
    price = {"graduated": {"of": "price", "from": "coupon", "tiers": steps}}
    items = [{"price": sale, "coupon": sum(sales[:at])} for at, sale in enumerate(sales)]
    amounts = found(local, price, items, code).charges["amount_minor"].to_pylist()
    assert sum(amounts) == round_fraction(graduated(steps, Fraction(sum(sales), minor)) * minor, Rounding.HALF_UP)


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


@pytest.mark.parametrize(
    ("price", "message"),
    [
        ({}, "a price is of one kind"),
        ({"flat": {"amount": "1"}, "volume": {"of": "qty", "tiers": TIERS}}, "a price is of one kind"),
        ({"volume": {"of": "qty", "tiers": TIERS[:2]}}, "the last tier has no 'up_to'"),
        ({"volume": {"of": "qty", "tiers": [TIERS[1], TIERS[0], {"price": "1"}]}}, "tier 2 ends at 10"),
        ({"volume": {"of": "qty", "tiers": [{"price": "1"}, {"price": "1"}]}}, "tier 1 has no 'up_to'"),
        ({"volume": {"of": "qty", "tiers": [{"rate": "1", "price": "1"}]}}, "either a 'rate'"),
        ({"volume": {"of": "qty", "tiers": [{}]}}, "a tier says what it costs"),
        ({"package": {"quantity": "qty", "size": "0", "price": "1"}}, "0 is not above 0"),
        ({"per_unit": {"quantity": "qty", "price": "1", "free": "-1"}}, "-1 is below 0"),
        ({"percentage": {"of": "price", "rate": "1", "minimum": "3", "maximum": "2"}}, "3 is more than the maximum 2"),
    ],
)
def test_a_price_that_makes_no_sense_is_refused(price: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        charge(price=price)


@pytest.mark.parametrize(
    ("price", "words", "path", "message"),
    [
        ({"flat": {"amount": "1) + (2"}}, {}, ("flat", "amount"), "cannot be read"),
        ({"flat": {"amount": "brand"}}, {}, ("flat", "amount"), "a number is needed here"),
        ({"per_unit": {"quantity": "qtyy", "price": "1"}}, {}, ("per_unit", "quantity"), "did you mean qty"),
        ({"volume": {"of": "qty", "tiers": [{"price": "colour"}]}}, {}, ("volume", "tiers", 0, "price"), "no 'colour'"),
        ({"per_unit": {"quantity": "price", "price": "coupon"}}, {}, ("per_unit",), "money times money"),
        (
            {"graduated": {"of": "qty", "from": "qty", "tiers": TIERS}},
            {"round": "down"},
            ("graduated", "from"),
            "rounded half_up",
        ),
    ],
)
def test_a_word_of_a_price_that_is_wrong_is_told_with_its_place(
    local: LocalEngine, price: dict[str, Any], words: dict[str, str], path: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(RatingRefused, match=message) as refused:
        found(local, price, [{}], **words)
    assert refused.value.path == ("charges", "fee", "price", *path)
