"""Reading sqlglot's tree into ours: the walk, its refusals, and the leaves."""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, ClassVar

from sqlglot import exp

from everycent.base.engine.formula import kinds, refusals
from everycent.base.engine.formula.errors import FormulaError, Position
from everycent.base.engine.formula.tree import Constant, Name, Node, Null, Number
from everycent.base.engine.sql import literal
from everycent.base.engine.types import DECIMAL_DIGITS, Column, Kind

Rule = tuple[Callable[[Any, exp.Expr], Node], frozenset[str]]

_DEPTH_MAX = 100
#: What sqlglot notes on a node without changing what it means here.
_NOTES = {"safe", "typed", "coalesce", "ignore_nulls", "big_int"}


class Reader:
    """Reads one formula over one scope by `rules`: what reads a kind of sqlglot node, and which arguments it knows."""

    rules: ClassVar[Mapping[type[exp.Expr], Rule]] = {}

    def __init__(self, text: str, scope: Mapping[str, Column]) -> None:
        self.text = text
        self.scope = scope
        self.depth = 0

    def read(self, node: exp.Expr) -> Node:
        """The typed tree of `node`; FormulaError where it is not of the language."""
        if not isinstance(node, exp.Expr):  # sqlglot leaves a hole where an operand is missing
            raise FormulaError("the formula cannot be read: an operand is missing")
        rule = self.rules.get(type(node))
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

    def need(self, node: exp.Expr, *wanted: Kind) -> Node:
        """The tree of `node`, whose value must be of one of `wanted`."""
        tree = self.read(node)
        if tree.kind not in wanted:
            named = "a number" if "decimal" in wanted else " or ".join(wanted)
            raise self.refuse(node, f"{named} is needed here, this is {tree.kind}")
        return tree

    def number(self, node: exp.Expr) -> Node:
        return self.need(node, "integer", "decimal", "money")

    def one_kind(self, node: exp.Expr, trees: list[Node]) -> Kind:
        """The kind that holds all of `trees`."""
        found = {tree.kind for tree in trees if not isinstance(tree, Null)}
        kind = kinds.common(found)
        if kind is None:
            raise self.refuse(node, f"its results must be of one kind, not {' and '.join(sorted(found)) or 'NULL'}")
        return kind

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
