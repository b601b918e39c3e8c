"""Published worked examples of each price kind, with their source: what others say that a price comes to.

Figures only, as their documentation showed them in 2026. Amounts are in US dollars or euros, which have two decimals.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from market import COLUMNS, KIND, PARTIES, charge, records, types

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.flow.rating.stage import plan_rating, rate


class Published(NamedTuple):
    """A source's price over `qty` units or `weight` of money, and what it says that each value costs."""

    source: str
    price: Mapping[str, Any]
    costs: Mapping[str, str]


def tiers(*parts: tuple[str, ...], each: str = "price") -> list[dict[str, str]]:
    """Tiers of (up_to or nothing, price of each or nothing, flat or nothing)."""
    words = ("up_to", each, "flat")
    return [{word: value for word, value in zip(words, part, strict=False) if value} for part in parts]


FONTS = tiers(("5", "7"), ("10", "6.5"), ("", "6"))
FALLING = tiers(("5", "5"), ("10", "4"), ("15", "3"), ("20", "2"), ("", "1"))
CALLS = tiers(("1000", "0.10"), ("10000", "0.05"), ("", "0.01"))
REQUESTS = tiers(("1000", "0.01"), ("10000", "0.008"), ("", "0.005"))
USAGE = tiers(("10000", "0.0010", "10"), ("50000", "0.0008", "10"), ("100000", "0.0006", "10"), ("", "0.0004", "10"))
SEATS = tiers(("10", "10"), ("50", "9"), ("", "8"))
SMALL_CALLS = tiers(("1000", "0.01"), ("5000", "0.008"), ("", "0.005"))
ORDERS = tiers(("499.99", "", "1.00"), ("1999.99", "", "2.00"), ("9999.99", "", "5.00"), ("", "", "10.00"))

PUBLISHED = [
    Published(
        "Stripe, Set up tiered pricing (volume)",
        {"volume": {"of": "qty", "tiers": FONTS}},
        {"1": "7", "5": "35", "6": "39", "20": "120", "25": "150"},
    ),
    Published("Stripe, Set up tiered pricing (graduated)", {"graduated": {"of": "qty", "tiers": FONTS}}, {"5": "35"}),
    Published(
        "Stripe, Tiered pricing (per unit)",
        {"per_unit": {"quantity": "qty", "price": "5"}},
        {"1": "5", "5": "25", "6": "30", "20": "100", "25": "125"},
    ),
    Published(
        "Stripe, Tiered pricing (volume)",
        {"volume": {"of": "qty", "tiers": FALLING}},
        {"1": "5", "5": "25", "6": "24", "20": "40", "25": "25"},
    ),
    Published("Stripe, Tiered pricing (graduated)", {"graduated": {"of": "qty", "tiers": FALLING}}, {"6": "29"}),
    Published("Zuplo, Pricing models (graduated)", {"graduated": {"of": "qty", "tiers": CALLS}}, {"15000": "600"}),
    Published("Zuplo, Pricing models (volume)", {"volume": {"of": "qty", "tiers": CALLS}}, {"15000": "150"}),
    Published(
        "Zuplo, Pricing models (per unit)", {"per_unit": {"quantity": "qty", "price": "0.001"}}, {"100000": "100"}
    ),
    Published("Autumn, Graduated pricing", {"graduated": {"of": "qty", "tiers": REQUESTS}}, {"15000": "107"}),
    Published("Lago, Volume", {"volume": {"of": "qty", "tiers": USAGE}}, {"65000": "49"}),
    Published(
        "Lago, Package", {"package": {"quantity": "qty", "size": "100", "price": "5", "free": "100"}}, {"201": "10"}
    ),
    Published("PaymentKit, Tiered pricing (volume)", {"volume": {"of": "qty", "tiers": SEATS}}, {"12": "108"}),
    Published(
        "PaymentKit, Tiered pricing (graduated)", {"graduated": {"of": "qty", "tiers": SMALL_CALLS}}, {"3000": "26"}
    ),
    Published(
        "PaymentKit, Package pricing",
        {"package": {"quantity": "qty", "size": "3", "price": "45"}},
        {"3": "45", "5": "90"},
    ),
    Published(
        "Flexprice, Tiered (packages)", {"package": {"quantity": "qty", "size": "1000", "price": "1.00"}}, {"4500": "5"}
    ),
    Published(
        "Stripe, ACH Direct Debit fee (percentage with a maximum)",
        {"percentage": {"of": "weight", "rate": "0.008", "maximum": "5"}},
        {"100": "0.80", "625": "5.00", "1000": "5.00", "8000": "5.00"},
    ),
    Published(
        "Upvest, Tiered absolute fee (euros)",
        {"volume": {"of": "weight", "tiers": ORDERS}},
        {"499.99": "1.00", "500.00": "2.00", "1999.99": "2.00", "2000.00": "5.00", "9999.99": "5.00", "10000": "10.00"},
    ),
]


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda published: published.source)
def test_a_price_comes_to_what_was_published(engine: LocalEngine, published: Published) -> None:
    values = [{"qty": int(Decimal(value)), "weight": Decimal(value)} for value in published.costs]
    assert costs(engine, published.price, values) == [int(Decimal(cost) * 100) for cost in published.costs.values()]


def test_three_transactions_through_tiers_of_percentages(engine: LocalEngine) -> None:
    """Lago, Graduated percentage: 500, 550 and 4,000 in turn cost 205, 306 and 80; a tier's flat fee is paid once."""
    steps = tiers(("1000", "0.01", "200"), ("10000", "0.02", "300"), ("", "0.03", "400"), each="rate")
    values = [{"price": 50000, "coupon": 0}, {"price": 55000, "coupon": 50000}, {"price": 400000, "coupon": 105000}]
    price = {"graduated": {"of": "price", "from": "coupon", "tiers": steps}}
    assert costs(engine, price, values) == [20500, 30600, 8000]


def costs(engine: LocalEngine, price: Mapping[str, Any], items: list[dict[str, Any]]) -> list[int]:
    dollars = currency("USD")
    plan = plan_rating({"fee": charge(price=price)}, {}, KIND, types(COLUMNS, dollars), PARTIES, {}, dollars)
    found: list[int] = rate(plan, records(*items), {}, engine).charges["amount_minor"].to_pylist()
    return found
