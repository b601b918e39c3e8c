"""What callers use of a formula: its amount, condition or value as DuckDB SQL."""

from dataclasses import dataclass

from everycent.base.engine.formula import holds
from everycent.base.engine.formula.emit import Emitter
from everycent.base.engine.formula.errors import FormulaError
from everycent.base.engine.formula.exact import TooWideError
from everycent.base.engine.formula.parse import Formula
from everycent.base.engine.formula.tree import Constant, Name, Number
from everycent.base.engine.sql import literal
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

    `fast_sql` is right or NULL. Only where it is NULL, ask in this order: `missing_sql` (text: the first column without
    a value that holds the amount, or NULL), `wide_sql` (the amount in 128-bit arithmetic, or NULL), `zero_division_sql`
    (boolean); what is left is an overflow. Raises FormulaError where the formula is not a number.
    """
    if not formula.root.is_number:
        raise FormulaError(f"an amount is a number; '{formula.text}' is {formula.type}")
    assert 0 <= scale <= 18, f"no currency has {scale} decimals"
    guards = holds.guarded(formula.root)
    wide = _amount(formula, Emitter(wide=True, guards=guards), scale, rounding)
    try:
        fast = _amount(formula, Emitter(wide=False, guards=guards), scale, rounding)
    except TooWideError:
        fast = "NULL::BIGINT"
    return CompiledAmount(fast, wide, _missing(formula), _divides_by_zero(formula))


def compile_condition(formula: Formula) -> str:
    """BOOLEAN; NULL where an operand has no value, where it divides by zero, and where 128 bits do not suffice."""
    if formula.root.kind != "boolean":
        raise FormulaError(f"a condition is true or false; '{formula.text}' is {formula.type}")
    return _plain(formula)


def compile_value(formula: Formula) -> str:
    """The formula's value in `formula.type.duckdb`; NULL as for compile_condition, and where it does not fit.

    A number must fit its type exactly; FormulaError, saying where to round, otherwise.
    """
    root = formula.root
    if isinstance(root, Name):
        return root.column.sql
    if isinstance(root, Constant):
        return root.sql
    if not root.is_number:
        return _plain(formula)
    decimals = Emitter(wide=True).number(root).decimals
    scale = formula.type.scale
    if decimals is None or decimals > scale:
        raise FormulaError(f"'{formula.text}' has more decimals than {formula.type} holds; write round(..., {scale})")
    if isinstance(root, Number) and formula.type.kind == "decimal":
        return f"CAST({literal(_digits(root, scale))} AS {formula.type.duckdb})"
    whole = _whole(formula, scale)
    if formula.type.kind != "decimal" or scale == 0:
        return whole if formula.type.kind != "decimal" else f"TRY(CAST({whole} AS {formula.type.duckdb}))"
    unit = f"CAST('0.{'1'.zfill(scale)}' AS DECIMAL({scale}, {scale}))"
    return f"TRY(CAST(CAST({whole} AS DECIMAL(20, 0)) * {unit} AS {formula.type.duckdb}))"


def _whole(formula: Formula, scale: int) -> str:
    """The value as BIGINT units of `scale` decimals, which hold it exactly."""
    amount = compile_amount(formula, scale, Rounding.DOWN)
    return f"COALESCE({amount.fast_sql}, {amount.wide_sql})" if amount.fast_sql.startswith("TRY(") else amount.fast_sql


def _digits(number: Number, scale: int) -> str:
    """A written number with `scale` decimals, digit by digit."""
    digits = str(int(number.value * 10**scale)).zfill(scale + 1)
    return f"{digits[: len(digits) - scale]}.{digits[len(digits) - scale :]}" if scale else digits


def _plain(formula: Formula) -> str:
    """The SQL of a value that is not a number: 64-bit arithmetic inside, 128-bit where that is not enough."""
    emitter = Emitter(wide=True)
    wide = _tried(emitter, _guarded(formula, emitter.sql(formula.root)))
    try:
        emitter = Emitter(wide=False)
        fast = _tried(emitter, _guarded(formula, emitter.sql(formula.root)))
    except TooWideError:
        return wide
    return f"COALESCE({fast}, {wide})" if emitter.exact.can_fail else fast


def _tried(emitter: Emitter, sql: str) -> str:
    return f"TRY({sql})" if emitter.can_fail else sql


def _amount(formula: Formula, emitter: Emitter, scale: int, rounding: Rounding) -> str:
    guarded = _guarded(formula, emitter.amount(formula.root, scale, rounding))
    return f"TRY(CAST({guarded} AS BIGINT))" if emitter.wide else _tried(emitter, guarded)


def _guarded(formula: Formula, sql: str) -> str:
    """`sql`, but NULL where a column is NULL that must hold the formula and would not by itself."""
    free = holds.guarded(formula.root) | holds.strict(formula.root)
    names = [f"{column} IS NULL" for name, column in _columns(formula).items() if name not in free]
    return f"CASE WHEN {' OR '.join(names)} THEN NULL ELSE {sql} END" if names else sql


def _columns(formula: Formula) -> dict[str, str]:
    """Name -> SQL, in order of first use."""
    named = [node.column for node in formula.root.walk() if isinstance(node, Name)]
    return {column.name: f"({column.sql})" for column in named}


def _missing(formula: Formula) -> str:
    columns, guards = _columns(formula), holds.guarded(formula.root)
    arms = [f"WHEN {sql} IS NULL THEN {literal(name)}" for name, sql in columns.items() if name not in guards]
    unknown = holds.unknown(Emitter(wide=True), formula.root, guards)
    if unknown is not None:
        named = [f"WHEN {sql} IS NULL THEN {literal(name)}" for name, sql in columns.items() if name in guards]
        which = f"CASE {' '.join(named)} ELSE 'NULL' END" if named else "'NULL'"
        arms.append(f"WHEN TRY({unknown}) THEN {which}")
    return f"CASE {' '.join(arms)} END" if arms else "NULL::VARCHAR"


def _divides_by_zero(formula: Formula) -> str:
    undefined = holds.undefined(Emitter(wide=True), formula.root)
    return "FALSE" if undefined is None else f"COALESCE(TRY({undefined}), FALSE)"
