"""From the model's words to a rating plan: names resolved, formulas parsed and typed, circles refused."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from everycent.base.engine.formula import Formula
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.currency import Currency
from everycent.flow.intake.contract import RecordMoney, TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.rating.contract import (
    BEARER,
    SHARE,
    FactorSpec,
    RatedChargeSpec,
    RatingRefused,
    RuleSpec,
    RuleTableSpec,
    SharesOf,
    contract_factor,
    with_made_factors,
)
from everycent.flow.rating.core.by_bearer import for_bearers
from everycent.flow.rating.core.currencies import (
    Denomination,
    columns_in,
    money_of_factors,
    of_charge,
    of_code,
    of_record,
)
from everycent.flow.rating.core.decisions import DecisionTable
from everycent.flow.rating.core.factors import FactorSources, factor_scope, history_factors, plan_factors
from everycent.flow.rating.core.fetched import as_tables
from everycent.flow.rating.core.levels import CyclicCharges, levels
from everycent.flow.rating.core.names import Names
from everycent.flow.rating.core.plan import Charge, PerShare, RatingPlan
from everycent.flow.rating.core.ruling import ParsedRule, compile_rule, compiled_condition, parse_rules


def plan_rating(
    charges: Mapping[str, RatedChargeSpec],
    factors: Mapping[str, FactorSpec],
    kind: str,
    columns: Mapping[str, ColumnType],
    party_roles: Mapping[str, PartySpec],
    tables: Mapping[str, TableSpec],
    currency: Currency,
    decisions: Mapping[str, DecisionTable] = MappingProxyType({}),
    money: RecordMoney | None = None,
    given: Mapping[str, str] = MappingProxyType({}),
    shares: Mapping[str, SharesOf] = MappingProxyType({}),
) -> RatingPlan:
    """The plan for the records of one kind, whose body has `columns`; `tables` are all attached tables, by name, and
    `decisions` the rows of decision tables, by charge. `currency` is the model's, `money` what the records' is in.
    `given`: columns that are none of the record's, and what to say where they have no value. `shares`: of charges per
    share, whose formulas are read here for what is to be looked up for them.

    A name in a formula is the record's column, else a factor, else another charge of the kind. Raises RatingRefused.
    """
    if money is None:
        of = {name: currency.code for name, kind_ in columns.items() if kind_.kind == "money"}
        money = RecordMoney(None, (currency,), of)
    terms = _Terms(charges, factors, kind, columns, party_roles, tables, currency, decisions, money, given, shares)
    plans = {known.code: _plan(terms, known) for known in money.currencies}
    first = next(iter(plans.values()))
    if money.column is None:
        return first
    assert len({plan.snapshot_type for plan in plans.values()}) == 1, "a snapshot is the same in each currency"
    return replace(first, currency_column=money.column, in_currency=plans)


@dataclass(frozen=True)
class _Terms:
    """What plan_rating is given."""

    charges: Mapping[str, RatedChargeSpec]
    factors: Mapping[str, FactorSpec]
    kind: str
    columns: Mapping[str, ColumnType]
    party_roles: Mapping[str, PartySpec]
    tables: Mapping[str, TableSpec]
    model: Currency
    decisions: Mapping[str, DecisionTable]
    money: RecordMoney
    given: Mapping[str, str]
    shares: Mapping[str, SharesOf]


def _plan(terms: _Terms, known: Currency) -> RatingPlan:
    """The plan for records in one currency."""
    charges, kind, tables = terms.charges, terms.kind, terms.tables
    record = of_record(terms.money, known)
    columns = columns_in(terms.columns, terms.money.of, record)
    of_kind = {name: spec for name, spec in charges.items() if kind in spec.for_}
    enabled = {name: spec for name, spec in of_kind.items() if spec.enabled and spec.per_share_of is None}
    in_charge = {name: of_charge(name, spec, record) for name, spec in of_kind.items() if spec.enabled}
    made = with_made_factors(terms.factors, charges, terms.party_roles)  # one whose value is frozen is a column
    made = {name: spec for name, spec in made.items() if name in terms.factors or name not in columns}
    factors, fetched = as_tables(made, columns)
    sources = FactorSources({**tables, **fetched}, columns, terms.model.exponent)
    record_columns = tuple(Column(name, type_, f"c{at}") for at, (name, type_) in enumerate(columns.items()))
    factor_columns = factor_scope(factors, sources)
    _refuse_two_meanings(factor_columns, columns, enabled)
    names = _names(terms, record, record_columns, factors, factor_columns, sources, of_kind)
    parsed = {
        name: _parse(name, spec, replace(names, charge=in_charge[name]), terms.decisions.get(name))
        for name, spec in enabled.items()
    }
    uses = {name: tuple(base for base in charge.names if names.is_charge(base)) for name, charge in parsed.items()}
    try:
        level = levels(uses)
    except CyclicCharges as error:
        raise RatingRefused(str(error), ("charges", error.cycle[0])) from None
    contracts = {name: _contracts(spec, terms.party_roles) for name, spec in of_kind.items()}
    used = {name for charge in parsed.values() for name in charge.names if names.is_factor(name)}
    used |= {contract for name in parsed for contract in contracts[name] if names.is_factor(contract)}
    history = history_factors(factors, used, kind, terms.model.exponent)
    late = _in_turn(parsed, uses, level, {factor.name for factor in history})
    per_share = _per_share(terms, of_kind, names, in_charge, factors, late)
    factors |= for_bearers(per_share, factors, columns)
    used |= {name for charge in per_share for name in charge.reads if name in factors and name not in columns}
    planned, lookups = plan_factors(factors, used, sources)
    unknown = late | {factor.name for factor in history}
    arriving = {name: _as_known(name, charge, unknown, names) for name, charge in parsed.items()}
    compiled = tuple(
        _compile(name, spec, arriving[name], parsed[name].names, uses, level[name], in_charge[name], contracts[name])
        for name, spec in enabled.items()
    )
    roles = {role: _role(role, terms.party_roles, columns) for charge in compiled for role in charge.roles}
    in_turn = tuple(name for name in enabled if name in late)
    return RatingPlan(
        kind,
        record_columns,
        lookups,
        planned,
        compiled,
        roles,
        names.money,
        in_turn=in_turn,
        history=history,
        given=terms.given,
        per_share=per_share,
        rows={name: parsed[name].written for name, spec in enabled.items() if isinstance(spec.rules, RuleTableSpec)},
    )


def _per_share(
    terms: _Terms,
    of_kind: Mapping[str, RatedChargeSpec],
    names: Names,
    in_charge: Mapping[str, Denomination],
    factors: Mapping[str, FactorSpec],
    late: set[str],
) -> tuple[PerShare, ...]:
    """The charges per share, their formulas read with a share and a bearer in scope. Raises RatingRefused."""
    found = []
    for name in names.per_share:
        of, path = terms.shares[name], ("charges", name, "per_share_of")
        for word in (SHARE, BEARER):
            if word in names.columns or word in names.factors or word in names.charges:
                message = f"'{word}' is what a charge per share calls a part of '{of.base}' and who carries it"
                raise RatingRefused(f"{message}; rename the column, factor or charge of this name", path)
        base = names.record if of.base_currency is None else of_code(of.base_currency, path)
        share = {
            SHARE: Column(SHARE, ColumnType("money", base.currency.exponent), SHARE),
            BEARER: Column(BEARER, ColumnType("text"), BEARER),
        }
        money = {**names.money, SHARE: base.said}
        scope = replace(names, columns={**names.columns, **share}, money=money, charge=in_charge[name])
        used = (*_parse(name, of_kind[name], scope, None).names, *_contracts(of_kind[name], terms.party_roles))
        for base_name in (of.base, *used):
            if base_name in late or (scope.is_factor(base_name) and factors[base_name].history is not None):
                message = f"'{base_name}' depends on what came before, so it is computed in strict order"
                raise RatingRefused(f"{message}; a charge per share of it cannot be, it is computed on arrival", path)
        looked_up = tuple(each for each in used if scope.is_factor(each) and factors[each].table is not None)
        by_bearer = tuple(each for each in looked_up if BEARER in factors[each].key)
        found.append(PerShare(name, of, used, looked_up, by_bearer))
    return tuple(found)


def _names(
    terms: _Terms,
    record: Denomination,
    columns: tuple[Column, ...],
    specs: Mapping[str, FactorSpec],
    factors: Mapping[str, Column],
    sources: FactorSources,
    of_kind: Mapping[str, RatedChargeSpec],
) -> Names:
    """The names in scope, as of a charge in the record's own currency."""
    in_charge = {name: of_charge(name, spec, record) for name, spec in of_kind.items()}
    enabled = [name for name, spec in of_kind.items() if spec.enabled and spec.per_share_of is None]
    own = {column.name for column in columns}
    of_factors = money_of_factors(specs, sources.tables, terms.money.of, terms.model)
    money = {
        **{name: charge.said for name, charge in in_charge.items() if name not in own},
        **{name: of_factors[name] for name, factor in factors.items() if factor.type.kind == "money"},
        **terms.money.of,
    }
    return Names(
        columns={column.name: column for column in columns},
        factors=factors,
        charges={
            name: Column(name, ColumnType("money", in_charge[name].currency.exponent), f"a{at}")
            for at, name in enumerate(enabled)
        },
        off=tuple(name for name, spec in of_kind.items() if not spec.enabled),
        per_share=tuple(name for name, spec in of_kind.items() if spec.enabled and spec.per_share_of is not None),
        money=money,
        record=record,
        charge=record,
        currency_column=terms.money.column,
        several=terms.money.column is not None or bool({*money.values()} - {terms.model.code}),
    )


@dataclass(frozen=True)
class _Parsed:
    """A charge's formulas: `when`, and its rules in the order in which they are tried."""

    when: Formula | None
    rules: tuple[ParsedRule, ...]

    @property
    def written(self) -> tuple[RuleSpec, ...]:
        """The rules as written, each with the name that it goes by."""
        return tuple(rule.written.model_copy(update={"name": rule.label}) for rule in self.rules)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name used, once, in order of first use."""
        formulas = [
            *([] if self.when is None else [self.when]),
            *(part for rule in self.rules for part in rule.formulas),
        ]
        return tuple(dict.fromkeys(name for formula in formulas for name in formula.columns))


def _in_turn(
    parsed: Mapping[str, _Parsed], uses: Mapping[str, tuple[str, ...]], level: Mapping[str, int], history: set[str]
) -> set[str]:
    """The charges that depend on what came before, themselves or through charges that they use."""
    late: set[str] = set()
    for name in sorted(parsed, key=lambda name: level[name]):
        if history & set(parsed[name].names) or late & set(uses[name]):
            late.add(name)
    return late


def _as_known(name: str, charge: _Parsed, unknown: set[str], names: Names) -> _Parsed:
    """The charge as far as it can be decided on arrival, while these names are not known: a condition that uses one is
    left out, and where a rule's does, so is the choice of rules."""
    when = None if charge.when is not None and unknown & set(charge.when.columns) else charge.when
    if not any(rule.condition is not None and unknown & set(rule.condition.columns) for rule in charge.rules):
        return _Parsed(when, charge.rules)
    nothing = names.formula("0", ("charges", name))
    return _Parsed(when, (replace(charge.rules[0], label=name, condition=None, amount=nothing, valid=(None, None)),))


def _refuse_two_meanings(
    factors: Mapping[str, Column], columns: Mapping[str, ColumnType], charges: Mapping[str, RatedChargeSpec]
) -> None:
    """A column may share its charge's name (the charge coupon passes the column coupon on); a factor shares none."""
    for name in factors:
        other = "a column of the record" if name in columns else "a charge" if name in charges else None
        if other is not None:
            message = f"'{name}' is a factor and {other}, so a formula that names it has two meanings; rename one"
            raise RatingRefused(message, ("factors", name))


def _parse(name: str, spec: RatedChargeSpec, names: Names, table: DecisionTable | None) -> _Parsed:
    when = None if spec.when is None else names.formula(spec.when, ("charges", name, "when"))
    return _Parsed(when, parse_rules(name, spec, names, table))


def _compile(
    name: str,
    spec: RatedChargeSpec,
    parsed: _Parsed,
    names: tuple[str, ...],
    uses: Mapping[str, tuple[str, ...]],
    level: int,
    own: Denomination,
    contracts: tuple[str, ...],
) -> Charge:
    place = {other: at for at, other in enumerate(uses)}
    bases = tuple(place[base] for base in uses[name])
    rules = tuple(compile_rule(rule, spec, own.currency.exponent) for rule in parsed.rules)
    when = None if parsed.when is None else compiled_condition(parsed.when, ("charges", name, "when"))
    adds = spec.match == "all"
    names = tuple(dict.fromkeys((*names, *contracts)))
    ends = (spec.debtor, spec.creditor)
    return Charge(name, when, rules, bases, level, *ends, adds, own.said, own.currency, names, contracts)


def _contracts(spec: RatedChargeSpec, roles: Mapping[str, PartySpec]) -> tuple[str, ...]:
    """The factors that are the contracts of the charge's parties."""
    having = (role for role in spec.ends if role in roles and roles[role].contract is not None)
    return tuple(dict.fromkeys(contract_factor(role) for role in having))


def _role(role: str, roles: Mapping[str, PartySpec], columns: Mapping[str, ColumnType]) -> PartySpec:
    if role not in roles:
        raise RatingRefused(f"there is no party role '{role}'; declared are {', '.join(roles)}", ("parties",))
    for column in roles[role].key:
        if column not in columns:
            message = f"party role {role} is found by column {column}, which this record kind does not have"
            raise RatingRefused(f"{message}; its columns are {', '.join(columns)}", ("parties", role))
    return roles[role]
