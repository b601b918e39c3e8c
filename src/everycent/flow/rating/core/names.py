"""The names in scope of a record kind's formulas, and formulas read over them."""

from collections.abc import Mapping
from dataclasses import dataclass

from everycent.base.engine.formula import FORMULA_TOKENS_MAX, Formula, FormulaError, parse_formula
from everycent.base.engine.types import Column, ColumnType
from everycent.flow.rating.contract import RatingRefused, total_before
from everycent.flow.rating.core.currencies import Denomination

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Names:
    """The names in scope of a kind's formulas; `off` are its charges that are switched off, `per_share` those that have
    an amount for each bearer.

    `money`: what each name that is money is in. `record`: what the records are in; `charge`: the charge that is read.
    `several`: whether there is more than one currency.
    """

    columns: Mapping[str, Column]
    factors: Mapping[str, Column]
    charges: Mapping[str, Column]
    off: tuple[str, ...]
    per_share: tuple[str, ...]
    money: Mapping[str, str]
    record: Denomination
    charge: Denomination
    currency_column: str | None
    several: bool

    def is_factor(self, name: str) -> bool:
        return name not in self.columns and name in self.factors

    def has_total(self, name: str) -> bool:
        """Whether it is an accumulator, whose totals before and with a record have names of their own."""
        return total_before(name) in self.factors or total_before(name) in self.columns

    def is_charge(self, name: str) -> bool:
        return name not in self.columns and name not in self.factors and name in self.charges

    def formula(self, text: str, path: Path, tokens_max: int = FORMULA_TOKENS_MAX) -> Formula:
        """The formula, typed. Raises RatingRefused with the place of what is wrong."""
        scope = {**self.charges, **self.factors, **self.columns}
        for name in (*self.off, *self.per_share):
            scope.setdefault(name, Column(name, ColumnType("money"), "NULL"))
        try:
            formula = parse_formula(text, scope, tokens_max)
        except FormulaError as error:
            raise RatingRefused(error.message, path, error.position) from None
        for name in formula.columns:
            if self.is_factor(name) or name in self.columns:
                continue
            if name in self.per_share:
                message = f"charge {name} has an amount for each bearer, so no other charge can use it as one"
                raise RatingRefused(f"{message}; use what it is computed from", path)
            if name in self.off:
                message = f"charge {name} is switched off (enabled: no), so its amount cannot be used here"
                raise RatingRefused(f"{message}; switch it on, or this charge off too", path)
        self.currency_of(formula, path)
        return formula

    def currency_of(self, formula: Formula, path: Path) -> str | None:
        """What the money in a formula is in, None where it names none. Raises RatingRefused where that is mixed."""
        named = {name: self.money[name] for name in formula.columns if name in self.money}
        if len(set(named.values())) > 1:
            said = ", ".join(f"{name} is in {what}" for name, what in named.items())
            message = f"'{formula.text}' puts amounts of different currencies together: {said}"
            raise RatingRefused(f"{message}; convert one in a charge of its own", path)
        return next(iter(named.values()), None)
