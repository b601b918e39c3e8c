"""How values are told: a formula and a condition as written, and with the record's own values in them."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from everycent.proof.explain.core.model_text import RuleText, with_values

_NUMBER = re.compile(r"-?\d+(\.\d+)?|\(none\)")


def with_numbers(condition: str, values: Mapping[str, str]) -> str:
    """A condition as written, and behind it with values in the place of its names."""
    numbers = with_values(condition, {name: _quoted(value) for name, value in values.items()})
    return condition if numbers == condition else f"{condition} ({numbers})"


def in_numbers(rule: RuleText, found: Mapping[str, tuple[str, str]], amount: str) -> list[tuple[str, str]]:
    """The formula with values in the place of its names, and each value with where it is from."""
    facts = []
    if rule.amount is not None and rule.amount not in rule.names:
        numbers = with_values(rule.amount, {name: value for name, (value, _) in found.items()})
        facts += [("in numbers", f"{numbers} = {amount}")] if numbers != rule.amount else []
    return facts + [("value", f"{name} = {value}{source}") for name, (value, source) in found.items()]


def _quoted(value: str) -> str:
    """As a formula writes it: numbers bare, texts in quotes."""
    return value if _NUMBER.fullmatch(value) else f"'{value}'"


def plain(value: Any) -> str:
    """A value as text, a decimal without needless zeros (0.05000000 is 0.05); `(none)` where there is none."""
    if isinstance(value, Decimal) and value.is_finite():
        digits = f"{value:f}"
        return digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "(none)" if value is None else str(value)
