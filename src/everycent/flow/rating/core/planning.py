"""From the model's words to a rating plan: names resolved, formulas parsed and typed, circles refused."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from everycent.base.engine.formula import (
    FORMULA_TOKENS_MAX,
    Formula,
    FormulaError,
    compile_amount,
    compile_condition,
    parse_formula,
)
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.currency import Currency
from everycent.base.money.rounding import Rounding
from everycent.flow.intake.contract import TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.rating.contract import (
    FactorSpec,
    RatedChargeSpec,
    RatingRefused,
    RuleSpec,
    exchange_factor,
    quoted_code,
    rate_card_factor,
    with_price_factors,
)
from everycent.flow.rating.core.factors import FactorSources, factor_scope, plan_factors
from everycent.flow.rating.core.levels import CyclicCharges, levels
from everycent.flow.rating.core.plan import Charge, Condition, RatingPlan, Rule
from everycent.flow.rating.core.prices import TOKENS_MAX, described, price_formula, price_words
from everycent.flow.rating.price import ConvertSpec, PriceSpec

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
    factors = with_price_factors(factors, charges)
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
        currency=currency,
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
    currency: Currency

    def is_factor(self, name: str) -> bool:
        return name not in self.columns and name in self.factors

    def is_charge(self, name: str) -> bool:
        return name not in self.columns and name not in self.factors and name in self.charges

    def formula(self, text: str, path: Path, tokens_max: int = FORMULA_TOKENS_MAX) -> Formula:
        """The formula, typed. Raises RatingRefused with the place of what is wrong."""
        scope = {**self.charges, **self.factors, **self.columns}
        for name in self.off:
            scope.setdefault(name, Column(name, ColumnType("money"), "NULL"))
        try:
            formula = parse_formula(text, scope, tokens_max)
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
        place = f"{name} rule {at + 1}" if spec.rules else name
        amount, amount_path = _amount(rule, place, names, rule_path, spec.round)
        rules.append((rule.name or place if spec.rules else name, condition, amount, amount_path))
    return _Parsed(when, tuple(rules))


def _amount(rule: RuleSpec, place: str, names: _Names, path: Path, rounding: Rounding) -> tuple[Formula, Path]:
    """The formula of a rule's amount or price, in the charge's currency, and its path."""
    if rule.amount is not None:
        text, path, shown = rule.amount, (*path, "amount"), rule.amount
    else:
        assert rule.price is not None, "a rule without an amount has a price"
        text, path, shown = _priced(rule.price, place, names, (*path, "price"), rounding)
    if rule.convert is not None:
        if rule.amount is not None:
            names.formula(text, path)  # alone, so that brackets belong together
        text, shown = _converted(text, rule.convert, place, names, path), f"{shown}, converted"
    elif rule.amount is not None:
        return names.formula(text, path), path
    return replace(names.formula(text, path, TOKENS_MAX), text=shown), path


def _priced(price: PriceSpec, place: str, names: _Names, path: Path, rounding: Rounding) -> tuple[str, Path, str]:
    """A price as a formula, where it stands, and what it is called. Each word is read by itself first."""
    for words, text in price_words(price).items():
        formula = names.formula(text, (*path, *words))
        if not formula.root.is_number:
            raise RatingRefused(f"a number is needed here; '{text}' is {formula.type}", (*path, *words))
    if price.graduated is not None and price.graduated.from_ is not None and rounding != Rounding.HALF_UP:
        message = "a slice of a running total is the difference of two rounded prices, which are rounded half_up"
        raise RatingRefused(f"{message}; write 'round: half_up', or leave it out", (*path, "graduated", "from"))
    text = price_formula(price, names.currency.exponent, rate_card_factor(place))
    return text, (*path, price.kind), described(price)


def _converted(text: str, convert: ConvertSpec, place: str, names: _Names, path: Path) -> str:
    """The amount times or by the rate; as it is where it is in the charge's own currency."""
    rate = f'"{exchange_factor(place)}"'
    code = quoted_code(convert.from_)
    where = (*_beside(path), "convert", "from")
    if code is None:
        known = names.columns.get(convert.from_)
        if known is None or known.type.kind != "text":
            message = f"'{convert.from_}' is no text column of this record kind and no currency's code"
            raise RatingRefused(f"{message}; write for example USD, or the column that holds the code", where)
        own = f"\"{convert.from_}\" = '{names.currency.code}'"
        rate = f"case when {own} then 1 when {rate} is not null then {rate} end"
    elif convert.from_ == names.currency.code:
        raise RatingRefused(f"the charge is in {convert.from_} already; leave 'convert' out", where)
    return f"({text}) {'*' if convert.direction == 'multiply' else '/'} ({rate})"


def _rules_in_order(spec: RatedChargeSpec, path: Path) -> list[tuple[int, RuleSpec, Path]]:
    """Each rule with its declared place and path: by falling priority, then as declared."""
    if not spec.rules:
        return [(0, RuleSpec(amount=spec.amount, price=spec.price, convert=spec.convert), path)]
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
        when = None if condition is None else _condition(condition, (*_beside(amount_path), "when"))
        rules.append(Rule(label, when, amount.text, compiled, amount.columns))
    when = None if parsed.when is None else _condition(parsed.when, (*path, "when"))
    return Charge(name, when, tuple(rules), bases, level, spec.debtor, spec.creditor)


def _beside(path: Path) -> Path:
    """The path of the rule whose amount or price is at `path`."""
    return path[: max(at for at, word in enumerate(path) if word in ("amount", "price"))]


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
