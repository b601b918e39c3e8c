"""How a charge is told to be shared: who was to carry what, and what came of it; and formulas with numbers in them."""

import pytest

from everycent.base.money.currency import currency
from everycent.proof.explain.core.model_text import ModelText, with_values

CNY = currency("CNY")
MODEL = """
budgets:
  spring: {cap: 900.00}
charges:
  coupon:
    apportion:
      budget: spring
      bearers:
        platform: {weight: 60, cap: 400.00}
        suppliers: {weight: 40, among: {brand: {weight: 70, cap: 5.00}, distributor: 30}}
      when_all_capped: platform
  voucher:
    apportion:
      budget: spring
      by: in_order
      bearers:
        suppliers: {up_to: 3.00, cap: 300.00, among: {brand: 1, distributor: 1}}
        platform: {}
      refund: reverse
  gift:
    apportion: {by: fixed, bearers: {brand: {fixed: 1.50}, platform: {}}}
  fee:
    rules:
      - {name: large, when: "price >= 100", amount: price * 0.01}
      - {when: "store = 's-1'", valid: [2026-01-01, 2026-07-01], amount: price * 0.02}
      - {amount: price * 0.03}
  plain: {amount: price}
"""
TEXT = ModelText(MODEL)


def told(charge: str, bearer: int, charged_minor: int, carried_minor: int) -> list[tuple[str, str]]:
    sharing = TEXT.sharing(charge)
    assert sharing is not None
    return sharing.facts(bearer, charged_minor, carried_minor, CNY)


def test_a_share_by_ratio_on_two_levels_with_every_cap_above_it_wherever_it_is_written():
    assert told("coupon", 1, 1000, 280) == [
        ("share", "40 of 100 of 10.00: 4.00; 70 of 100 of that: 2.80"),
        ("cap", "900.00 for all together, 300.00 for suppliers, 5.00 for suppliers/brand"),
    ]


def test_what_a_bearer_took_more_or_less_than_its_share():
    assert told("coupon", 1, 1000, 200)[-1] == (
        "took", "0.80 CNY less than its share: there was no room for more under a cap",
    )  # fmt: skip
    assert told("coupon", 0, 1000, 680)[-1] == ("took", "0.80 CNY more than its share: others had no room for it")


def test_turns_and_fixed_amounts():
    assert told("voucher", 1, 1000, 150)[0] == ("share", "turn 1 of 2, up to 3.00; 1 of 2 of that")
    assert told("voucher", 2, 1000, 700)[0] == ("share", "turn 2 of 2, the rest")
    assert [told("gift", at, 1000, 150)[0][1] for at in (0, 1)] == ["fixed 1.50", "the rest"]


def test_the_declaration_on_one_line_and_where_refunds_go():
    coupon, voucher = TEXT.sharing("coupon"), TEXT.sharing("voucher")
    assert coupon is not None and voucher is not None
    assert coupon.line() == (
        "by ratio: platform 60, suppliers 40 (brand 70, distributor 30); budget spring; over a cap: pass on; "
        "when all are capped: platform; odd cent: largest remainder"
    )
    assert coupon.given_back() == "to each in proportion to what it still carried"
    assert voucher.given_back() == "to the last declared first"
    assert TEXT.sharing("plain") is None


def test_the_rules_that_were_not_used():
    assert TEXT.other_rules("fee", "fee rule 3") == [
        ("large", "price >= 100", ""), ("rule 2", "store = 's-1'", "from 2026-01-01, before 2026-07-01"),
    ]  # fmt: skip
    assert TEXT.other_rules("fee", "large")[-1] == ("rule 3", "", "")
    assert TEXT.other_rules("plain", "plain") == []


@pytest.mark.parametrize(
    ("formula", "shown"),
    [
        ("greatest(price * rate, 0.30)", "greatest(99.99 * 0.05, 0.30)"),
        ("case when store = 'price' then price else 0 end", "case when store = 'price' then 99.99 else 0 end"),
        ('"rate" * price1', "0.05 * price1"),
        ("price {percentage: {rate: 0.1, of: price}}", "price {percentage: {rate: 0.1, of: 99.99}}"),
    ],
)
def test_a_formula_with_the_numbers_in_it(formula: str, shown: str):
    assert with_values(formula, {"price": "99.99", "rate": "0.05"}) == shown


def test_rules_of_a_decision_table_are_told_like_those_of_an_author():
    source = """
charges:
  fee:
    match: most_specific
    rules: {table: rules.csv, given: {percentage.of: price}}
"""
    rows = [
        {"name": "large", "when": "price >= 100", "price": {"percentage": {"rate": "0.10", "of": "price"}}},
        {"name": "rules.csv line 4", "when": "type in ('food', 'drinks')", "valid": ["2026-02-01", None],
         "price": {"flat": {"amount": "1.50"}}},
    ]  # fmt: skip
    text = ModelText(source, {"fee": rows})
    assert text.used("fee") == "the most specific that holds"
    assert text.rule("fee", "large").amount == "price {percentage: {rate: 0.10, of: price}}"
    assert text.rule("fee", "large").when == "price >= 100"
    other = text.rule("fee", "rules.csv line 4")
    assert other.amount == "price {flat: {amount: 1.50}}"
    assert text.other_rules("fee", "large") == [("rules.csv line 4", "type in ('food', 'drinks')", "from 2026-02-01")]
    assert ModelText(source).other_rules("fee", "large") == []


def test_rules_that_add_up_are_all_told():
    text = ModelText("""
charges:
  fee:
    match: all
    rules:
      - {name: base, amount: price * 0.01}
      - {name: large, when: price > 100, amount: price * 0.02}
      - {name: night, when: hour > 22, amount: 1.00}
""")
    rule = text.rule("fee", "base+large")
    assert (rule.amount, rule.when) == ("price * 0.01, price * 0.02", "price > 100")
    assert text.other_rules("fee", "base+large") == [("night", "hour > 22", "")]
