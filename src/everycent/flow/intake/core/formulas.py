"""A kind's formulas, compiled: where money is in each record's own currency, once for each currency."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import ParamSpec, TypeVar

from everycent.base.engine.formula import (
    CompiledAmount,
    Formula,
    FormulaError,
    compile_amount,
    compile_condition,
    compile_value,
    parse_formula,
)
from everycent.base.engine.types import Column, ColumnType
from everycent.base.money.currency import Currency
from everycent.base.money.rounding import Rounding
from everycent.flow.intake.contract import RECORDS_OWN, RecordMoney
from everycent.flow.intake.core.currencies import chosen, one_currency
from everycent.flow.intake.core.refusal import IntakeRefused, Word

Taken = ParamSpec("Taken")
Given = TypeVar("Given")


@dataclass(frozen=True)
class Condition:
    """A compiled condition and the formula it came from."""

    formula: Formula
    sql: str


@dataclass(frozen=True)
class Scopes:
    """The names in scope, in each currency; `code`: SQL of a row's currency."""

    money: RecordMoney
    code: str
    columns: Mapping[str, Column]

    def of(self, currency: Currency) -> dict[str, Column]:
        """The columns of records in one currency."""
        own = ColumnType("money", currency.exponent)
        return {
            name: replace(column, type=own) if self.money.of.get(name) == RECORDS_OWN else column
            for name, column in self.columns.items()
        }

    def formulas(self, path: Word, text: str) -> dict[Currency, Formula]:
        """The formula in each currency. Raises IntakeRefused."""
        found = {known: compiled(path, parse_formula, text, self.of(known)) for known in self.money.currencies}
        one_currency(path, _any(found), self.money.of)
        return found

    def with_tags(self, tags: Mapping[str, Column], of: Mapping[str, str]) -> "Scopes":
        """With tags beside the columns; `of` is what those that are money are in."""
        return Scopes(replace(self.money, of={**self.money.of, **of}), self.code, {**self.columns, **tags})


def tag(path: Word, at: int, name: str, text: str, scopes: Scopes) -> tuple[Column, str]:
    """The tag as a column, and its value's SQL. Raises IntakeRefused."""
    formulas = scopes.formulas(path, text)
    types = [formula.type for formula in formulas.values()]
    widest = max(types, key=lambda type_: type_.scale)
    values = {known: compiled(path, compile_value, formula) for known, formula in formulas.items()}
    if widest.kind == "decimal":
        wide = {known: f"TRY_CAST({sql} AS {widest.duckdb})" for known, sql in values.items()}
        values = wide if len(set(types)) > 1 else values
    return Column(name, widest, f"g{at}"), chosen(scopes.money, scopes.code, values)


def tag_money(path: Word, text: str, type_: ColumnType, scopes: Scopes) -> str | None:
    """What a tag's money is in; None where it is no money."""
    if type_.kind != "money":
        return None
    return one_currency(path, _any(scopes.formulas(path, text)), scopes.money.of)


def condition(path: Word, text: str, scopes: Scopes) -> Condition:
    """Raises IntakeRefused."""
    formulas = scopes.formulas(path, text)
    arms = {known: compiled(path, compile_condition, formula) for known, formula in formulas.items()}
    return Condition(_any(formulas), chosen(scopes.money, scopes.code, arms))


def amount(path: Word, text: str, scopes: Scopes) -> tuple[Formula, CompiledAmount]:
    """What a record is worth, in its own currency. Raises IntakeRefused."""
    formulas = scopes.formulas(path, text)
    found = one_currency(path, _any(formulas), scopes.money.of)
    own = scopes.money.currencies[0].code if scopes.money.column is None else RECORDS_OWN
    if found not in (None, own):
        raise IntakeRefused(path, f"a record is worth so much of {own}; '{text}' is in {found}")
    amounts = {
        known: compiled(path, compile_amount, formula, known.exponent, Rounding.HALF_UP)
        for known, formula in formulas.items()
    }
    parts = (
        chosen(scopes.money, scopes.code, {known: getattr(amounts[known], part.name) for known in amounts})
        for part in fields(CompiledAmount)
    )
    return _any(formulas), CompiledAmount(*parts)


def compiled(path: Word, step: Callable[Taken, Given], *args: Taken.args, **kwargs: Taken.kwargs) -> Given:
    """What the step gives. Raises IntakeRefused where the formula is wrong."""
    try:
        return step(*args, **kwargs)
    except FormulaError as error:
        raise IntakeRefused(path, error.message, error) from None


def _any(formulas: Mapping[Currency, Formula]) -> Formula:
    """One of them: but for the scale of money they are the same."""
    return next(iter(formulas.values()))
