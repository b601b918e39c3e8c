"""From a typed tree to DuckDB's SQL."""

from dataclasses import dataclass

from everycent.base.engine.formula.parse import Formula
from everycent.base.money.rounding import Rounding


@dataclass(frozen=True)
class CompiledAmount:
    """Four DuckDB expressions; see compile_amount."""

    fast_sql: str
    wide_sql: str
    missing_sql: str
    zero_division_sql: str


def compile_amount(formula: Formula, scale: int, rounding: Rounding) -> CompiledAmount:
    """The formula's value as BIGINT minor units of a currency with `scale` decimals, rounded once.

    `fast_sql` is right or NULL. Only where it is NULL, ask in this order: `missing_sql` (text: the first column without a
    value that holds the amount, or NULL), `wide_sql` (the amount in 128-bit arithmetic, or NULL), `zero_division_sql`
    (boolean); what is left is an overflow.
    """
    raise NotImplementedError


def compile_condition(formula: Formula) -> str:
    """BOOLEAN; NULL where an operand has no value, where it divides by zero, and where 128 bits do not suffice."""
    raise NotImplementedError


def compile_value(formula: Formula) -> str:
    """The formula's value in `formula.type.duckdb`; NULL as for compile_condition, and where it does not fit."""
    raise NotImplementedError
