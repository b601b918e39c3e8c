"""Clearing in strict order: caps, budgets, who takes what is left, and refunds of what was carried."""

from market import charge
from ordered_till import OrderedTill, carried, totals

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import BudgetSpec
from everycent.flow.rating.contract import WHOLE_RECORD

SUPPLIERS = {"weight": 40, "cap": "8.00", "among": {"brand": 70, "distributor": 30}}
COUPON = charge(
    "coupon",
    creditor="merchant",
    apportion={
        "budget": "spring-2026",
        "bearers": {"platform": {"weight": 60, "cap": "20.00"}, "suppliers": SUPPLIERS},
        "when_all_capped": "platform",
    },
)


def sale(key: str, coupon: int, **more: object) -> dict[str, object]:
    return {"key": key, "amount": 9999, "charges": {"coupon": coupon}, **more}


def back(key: str, of: str, amount: int) -> dict[str, object]:
    return {"key": key, "refund_of": of, "amount": amount}


def till(engine: LocalEngine, coupon: object = COUPON, **budget: object) -> OrderedTill:
    return OrderedTill({"coupon": coupon}, {"spring-2026": BudgetSpec.model_validate(budget)}, engine)  # type: ignore[dict-item]


def test_shares_up_to_the_caps_and_the_rest_to_the_last(engine: LocalEngine) -> None:
    found = till(engine).clear(sale("A1", 1000), sale("A2", 1000), sale("A3", 1000))
    assert carried(found.obligations) == [
        ("coupon", "platform", 600, 0, 600),
        ("coupon", "suppliers/brand", 280, 0, 280),
        ("coupon", "suppliers/distributor", 120, 0, 120),
        ("coupon", "platform", 600, 600, 1200),
        ("coupon", "suppliers/brand", 280, 280, 560),
        ("coupon", "suppliers/distributor", 120, 120, 240),
        ("coupon", "platform", 1000, 1200, 2200),
        ("coupon", "suppliers/brand", 0, 560, 560),
        ("coupon", "suppliers/distributor", 0, 240, 240),
    ]
    assert totals(found.accumulators) == {"platform": 2200, "suppliers/brand": 560, "suppliers/distributor": 240}


def test_a_refund_in_the_same_window_and_one_in_a_later_one(engine: LocalEngine) -> None:
    shop = till(engine)
    found = shop.clear(sale("A1", 1000), back("R1", "A1", 4999), sale("A2", 1000))
    assert carried(found.obligations)[3:6] == [
        ("coupon", "platform", -300, 600, 300),
        ("coupon", "suppliers/brand", -140, 280, 140),
        ("coupon", "suppliers/distributor", -60, 120, 60),
    ]
    found = shop.clear(back("R2", "A1", 5000))
    assert carried(found.obligations) == [
        ("coupon", "platform", -300, 900, 600),
        ("coupon", "suppliers/brand", -140, 420, 280),
        ("coupon", "suppliers/distributor", -60, 180, 120),
    ]
    assert totals(found.accumulators) == {"platform": 600, "suppliers/brand": 280, "suppliers/distributor": 120}
    found = shop.clear(back("R3", "A1", 1), back("R4", "A9", 1))
    assert found.obligations.num_rows == 0
    assert found.held["charge"].to_pylist() == [WHOLE_RECORD] * 2
