"""Rules that do not fit are refused, with what would be right; and amounts at the ends of 64 bits go through."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
import yaml

from everycent.base.money.currency import currency
from everycent.proof.recon.contract import EXCHANGE_RATE, ReconSpec
from everycent.proof.recon.core.matching.plan import plan_match
from everycent.proof.recon.core.plan import RuleRefused, plan_recon
from everycent.proof.recon.rules import MatchRuleSpec

SIDE = {"file": "a.csv", "columns": {"id": "text", "paid": "money"}, "key": "id", "amount": "paid"}


def planned(rules: str, rates: dict[str, pa.Table] | None = None) -> Any:
    specs = [MatchRuleSpec.model_validate(rule) for rule in yaml.load(rules, yaml.BaseLoader)]
    return plan_match("bill", specs, currency("CNY"), rates or {})


def rates(*rows: tuple[str, str, date | None, str]) -> dict[str, pa.Table]:
    given = [dict(zip(EXCHANGE_RATE.names, (*row[:3], Decimal(row[3])), strict=True)) for row in rows]
    return {"fx": pa.Table.from_pylist(given, EXCHANGE_RATE)}


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("{}", "a rule is of one kind; write one of key, tolerance, dates"),
        ("{key: {}, dates: {within: 1 day}}", "a rule is of one kind"),
        ("{key: {by: colour}}", "'colour' is not a column of an item; write one of key, amount"),
        ("{key: {by: []}}", "no column is named"),
        ("{key: {by: [key, key]}}", "names a column twice"),
        ("{key: {by: [key, status], may_differ: status}}", "'status' stands in by and in may_differ"),
        ("{tolerance: {}}", "no tolerance is given; write absolute, relative or both"),
        ("{tolerance: {absolute: '-1'}}", "-1 is negative; write 0 or more"),
        ("{tolerance: {absolute: '0.001'}}", "'0.001' has 3 decimals, CNY has 2"),
        ("{tolerance: {absolute: '99999999999'}}", "more than rules write off"),
        ("{tolerance: {relative: '0.0000000001'}}", "write at most 9 decimals"),
        ("{tolerance: {absolute: '1', clear_by: '0'}}", "clear_by: 0 leaves ties as they are"),
        ("{dates: {within: 5 minutes}}", "a window is counted in days"),
        ("{dates: {}}", "Field required"),
        ("{reference: {similar: '101'}}", "less than or equal to 100"),
        ("{net_of_fees: {}}", "write one of stated, formula, range"),
        ("{net_of_fees: {stated: 'yes', range: {most: '1'}}}", "a fee is known in one way"),
        ("{net_of_fees: {range: {least: '0.02', most: '0.01'}}}", "least 0.02 is above most 0.01"),
        ("{net_of_fees: {formula: {minimum: '2', maximum: '1'}}}", "minimum 2 is above maximum 1"),
        ("{subset: {shapes: []}}", "no shape is named"),
        ("{subset: {most: '61'}}", "less than or equal to 60"),
        ("{convert: {rates: fx}}", "there is no table 'fx'; there are none"),
    ],
)
def test_a_rule_that_does_not_fit_is_refused(rule: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(")):
        planned(f"[{rule}]")


def test_a_refusal_names_the_scenario_and_the_rule() -> None:
    with pytest.raises(ValueError, match="recon 'bill': rule 2 'small': absolute: 99999999999"):
        planned("[{key: {}}, {name: small, tolerance: {absolute: '99999999999'}}]")
    with pytest.raises(ValueError, match="two rules are called 'late'"):
        planned("[{name: late, key: {}}, {name: late, key: {}}]")
    assert [rule.name for rule in planned("[{key: {}}, {key: {}}, {dates: {within: 1 day}}]").rules] == [
        "key", "key_2", "dates"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (rates(("USD", "CNY", date(2026, 1, 1), "0")), "a rate that is not above 0"),
        (rates(("USD", "CNY", None, "7")), "a row without a value"),
        (rates(*[("USD", "CNY", date(2026, 1, 1), "7")] * 2), "two rates of one pair of currencies for one day"),
        (rates(("US", "CNY", date(2026, 1, 1), "7")), "US"),
        ({"fx": pa.table({"rate": [1]})}, "has other columns than from_currency"),
    ],
)
def test_a_table_of_rates_that_cannot_be_used_is_refused(table: dict[str, pa.Table], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        planned("[{convert: {rates: fx}}]", table)


def test_what_a_scenario_says_of_its_rules_makes_its_runs_of_another_kind() -> None:
    one, other = (
        plan_recon("bill", ReconSpec.model_validate({"left": SIDE, "right": SIDE, "rules": rules}), currency("CNY"))
        for rules in ([{"key": {"may_differ": "amount"}}], [])
    )
    assert one.rules is not None and one.words
    assert (other.rules, other.words) == (None, "")


def test_a_rule_that_looks_at_what_a_side_lacks_is_refused() -> None:
    spec = ReconSpec.model_validate({"left": SIDE, "right": SIDE, "rules": [{"key": {"may_differ": "status"}}]})
    with pytest.raises(RuleRefused, match="rule 1 'key' looks at 'status', which the left side does not name"):
        plan_recon("bill", spec, currency("CNY"))
    spec = ReconSpec.model_validate({"left": SIDE, "right": SIDE, "rules": [{"key": {"later": "right"}}]})
    with pytest.raises(RuleRefused, match="rule 1 'key' looks at 'occurred_on'"):
        plan_recon("bill", spec, currency("CNY"))


def test_amounts_at_the_ends_of_64_bits(told: Callable[..., Any]) -> None:
    low, high = -(2**63), 2**63 - 1
    left = [{"key": "A", "amount_minor": low}, {"key": "B", "amount_minor": high}, {"key": "C", "amount_minor": high}]
    right = [
        {"key": "A", "amount_minor": high},
        {"key": "B", "amount_minor": high - 5},
        {"key": "D", "amount_minor": 1},
    ]
    same = {"counterparty": "m", "group": "g", "reference": "r", "occurred_on": date(2026, 3, 5), "fee_minor": 5}
    every = """
    - {convert: {rates: fx, by: counterparty}}
    - {net_of_fees: {formula: {rate: '0.999999999', fixed: '1'}}}
    - {net_of_fees: {range: {most: '0.000000001'}, by: group, undecided: leave}}
    - {net_of_fees: {stated: 'yes'}}
    - {tolerance: {by: key, relative: '0.000000001'}}
    - {subset: {shapes: [one_to_many, many_to_many]}}
    - {reference: {similar: '100'}}
    - {group: {}}
    - {key: {may_differ: [amount]}}
    """
    story = told(every, [row | same for row in left], [row | same for row in right])
    assert story.lines == ["net_of_fees_3 unique: L2 = R2 [fee 5]", "reference unique: L3 = R1"]
    story = told("[{key: {may_differ: amount}}]", left, right)
    assert story.lines == [f"key unique: L1 = R1 [amount, amount_differs {low - high}]",
                           "key unique: L2 = R2 [amount, amount_differs 5]"]  # fmt: skip
