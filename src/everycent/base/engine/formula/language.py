"""The formula language: which of SQL's expressions belong to it, and what each means.

One rule per kind of sqlglot node. A node without a rule, or one that carries more than its rule knows, is refused.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from difflib import get_close_matches
from fractions import Fraction

from sqlglot import exp

from everycent.base.engine.formula import refusals, typing
from everycent.base.engine.formula.errors import FormulaError, Position
from everycent.base.engine.formula.tree import (
    Arithmetic,
    Branch,
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
from everycent.base.engine.sql import literal
from everycent.base.engine.types import DECIMAL_DIGITS, Column, Kind

_DEPTH_MAX = 100
_INTERVALS = {"MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR", "DAY", "WEEK", "MONTH", "YEAR"}
_OF_DATES = {"DAY", "WEEK", "MONTH", "YEAR"}
_ARITHMETIC: Mapping[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_COMPARISONS: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_PARTS: Mapping[type[exp.Expr], str] = {exp.Year: "year", exp.Month: "month", exp.Day: "day", exp.Hour: "hour"}
_TEXTS: Mapping[type[exp.Expr], str] = {exp.Lower: "lower", exp.Upper: "upper", exp.Trim: "trim"}
#: What sqlglot notes on a node without changing what it means here.
_NOTES = {"safe", "typed", "coalesce", "ignore_nulls", "big_int"}


class Reading:
    """Reads one formula over one scope."""

    def __init__(self, text: str, scope: Mapping[str, Column]) -> None:
        self.text = text
        self.scope = scope
        self.depth = 0

    def read(self, node: exp.Expr) -> Node:
        """The typed tree of `node`; FormulaError where it is not of the language."""
        rule = _RULES.get(type(node))
        if rule is None:
            raise FormulaError(refusals.refusal(node), self.position(node))
        read, known = rule
        extra = [key for key, value in node.args.items() if value and key not in known and key not in _NOTES]
        if extra:
            raise FormulaError(
                f"'{node.sql('duckdb')}' says more than formulas know ({', '.join(extra)})", self.position(node)
            )
        self.depth += 1
        if self.depth > _DEPTH_MAX:
            raise FormulaError("the formula is nested too deeply; split it into named tags or charges")
        tree = read(self, node)
        self.depth -= 1
        return tree

    def position(self, node: exp.Expr) -> Position | None:
        """Where `node` starts, as far as sqlglot noted it."""
        starts = [part.meta["start"] for part in node.walk() if "start" in part.meta]
        return Position.at(self.text, min(starts)) if starts and min(starts) <= len(self.text) else None

    def refuse(self, node: exp.Expr, why: str) -> FormulaError:
        return FormulaError(f"'{node.sql('duckdb')}': {why}", self.position(node))

    def need(self, node: exp.Expr, *kinds: Kind) -> Node:
        """The tree of `node`, whose value must be of one of `kinds`."""
        tree = self.read(node)
        if tree.kind not in kinds:
            wanted = "a number" if "decimal" in kinds else " or ".join(kinds)
            raise self.refuse(node, f"{wanted} is needed here, this is {tree.kind}")
        return tree

    def number(self, node: exp.Expr) -> Node:
        return self.need(node, "integer", "decimal", "money")

    def one_kind(self, node: exp.Expr, trees: list[Node]) -> Kind:
        """The kind that holds all of `trees`."""
        kinds = {tree.kind for tree in trees if not isinstance(tree, Null)}
        kind = typing.common(kinds)
        if kind is None:
            raise self.refuse(node, f"its results must be of one kind, not {' and '.join(sorted(kinds)) or 'NULL'}")
        return kind

    # Leaves

    def paren(self, node: exp.Expr) -> Node:
        return self.read(node.this)

    def column(self, node: exp.Expr) -> Node:
        parts = [node.args[key] for key in ("catalog", "db", "table", "this") if node.args.get(key)]
        if not all(isinstance(part, exp.Identifier) for part in parts):
            raise FormulaError(refusals.refusal(exp.Star()), self.position(node))
        name = ".".join(part.name for part in parts)
        if name not in self.scope:
            raise FormulaError(self._no_such_name(name), self.position(node))
        column = self.scope[name]
        return Name(column.type.kind, column)

    def _no_such_name(self, name: str) -> str:
        folded = {known.casefold(): known for known in self.scope}
        near = [folded[key] for key in get_close_matches(name.casefold(), folded, n=3)]
        if near:
            return f"there is no '{name}' here; did you mean {' or '.join(near)}?"
        names = ", ".join(sorted(self.scope)[:12])
        return f"there is no '{name}' here; {f'these names are: {names}' if names else 'no names are in scope'}"

    def literal(self, node: exp.Expr) -> Node:
        if node.args.get("is_string"):
            if "\x00" in node.this:
                raise FormulaError("a text in a formula cannot hold the character NUL")
            return Constant("text", literal(node.this))
        if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", node.this):
            raise FormulaError(f"'{node.this}' is not an exact number; write digits and a point, for example 0.05")
        if (
            len(node.this.replace(".", "").lstrip("0")) > DECIMAL_DIGITS
            or len(node.this.partition(".")[2]) > DECIMAL_DIGITS
        ):
            raise FormulaError(f"the number {node.this} has more than {DECIMAL_DIGITS} digits")
        value = Fraction(node.this)
        return Number("decimal" if "." in node.this else "integer", value)

    def boolean(self, node: exp.Expr) -> Node:
        return Constant("boolean", "TRUE" if node.this else "FALSE")

    def null(self, _node: exp.Expr) -> Node:
        raise FormulaError("NULL stands only behind THEN, ELSE and IS; nothing can be calculated with it")

    # Numbers

    def arithmetic(self, node: exp.Expr) -> Node:
        if isinstance(node.expression, exp.Interval):
            return self._shifted(node)
        left, right = self.read(node.this), self.read(node.expression)
        op = _ARITHMETIC[type(node)]
        if op == "-" and left.kind == right.kind == "date":
            return Call("integer", "date_diff('day', {1}, {0})", (left, right))
        try:
            kind = typing.arithmetic(op, left, right)
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

    # Choices

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

    # Conditions

    def _comparable(self, node: exp.Expr, left: Node, right: Node, ordered: bool) -> None:
        try:
            typing.comparable(left, right, ordered)
        except ValueError as error:
            raise self.refuse(node, str(error)) from None

    def compare(self, node: exp.Expr) -> Node:
        op = _COMPARISONS[type(node)]
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

    # Texts and moments

    def text_call(self, node: exp.Expr) -> Node:
        return Call("text", f"{_TEXTS[type(node)]}({{0}})", (self.need(node.this, "text"),))

    def length(self, node: exp.Expr) -> Node:
        return Call("integer", "length({0})", (self.need(node.this, "text"),))

    def substring(self, node: exp.Expr) -> Node:
        parts = [self.need(node.this, "text"), self.need(node.args["start"], "integer")]
        if node.args.get("length"):
            parts.append(self.need(node.args["length"], "integer"))
        template = "substr({0}, {1}, {2})" if len(parts) == 3 else "substr({0}, {1})"
        return Call("text", template, tuple(parts), can_fail=True)

    def starts_with(self, node: exp.Expr) -> Node:
        return Call(
            "boolean", "starts_with({0}, {1})", (self.need(node.this, "text"), self.need(node.expression, "text"))
        )

    def concat(self, node: exp.Expr) -> Node:
        if isinstance(node, exp.Concat) and not node.args.get("safe"):
            raise self.refuse(node, "two texts side by side: an operator or a comma is missing between them")
        items = node.expressions if isinstance(node, exp.Concat) else [node.this, node.expression]
        trees = tuple(self.need(item, "text") for item in items)
        return Call("text", f"({' || '.join(f'{{{at}}}' for at in range(len(trees)))})", trees)

    def part(self, node: exp.Expr) -> Node:
        return Call("integer", f"{_PARTS[type(node)]}({{0}})", (self.need(node.this, "timestamp", "date"),))

    def date_of(self, node: exp.Expr) -> Node:
        moment = self.need(node.this, "timestamp", "date")
        return moment if moment.kind == "date" else Call("date", "CAST({0} AS DATE)", (moment,))

    def cast(self, node: exp.Expr) -> Node:
        to = node.args["to"].sql("duckdb").lower()
        if isinstance(node.this, exp.Literal) and node.this.args.get("is_string") and to in ("date", "timestamp"):
            return self._moment(node, node.this.this, to)
        value = self.read(node.this)
        if (sql := typing.exact_cast(value.kind, to)) is None:
            raise self.refuse(node, f"{value.kind} has no exact cast to {to}; {typing.CASTS}")
        return value if sql.kind == value.kind else Call(sql.kind, sql.template, (value,), can_fail=True)

    def _moment(self, node: exp.Expr, text: str, kind: str) -> Node:
        shape = r"\d{4}-\d\d-\d\d" if kind == "date" else r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?"
        try:
            if not re.fullmatch(shape, text):
                raise ValueError
            if kind == "date":
                return Constant("date", f"DATE {literal(date.fromisoformat(text).isoformat())}")
            moment = datetime.fromisoformat(text).isoformat(sep=" ")
            return Constant("timestamp", f"TIMESTAMP {literal(moment)}")
        except ValueError:
            right = "date '2026-03-01'" if kind == "date" else "timestamp '2026-03-01 10:00:00'"
            raise self.refuse(node, f"there is no {kind} '{text}'; write for example {right}") from None


def _of_kind(kind: Kind, tree: Node) -> Node:
    return Null(kind) if isinstance(tree, Null) else tree


_Rule = tuple[Callable[[Reading, exp.Expr], Node], frozenset[str]]


def _rule(read: Callable[[Reading, exp.Expr], Node], *more: str) -> _Rule:
    """A rule, and which of the node's arguments it looks at."""
    return read, frozenset({"this", "expression", *more})


_RULES: Mapping[type[exp.Expr], _Rule] = {
    exp.Paren: _rule(Reading.paren),
    exp.Column: _rule(Reading.column, "table", "db", "catalog"),
    exp.Literal: _rule(Reading.literal, "is_string"),
    exp.Boolean: _rule(Reading.boolean),
    exp.Null: _rule(Reading.null),
    **dict.fromkeys(_ARITHMETIC, _rule(Reading.arithmetic)),
    exp.Neg: _rule(Reading.negate),
    exp.Abs: _rule(Reading.absolute),
    exp.Sign: _rule(Reading.sign),
    exp.Round: _rule(Reading.round, "decimals"),
    exp.Floor: _rule(Reading.floor_or_ceil),
    exp.Ceil: _rule(Reading.floor_or_ceil),
    exp.Greatest: _rule(Reading.extreme, "expressions"),
    exp.Least: _rule(Reading.extreme, "expressions"),
    exp.Coalesce: _rule(Reading.coalesce, "expressions"),
    exp.Nullif: _rule(Reading.nullif),
    exp.Case: _rule(Reading.case, "ifs", "default"),
    exp.If: _rule(Reading.case, "true", "false"),
    **dict.fromkeys(_COMPARISONS, _rule(Reading.compare)),
    exp.And: _rule(Reading.junction),
    exp.Or: _rule(Reading.junction),
    exp.Not: _rule(Reading.negation),
    exp.Is: _rule(Reading.is_null),
    exp.Between: _rule(Reading.between, "low", "high"),
    exp.In: _rule(Reading.one_of, "expressions"),
    exp.Like: _rule(Reading.like, "negate"),
    **dict.fromkeys(_TEXTS, (Reading.text_call, frozenset({"this"}))),
    exp.Length: (Reading.length, frozenset({"this"})),
    exp.Substring: _rule(Reading.substring, "start", "length"),
    exp.StartsWith: _rule(Reading.starts_with),
    exp.Concat: (Reading.concat, frozenset({"expressions"})),
    exp.DPipe: _rule(Reading.concat),
    **dict.fromkeys(_PARTS, (Reading.part, frozenset({"this"}))),
    exp.Date: (Reading.date_of, frozenset({"this"})),
    exp.Cast: (Reading.cast, frozenset({"this", "to"})),
}
