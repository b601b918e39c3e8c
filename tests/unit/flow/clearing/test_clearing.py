"""Who owes what: shares on two levels, refunds, and what has to be held."""

import pytest
from market import amounts, charge, reasons
from pydantic import ValidationError
from till import Till, owed

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import ApportionSpec

SHARED = {"platform": 60, "suppliers": {"weight": 40, "among": {"brand": 70, "distributor": 30}}}
MERCHANT = "merchant:m-7/s-1"

MODEL = {
    "goods": charge("price - coupon", debtor="platform", creditor="merchant"),
    "commission": charge("greatest(price * 0.05, 0.30)", on_refund="return"),
    "listing": charge("0.10", on_refund="keep", legal_entity="market-hongkong"),
    "coupon": charge("coupon", creditor="merchant", apportion={"bearers": SHARED}),
}
SALE = {"amount": 9999}


def test_a_coupon_shared_sixty_to_forty(engine: LocalEngine) -> None:
    """The golden case of the design: the platform 6.00, and of 4.00 the brand 2.80, the distributor 1.20."""
    found = Till(MODEL, engine).sell(SALE).obligations
    assert owed(found) == [
        ("goods", "platform", MERCHANT, 8999),
        ("commission", MERCHANT, "platform", 500),
        ("listing", MERCHANT, "platform", 10),
        ("coupon", "platform", MERCHANT, 600),
        ("coupon", "brand:b-2", MERCHANT, 280),
        ("coupon", "distributor:d-3", MERCHANT, 120),
    ]
    assert found["bearer"].to_pylist() == [0, 0, 0, 1, 2, 3]
    assert found["legal_entity"].to_pylist() == ["market-shanghai"] * 2 + ["market-hongkong"] + ["market-shanghai"] * 3
    assert found["debtor_statement"].null_count == found["creditor_statement"].null_count == 6


@pytest.mark.parametrize(
    ("amount", "weights", "policy", "shares"),
    [
        (9999, {"platform": 75, "brand": 25}, "largest_remainder", [7499, 2500]),
        (15, {"platform": 10, "brand": 10, "distributor": 10}, "largest_remainder", [5, 5, 5]),
        (100, {"platform": 1, "brand": 1, "distributor": 1}, "largest_remainder", [34, 33, 33]),
        (200, {"platform": 1, "brand": 1, "distributor": 1}, "largest_remainder", [67, 67, 66]),
        (-100, {"platform": 1, "brand": 1, "distributor": 1}, "first_in_order", [-34, -33, -33]),
        (0, {"platform": 1, "brand": 2}, "first_in_order", [0, 0]),
        (7, {"platform": 0, "brand": 1}, "first_in_order", [0, 7]),
    ],
)
def test_the_odd_cent_goes_where_it_was_declared(
    engine: LocalEngine, amount: int, weights: dict[str, int], policy: str, shares: list[int]
) -> None:
    given = charge("coupon", creditor="merchant", apportion={"bearers": weights, "odd_cent": policy})
    found = Till({"coupon": given}, engine).sell({"coupon": amount})
    assert found.obligations["amount_minor"].to_pylist() == shares


def test_a_charge_with_an_unknown_bearer_is_held_whole(engine: LocalEngine) -> None:
    till = Till(MODEL, engine)
    found = till.sell({"brand": None, **SALE}, SALE, {"distributor": "", **SALE})
    assert reasons(found.held) == [
        ("coupon", "held", "column brand is empty, so bearer brand is not known"),
        ("coupon", "held", "column distributor is empty, so bearer distributor is not known"),
    ]
    three = ["goods", "commission", "listing"]
    assert found.charges["charge"].to_pylist() == [*three, *three, "coupon", *three]
    assert found.obligations.num_rows == 3 + 6 + 3
    given = till.give_back(("A1", 9999))
    assert amounts(given.charges) == [("goods", -8999), ("commission", -500)]
    assert reasons(given.held) == [("coupon", "held", "charge coupon is held in the record that it refunds")]


def test_partial_refunds_give_back_the_whole(engine: LocalEngine) -> None:
    till = Till(MODEL, engine)
    till.sell(SALE)
    third = till.give_back(("A1", 3333))
    assert amounts(third.charges) == [("goods", -3000), ("commission", -500), ("coupon", -333)]
    assert owed(third.obligations) == [
        ("goods", "platform", MERCHANT, -3000),
        ("commission", MERCHANT, "platform", -500),
        ("coupon", "platform", MERCHANT, -200),
        ("coupon", "brand:b-2", MERCHANT, -93),
        ("coupon", "distributor:d-3", MERCHANT, -40),
    ]
    rest = [
        *till.give_back(("A1", 3333)).obligations.to_pylist(),
        *till.give_back(("A1", 3333)).obligations.to_pylist(),
    ]
    total = {}
    for row in third.obligations.to_pylist() + rest:
        total[row["charge"], row["bearer"]] = total.get((row["charge"], row["bearer"]), 0) + row["amount_minor"]
    assert total == {
        ("goods", 0): -8999,
        ("commission", 0): -500,
        ("coupon", 1): -600,
        ("coupon", 2): -280,
        ("coupon", 3): -120,
    }


@pytest.mark.parametrize(
    ("rounding", "halves"),
    [
        ("half_up", [(-51, -50), (-52, -51), (51, 50)]),
        ("half_even", [(-50, -51), (-52, -51), (50, 51)]),
        ("down", [(-50, -51), (-51, -52), (50, 51)]),
        ("up", [(-51, -50), (-52, -51), (51, 50)]),
    ],
)
def test_half_a_cent_given_back_is_rounded_as_the_charge_is(
    engine: LocalEngine, rounding: str, halves: list[tuple[int, int]]
) -> None:
    """1.01, 1.03 and -1.01, given back in two halves: 50.5 and 51.5 cents."""
    till = Till({"fee": charge("coupon", round=rounding)}, engine)
    till.sell(*({"coupon": amount, "amount": 100} for amount in (101, 103, -101)))
    found = till.give_back(*((item, 50) for item in ("A1", "A2", "A3") for _ in range(2)))
    given = found.charges["amount_minor"].to_pylist()
    assert list(zip(given[::2], given[1::2], strict=True)) == halves


def test_a_refund_row_says_what_it_gives_back(engine: LocalEngine) -> None:
    till = Till(MODEL, engine)
    till.sell(SALE)
    row = till.give_back(("A1", 9999)).charges.to_pylist()[0]
    assert str(row["booked_on"]) == "2026-03-09"
    assert row["refund_of"] == till.sold["record_id"][0].as_py() != row["record_id"]
    assert (row["rule"], row["currency"], row["debtor"], row["creditor"]) == ("goods", "CNY", "platform", MERCHANT)


def test_refunds_that_cannot_be_given_change_nothing(engine: LocalEngine) -> None:
    till = Till({"goods": MODEL["goods"]}, engine)
    till.sell({"price": 1000, "coupon": 0, "amount": 1000}, {"amount": None})
    found = till.give_back(("A1", 600), ("A1", 600), ("A1", -1), ("A1", 400), ("A2", 1), ("A9", 1), ("A1", 0))
    assert amounts(found.charges) == [("goods", -600), ("goods", -400), ("goods", 0)]
    assert reasons(found.held) == [
        ("*", "quarantined", "the refund of 6.00 is more than the 4.00 that is left of 10.00"),
        ("*", "quarantined", "a refund's amount is 0 or more, this one's is -0.01"),
        ("*", "held", "the record that it refunds has no amount that a refund could be measured against"),
        ("*", "held", "the record that it refunds is not known"),
    ]


def test_a_charge_that_the_model_lost_is_not_forgotten(engine: LocalEngine) -> None:
    till = Till(MODEL, engine)
    till.sell(SALE)
    till.charges = {"goods": MODEL["goods"]}
    found = till.give_back(("A1", 9999))
    assert amounts(found.charges) == [("goods", -8999)]
    assert [row[2] for row in reasons(found.held)] == [
        f"charge {name} is not in the model any more" for name in ("commission", "coupon", "listing")
    ]


def test_weights_under_among_that_share_nothing_are_refused() -> None:
    with pytest.raises(ValidationError, match="at least one of them above 0"):
        ApportionSpec.model_validate({"bearers": {"all": {"weight": 1, "among": {"brand": 0}}}})


IN_ORDER = {
    "by": "in_order",
    "bearers": {"platform": {"up_to": "3.00"}, "others": {"among": {"brand": 1, "distributor": 2}}},
}
FIXED = {"by": "fixed", "bearers": {"platform": {}, "brand": {"fixed": "2.00"}, "distributor": {"fixed": "0.50"}}}


@pytest.mark.parametrize(
    ("apportion", "amount", "shares"),
    [
        (IN_ORDER, 250, [250, 0, 0]),
        (IN_ORDER, 400, [300, 33, 67]),
        (IN_ORDER, -400, [-300, -33, -67]),
        (FIXED, 1000, [750, 200, 50]),
        (FIXED, 230, [0, 200, 30]),
        (FIXED, 0, [0, 0, 0]),
    ],
)
def test_shares_in_order_and_by_fixed_amounts(
    engine: LocalEngine, apportion: dict[str, object], amount: int, shares: list[int]
) -> None:
    given = charge("coupon", creditor="merchant", apportion=apportion)
    found = Till({"coupon": given}, engine).sell({"coupon": amount})
    assert found.obligations["amount_minor"].to_pylist() == shares
