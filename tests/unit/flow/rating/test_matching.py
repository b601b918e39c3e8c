"""Which rules of a charge are used: by priority, by how specific they are, all of them; within their validity."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market import ITEM, amounts, charge, plan, rated, reasons
from pydantic import ValidationError

from everycent.base.engine.local import LocalEngine
from everycent.flow.rating.contract import RatingRefused

Rules = Sequence[Mapping[str, Any]]


def used(engine: LocalEngine, rules: Rules, *items: Mapping[str, Any], **words: Any) -> list[tuple[str, int]]:
    """(rule, amount) of each item that is charged."""
    found = rated(engine, {"fee": charge(rules=rules, **words)}, *items)
    return list(zip(found.charges["rule"].to_pylist(), (amount for _, amount in amounts(found.charges)), strict=True))


def test_a_rule_holds_from_its_first_business_date_up_to_the_last(engine: LocalEngine) -> None:
    rules = [
        {"name": "spring", "valid": ["2026-03-01", "2026-04-01"], "amount": "1"},
        {"name": "before", "valid": [None, "2026-03-01"], "amount": "2"},
        {"name": "later", "valid": ["2026-05-01", ""], "amount": "3"},
    ]
    days = ["2026-02-28", "2026-03-01", "2026-03-31", "2026-04-01", "2026-04-30", "2026-05-01"]
    items = [{"on": day} for day in days]
    assert [rule for rule, _ in used(engine, rules, *items)] == ["before", "spring", "spring", "later"]
    held = rated(engine, {"fee": charge(rules=rules)}, *items).held
    assert reasons(held) == [("fee", "held", "no rule of charge fee matched; tried: spring, before, later")] * 2


def test_outside_its_validity_a_rule_asks_for_nothing(engine: LocalEngine) -> None:
    rules = [{"valid": ["2026-04-01", None], "when": "qty > 1", "amount": "1"}, {"amount": "2"}]
    assert used(engine, rules, {"qty": None, "on": "2026-03-31"}) == [("fee rule 2", 200)]
    held = rated(engine, {"fee": charge(rules=rules)}, {"qty": None, "on": "2026-04-01"}).held
    assert reasons(held) == [("fee", "held", "the condition 'qty > 1' cannot be decided: column qty is empty")]


def test_the_rule_with_most_conditions_wins(engine: LocalEngine) -> None:
    rules = [
        {"name": "all", "amount": "1"},
        {"name": "toys", "when": "category = 'toys'", "amount": "2"},
        {"name": "toys of b-2", "when": "category = 'toys' and brand = 'b-2'", "amount": "3"},
        {"name": "books", "when": "category in ('books', 'maps')", "amount": "4"},
        {
            "name": "ten to twenty",
            "when": "qty >= 10 and qty < 20 and category = 'toys' and brand <> 'b-2'",
            "amount": "5",
        },
        {"name": "any", "when": "category = 'toys'", "amount": "6", "priority": -1},
    ]
    items = [{}, {"brand": "b"}, {"category": "maps"}, {"category": "food"}, {"brand": "b", "qty": 10}]
    assert [rule for rule, _ in used(engine, rules, *items, match="most_specific")] == [
        "toys of b-2",
        "toys",
        "books",
        "all",
        "ten to twenty",
    ]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("category = 'toys'", "brand = 'b-2'"),
        ("category in ('toys', 'food')", "category in ('food', 'maps')"),
        ("qty >= 10 and qty <= 20", "qty >= 20 and qty <= 30"),
        ("category <> 'toys'", "category <> 'food'"),
        ("starts_with(category, 't')", "category = 'food'"),
    ],
)
def test_rules_that_could_tie_are_refused(left: str, right: str) -> None:
    rules = [{"name": "a", "when": left, "amount": "1"}, {"name": "b", "when": right, "amount": "2"}]
    with pytest.raises(RatingRefused) as refused:
        plan({"fee": charge(rules=rules, match="most_specific")})
    assert refused.value.path == ("charges", "fee", "rules", 1)
    assert "rules 'a' and 'b' could both hold for one record" in refused.value.message
    assert "1 condition each: 'a' asks about" in refused.value.message
    plan({"fee": charge(rules=[rules[0] | {"priority": 1}, rules[1]], match="most_specific")})
    in_turn = [{"valid": [None, "2026-03-01"]}, {"valid": ["2026-03-01", None]}]
    plan({"fee": charge(rules=[rules[at] | in_turn[at] for at in (0, 1)], match="most_specific")})


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("category = 'toys'", "category = 'food'"),
        ("category in ('toys', 'maps')", "category <> 'toys' and category <> 'maps'"),
        ("category = 'toys'", "not category in ('toys', 'food')"),
        ("qty < 10", "10 <= qty"),
        ("qty >= -5 and qty < 2.5", "qty between 2.5 and 3"),
        ("price = 1", "price = 2 or price = 3"),
        ("category = 'toys' and brand = 'b'", "qty > 3 and category = 'food'"),
    ],
)
def test_rules_that_exclude_each_other_may_be_equally_specific(left: str, right: str) -> None:
    rules = [{"when": left, "amount": "1"}, {"when": right, "amount": "2"}]
    plan({"fee": charge(rules=rules, match="most_specific")})


def test_rules_that_hold_add_up_each_rounded(engine: LocalEngine) -> None:
    rules = [
        {"name": "base", "amount": "price * 0.0005"},
        {"name": "toys", "when": "category = 'toys'", "amount": "price * 0.0005"},
        {"name": "care", "when": "qty > 1", "amount": "weight * 2"},
    ]
    items = [{"price": 1000, "qty": 1}, {"price": 1000, "qty": 1, "category": "food"}, {"price": 1000}, {"qty": None}]
    assert used(engine, rules, *items, match="all") == [("base+toys", 2), ("base", 1)]
    held = rated(engine, {"fee": charge(rules=rules, match="all")}, *items).held
    assert reasons(held) == [
        ("fee", "held", "column weight is empty"),
        ("fee", "held", "the condition 'qty > 1' cannot be decided: column qty is empty"),
    ]
    none = rated(engine, {"fee": charge(rules=rules[1:], match="all")}, {"category": "food", "qty": 1}).held
    assert reasons(none) == [("fee", "held", "no rule of charge fee matched; tried: toys, care")]


def test_what_goes_wrong_in_one_of_the_rules_that_add_up_is_told(engine: LocalEngine) -> None:
    rules = [{"amount": "price / qty"}, {"when": "coupon > 0", "amount": "price * 3"}, {"amount": "price"}]
    items = [
        {"qty": 0},
        {"qty": 2, "price": 2**62},
        {"price": 2**62, "qty": 1, "coupon": 0},
        {"price": 2**62, "qty": -1},
    ]
    held = rated(engine, {"fee": charge(rules=rules, match="all")}, *items).held
    big = "price = 46116860184273879.04"
    assert reasons(held) == [
        ("fee", "quarantined", "price / qty divides by zero with price = 99.99, qty = 0"),
        ("fee", "quarantined", f"price * 3 is more than an amount can hold (64 bits) with {big}"),
        ("fee", "quarantined", "the rules of charge fee add up to more than an amount can hold (64 bits)"),
        ("fee", "quarantined", f"price * 3 is more than an amount can hold (64 bits) with {big}"),
    ]


def test_a_charge_on_charges_that_add_up(engine: LocalEngine) -> None:
    rules = [{"amount": "1"}, {"when": "qty > 1", "amount": "2"}]
    charges = {"tax": charge("fee * 0.5"), "fee": charge(rules=rules, match="all")}
    assert amounts(rated(engine, charges, {}, {"qty": 1}).charges) == [
        ("tax", 150),
        ("fee", 300),
        ("tax", 50),
        ("fee", 100),
    ]


CONDITION = st.fixed_dictionaries(
    {},
    optional={
        "category": st.sampled_from(["toys", "food"]),
        "brand": st.sampled_from(["b-1", "b-2"]),
        "qty": st.integers(0, 3),
    },
)
RULE = st.fixed_dictionaries(
    {
        "asks": CONDITION,
        "valid": st.tuples(*[st.sampled_from([None, "2026-03-01", "2026-03-02", "2026-03-03"])] * 2).filter(
            lambda days: days[0] is None or days[1] is None or days[0] < days[1]
        ),
        "priority": st.integers(0, 1),
        "amount": st.integers(-300, 300),
    }
)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "category": st.sampled_from(["toys", "food", "maps"]),
            "brand": st.sampled_from(["b-1", "b-2"]),
            "qty": st.integers(0, 3),
            "on": st.sampled_from(["2026-02-28", "2026-03-01", "2026-03-02", "2026-03-03"]),
        }
    ),
    min_size=1,
    max_size=10,
)


def oracle(rules: Sequence[dict[str, Any]], item: Mapping[str, Any], match: str) -> tuple[str, int] | None:
    """(label, amount in cents) of an item, rule by rule; None where it is held."""
    day = date.fromisoformat(item["on"])
    holding = []
    for at, rule in enumerate(rules):
        since, until = (None if text is None else date.fromisoformat(text) for text in rule["valid"])
        in_time = (since is None or since <= day) and (until is None or day < until)
        if in_time and all(item[column] == value for column, value in rule["asks"].items()):
            holding.append((rule["priority"], len(rule["asks"]), -at, rule["amount"]))
    if not holding:
        return None
    if match == "all":
        holding.sort(key=lambda rule: (-rule[0], -rule[2]))
        return "+".join(f"fee rule {1 - rule[2]}" for rule in holding), sum(rule[3] for rule in holding)
    best = max(holding, key=lambda rule: (rule[0], rule[1] if match == "most_specific" else 0, rule[2]))
    return f"fee rule {1 - best[2]}", best[3]


def written(rule: Mapping[str, Any]) -> dict[str, Any]:
    asks = " and ".join(f"{column} = {value!r}" for column, value in rule["asks"].items())
    words = {"amount": f"{rule['amount']} / 100", "priority": rule["priority"], "valid": list(rule["valid"])}
    return words | ({"when": asks} if asks else {})


@settings(max_examples=40)
@given(
    rules=st.lists(RULE, min_size=1, max_size=6),
    items=RECORDS,
    match=st.sampled_from(["first", "most_specific", "all"]),
)
def test_rules_are_chosen_as_the_oracle_chooses(
    local: LocalEngine, rules: list[dict[str, Any]], items: list[dict[str, Any]], match: str
) -> None:
    """Where the check lets a model pass, no record has two rules of equal claims."""
    try:
        found = used(local, [written(rule) for rule in rules], *items, match=match)
    except RatingRefused as refused:
        assert match == "most_specific" and "neither is more specific" in refused.message
        return
    expected = [oracle(rules, {**ITEM, **item}, match) for item in items]
    assert found == [choice for choice in expected if choice is not None]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"amount": "1", "valid": ["2026-03-01", "2026-03-01"]}, "it ends on 2026-03-01, before it begins"),
        ({"amount": "1", "valid": ["March", None]}, "'March' is not a date; write for example 2026-03-01"),
        ({"amount": "1", "price": {"flat": {"amount": "1"}}}, "either 'amount' or 'price'"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        charge(rules=[rule])


def test_more_rules_than_can_add_up_are_refused() -> None:
    with pytest.raises(RatingRefused, match="31 rules add up, more than 30"):
        plan({"fee": charge(rules=[{"amount": "1"}] * 31, match="all")})
