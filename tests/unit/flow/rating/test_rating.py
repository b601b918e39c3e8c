"""What charges a record causes, and why it lacks those that it does not."""

import pytest
from market import KIND, RATE, RATES, amounts, charge, plan, rated, rates, reasons, records

from everycent.base.engine.local import LocalEngine
from everycent.flow.rating.contract import AmbiguousFactor, FactorSpec, RatingRefused
from everycent.flow.rating.stage import rate

TOYS = rates(("toys", None, None, "0.05"))
GOODS = charge("price - coupon", debtor="platform", creditor="merchant")
COMMISSION = charge("greatest(price * rate, 0.30)")


def test_the_charges_of_an_order(engine: LocalEngine) -> None:
    found = rated(engine, {"goods": GOODS, "commission": COMMISSION}, {}, {"price": 500, "coupon": 0}, table=TOYS)
    assert amounts(found.charges) == [("goods", 8999), ("commission", 500), ("goods", 500), ("commission", 30)]
    assert found.charges["debtor"].to_pylist()[:2] == ["platform", "merchant:m-7/s-1"]
    assert found.charges["creditor"].to_pylist()[:2] == ["merchant:m-7/s-1", "platform"]
    assert found.charges["rule"].to_pylist()[:2] == ["goods", "commission"]
    assert found.held.num_rows == 0


def test_a_fee_on_a_fee_starts_from_the_rounded_fee(engine: LocalEngine) -> None:
    """0.06 of 4.995 would be 0.2997 and 0.06 of 5.00 is 0.30; at 1.75 the cent differs: 0.105 and 0.1056."""
    charges = {"tax": charge("fee * 0.06"), "fee": charge("price * 0.05")}
    found = rated(engine, charges, {"price": 3510})  # fee 1.755 -> 1.76; tax 0.1053 unrounded, 0.1056 from the fee
    assert amounts(found.charges) == [("tax", 11), ("fee", 176)]


@pytest.mark.parametrize(
    ("text", "price", "amount"),
    [
        ("least(greatest(price * 0.05, 1), 3)", 100, 100),
        ("least(greatest(price * 0.05, 1), 3)", 4000, 200),
        ("least(greatest(price * 0.05, 1), 3)", 999900, 300),
        ("-(price * 0.005)", 100, -1),
        ("-(price * 0.005)", -100, 1),
        ("price * 0.005", 100, 1),
    ],
)
def test_minimum_maximum_and_negative_amounts(engine: LocalEngine, text: str, price: int, amount: int) -> None:
    assert amounts(rated(engine, {"fee": charge(text)}, {"price": price}).charges) == [("fee", amount)]


def test_a_rate_is_valid_from_its_first_day_up_to_the_last(engine: LocalEngine) -> None:
    table = rates(("toys", "2026-01-01", "2026-02-01", "0.01"), ("toys", "2026-02-01", None, "0.02"))
    days = ["2025-12-31", "2026-01-01", "2026-01-31", "2026-02-01", "2030-01-01"]
    found = rated(engine, {"fee": charge("price * rate")}, *({"on": day, "price": 1000} for day in days), table=table)
    assert amounts(found.charges) == [("fee", 10), ("fee", 10), ("fee", 20), ("fee", 20)]
    assert reasons(found.held) == [("fee", "held", "factor rate is missing for category 'toys' on 2025-12-31")]
    bodies = found.snapshots["body"].to_pylist()
    assert [None if body["rate"] is None else str(body["rate"]) for body in bodies] == [
        None,
        "0.0100",
        "0.0100",
        "0.0200",
        "0.0200",
    ]


def test_two_rates_at_one_time_are_refused(engine: LocalEngine) -> None:
    table = rates(("toys", "2026-01-01", None, "0.01"), ("toys", "2026-02-01", None, "0.02"))
    with pytest.raises(AmbiguousFactor, match=r"two rows for category 'toys' that are both valid on 2026-02-01"):
        rated(engine, {"fee": COMMISSION}, {}, table=table)


def test_what_is_missing_holds_the_charge_and_says_what(engine: LocalEngine) -> None:
    charges = {
        "goods": GOODS,
        "commission": COMMISSION,
        "tax": charge("commission * 0.06"),
        "care": charge("weight * 2"),
    }
    items = ({"category": "o'clock"}, {"coupon": None}, {"category": None}, {"store": None}, {"merchant": ""})
    found = rated(engine, charges, *items, table=TOYS)
    assert amounts(found.charges) == [("goods", 8999), ("commission", 500), ("tax", 30), ("goods", 8999)]
    assert reasons(found.held) == [
        ("commission", "held", "factor rate is missing for category 'o'clock' on 2026-03-01"),
        ("tax", "held", "held because charge commission is held"),
        ("care", "held", "column weight is empty"),
        ("goods", "held", "column coupon is empty"),
        ("care", "held", "column weight is empty"),
        ("commission", "held", "factor rate is not found: column category is empty"),
        ("tax", "held", "held because charge commission is held"),
        ("care", "held", "column weight is empty"),
        ("goods", "held", "column store is empty, so its merchant is not known"),
        ("commission", "held", "column store is empty, so its merchant is not known"),
        ("tax", "held", "held because charge commission is held"),
        ("care", "held", "column store is empty, so its merchant is not known"),
        ("goods", "held", "column merchant is empty, so its merchant is not known"),
        ("commission", "held", "column merchant is empty, so its merchant is not known"),
        ("tax", "held", "held because charge commission is held"),
        ("care", "held", "column merchant is empty, so its merchant is not known"),
    ]


def test_overflow_and_division_by_zero_are_set_aside_with_their_figures(engine: LocalEngine) -> None:
    huge = 9_000_000_000_000_000_000
    charges = {"each": charge("price / qty"), "much": charge("price * 1000")}
    found = rated(engine, charges, {"price": 1000, "qty": 0}, {"price": huge}, {"price": 900})
    assert amounts(found.charges) == [("much", 1000000), ("each", huge // 2), ("each", 450), ("much", 900000)]
    assert reasons(found.held) == [
        ("each", "quarantined", "price / qty divides by zero with price = 10.00, qty = 0"),
        (
            "much",
            "quarantined",
            "price * 1000 is more than an amount can hold (64 bits) with price = 90000000000000000.00",
        ),
    ]


def test_amounts_that_need_128_bits_in_between_are_exact(engine: LocalEngine) -> None:
    found = rated(engine, {"half": charge("price * 1000 / 2000"), "tax": charge("half * 0.1")}, {"price": 10**18 + 1})
    assert amounts(found.charges) == [("half", 500000000000000001), ("tax", 50000000000000000)]


def test_rules_by_falling_priority_then_as_declared(engine: LocalEngine) -> None:
    rules = [
        {"name": "small", "when": "price < 50", "amount": "1"},
        {"name": "toys", "when": "category = 'toys'", "amount": "2"},
        {"name": "vip", "when": "qty > 100", "amount": "0", "priority": 5},
        {"when": "price < 1000", "amount": "price * 0.01"},
    ]
    items = (
        {"price": 4999},
        {"price": 4999, "qty": 101},
        {"price": 5000},
        {"price": 6000, "category": "food"},
        {"price": 100000, "category": "food"},
        {"category": None, "price": 5000},
        {"category": None, "price": 100},
    )
    found = rated(engine, {"fee": charge(rules=rules)}, *items)
    assert amounts(found.charges) == [("fee", 100), ("fee", 0), ("fee", 200), ("fee", 60), ("fee", 100)]
    assert found.charges["rule"].to_pylist() == ["small", "vip", "toys", "fee rule 4", "small"]
    assert reasons(found.held) == [
        ("fee", "held", "no rule of charge fee matched; tried: vip, small, toys, fee rule 4"),
        ("fee", "held", "the condition 'category = 'toys'' cannot be decided: column category is empty"),
    ]


def test_a_condition_decides_which_records_have_the_charge(engine: LocalEngine) -> None:
    charges = {"fee": charge("1", when="coupon > 0"), "gift": charge("2", when="category = 'gift'")}
    items = ({}, {"coupon": 0}, {"coupon": 0, "category": "gift"}, {"coupon": None, "category": "gift"})
    found = rated(engine, charges, *items)
    assert amounts(found.charges) == [("fee", 100), ("gift", 200), ("gift", 200)]
    assert reasons(found.held) == [
        (
            "*",
            "held",
            "no charge of the model takes this record: fee is for records where coupon > 0; "
            "gift is for records where category = 'gift'",
        ),
        ("fee", "held", "the condition 'coupon > 0' cannot be decided: column coupon is empty"),
    ]


def test_a_charge_on_a_charge_that_the_record_does_not_have(engine: LocalEngine) -> None:
    charges = {
        "fee": charge("1", when="coupon > 0"),
        "tax": charge("fee * 0.5"),
        "all": charge("coalesce(fee, 0) + 1"),
    }
    found = rated(engine, charges, {"coupon": 0})
    assert amounts(found.charges) == [("all", 100)]
    assert reasons(found.held) == [("tax", "held", "this record has no charge fee")]


def test_a_charge_that_is_held_is_never_taken_for_nothing(engine: LocalEngine) -> None:
    charges = {"fee": charge("weight"), "all": charge("coalesce(fee, 0) + 1")}
    found = rated(engine, charges, {})
    assert amounts(found.charges) == []
    assert [row[2] for row in reasons(found.held)] == ["column weight is empty", "held because charge fee is held"]


def test_charges_switched_off_are_absent(engine: LocalEngine) -> None:
    found = rated(engine, {"goods": GOODS, "fee": charge("1", enabled=False)}, {})
    assert amounts(found.charges) == [("goods", 8999)]
    with pytest.raises(RatingRefused, match="charge fee is switched off"):
        plan({"fee": charge("1", enabled=False), "tax": charge("fee * 0.06")})


def test_a_kind_that_no_charge_is_for(engine: LocalEngine) -> None:
    found = rated(engine, {"goods": charge("1", **{"for": "other"})}, {})
    assert reasons(found.held) == [("*", "held", f"no charge of the model takes this record: none is for {KIND}")]


def test_constants_are_factors_and_frozen_too(engine: LocalEngine) -> None:
    factors = {"tax": FactorSpec(constant="0.06"), "floor": FactorSpec(constant="1.50", type="money"), "rate": RATE}
    given = plan({"fee": charge("greatest(price * tax, floor)")}, factors)
    found = rate(given, records({"price": 1000}, {"price": 10000}), {}, engine)
    assert amounts(found.charges) == [("fee", 150), ("fee", 600)]
    body = found.snapshots["body"][0].as_py()
    assert (str(body["tax"]), body["floor"], list(body)) == ("0.06", 150, ["tax", "floor"])


def test_party_ids_escape_what_joins_them(engine: LocalEngine) -> None:
    items = ({"merchant": "a/b", "store": "c"}, {"merchant": "a", "store": "b/c"}, {"merchant": "a\\", "store": "c"})
    found = rated(engine, {"fee": charge("1")}, *items)
    assert found.charges["debtor"].to_pylist() == ["merchant:a\\/b/c", "merchant:a/b\\/c", "merchant:a\\\\/c"]


@pytest.mark.parametrize(
    ("charges", "message"),
    [
        ({"a": charge("b + 1"), "b": charge("c"), "c": charge("a")}, "a uses b uses c uses a"),
        ({"a": charge("a + 1")}, "a uses a"),
        ({"a": charge("nonsense * 2")}, "nonsense"),
        ({"a": charge("1", when="price + 1")}, "true or false"),
        ({"a": charge("1", creditor="nobody")}, "no party role 'nobody'"),
        ({"rate": charge("1")}, "'rate' is a factor and a charge"),
    ],
)
def test_a_model_that_cannot_be_computed_is_refused(charges: dict, message: str) -> None:
    with pytest.raises(RatingRefused, match=message.replace("*", ".")) as refused:
        plan(charges, {"rate": RATE})
    assert refused.value.path[0] in ("charges", "factors", "parties")


@pytest.mark.parametrize(
    ("factor", "message"),
    [
        (FactorSpec(table="other.csv", key=("category",)), "there is no attached table other.csv"),
        (FactorSpec(table="commission_rates.csv", key=("category", "brand")), "are found by category"),
        (FactorSpec(table="commission_rates.csv", key=("qty",)), "column qty is integer, but category"),
        (FactorSpec(table="commission_rates.csv", key=("colour",)), "this record kind does not have"),
        (FactorSpec(constant="0.06", type="integer"), "'0.06' is not a value of type integer"),
    ],
)
def test_a_factor_that_cannot_be_found_is_refused(factor: FactorSpec, message: str) -> None:
    with pytest.raises(RatingRefused, match=message):
        plan({"fee": charge("price * rate")}, {"rate": factor}, {"commission_rates.csv": RATES})
