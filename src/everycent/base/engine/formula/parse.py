"""From a formula's text to its typed tree: sqlglot reads it, the language's rules take in what they know, the rest is
refused by name."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from everycent.base.engine.formula.emit import Emitter
from everycent.base.engine.formula.errors import FormulaError, Position
from everycent.base.engine.formula.language import Reading
from everycent.base.engine.formula.tree import Name, Node
from everycent.base.engine.types import DECIMAL_DIGITS, Column, ColumnType

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of SQL that is refused here, with words of ours

#: A length of time as people write it; behind a time, SQL takes its unit for a name.
_TIME = re.compile(r"[+-]\s*(\d+ (?:second|minute|hour|day|week|month|year)s?)\b", re.IGNORECASE)

#: A longer formula wants to be split into named tags or charges.
TOKENS_MAX = 400


@dataclass(frozen=True)
class Formula:
    """A checked formula: its text, the columns it names in order of first use, and the type of its value.

    Money has the scale of the money columns it is made of, a decimal the scale that holds it exactly (18 at most).
    """

    text: str
    columns: tuple[str, ...]
    type: ColumnType
    root: Node = field(repr=False)


def parse_formula(text: str, scope: Mapping[str, Column], tokens_max: int = TOKENS_MAX) -> Formula:
    """The formula that `text` writes over the names in `scope`; FormulaError where it is not one.

    `tokens_max`: how many words and signs it may have; what a program wrote may be longer.
    """
    try:
        root = Reading(text, scope).read(_parsed(text, tokens_max))
    except RecursionError:
        raise FormulaError("the formula is nested too deeply; split it into named tags or charges") from None
    named = {node.column.name: node.column for node in root.walk() if isinstance(node, Name)}
    return Formula(text, tuple(named), _type(root, named), root)


def _parsed(text: str, tokens_max: int) -> exp.Expr:
    try:
        tokens = sqlglot.tokenize(text, dialect="duckdb")
    except TokenError as error:
        raise FormulaError(f"a quote or bracket is left open ({str(error).splitlines()[0]})") from None
    if not tokens:
        raise FormulaError("the formula is empty; write for example price - coupon")
    if len(tokens) > tokens_max:
        raise FormulaError(f"the formula has {len(tokens)} words and signs, more than {tokens_max}; split it into tags")
    for token in tokens:
        if token.comments:
            raise FormulaError(
                "comments (-- and /* */) are not part of formulas; write a - -b with a blank", _at(token, text)
            )
    try:
        statements = sqlglot.parse(text, dialect="duckdb")
    except ParseError as error:
        raise _unreadable(error, text) from None
    except TokenError as error:
        raise FormulaError(f"the formula cannot be read ({str(error).splitlines()[0]})") from None
    if len(statements) != 1 or statements[0] is None:
        raise FormulaError("a formula is one expression, without semicolons")
    return statements[0]


def _at(token: sqlglot.Token, text: str) -> Position:
    return Position.at(text, min(max(token.start, 0), len(text)))


def _unreadable(error: ParseError, text: str) -> FormulaError:
    first = error.errors[0] if error.errors else {}
    near = str(first.get("highlight") or "").strip()
    said = str(first.get("description") or "it is not an SQL expression").rstrip(".")
    said = re.sub(r"Required keyword: .*", "an operand is missing", said)
    start = len(str(first.get("start_context") or ""))
    position = Position.at(text, start) if near and text[start : start + len(near)] == near else None
    hint = ""
    if time := _TIME.search(text):
        hint = f"; time is added as interval '{time[1]}'"
    elif near.isidentifier():
        hint = f'; a column whose name is a word of SQL needs double quotes: "{near}"'
    return FormulaError(f"the formula cannot be read{f' at {near!r}' if near else ''}: {said}{hint}", position)


def _type(root: Node, named: Mapping[str, Column]) -> ColumnType:
    """Also compiles once, so that what cannot be compiled is refused here."""
    if not root.is_number:
        Emitter(wide=True).sql(root)
        return ColumnType(root.kind)
    decimals = Emitter(wide=True).number(root).decimals
    if root.kind == "money":
        return ColumnType("money", max(column.type.scale for column in named.values() if column.type.kind == "money"))
    if root.kind == "integer":
        return ColumnType("integer")
    return ColumnType("decimal", DECIMAL_DIGITS if decimals is None else min(decimals, DECIMAL_DIGITS))
