"""The typed tree of a formula: every kind of node the language has, and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Literal

from everycent.base.engine.types import Column, Kind


@dataclass(frozen=True)
class Node:
    """A part of a formula; `kind` is the kind of its value."""

    kind: Kind

    @property
    def is_number(self) -> bool:
        return self.kind in ("integer", "decimal", "money")

    def children(self) -> Iterator["Node"]:
        """The nodes directly below, in the formula's order."""
        for field in fields(self):
            value = getattr(self, field.name)
            for part in value if isinstance(value, tuple) else (value,):
                if isinstance(part, Node):
                    yield part

    def walk(self) -> Iterator["Node"]:
        """This node and all below it, in the formula's order."""
        yield self
        for child in self.children():
            yield from child.walk()


@dataclass(frozen=True)
class Name(Node):
    """A column in scope."""

    column: Column


@dataclass(frozen=True)
class Number(Node):
    """A number written in the formula, exactly."""

    value: Fraction


@dataclass(frozen=True)
class Constant(Node):
    """A text, boolean, date or timestamp written in the formula, as SQL."""

    sql: str


@dataclass(frozen=True)
class Null(Node):
    """NULL as the result of a CASE; its kind is that of the other results."""


@dataclass(frozen=True)
class Arithmetic(Node):
    """Two numbers calculated with; % has the sign of its left side."""

    op: Literal["+", "-", "*", "/", "%"]
    left: Node
    right: Node


@dataclass(frozen=True)
class NumberCall(Node):
    """negate, abs or sign of a number."""

    name: Literal["negate", "abs", "sign"]
    operand: Node


@dataclass(frozen=True)
class Rounded(Node):
    """A number rounded to `places` decimals: to the nearest (half away from zero), down (floor) or up (ceil)."""

    name: Literal["round", "floor", "ceil"]
    operand: Node
    places: int


@dataclass(frozen=True)
class Extreme(Node):
    """The greatest or least of several values; unknown where one of them is."""

    greatest: bool
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Compare(Node):
    """Two values of kinds that can be compared."""

    op: Literal["=", "<>", "<", "<=", ">", ">="]
    left: Node
    right: Node


@dataclass(frozen=True)
class Junction(Node):
    """Two conditions joined, by SQL's three-valued logic."""

    op: Literal["AND", "OR"]
    left: Node
    right: Node


@dataclass(frozen=True)
class Not(Node):
    """The opposite of a condition."""

    operand: Node


@dataclass(frozen=True)
class IsNull(Node):
    """Whether a value is unknown; undefined where its operand divides by zero."""

    operand: Node


@dataclass(frozen=True)
class Branch(Node):
    """One WHEN ... THEN ...; its kind is the result's."""

    condition: Node
    result: Node


@dataclass(frozen=True)
class Case(Node):
    """The result of the first branch whose condition is true; without `otherwise`, NULL where none is."""

    branches: tuple[Branch, ...]
    otherwise: Node | None


@dataclass(frozen=True)
class Coalesce(Node):
    """The first known value."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class NullIf(Node):
    """The left value; unknown where it equals the right."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Call(Node):
    """A function of DuckDB that is NULL where an argument is; `{0}` and so on in `template` are its arguments."""

    template: str
    arguments: tuple[Node, ...]
    can_fail: bool = False  # raises for some arguments
