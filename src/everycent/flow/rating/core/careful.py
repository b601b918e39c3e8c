"""The careful form in SQL, for the few records whose wide form has a NULL: exact amounts, or why there is none.

A charge's state s<n> is one of the numbers below, its reason e<n> a text where it is held or quarantined.
"""

from collections.abc import Callable, Sequence

from everycent.base.engine.sql import literal
from everycent.base.engine.types import ColumnType
from everycent.flow.rating.contract import told_factor
from everycent.flow.rating.core import adding
from everycent.flow.rating.core.plan import Charge, Condition, Factor, RatingPlan, Rule
from everycent.flow.rating.core.wide import by_rule, chained, has_choice

DIVIDES = "it divides by zero or overflows"
#: So many rules are named where none matched.
SHOWN_MAX = 8

COMPUTED, NOT_TAKEN, IS_HELD, IS_QUARANTINED = range(4)


def careful_sql(plan: RatingPlan) -> str:
    """For each record, in order: pos, and for each charge a<n>, s<n>, e<n>, g<n> (the rule that matched)."""
    found = ["pos"]
    for at, charge in enumerate(plan.charges):
        matched = f"g{at}" if has_choice(charge) else f"0 AS g{at}"
        found += [f"CASE WHEN s{at} = {COMPUTED} THEN a{at} END AS a{at}", f"s{at}", f"e{at}", matched]
    return f"{chained(plan, careful_columns)} SELECT {', '.join(found)} FROM last ORDER BY pos"


def careful_columns(plan: RatingPlan, at: int, charge: Charge) -> list[list[str]]:
    """What is missing (m<n>) and the amount; then which case it is (y<n>); then that case's state and reason."""
    missing = by_rule(at, charge, lambda place: charge.rules[place].amount.missing_sql)
    fast, wide = _amounts(at, charge)
    taken = "" if charge.when is None else f"WHEN w{at} IS NOT TRUE THEN NULL"
    cases = Cases(plan, at, charge).all()
    numbers = " ".join(f"WHEN {when} THEN {number}" for number, (when, _, _) in enumerate(cases))
    states = " ".join(f"WHEN {number} THEN {state}" for number, (_, state, _) in enumerate(cases))
    reasons = " ".join(f"WHEN {number} THEN {reason}" for number, (_, _, reason) in enumerate(cases))
    return [
        [f"{missing} AS m{at}", f"{fast} AS b{at}", *_undecided_rule(at, charge)],
        [f"CASE {taken} WHEN b{at} IS NOT NULL THEN b{at} WHEN m{at} IS NULL THEN {wide} END AS a{at}"],
        [f"CASE {numbers} END AS y{at}"],
        [f"CASE y{at} {states} END AS s{at}", f"CASE y{at} {reasons} END AS e{at}"],
    ]


def _undecided_rule(at: int, charge: Charge) -> list[str]:
    """u<n>: the place of the first rule that cannot be decided."""
    asked = [place for place, rule in enumerate(charge.rules) if rule.condition is not None]
    arms = " ".join(f"WHEN k{at}_{place} IS NULL THEN {place}" for place in asked)
    return [f"CASE {arms} END AS u{at}"] if asked else []


def _cannot_be_decided(condition: Condition) -> str:
    return f"the condition '{condition.text}' cannot be decided: "


def _amounts(at: int, charge: Charge) -> tuple[str, str]:
    """The amount in 64 bits, and in 128 bits; each NULL where it does not fit."""
    if not charge.adds:
        return (
            by_rule(at, charge, lambda place: charge.rules[place].amount.fast_sql),
            by_rule(at, charge, lambda place: charge.rules[place].amount.wide_sql),
        )
    each = [rule.amount for rule in charge.rules]
    return (
        adding.sum_sql(at, charge, lambda place: each[place].fast_sql, "BIGINT"),
        adding.sum_sql(
            at, charge, lambda place: f"coalesce({each[place].fast_sql}, {each[place].wide_sql})", "HUGEINT"
        ),
    )


class Cases:
    """What can become of one charge: (condition, state, reason) in SQL, in the order in which they are asked."""

    def __init__(self, plan: RatingPlan, at: int, charge: Charge) -> None:
        self.plan, self.at, self.charge = plan, at, charge

    def all(self) -> list[tuple[str, int, str]]:
        """The last case always fits."""
        at, charge = self.at, self.charge
        quarantined = by_rule(at, charge, lambda place: self._overflow(charge, charge.rules[place]))
        zero = by_rule(at, charge, lambda place: self._zero(charge, charge.rules[place]))
        return [
            *([] if charge.when is None else self._condition(charge.when)),
            *self._held_bases([name for rule in charge.rules for name in _names(rule)]),
            *self._parties(),
            *self._contracts(),
            *self._no_rule(),
            (f"a{at} IS NOT NULL", COMPUTED, "NULL"),
            (f"m{at} IS NOT NULL", IS_HELD, by_rule(at, charge, lambda place: self._missing(charge.rules[place]))),
            (zero, IS_QUARANTINED, by_rule(at, charge, lambda place: self._zero_division(charge, charge.rules[place]))),
            ("TRUE", IS_QUARANTINED, quarantined),
        ]

    def _condition(self, when: Condition) -> list[tuple[str, int, str]]:
        return [
            *self._held_bases(when.names),
            (f"w{self.at} IS FALSE", NOT_TAKEN, "NULL"),
            *self._undecided(f"w{self.at}", when),
        ]

    def _held_bases(self, names: Sequence[str]) -> list[tuple[str, int, str]]:
        bases = [base for base in self.charge.bases if self.plan.charges[base].name in names]
        return [
            (f"s{base} >= {IS_HELD}", IS_HELD, literal(f"held because charge {self.plan.charges[base].name} is held"))
            for base in bases
        ]

    def _parties(self) -> list[tuple[str, int, str]]:
        cases = []
        for role in self.charge.roles:
            for name in self.plan.roles[role].key:
                unknown = f"nullif(CAST({self.plan.column(name).sql} AS VARCHAR), '') IS NULL"
                cases.append((unknown, IS_HELD, literal(f"column {name} is empty, so its {role} is not known")))
        return cases

    def _contracts(self) -> list[tuple[str, int, str]]:
        absent = [self._absent(contract) for contract in self.charge.contracts]
        return [(f"{why} IS NOT NULL", IS_HELD, why) for why in absent]

    def _no_rule(self) -> list[tuple[str, int, str]]:
        """No rule matched: one could not be decided after none before it was true, or each was false."""
        at, charge = self.at, self.charge
        if not has_choice(charge):
            return []
        tried = [rule.label for rule in charge.rules]
        more = f" and {len(tried) - SHOWN_MAX} more" if len(tried) > SHOWN_MAX else ""
        said = f"no rule of charge {charge.name} matched; tried: {', '.join(tried[:SHOWN_MAX])}{more}"
        none = (f"g{at} IS NULL", IS_HELD, literal(said))
        asked = [(place, rule.condition) for place, rule in enumerate(charge.rules) if rule.condition is not None]
        if not asked:
            return [none]
        prefix = " ".join(f"WHEN {place} THEN {literal(_cannot_be_decided(when))}" for place, when in asked)
        names = list(dict.fromkeys(when.names for _, when in asked))
        missing = self._by_names(names, lambda used: _first([self._absent(name) for name in used]))
        figures = self._by_names(names, self.figures)
        undecided = f"g{at} IS NULL AND u{at} IS NOT NULL"
        return [
            (f"{undecided} AND {missing} IS NOT NULL", IS_HELD, f"CASE u{at} {prefix} END || {missing}"),
            (undecided, IS_QUARANTINED, f"CASE u{at} {prefix} END || {literal(DIVIDES)} || {figures}"),
            none,
        ]

    def _by_names(self, names: Sequence[tuple[str, ...]], sql: Callable[[tuple[str, ...]], str]) -> str:
        """`sql` of the names that the undecided rule's condition uses; many rules use the same ones."""
        arms = []
        for used in names:
            places = [
                str(place)
                for place, rule in enumerate(self.charge.rules)
                if rule.condition is not None and rule.condition.names == used
            ]
            arms.append(f"WHEN u{self.at} IN ({', '.join(places)}) THEN {sql(used)}")
        return f"CASE {' '.join(arms)} END"

    def _undecided(self, column: str, condition: Condition) -> list[tuple[str, int, str]]:
        """A NULL operand holds; without one, the condition itself divided by zero or overflowed."""
        missing = _first([self._absent(name) for name in condition.names])
        prefix = literal(_cannot_be_decided(condition))
        figures = self.figures(condition.names)
        return [
            (f"({column} IS NULL AND {missing} IS NOT NULL)", IS_HELD, f"{prefix} || {missing}"),
            (f"{column} IS NULL", IS_QUARANTINED, f"{prefix} || {literal(DIVIDES)} || {figures}"),
        ]

    def _missing(self, rule: Rule) -> str:
        cases = " ".join(f"WHEN {literal(name)} THEN {self._absent(name)}" for name in rule.names)
        return f"CASE m{self.at} {cases} END" if cases else "CAST(NULL AS VARCHAR)"

    @staticmethod
    def _zero(charge: Charge, rule: Rule) -> str:
        """Whether the rule divides by zero; where rules add up NULL if not, so that the first that does is told."""
        return f"nullif({rule.amount.zero_division_sql}, FALSE)" if charge.adds else rule.amount.zero_division_sql

    def _zero_division(self, charge: Charge, rule: Rule) -> str:
        said = f"{literal(f'{rule.text} divides by zero')} || {self.figures(rule.names)}"
        return f"CASE WHEN {rule.amount.zero_division_sql} THEN {said} END" if charge.adds else said

    def _overflow(self, charge: Charge, rule: Rule) -> str:
        said = f"{literal(f'{rule.text} is more than an amount can hold (64 bits)')} || {self.figures(rule.names)}"
        if not charge.adds:
            return said
        fits = f"coalesce({rule.amount.fast_sql}, {rule.amount.wide_sql}) IS NOT NULL"
        last = rule is charge.rules[-1]
        together = literal(f"the rules of charge {charge.name} add up to more than an amount can hold (64 bits)")
        return f"CASE WHEN NOT ({fits}) THEN {said}{f' ELSE {together}' if last else ''} END"

    def _absent(self, name: str) -> str:
        """Why this name has no value, as text; NULL where it has one."""
        factor = next((factor for factor in self.plan.factors if factor.name == name), None)
        if any(column.name == name for column in self.plan.columns):
            why = self.plan.given.get(name, f"column {name} is empty")
            return f"CASE WHEN {self.plan.column(name).sql} IS NULL THEN {literal(why)} END"
        if any(factor.name == name for factor in self.plan.history):
            return "CAST(NULL AS VARCHAR)"
        if factor is not None:
            return self._absent_factor(factor)
        base = next(at for at, charge in enumerate(self.plan.charges) if charge.name == name)
        reasons = f"{literal(f'charge {name} is held')} ELSE {literal(f'this record has no charge {name}')}"
        return f"CASE WHEN a{base} IS NULL THEN CASE WHEN s{base} >= {IS_HELD} THEN {reasons} END END"

    def _absent_factor(self, factor: Factor) -> str:
        if factor.record_column is not None:
            column = self.plan.column(factor.record_column)
            return f"CASE WHEN {column.sql} IS NULL THEN {literal(f'column {column.name} is empty')} END"
        if factor.lookup is None:
            return "CAST(NULL AS VARCHAR)"
        lookup, told = self.plan.lookups[factor.lookup], told_factor(factor.name)
        keys = [ours for ours, _ in lookup.keys]
        asked = [*keys, lookup.on] if lookup.on is not None and lookup.changes else keys
        empty = _first(
            [f"CASE WHEN {key.sql} IS NULL THEN {literal(f'column {key.name} is empty')} END" for key in asked]
        )
        shown = " || ' and ' || ".join(
            f"{literal('' if key.name.startswith(chr(39)) else f'{key.name} ')} || {shown_sql(key.sql, key.type)}"
            for key in keys
        )
        dated = f" || ' on ' || CAST({lookup.day_sql} AS VARCHAR)" if lookup.changes else ""
        why = f" || coalesce(': ' || unfound{factor.lookup}, '')" if lookup.is_fetched else ""
        return (
            f"CASE WHEN {factor.alias} IS NULL THEN CASE"
            f" WHEN {empty} IS NOT NULL THEN {literal(f'{told} is not found: ')} || {empty}"
            f" WHEN x{factor.lookup} IS NULL THEN {literal(f'{told} is missing for ')} || {shown}{dated}"
            f" ELSE {literal(f'{told} is empty for ')} || {shown}{dated}{why} END END"
        )

    def _factor_sql(self, factor: Factor) -> str:
        if factor.record_column is not None:
            return self.plan.column(factor.record_column).sql
        return factor.constant_sql or factor.alias

    def figures(self, names: tuple[str, ...]) -> str:
        """The values of the names: ` with price = 10.00, qty = 0`."""
        shown = [f"{literal(f'{name} = ')} || {self._value(name)}" for name in names]
        return f"concat(' with ', concat_ws(', ', {', '.join(shown)}))" if shown else "''"

    def _value(self, name: str) -> str:
        for column in self.plan.columns:
            if column.name == name:
                return shown_sql(column.sql, column.type)
        for factor in self.plan.factors:
            if factor.name == name:
                return shown_sql(self._factor_sql(factor), factor.type)
        if any(factor.name == name for factor in self.plan.history):
            return literal("known in its turn")
        base = next(at for at, charge in enumerate(self.plan.charges) if charge.name == name)
        return shown_sql(f"a{base}", ColumnType("money", self.plan.charges[base].currency.exponent))


def shown_sql(sql: str, kind: ColumnType) -> str:
    """A value as a person writes it: text in quotes, money in major units, a decimal without needless zeros; `nothing`
    for NULL."""
    match kind.kind:
        case "text":
            shown = f"'''' || {sql} || ''''"
        case "money" if kind.scale > 0:
            shown = f"CAST(CAST({sql} AS DECIMAL(20, 0)) * 0.{'1':0>{kind.scale}} AS VARCHAR)"
        case "decimal":
            shown = f"rtrim(regexp_replace(CAST({sql} AS VARCHAR), '([.][0-9]*?)0+$', '\\1'), '.')"
        case _:
            shown = f"CAST({sql} AS VARCHAR)"
    return f"coalesce({shown}, 'nothing')"


def _first(parts: list[str]) -> str:
    return f"coalesce({', '.join(parts)})" if parts else "CAST(NULL AS VARCHAR)"


def _names(rule: Rule) -> tuple[str, ...]:
    return rule.names + (() if rule.condition is None else rule.condition.names)
