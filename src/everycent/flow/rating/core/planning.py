"""From the model's words to a rating plan: names resolved, formulas parsed and typed, circles refused."""

from collections.abc import Mapping
from dataclasses import dataclass

from everycent.base.engine.formula import Formula, FormulaError, compile_amount, compile_condition, parse_formula
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.currency import Currency
from everycent.flow.intake.contract import TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.rating.contract import FactorSpec, RatedChargeSpec, RatingRefused, RuleSpec
from everycent.flow.rating.core.factors import FactorSources, factor_scope, plan_factors
from everycent.flow.rating.core.levels import CyclicCharges, levels
from everycent.flow.rating.core.plan import Charge, Condition, RatingPlan, Rule

Path = tuple[str | int, ...]


def plan_rating(
    charges: Mapping[str, RatedChargeSpec],
    factors: Mapping[str, FactorSpec],
    kind: str,
    columns: Mapping[str, ColumnType],
    party_roles: Mapping[str, PartySpec],
    tables: Mapping[str, TableSpec],
    currency: Currency,
) -> RatingPlan:
    """The plan for the records of one kind, whose body has `columns`; `tables` are all attached tables, by name.

    A name in a formula is the record's column, else a factor, else another charge of the kind. Raises RatingRefused.
    """
    of_kind = {name: spec for name, spec in charges.items() if kind in spec.for_}
    enabled = {name: spec for name, spec in of_kind.items() if spec.enabled}
    sources = FactorSources(tables, columns, currency.exponent)
    record_columns = tuple(Column(name, type_, f"c{at}") for at, (name, type_) in enumerate(columns.items()))
    factor_columns = factor_scope(factors, sources)
    _refuse_two_meanings(factor_columns, columns, enabled)
    money = ColumnType("money", currency.exponent)
    names = _Names(
        columns={column.name: column for column in record_columns},
        factors=factor_columns,
        charges={name: Column(name, money, f"a{at}") for at, name in enumerate(enabled)},
        off=tuple(name for name in of_kind if name not in enabled),
    )
    parsed = {name: _parse(name, spec, names) for name, spec in enabled.items()}
    uses = {name: tuple(base for base in charge.names if names.is_charge(base)) for name, charge in parsed.items()}
    try:
        level = levels(uses)
    except CyclicCharges as error:
        raise RatingRefused(str(error), ("charges", error.cycle[0])) from None
    used = {name for charge in parsed.values() for name in charge.names if names.is_factor(name)}
    planned, lookups = plan_factors(factors, used, sources)
    place = {name: at for at, name in enumerate(enabled)}
    compiled = tuple(
        _compile(name, spec, parsed[name], tuple(place[base] for base in uses[name]), level[name], currency.exponent)
        for name, spec in enabled.items()
    )
    roles = {role: _role(role, party_roles, columns) for charge in compiled for role in charge.roles}
    return RatingPlan(kind, currency.code, currency.exponent, record_columns, lookups, planned, compiled, roles)


@dataclass(frozen=True)
class _Names:
    """The names in scope of a kind's formulas; `off` are its charges that are switched off."""

    columns: Mapping[str, Column]
    factors: Mapping[str, Column]
    charges: Mapping[str, Column]
    off: tuple[str, ...]

    def is_factor(self, name: str) -> bool:
        return name not in self.columns and name in self.factors

    def is_charge(self, name: str) -> bool:
        return name not in self.columns and name not in self.factors and name in self.charges

    def formula(self, text: str, path: Path) -> Formula:
        """The formula, typed. Raises RatingRefused with the place of what is wrong."""
        scope = {**self.charges, **self.factors, **self.columns}
        for name in self.off:
            scope.setdefault(name, Column(name, ColumnType("money"), "NULL"))
        try:
            formula = parse_formula(text, scope)
        except FormulaError as error:
            raise RatingRefused(error.message, path, error.position) from None
        for name in formula.columns:
            if name in self.off and not self.is_factor(name) and name not in self.columns:
                message = f"charge {name} is switched off (enabled: no), so its amount cannot be used here"
                raise RatingRefused(f"{message}; switch it on, or this charge off too", path)
        return formula


@dataclass(frozen=True)
class _Parsed:
    """A charge's formulas: `when`, and each rule with its label, condition and amount, in the order they are tried."""

    when: Formula | None
    rules: tuple[tuple[str, Formula | None, Formula, Path], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name used, once, in order of first use."""
        formulas = [self.when, *(part for _, condition, amount, _ in self.rules for part in (condition, amount))]
        return tuple(dict.fromkeys(name for formula in formulas if formula is not None for name in formula.columns))


def _refuse_two_meanings(
    factors: Mapping[str, Column], columns: Mapping[str, ColumnType], charges: Mapping[str, RatedChargeSpec]
) -> None:
    """A column may share its charge's name (the charge coupon passes the column coupon on); a factor shares none."""
    for name in factors:
        other = "a column of the record" if name in columns else "a charge" if name in charges else None
        if other is not None:
            message = f"'{name}' is a factor and {other}, so a formula that names it has two meanings; rename one"
            raise RatingRefused(message, ("factors", name))


def _parse(name: str, spec: RatedChargeSpec, names: _Names) -> _Parsed:
    path: Path = ("charges", name)
    when = None if spec.when is None else names.formula(spec.when, (*path, "when"))
    rules = []
    for at, rule, rule_path in _rules_in_order(spec, path):
        condition = None if rule.when is None else names.formula(rule.when, (*rule_path, "when"))
        amount_path = (*rule_path, "amount")
        label = name if not spec.rules else rule.name or f"{name} rule {at + 1}"
        rules.append((label, condition, names.formula(rule.amount, amount_path), amount_path))
    return _Parsed(when, tuple(rules))


def _rules_in_order(spec: RatedChargeSpec, path: Path) -> list[tuple[int, RuleSpec, Path]]:
    """Each rule with its declared place and path: by falling priority, then as declared."""
    if spec.amount is not None:
        return [(0, RuleSpec(amount=spec.amount), path)]
    places = sorted(range(len(spec.rules)), key=lambda at: -spec.rules[at].priority)
    return [(at, spec.rules[at], (*path, "rules", at)) for at in places]


def _compile(
    name: str, spec: RatedChargeSpec, parsed: _Parsed, bases: tuple[int, ...], level: int, exponent: int
) -> Charge:
    path: Path = ("charges", name)
    rules = []
    for label, condition, amount, amount_path in parsed.rules:
        try:
            compiled = compile_amount(amount, exponent, spec.round)
        except FormulaError as error:
            raise RatingRefused(error.message, amount_path, error.position) from None
        when = None if condition is None else _condition(condition, (*amount_path[:-1], "when"))
        rules.append(Rule(label, when, amount.text, compiled, amount.columns))
    when = None if parsed.when is None else _condition(parsed.when, (*path, "when"))
    return Charge(name, when, tuple(rules), bases, level, spec.debtor, spec.creditor)


def _condition(formula: Formula, path: Path) -> Condition:
    try:
        return Condition(formula.text, compile_condition(formula), formula.columns)
    except FormulaError as error:
        raise RatingRefused(error.message, path, error.position) from None


def _role(role: str, roles: Mapping[str, PartySpec], columns: Mapping[str, ColumnType]) -> PartySpec:
    if role not in roles:
        raise RatingRefused(f"there is no party role '{role}'; declared are {', '.join(roles)}", ("parties",))
    for column in roles[role].key:
        if column not in columns:
            message = f"party role {role} is found by column {column}, which this record kind does not have"
            raise RatingRefused(f"{message}; its columns are {', '.join(columns)}", ("parties", role))
    return roles[role]
