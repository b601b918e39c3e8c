"""The stored text of a model version: what its formulas, rules and columns say, in its author's own words."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import yaml

from everycent.base.engine.formula import parse_formula
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.calendar import BusinessCalendar
from everycent.proof.explain.core.sharing import Sharing, caps_of

_TEXT = re.compile(r"'(?:[^']|'')*'")
#: A name, in quotes or plain; what a colon or a brace follows is a word of the model.
_NAME = re.compile(r'"([^"]+)"|([^\W\d]\w*)\b(?!:\s|\s\{)')
#: What is looked up for a price: for a charge, or for a rule of it by its number.
_MADE = re.compile(r"(rate card|exchange rate) of (.+?)(?: rule (\d+))?")
_RULE_NO = re.compile(r".* rule (\d+)")


@dataclass(frozen=True)
class RuleText:
    """How a charge was computed, as written."""

    amount: str | None
    when: str | None
    rounding: str
    formulas: tuple[str, ...]
    graduated: Mapping[str, Any] | None = None  # the tiers, where it is one graduated price

    @property
    def names(self) -> list[str]:
        """Every name in the formulas and the condition, once, in order of first use."""
        return names_in(f"{' '.join(self.formulas)} {self.when or ''}")


def names_in(formula: str) -> list[str]:
    """Every name in a formula, functions and words among them, once, in order of first use."""
    return list(dict.fromkeys(quoted or plain for quoted, plain in _NAME.findall(_TEXT.sub(" ", formula))))


def with_values(formula: str, values: Mapping[str, str]) -> str:
    """A formula with the values in the place of its names; what stands in quotes is a text and stays."""
    parts = re.split(r"('(?:[^']|'')*')", formula)

    def value(found: re.Match[str]) -> str:
        return values.get(found[1] or found[2], found[0])

    return "".join(part if at % 2 else _NAME.sub(value, part) for at, part in enumerate(parts))


class ModelText:
    """Reads a model's YAML as text: every scalar is a string."""

    def __init__(
        self, source: str, decision_tables: Mapping[str, Sequence[Mapping[str, Any]]] = MappingProxyType({})
    ) -> None:
        """`decision_tables`: charge -> the rows of its decision table, as rules that an author could have written."""
        self._decision_tables = decision_tables
        document = yaml.load(source, Loader=yaml.CBaseLoader)  # CBaseLoader makes strings only
        self._document: Mapping[str, Any] = document if isinstance(document, dict) else {}

    def rule(self, charge: str, label: str) -> RuleText:
        """The rule that goes by `label` among the charge's rules; the charge itself where it has none."""
        spec = self._at("charges", charge)
        rules = self._rules(charge)
        places = self._places(charge, label)
        chosen = [_rule_at(rules, at) for at in places] or [spec]
        conditions = [str(each["when"]) for each in ([spec, *chosen] if places else [spec]) if "when" in each]
        written = [
            str(each[word]) if word == "amount" else f"{word} {_inline(each[word])}"
            for each in chosen
            for word in ("amount", "price", "convert")
            if word in each
        ]
        formulas = [
            text for each in chosen for word in ("amount", "price", "convert") for text in _leaves(each.get(word))
        ]
        for place in [f"{charge} rule {at + 1}" for at in places] or [charge]:
            formulas += [f'"{made} of {place}"' for made in ("rate card", "exchange rate")]
        prices = [each.get("price") for each in chosen]
        graduated = prices[0].get("graduated") if len(prices) == 1 and isinstance(prices[0], dict) else None
        rounding = str(spec.get("round", "half_up"))
        when = " and ".join(conditions) or None
        return RuleText(", ".join(written) or None, when, rounding, tuple(formulas), graduated)

    def calendar(self) -> BusinessCalendar:
        """When its business days begin."""
        written = self._at("calendar")
        return BusinessCalendar.parse(str(written.get("time_zone", "UTC")), str(written.get("day_cut", "00:00")))

    def recon_sides(self) -> dict[str, list[Mapping[str, Any]]]:
        """The sides of each reconciliation, as written."""
        named = self._document.get("recon")
        scenarios = named.items() if isinstance(named, dict) else ()
        return {
            name: [side for side in spec.values() if isinstance(side, dict) and "key" in side]
            for name, spec in scenarios
            if isinstance(spec, dict)
        }

    def used(self, charge: str) -> str:
        """Which of the charge's rules are used; nothing where it has one way only."""
        words = {
            "first": "the first that holds",
            "most_specific": "the most specific that holds",
            "all": "all that hold",
        }
        return words[self._at("charges", charge).get("match", "first")] if self._rules(charge) else ""

    def other_rules(self, charge: str, label: str) -> list[tuple[str, str, str]]:
        """The charge's rules but those that go by `label`: each with its condition, as written, and its days."""
        used = self._places(charge, label)
        return [
            (str(rule.get("name", f"rule {at + 1}")), str(rule.get("when", "")), _days(rule))
            for at, rule in enumerate(self._rules(charge))
            if at not in used
        ]

    def _places(self, charge: str, label: str) -> list[int]:
        """Which of the charge's rules go by the label, which joins several by + where all that hold are used."""
        rules = self._rules(charge)
        if not rules:
            return []
        several = self._at("charges", charge).get("match") == "all"
        return [_place(rules, each) for each in (label.split("+") if several else [label])]

    def _rules(self, charge: str) -> list[Mapping[str, Any]]:
        """The charge's rules as written in the model, or as the rows of its decision table; none where it has none."""
        told = self._at("charges", charge).get("rules")
        if isinstance(told, list):
            return [rule if isinstance(rule, dict) else {} for rule in told]
        return list(self._decision_tables.get(charge, ()))

    def sharing(self, charge: str) -> Sharing | None:
        """How the charge is apportioned; None where one party owes it."""
        told = self._at("charges", charge, "apportion")
        return Sharing(told, caps_of(self._document, told.get("budget"))) if told.get("bearers") else None

    def per_share_of(self, charge: str) -> str | None:
        """The charge whose bearers' shares this one is computed from, each by itself; None where it is not."""
        base = self._at("charges", charge).get("per_share_of")
        return None if base is None else str(base)

    def contract(self, role: str) -> str:
        """Where the contracts of a party role are from."""
        keys = self._at("parties", role).get("key", [])
        by = ", ".join([keys] if isinstance(keys, str) else keys)
        table = self._at("parties", role, "contract").get("table")
        return f"from {'a contract message' if table is None else table} by {by}"

    def on_refund(self, charge: str) -> str:
        """What the charge says a refund does to it."""
        return str(self._at("charges", charge).get("on_refund", "prorate"))

    def in_order(self, kind: str, names: Iterable[str]) -> list[str]:
        """`names` as the record kind declares its columns; others (tags) behind, by name."""
        declared = list(self._at("records", kind, "columns"))
        return sorted(names, key=lambda name: (declared.index(name) if name in declared else len(declared), name))

    def is_money(self, kind: str, column: str) -> bool:
        """Whether a record kind's column or tag holds money, in minor units."""
        columns = self._at("records", kind, "columns")
        tag = self._at("records", kind, "tags").get(column)
        if column in columns or tag is None:
            return bool(_type_of(columns.get(column)) == "money")
        scope = {name: Column(name, ColumnType.parse(str(_type_of(spec))), name) for name, spec in columns.items()}
        return parse_formula(str(tag), scope).type.kind == "money"

    def currency_of(self, kind: str, body: Mapping[str, Any], column: str | None = None) -> str | None:
        """The code that money of a record is in, or of one of its columns; None where the text was not kept."""
        spec = self._at("records", kind, "columns").get(column or "")
        own = self._at("records", kind).get("currency")
        code = spec.get("currency") if isinstance(spec, dict) else None
        return code or (self.currency if own is None else body.get(own))

    @property
    def currency(self) -> str | None:
        """The code of the model's currency, which what it adds up is in; None where the text was not kept."""
        code = self._document.get("currency")
        return None if code is None else str(code)

    def factor(self, name: str) -> str | None:
        """Where a factor comes from; None where there is no such factor."""
        made = _MADE.fullmatch(name)
        if made is not None:
            return f"from {self._made_from(made)}"
        spec = self._at("factors").get(name)
        if not isinstance(spec, dict):
            return None
        if "table" in spec:
            keys = spec.get("key", [])
            return f"from {spec['table']} by {', '.join([keys] if isinstance(keys, str) else keys)}"
        for word, told in (("sql", "database"), ("rest", "address")):
            if isinstance(spec.get(word), dict):
                return f"from {spec[word].get(told)} by {', '.join(self.factor_key(name))}"
        return "a constant" if "constant" in spec else f"column {spec.get('column')}"

    def factor_key(self, name: str) -> list[str]:
        """The record's columns that find a factor's value."""
        keys = self._factor(name).get("key", [])
        return [keys] if isinstance(keys, str) else list(keys)

    def factor_table(self, name: str) -> str | None:
        """The attached table that a factor is read from; None where it is from elsewhere."""
        made = _MADE.fullmatch(name)
        if made is not None:
            return self._made_from(made)
        table = self._factor(name).get("table")
        return None if table is None else str(table)

    def is_made(self, name: str) -> bool:
        """Whether this is what a price looks up by itself, not a factor that the model declares."""
        return _MADE.fullmatch(name) is not None

    def _made_from(self, made: re.Match[str]) -> str:
        """The table that an exchange rate or a rate card of a charge, or of one of its rules, is looked up in."""
        charge, rules = made[2], self._rules(made[2])
        spec = _rule_at(rules, int(made[3]) - 1) if made[3] else self._at("charges", charge)
        if made[1] == "exchange rate":
            return str((spec.get("convert") or {}).get("rates"))
        return str(((spec.get("price") or {}).get("rate_card") or {}).get("table"))

    def factor_is_fetched(self, name: str) -> bool:
        """Whether a factor's values are looked up outside."""
        return bool({"sql", "rest"} & set(self._factor(name)))

    def factor_is_constant(self, name: str) -> bool:
        """Whether a factor is the model's own number or word."""
        return "constant" in self._factor(name)

    def total_is_money(self, name: str) -> bool:
        """Whether what a factor adds up is money, in minor units."""
        return str(self._factor(name).get("type", "money")) == "money"

    def counts_before(self, name: str) -> bool:
        """Whether a running total is the one before the record."""
        spec = self._factor(name).get("accumulator")
        return not isinstance(spec, dict) or str(spec.get("counts", "before")) == "before"

    def factor_is_money(self, name: str, kind: str) -> bool:
        """Whether a factor's value is money, in minor units: by its type, or as a column of the record kind."""
        spec = self._factor(name)
        plain = not {"constant", "table", "sql", "rest"} & set(spec)
        return spec.get("type") == "money" or (plain and self.is_money(kind, str(spec.get("column"))))

    def _factor(self, name: str) -> Mapping[str, Any]:
        spec = self._at("factors").get(name)
        return spec if isinstance(spec, dict) else {}

    def _at(self, *path: str) -> Mapping[str, Any]:
        found: Any = self._document
        for name in path:
            found = found.get(name, {}) if isinstance(found, dict) else {}
        return found if isinstance(found, dict) else {}


def _type_of(spec: Any) -> Any:
    """The type that a column is declared with; None where it is none."""
    return spec.get("type") if isinstance(spec, dict) else spec


def _place(rules: Sequence[Mapping[str, Any]], label: str) -> int:
    """Which of the rules goes by the label: a name, or the charge's name and a number."""
    for at, rule in enumerate(rules):
        if rule.get("name") == label:
            return at
    numbered = _RULE_NO.fullmatch(label)
    return int(numbered[1]) - 1 if numbered else 0


def _days(rule: Mapping[str, Any]) -> str:
    """The days that a rule is valid for; nothing where these are all."""
    days = rule.get("valid")
    since, until = (*days, "", "")[:2] if isinstance(days, list) else ("", "")
    return ", ".join([*([f"from {since}"] if since else []), *([f"before {until}"] if until else [])])


def _rule_at(rules: Sequence[Mapping[str, Any]], at: int) -> Mapping[str, Any]:
    return rules[at] if at < len(rules) else {}


def _leaves(value: Any) -> list[str]:
    """Every text in a value of the model."""
    if isinstance(value, dict):
        return [text for part in value.values() for text in _leaves(part)]
    if isinstance(value, list):
        return [text for part in value for text in _leaves(part)]
    return [] if value is None else [str(value)]


def _inline(value: Any) -> str:
    """A value of the model on one line, as YAML writes it."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{word}: {_inline(part)}' for word, part in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(_inline(part) for part in value)}]"
    return str(value)
