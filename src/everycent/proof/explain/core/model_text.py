"""The stored text of a model version: what its formulas, rules and columns say, in its author's own words."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

_NAME = re.compile(r'"([^"]+)"|([^\W\d]\w*)')
_RULE_NO = re.compile(r".* rule (\d+)")


@dataclass(frozen=True)
class RuleText:
    """How a charge was computed, as written."""

    amount: str | None
    when: str | None
    rounding: str

    @property
    def names(self) -> list[str]:
        """Every name in the formula and its condition, once, in order of first use."""
        text = f"{self.amount or ''} {self.when or ''}"
        without_texts = re.sub(r"'(?:[^']|'')*'", " ", text)
        return list(dict.fromkeys(quoted or plain for quoted, plain in _NAME.findall(without_texts)))


class ModelText:
    """Reads a model's YAML as text: every scalar is a string."""

    def __init__(self, source: str) -> None:
        document = yaml.load(source, Loader=yaml.BaseLoader)  # BaseLoader makes strings only
        self._document: Mapping[str, Any] = document if isinstance(document, dict) else {}

    def rule(self, charge: str, label: str) -> RuleText:
        """The rule that goes by `label` among the charge's rules; the charge itself where it has none."""
        spec = self._at("charges", charge)
        conditions = [spec["when"]] if "when" in spec else []
        rules = spec.get("rules")
        chosen = spec if not rules else _chosen(rules, label)
        if rules and "when" in chosen:
            conditions.append(chosen["when"])
        return RuleText(chosen.get("amount"), " and ".join(conditions) or None, spec.get("round", "half_up"))

    def on_refund(self, charge: str) -> str:
        """What the charge says a refund does to it."""
        return str(self._at("charges", charge).get("on_refund", "prorate"))

    def in_order(self, kind: str, names: Iterable[str]) -> list[str]:
        """`names` as the record kind declares its columns; others (tags) behind, by name."""
        declared = list(self._at("records", kind, "columns"))
        return sorted(names, key=lambda name: (declared.index(name) if name in declared else len(declared), name))

    def is_money(self, kind: str, column: str) -> bool:
        """Whether a record kind's column holds money, in minor units."""
        spec = self._at("records", kind, "columns").get(column)
        return (spec.get("type") if isinstance(spec, dict) else spec) == "money"

    def factor(self, name: str) -> str | None:
        """Where a factor comes from; None where there is no such factor."""
        spec = self._at("factors").get(name)
        if not isinstance(spec, dict):
            return None
        if "table" in spec:
            keys = spec.get("key", [])
            return f"from {spec['table']} by {', '.join([keys] if isinstance(keys, str) else keys)}"
        return "a constant"

    def factor_is_money(self, name: str) -> bool:
        """Whether a factor's value is money, in minor units."""
        spec = self._at("factors").get(name)
        return isinstance(spec, dict) and spec.get("type") == "money"

    def _at(self, *path: str) -> Mapping[str, Any]:
        found: Any = self._document
        for name in path:
            found = found.get(name, {}) if isinstance(found, dict) else {}
        return found if isinstance(found, dict) else {}


def _chosen(rules: Any, label: str) -> Mapping[str, Any]:
    named = [rule for rule in rules if isinstance(rule, dict) and rule.get("name") == label]
    if named:
        return dict(named[0])
    numbered = _RULE_NO.fullmatch(label)
    at = int(numbered[1]) - 1 if numbered else 0
    return dict(rules[at]) if at < len(rules) and isinstance(rules[at], dict) else {}
