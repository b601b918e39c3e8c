"""What sqlglot makes of a formula's text, and why it is none, in words of ours."""

import logging
import re

import sqlglot
from sqlglot import exp
from sqlglot.errors import ParseError, TokenError

from everycent.base.engine.formula.errors import FormulaError, Position

logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of SQL that is refused here, with words of ours

#: A length of time as people write it; behind a time, SQL takes its unit for a name.
_TIME = re.compile(r"[+-]\s*(\d+ (?:second|minute|hour|day|week|month|year)s?)\b", re.IGNORECASE)


def parsed(text: str, tokens_max: int) -> exp.Expr:
    """The one expression that `text` is; FormulaError where it is none, or has more words and signs than so many."""
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
