"""Formulas: SQL's scalar expressions over the names in scope, with exact arithmetic. See docs/reference-formulas.md."""

from everycent.base.engine.formula.compile import (
    CompiledAmount,
    compile_amount,
    compile_condition,
    compile_value,
)
from everycent.base.engine.formula.errors import FormulaError, Position
from everycent.base.engine.formula.parse import TOKENS_MAX as FORMULA_TOKENS_MAX
from everycent.base.engine.formula.parse import Formula, parse_formula

__all__ = [
    "FORMULA_TOKENS_MAX",
    "CompiledAmount",
    "Formula",
    "FormulaError",
    "Position",
    "compile_amount",
    "compile_condition",
    "compile_value",
    "parse_formula",
]
