"""The formula language: which of SQL's expressions belong to it.

One rule per kind of sqlglot node. A node without a rule, or one that carries more than its rule knows, is refused.
"""

from collections.abc import Callable
from typing import Any

from sqlglot import exp

from everycent.base.engine.formula.conditions import COMPARISONS, Conditions
from everycent.base.engine.formula.numbers import ARITHMETIC, Numbers
from everycent.base.engine.formula.reader import Rule
from everycent.base.engine.formula.texts import PARTS, TEXTS, Texts
from everycent.base.engine.formula.tree import Node


class Reading(Numbers, Conditions, Texts):
    """Reads one formula over one scope."""


def _rule(read: Callable[[Any, exp.Expr], Node], *more: str) -> Rule:
    """A rule, and which of the node's arguments it looks at."""
    return read, frozenset({"this", "expression", *more})


Reading.rules = {
    exp.Paren: _rule(Reading.paren),
    exp.Column: _rule(Reading.column, "table", "db", "catalog"),
    exp.Literal: _rule(Reading.literal, "is_string"),
    exp.Boolean: _rule(Reading.boolean),
    exp.Null: _rule(Reading.null),
    **dict.fromkeys(ARITHMETIC, _rule(Reading.arithmetic)),
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
    **dict.fromkeys(COMPARISONS, _rule(Reading.compare)),
    exp.And: _rule(Reading.junction),
    exp.Or: _rule(Reading.junction),
    exp.Not: _rule(Reading.negation),
    exp.Is: _rule(Reading.is_null),
    exp.Between: _rule(Reading.between, "low", "high"),
    exp.In: _rule(Reading.one_of, "expressions"),
    exp.Like: _rule(Reading.like, "negate"),
    **dict.fromkeys(TEXTS, (Reading.text_call, frozenset({"this"}))),
    exp.Length: (Reading.length, frozenset({"this"})),
    exp.Substring: _rule(Reading.substring, "start", "length"),
    exp.StartsWith: _rule(Reading.starts_with),
    exp.Concat: (Reading.concat, frozenset({"expressions"})),
    exp.DPipe: _rule(Reading.concat),
    **dict.fromkeys(PARTS, (Reading.part, frozenset({"this"}))),
    exp.Date: (Reading.date_of, frozenset({"this"})),
    exp.Cast: (Reading.cast, frozenset({"this", "to"})),
}
