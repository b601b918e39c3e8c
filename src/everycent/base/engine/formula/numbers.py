"""The rules of numbers: arithmetic, rounding, and the time that is added to a moment."""

import re
from collections.abc import Mapping

from sqlglot import exp

from everycent.base.engine.formula import kinds
from everycent.base.engine.formula.reader import Reader
from everycent.base.engine.formula.tree import Arithmetic, Call, Node, NumberCall, Rounded
from everycent.base.engine.types import Kind

_INTERVALS = {"MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"}
_OF_DATES = {"DAY", "WEEK", "MONTH", "YEAR"}
ARITHMETIC: Mapping[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}


class Numbers(Reader):
    """Reads what gives a number."""

    def arithmetic(self, node: exp.Expr) -> Node:
        if isinstance(node.expression, exp.Interval):
            return self._shifted(node)
        left, right = self.read(node.this), self.read(node.expression)
        op = ARITHMETIC[type(node)]
        if op == "-" and left.kind == right.kind == "date":
            return Call("integer", "date_diff('day', {1}, {0})", (left, right))
        try:
            kind = kinds.arithmetic(op, left, right)
        except ValueError as error:
            raise self.refuse(node, str(error)) from None
        return Arithmetic(kind, op, left, right)  # type: ignore[arg-type]

    def _shifted(self, node: exp.Expr) -> Node:
        interval = node.expression
        amount, unit = interval.this, interval.args.get("unit")
        moment = self.need(node.this, "timestamp", "date")
        name = unit.name.upper().removesuffix("S") if isinstance(unit, exp.Var) else ""
        if not isinstance(amount, exp.Literal) or not re.fullmatch(r"\d{1,7}", amount.this) or name not in _INTERVALS:
            raise self.refuse(node, "an interval is written as interval '7 days', with a whole number and one unit")
        if not isinstance(node, exp.Add | exp.Sub):
            raise self.refuse(node, "an interval can only be added or taken away")
        op = "+" if isinstance(node, exp.Add) else "-"
        shifted = f"({{0}} {op} INTERVAL {amount.this} {name})"
        if moment.kind == "date" and name in _OF_DATES:
            return Call("date", f"CAST({shifted} AS DATE)", (moment,), can_fail=True)
        return Call("timestamp", shifted, (moment,), can_fail=True)

    def negate(self, node: exp.Expr) -> Node:
        operand = self.number(node.this)
        return NumberCall(operand.kind, "negate", operand)

    def absolute(self, node: exp.Expr) -> Node:
        operand = self.number(node.this)
        return NumberCall(operand.kind, "abs", operand)

    def sign(self, node: exp.Expr) -> Node:
        return NumberCall("integer", "sign", self.number(node.this))

    def round(self, node: exp.Expr) -> Node:
        operand, places = self.number(node.this), 0
        if decimals := node.args.get("decimals"):
            if not isinstance(decimals, exp.Literal) or not re.fullmatch(r"\d|1[0-8]", decimals.this):
                raise self.refuse(node, "the places of round(x, places) are a whole number from 0 to 18")
            places = int(decimals.this)
        return Rounded(self._rounded_kind(operand, places), "round", operand, places)

    def floor_or_ceil(self, node: exp.Expr) -> Node:
        operand = self.number(node.this)
        name = "floor" if isinstance(node, exp.Floor) else "ceil"
        return Rounded(self._rounded_kind(operand, 0), name, operand, 0)  # type: ignore[arg-type]

    @staticmethod
    def _rounded_kind(operand: Node, places: int) -> Kind:
        return "integer" if operand.kind == "decimal" and places == 0 else operand.kind
