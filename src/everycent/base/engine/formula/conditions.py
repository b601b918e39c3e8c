"""The rules of conditions, and of what is chosen by them."""

from collections.abc import Mapping

from sqlglot import exp

from everycent.base.engine.formula import kinds, refusals
from everycent.base.engine.formula.errors import FormulaError
from everycent.base.engine.formula.reader import Reader
from everycent.base.engine.formula.tree import (
    Branch,
    Call,
    Case,
    Coalesce,
    Compare,
    Constant,
    Extreme,
    IsNull,
    Junction,
    Node,
    Not,
    Null,
    NullIf,
    Number,
    NumberCall,
)
from everycent.base.engine.types import Kind

COMPARISONS: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}


class Conditions(Reader):
    """Reads comparisons, their combinations, and CASE and its kin."""

    def extreme(self, node: exp.Expr) -> Node:
        items = [self.read(item) for item in (node.this, *node.expressions)]
        if len(items) < 2:
            raise self.refuse(node, "give it at least two values")
        return Extreme(self.one_kind(node, items), isinstance(node, exp.Greatest), tuple(items))

    def coalesce(self, node: exp.Expr) -> Node:
        items = [self.read(item) for item in (node.this, *node.expressions)]
        return Coalesce(self.one_kind(node, items), tuple(items))

    def nullif(self, node: exp.Expr) -> Node:
        left, right = self.read(node.this), self.read(node.expression)
        self._comparable(node, left, right, ordered=False)
        return NullIf(left.kind, left, right)

    def case(self, node: exp.Expr) -> Node:
        whens = node.args["ifs"] if isinstance(node, exp.Case) else [node]
        subject = node.this if isinstance(node, exp.Case) else None
        branches = []
        for when in whens:
            if type(when) is not exp.If or (when is not node and when.args.get("false")):
                raise FormulaError(refusals.refusal(when), self.position(when))
            branches.append((self._condition(node, subject, when.this), self._result(when.args["true"])))
        default = node.args.get("default" if isinstance(node, exp.Case) else "false")
        otherwise = None if default is None else self._result(default)
        kind = self.one_kind(node, [result for _, result in branches] + ([otherwise] if otherwise else []))
        arms = tuple(Branch(kind, condition, _of_kind(kind, result)) for condition, result in branches)
        return Case(kind, arms, None if otherwise is None else _of_kind(kind, otherwise))

    def _condition(self, node: exp.Expr, subject: exp.Expr | None, when: exp.Expr) -> Node:
        if subject is None:
            return self.need(when, "boolean")
        left, right = self.read(subject), self.read(when)
        self._comparable(node, left, right, ordered=False)
        return Compare("boolean", "=", left, right)

    def _result(self, node: exp.Expr) -> Node:
        return Null("text") if isinstance(node, exp.Null) else self.read(node)

    def _comparable(self, node: exp.Expr, left: Node, right: Node, ordered: bool) -> None:
        try:
            kinds.comparable(left, right, ordered)
        except ValueError as error:
            raise self.refuse(node, str(error)) from None

    def compare(self, node: exp.Expr) -> Node:
        op = COMPARISONS[type(node)]
        left, right = self.read(node.this), self.read(node.expression)
        self._comparable(node, left, right, ordered=op not in ("=", "<>"))
        return Compare("boolean", op, left, right)  # type: ignore[arg-type]

    def junction(self, node: exp.Expr) -> Node:
        left, right = self.need(node.this, "boolean"), self.need(node.expression, "boolean")
        return Junction("boolean", "AND" if isinstance(node, exp.And) else "OR", left, right)

    def negation(self, node: exp.Expr) -> Node:
        return Not("boolean", self.need(node.this, "boolean"))

    def is_null(self, node: exp.Expr) -> Node:
        if not isinstance(node.expression, exp.Null):
            raise self.refuse(node, "only IS NULL and IS NOT NULL are known")
        return IsNull("boolean", self.read(node.this))

    def between(self, node: exp.Expr) -> Node:
        value, low, high = self.read(node.this), self.read(node.args["low"]), self.read(node.args["high"])
        self._comparable(node, value, low, ordered=True)
        self._comparable(node, value, high, ordered=True)
        above = Compare("boolean", ">=", value, low)
        return Junction("boolean", "AND", above, Compare("boolean", "<=", value, high))

    def one_of(self, node: exp.Expr) -> Node:
        if not node.expressions:
            raise self.refuse(node, "IN takes a list of values in brackets, for example status in ('paid', 'shipped')")
        value, items = self.read(node.this), [self.read(item) for item in node.expressions]
        for item, source in zip(items, node.expressions, strict=True):
            constant = isinstance(item, Number | Constant) or (
                isinstance(item, NumberCall) and item.name == "negate" and isinstance(item.operand, Number)
            )
            if not constant:
                raise self.refuse(source, "the list behind IN holds only values, no names or calculations")
            self._comparable(node, value, item, ordered=False)
        if not value.is_number:
            places = ", ".join(f"{{{at}}}" for at in range(1, len(items) + 1))
            return Call("boolean", f"({{0}} IN ({places}))", (value, *items))
        found: Node = Compare("boolean", "=", value, items[0])
        for item in items[1:]:
            found = Junction("boolean", "OR", found, Compare("boolean", "=", value, item))
        return found

    def like(self, node: exp.Expr) -> Node:
        value, pattern = self.need(node.this, "text"), self.need(node.expression, "text")
        found = Call("boolean", "({0} LIKE {1})", (value, pattern))
        return Not("boolean", found) if node.args.get("negate") else found


def _of_kind(kind: Kind, tree: Node) -> Node:
    return Null(kind) if isinstance(tree, Null) else tree
