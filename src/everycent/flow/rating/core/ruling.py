"""The rules of a charge: read, put into the order in which they are tried, checked for ties, compiled.

`first` tries by falling priority, then as declared. `most_specific` tries by falling priority, then by falling number
of conditions; that no two can tie is proven here. `all` tries each rule, and what they come to adds up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations

from everycent.base.engine.formula import Formula, FormulaError, compile_amount, compile_condition
from everycent.base.engine.formula.conjuncts import Demand, demands, exclude, names_of
from everycent.base.engine.formula.tree import Node
from everycent.flow.rating.contract import RatedChargeSpec, RatingRefused, RuleSpec, RuleTableSpec
from everycent.flow.rating.core.amounts import amount_formula
from everycent.flow.rating.core.decisions import DecisionTable, rules_of_table
from everycent.flow.rating.core.names import Names, Path
from everycent.flow.rating.core.plan import Condition, Rule, shown_validity

#: Rules that add up are told apart by one bit each.
ADDED_MAX = 30


@dataclass(frozen=True)
class ParsedRule:
    """A rule with its formulas; `path` is where it stands, `specificity` how many subjects its condition asks about.

    `written`: the rule as its author wrote it, or as the row of a decision table says it.
    """

    label: str
    written: RuleSpec
    condition: Formula | None
    amount: Formula
    amount_path: Path
    path: Path
    priority: int
    valid: tuple[date | None, date | None]
    demands: dict[Node, Demand]

    @property
    def specificity(self) -> int:
        return len(self.demands)

    @property
    def formulas(self) -> tuple[Formula, ...]:
        return (self.amount,) if self.condition is None else (self.condition, self.amount)


def parse_rules(name: str, spec: RatedChargeSpec, names: Names, table: DecisionTable | None) -> tuple[ParsedRule, ...]:
    """The rules of a charge in the order in which they are tried. Raises RatingRefused.

    `table`: the rows that the charge's rules come from, where they are a decision table.
    """
    path: Path = ("charges", name)
    if isinstance(spec.rules, RuleTableSpec):
        assert table is not None, f"the decision table of {name} was not given"
        rules = [
            _parse_row(name, line, rule, spec, names, table) for line, rule in rules_of_table(name, spec, table, names)
        ]
    elif spec.rules:
        rules = [
            _parse(
                rule.name or f"{name} rule {at + 1}", f"{name} rule {at + 1}", rule, spec, names, (*path, "rules", at)
            )
            for at, rule in enumerate(spec.rules)
        ]
    else:
        alone = RuleSpec(amount=spec.amount, price=spec.price, convert=spec.convert)
        rules = [_parse(name, name, alone, spec, names, path)]
    if spec.match == "all" and len(rules) > ADDED_MAX:
        message = f"{len(rules)} rules add up, more than {ADDED_MAX}; make them charges of their own"
        raise RatingRefused(message, (*path, "rules"))
    if spec.match == "most_specific":
        _refuse_ties(rules)
    specific = spec.match == "most_specific"
    return tuple(sorted(rules, key=lambda rule: (-rule.priority, -rule.specificity if specific else 0)))


def compile_rule(rule: ParsedRule, spec: RatedChargeSpec, exponent: int) -> Rule:
    """The rule as the plan has it. Raises RatingRefused."""
    try:
        amount = compile_amount(rule.amount, exponent, spec.round)
    except FormulaError as error:
        raise RatingRefused(error.message, rule.amount_path, error.position) from None
    asked = None if rule.condition is None else compiled_condition(rule.condition, (*rule.path, "when"))
    condition = _within(rule.valid, asked)
    return Rule(
        rule.label,
        condition,
        rule.amount.text,
        amount,
        rule.amount.columns,
        rule.priority,
        rule.specificity,
        rule.valid,
    )


def compiled_condition(formula: Formula, path: Path) -> Condition:
    """The condition as the plan has it. Raises RatingRefused."""
    try:
        return Condition(formula.text, compile_condition(formula), formula.columns)
    except FormulaError as error:
        raise RatingRefused(error.message, path, error.position) from None


def _parse(label: str, place: str, rule: RuleSpec, spec: RatedChargeSpec, names: Names, path: Path) -> ParsedRule:
    condition = None if rule.when is None else names.formula(rule.when, (*path, "when"))
    amount, amount_path = amount_formula(rule, place, names, path, spec.round)
    asked = {} if condition is None else demands(condition)
    days = rule.valid or (None, None)
    return ParsedRule(label, rule, condition, amount, amount_path, path, rule.priority, days, asked)


def _parse_row(
    name: str, line: int, rule: RuleSpec, spec: RatedChargeSpec, names: Names, table: DecisionTable
) -> ParsedRule:
    path: Path = ("charges", name, "rules")
    place = f"{table.file} line {line}"
    try:
        return _parse(rule.name or place, place, rule, spec, names, path)
    except RatingRefused as refused:
        raise RatingRefused(f"{place}: {refused.message}", path) from None


def _within(valid: tuple[date | None, date | None], asked: Condition | None) -> Condition | None:
    """The condition within its validity; d is the record's business date, which is never NULL."""
    since, until = valid
    parts = [] if since is None else [f"d >= DATE '{since.isoformat()}'"]
    parts += [] if until is None else [f"d < DATE '{until.isoformat()}'"]
    if not parts:
        return asked
    if asked is None:
        return Condition(shown_validity(valid), f"({' AND '.join(parts)})", ())
    return Condition(asked.text, f"({' AND '.join([*parts, asked.sql])})", asked.names)


def _refuse_ties(rules: Sequence[ParsedRule]) -> None:
    """Two rules that may hold for one record with equal claims: nobody could say which is meant."""
    for left, right in combinations(rules, 2):
        equal = (left.priority, left.specificity) == (right.priority, right.specificity)
        if not equal or _apart(left.valid, right.valid) or exclude(left.demands, right.demands):
            continue
        asked = [" and ".join(filter(None, map(names_of, rule.demands))) or "nothing" for rule in (left, right)]
        many = f"{left.specificity} condition{'' if left.specificity == 1 else 's'} each"
        message = (
            f"rules '{left.label}' and '{right.label}' could both hold for one record, and neither is more specific "
            f"({many}: '{left.label}' asks about {asked[0]}, '{right.label}' about {asked[1]}); "
            "let both ask for different values of one column, add a condition to one, or give one a higher priority"
        )
        raise RatingRefused(message, right.path)


def _apart(left: tuple[date | None, date | None], right: tuple[date | None, date | None]) -> bool:
    """Whether two validities have no day in common."""
    return any(
        until is not None and since is not None and until <= since
        for until, since in ((left[1], right[0]), (right[1], left[0]))
    )
