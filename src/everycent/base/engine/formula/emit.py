"""Writes a formula's tree as DuckDB SQL, in 64-bit or in 128-bit integers.

What is written is NULL where the value is unknown or undefined (a division by zero); it raises where an integer
overflows, so TRY belongs around it where `can_fail`. No sub-expression is ever DOUBLE.
"""

import re
from collections.abc import Set
from fractions import Fraction

from everycent.base.engine.formula import holds
from everycent.base.engine.formula.errors import FormulaError
from everycent.base.engine.formula.exact import Arithmetic as ExactArithmetic
from everycent.base.engine.formula.exact import Rational, TooWideError, round_constant
from everycent.base.engine.formula.tree import (
    Arithmetic,
    Call,
    Case,
    Coalesce,
    Compare,
    Constant,
    Extreme,
    IsNull,
    Junction,
    Name,
    Node,
    Not,
    Null,
    NullIf,
    Number,
    NumberCall,
    Rounded,
)
from everycent.base.engine.types import DECIMAL_DIGITS, Column
from everycent.base.money.rounding import Rounding

SQL_MAX = 100_000  # characters; what grows beyond is refused before it can fill the memory
_SCALE_64 = 8  # up to here DECIMAL(18, s) times 10^s stays within 18 digits for all values below 10^(18 - 2s)


class Emitter:
    """Writes one formula. Raises FormulaError for what is too large, TooWideError for a constant that does not fit."""

    def __init__(self, wide: bool, guards: Set[str] = frozenset()) -> None:
        """`guards` are the names that the formula guards against NULL, needed for amounts."""
        self.wide = wide
        self.guards = guards
        self.exact = ExactArithmetic(wide)
        self._calls_fail = False

    @property
    def can_fail(self) -> bool:
        """Whether what was written so far can raise."""
        return self.exact.can_fail or self._calls_fail

    def number(self, node: Node) -> Rational:
        """The exact value of a number."""
        assert node.is_number or isinstance(node, Null), f"{node.kind} is no number"
        try:
            value = self._number(node)
        except TooWideError:
            if self.wide:
                raise FormulaError("the formula needs numbers of more than 38 digits; round in between") from None
            raise
        if len(value.num or "") + len(value.den or "") > SQL_MAX:
            raise FormulaError("the formula grows too large when it is compiled; split it into named tags or charges")
        return value

    def _number(self, node: Node) -> Rational:
        match node:
            case Number(value=value):
                return Rational.of(value)
            case Name(column=column):
                return self._column(column)
            case Arithmetic():
                return self._arithmetic(node)
            case NumberCall(name="negate", operand=operand):
                positive = self.number(operand)
                return Rational(-positive.factor, positive.num, positive.den, positive.unit)
            case NumberCall(name="abs", operand=operand):
                return self.exact.absolute(self.number(operand))
            case NumberCall(operand=operand):
                return self.exact.sign(self.number(operand))
            case Rounded():
                return self._rounded(node)
            case Call():
                return Rational(1, f"CAST({self._call(node)} AS {self.exact.integer})", None, 1)
        return self._chosen_number(node)

    def _rounded(self, node: Rounded) -> Rational:
        value = self.number(node.operand)
        how = Rounding.HALF_UP if node.name == "round" else node.name
        if value.constant is None:
            return Rational(1, self.exact.whole(value, node.places, how), None, 10**node.places)
        return Rational.of(Fraction(round_constant(value.constant * 10**node.places, how), 10**node.places))

    def _arithmetic(self, node: Arithmetic) -> Rational:
        left, right = self.number(node.left), self.number(node.right)
        match node.op:
            case "+":
                return self.exact.add(left, right)
            case "-":
                return self.exact.add(left, right, sign=-1)
            case "*":
                return self.exact.multiply(left, right)
        if right.constant == 0:
            raise FormulaError(f"the formula always divides by zero, behind '{node.op}'")
        return self.exact.divide(left, right) if node.op == "/" else self.exact.remainder(left, right)

    def _chosen_number(self, node: Node) -> Rational:
        match node:
            case Extreme(greatest=greatest, items=items):
                value = self.number(items[0])
                for item in items[1:]:
                    value = self.exact.extreme(greatest, value, self.number(item))
                    self._bounded(value)
                return value
            case Case(branches=branches, otherwise=otherwise):
                choices: list[tuple[str, Rational | None]] = []
                for branch in branches:
                    if undefined := self.undefined(branch.condition):
                        choices.append((undefined, None))
                    choices.append((self.sql(branch.condition), self._result(branch.result)))
                return self.exact.choose(choices, None if otherwise is None else self._result(otherwise))
            case Coalesce(items=items):
                return self._first_known(items)
            case NullIf(left=left, right=right):
                equal = self.compared("=", left, right)
                choices = [(equal, None)]
                if undefined := self.undefined(right):
                    choices.insert(0, (undefined, None))
                return self.exact.choose(choices, self.number(left))
        raise AssertionError(f"no number: {node}")

    def _first_known(self, items: tuple[Node, ...]) -> Rational:
        choices: list[tuple[str, Rational | None]] = []
        for item in items:
            value = self.number(item)
            if value.num is None:
                return self.exact.choose(choices, value) if choices else value
            if undefined := self.undefined(item):
                choices.append((undefined, None))
            choices.append((f"{value.num} IS NOT NULL", value))
        return self.exact.choose(choices, None)

    def _result(self, node: Node) -> Rational | None:
        return None if isinstance(node, Null) else self.number(node)

    def _bounded(self, value: Rational) -> None:
        if len(value.num or "") + len(value.den or "") > SQL_MAX:
            raise FormulaError("the formula grows too large when it is compiled; split it into named tags or charges")

    def amount(self, node: Node, places: int, rounding: Rounding) -> str:
        """The number times 10^places, rounded once: in branches and, as rounding keeps order, in extremes."""
        match node:
            case Case(branches=branches, otherwise=otherwise):
                arms = []
                for branch in branches:
                    arms.append(self._undefined_arm(branch.condition))
                    arms.append(
                        f" WHEN {self.sql(branch.condition)} THEN {self._amount(branch.result, places, rounding)}"
                    )
                last = "" if otherwise is None else f" ELSE {self._amount(otherwise, places, rounding)}"
                return f"CASE{''.join(arms)}{last} END"
            case Extreme(greatest=greatest, items=items) if all(
                holds.known_by_its_columns(item, self.guards) for item in items
            ):
                amounts = ", ".join(self.amount(item, places, rounding) for item in items)
                return f"{'greatest' if greatest else 'least'}({amounts})"
        return self.exact.whole(self.number(node), places, rounding)

    def _amount(self, node: Node, places: int, rounding: Rounding) -> str:
        return "NULL" if isinstance(node, Null) else self.amount(node, places, rounding)

    def _column(self, column: Column) -> Rational:
        scale = column.type.scale
        decimal = None
        if column.type.kind == "decimal" and not self.wide:
            decimal = (f"{_enclosed(column.sql)}::DECIMAL({DECIMAL_DIGITS}, {scale})", scale)
        return Rational(1, self._integer(column), None, 10**scale, decimal)

    def _integer(self, column: Column) -> str:
        """A column of numbers as an integer, 10^scale times its value."""
        sql = _enclosed(column.sql)
        scale = column.type.scale
        if column.type.kind != "decimal":
            return f"{sql}::HUGEINT" if self.wide else sql
        self.exact.can_fail = True
        if scale == 0:
            return f"CAST({sql} AS {self.exact.integer})"
        digits = 38 if self.wide or scale > _SCALE_64 else DECIMAL_DIGITS
        return f"CAST({sql}::DECIMAL({digits}, {scale}) * {10**scale}::DECIMAL({scale + 1}, 0) AS {self.exact.integer})"

    def sql(self, node: Node) -> str:
        """The SQL of any value but a number; of an integer as BIGINT."""
        written = self._sql(node)
        if len(written) > SQL_MAX:
            raise FormulaError("the formula grows too large when it is compiled; split it into named tags or charges")
        return written

    def _sql(self, node: Node) -> str:
        if node.is_number:
            assert node.kind == "integer", "only integers are arguments"
            return f"CAST({self.exact.whole(self.number(node), 0, Rounding.DOWN)} AS BIGINT)"
        match node:
            case Name(column=column):
                return _enclosed(column.sql)
            case Constant(sql=sql):
                return sql
            case Null():
                return "NULL"
            case Compare(op=op, left=left, right=right):
                return self.compared(op, left, right)
            case Junction(op=op, left=left, right=right):
                return f"({self.sql(left)} {op} {self.sql(right)})"
            case Not(operand=operand):
                return f"(NOT {self.sql(operand)})"
            case IsNull(operand=operand):
                known = f"({self.nullable(operand)} IS NULL)"
                undefined = self.undefined(operand)
                return f"CASE WHEN {undefined} THEN NULL ELSE {known} END" if undefined else known
            case Call():
                return self._call(node)
        return self._chosen(node)

    def _chosen(self, node: Node) -> str:
        match node:
            case Extreme(greatest=greatest, items=items):
                value = self.sql(items[0])
                for item in items[1:]:
                    other, op = self.sql(item), "<" if greatest else ">"
                    value = f"CASE WHEN {value} {op} {other} THEN {other} WHEN {other} IS NOT NULL THEN {value} END"
                    if len(value) > SQL_MAX:
                        break
                return value
            case Case(branches=branches, otherwise=otherwise):
                arms = []
                for branch in branches:
                    arms.append(self._undefined_arm(branch.condition))
                    arms.append(f" WHEN {self.sql(branch.condition)} THEN {self.sql(branch.result)}")
                return f"CASE{''.join(arms)}{'' if otherwise is None else f' ELSE {self.sql(otherwise)}'} END"
            case Coalesce(items=items):
                arms = [
                    f"{self._undefined_arm(item)} WHEN {self.sql(item)} IS NOT NULL THEN {self.sql(item)}"
                    for item in items
                ]
                return f"CASE{''.join(arms)} END"
            case NullIf(left=left, right=right):
                equal = f" WHEN {self.compared('=', left, right)} THEN NULL"
                return f"CASE{self._undefined_arm(right)}{equal} ELSE {self.sql(left)} END"
        raise AssertionError(f"no value: {node}")

    def _undefined_arm(self, node: Node) -> str:
        undefined = self.undefined(node)
        return f" WHEN {undefined} THEN NULL" if undefined else ""

    def compared(self, op: str, left: Node, right: Node) -> str:
        """`left op right`; NULL where either is unknown or undefined."""
        if left.is_number:
            return self.exact.compare(op, self.number(left), self.number(right))
        return f"({self.sql(left)} {op} {self.sql(right)})"

    def _call(self, node: Call) -> str:
        self._calls_fail = self._calls_fail or node.can_fail
        return node.template.format(*(self.sql(argument) for argument in node.arguments))

    def nullable(self, node: Node) -> str:
        """Some SQL that is NULL exactly where `node` is."""
        if node.is_number:
            return self.exact.typed(1, self.number(node).num)
        return self.sql(node)

    def undefined(self, node: Node) -> str | None:
        """Where `node` divides by zero, as a boolean that is never NULL; None where it cannot."""
        return holds.undefined(self, node)


def _enclosed(sql: str) -> str:
    return sql if re.fullmatch(r'([A-Za-z_]\w*|"[^"]*")(\.([A-Za-z_]\w*|"[^"]*"))*', sql) else f"({sql})"
