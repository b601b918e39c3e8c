"""Why each rule of a charge did or did not match: condition with its values, validity, and what outranks it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from market import KIND, PARTIES, RATE, RATES, amounts, charge, rates, records, types

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.types import ColumnType
from everycent.base.money.currency import currency
from everycent.flow.clearing.contract import ChargeSpec
from everycent.flow.rating.contract import FactorSpec
from everycent.flow.rating.core.careful import shown_sql
from everycent.flow.rating.stage import ChargeTried, RatingTerms, plan_rating, rate, rules_tried

TABLE = {"commission_rates.csv": rates(("toys", None, None, "0.05"))}


def terms(charges: Mapping[str, ChargeSpec], factors: Mapping[str, FactorSpec]) -> RatingTerms:
    tables, money = {"commission_rates.csv": RATES}, currency("CNY")
    plan = plan_rating(charges, factors, KIND, types(), PARTIES, tables, money)
    return RatingTerms(plan, charges, factors, types(), PARTIES, tables, money, {})


def why(engine: LocalEngine, rules: list[dict[str, Any]], item: Mapping[str, Any], **words: Any) -> ChargeTried:
    given = terms({"fee": charge(rules=rules, **words)}, {"rate": RATE})
    [tried] = rules_tried(given, records(item), pa.table({}), TABLE, engine)
    rated = rate(given.plan, records(item), TABLE, engine)
    assert [tried.amount_minor] == [amount for _, amount in amounts(rated.charges)] or tried.reason
    return tried


def shown(tried: ChargeTried) -> list[tuple[str, str, str]]:
    return [(rule.rule, rule.state, rule.why) for rule in tried.rules]


def test_every_rule_says_what_became_of_it(engine: LocalEngine) -> None:
    rules = [
        {"name": "vip", "when": "qty > 100", "amount": "0", "priority": 5},
        {"name": "april", "valid": ["2026-04-01", None], "when": "price > 0", "amount": "1"},
        {"name": "toys", "when": "category = 'toys' and rate < 0.10", "amount": "2"},
        {"name": "rest", "amount": "3"},
        {"name": "last", "amount": "4", "priority": -1},
    ]
    tried = why(engine, rules, {})
    assert (tried.charge, tried.amount_minor, tried.reason) == ("fee", 200, None)
    assert shown(tried) == [
        ("vip", "false", "qty > 100 is not true with qty = 2"),
        ("april", "outside", "it is valid from 2026-04-01; the business date is 2026-03-01"),
        ("toys", "used", "category = 'toys' and rate < 0.10 is true with category = 'toys', rate = 0.05"),
        ("rest", "outranked", "it holds, but 'toys' is declared before it"),
        ("last", "outranked", "it holds, but 'toys' has priority 0, this one -1"),
    ]


def test_the_less_specific_rule_is_outranked(engine: LocalEngine) -> None:
    rules = [{"name": "any", "amount": "1"}, {"name": "toys", "when": "category = 'toys'", "amount": "2"}]
    assert shown(why(engine, rules, {}, match="most_specific")) == [
        ("toys", "used", "category = 'toys' is true with category = 'toys'"),
        ("any", "outranked", "it holds, but 'toys' asks about 1 things, this one about 0"),
    ]


def test_a_rule_that_cannot_be_decided_bars_those_behind_it(engine: LocalEngine) -> None:
    rules = [{"name": "many", "when": "qty > 1", "amount": "1"}, {"name": "rest", "amount": "2"}]
    tried = why(engine, rules, {"qty": None})
    assert tried.reason == "the condition 'qty > 1' cannot be decided: column qty is empty"
    assert shown(tried) == [
        ("many", "undecided", "qty > 1 cannot be decided with qty = nothing"),
        ("rest", "unreached", "'many' before it cannot be decided"),
    ]


def test_rules_that_add_up_are_all_used(engine: LocalEngine) -> None:
    rules = [{"name": "base", "amount": "1"}, {"name": "toys", "when": "category = 'toys'", "amount": "2"}]
    tried = why(engine, rules, {}, match="all")
    assert (tried.amount_minor, [rule.state for rule in tried.rules]) == (300, ["used", "used"])


def test_no_rule_and_no_charge(engine: LocalEngine) -> None:
    tried = why(engine, [{"name": "maps", "when": "category = 'maps'", "amount": "1"}], {})
    assert tried.reason == "no rule of charge fee matched; tried: maps"
    assert shown(tried) == [("maps", "false", "category = 'maps' is not true with category = 'toys'")]
    without = why(engine, [{"amount": "1"}], {}, when="coupon > 100")
    expected = "the charge is for records where coupon > 100, which is not true with coupon = 10.00"
    assert (without.amount_minor, without.reason, without.rules) == (None, expected, ())


@pytest.mark.parametrize(("frozen", "used"), [("0.2", "rest"), (None, "low")])
def test_frozen_values_decide_as_they_did(engine: LocalEngine, frozen: str | None, used: str) -> None:
    rules = [{"name": "low", "when": "rate < 0.10", "amount": "1"}, {"name": "rest", "amount": "2"}]
    given = terms({"fee": charge(rules=rules)}, {"rate": RATE})
    value = pa.array([None if frozen is None else Decimal(frozen)], pa.decimal128(18, 4))
    [tried] = rules_tried(given, records({}), pa.table({"rate": value}), TABLE, engine)
    assert [rule.rule for rule in tried.rules if rule.state == "used"] == [used]


@pytest.mark.parametrize(
    ("sql", "scale", "told"),
    [
        ("0.05000000", 8, "0.05"),
        ("7.24510000", 8, "7.2451"),
        ("100.00000000", 8, "100"),
        ("100", 0, "100"),
        ("-0.30", 2, "-0.3"),
        ("0.00", 2, "0"),
        ("NULL", 8, "nothing"),
    ],
)
def test_a_decimal_is_told_without_needless_zeros(engine: LocalEngine, sql: str, scale: int, told: str) -> None:
    value = shown_sql(f"CAST({sql} AS DECIMAL(18, {scale}))", ColumnType("decimal", scale))
    assert engine.query(f"SELECT {value} AS told").column("told").to_pylist() == [told]
