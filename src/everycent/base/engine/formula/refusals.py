"""What is said about SQL that is not part of the formula language."""

from difflib import get_close_matches

from sqlglot import exp

FUNCTIONS = (
    "abs",
    "ceil",
    "coalesce",
    "concat",
    "date",
    "day",
    "floor",
    "greatest",
    "hour",
    "if",
    "iif",
    "least",
    "length",
    "lower",
    "month",
    "nullif",
    "round",
    "sign",
    "starts_with",
    "substr",
    "trim",
    "upper",
    "year",
)

_NAMES: tuple[tuple[tuple[type[exp.Expr], ...], str], ...] = (
    ((exp.Window,), "window functions are not part of formulas: a formula sees one record"),
    ((exp.AggFunc,), "aggregates are not part of formulas: a formula sees one record"),
    ((exp.Query, exp.Subquery, exp.Table, exp.From, exp.Exists), "queries and tables are not part of formulas"),
    ((exp.Star,), "'*' alone is not part of formulas; name a column"),
    ((exp.Block,), "a formula is one expression, without semicolons"),
    ((exp.Placeholder, exp.Parameter, exp.SessionParameter), "parameters are not part of formulas; name a factor"),
    ((exp.Lambda, exp.JSONExtract, exp.JSONExtractScalar), "'->' is not part of formulas"),
    ((exp.Bracket, exp.Dot, exp.Struct, exp.Array), "brackets, lists and parts of values are not part of formulas"),
    ((exp.Tuple,), "a list of values stands only behind IN"),
    ((exp.IntDiv,), "'//' is not part of formulas; write floor(a / b)"),
    ((exp.Pow,), "powers are not part of formulas; multiply"),
    ((exp.ILike,), "ILIKE is not part of formulas; write lower(x) like 'pattern'"),
    ((exp.Interval,), "an interval stands only behind + or - of a time, as in occurred_at + interval '7 days'"),
    ((exp.TryCast,), "try_cast is not part of formulas; declare the column's type"),
    (
        (exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime),
        "formulas have no clock: the same record gives the same amount",
    ),
)


def refusal(node: exp.Expr) -> str:
    """Why `node` is not part of a formula, and what would be right."""
    if isinstance(node, exp.Alias):
        return _alias(node)
    for kinds, said in _NAMES:
        if isinstance(node, kinds):
            return said
    if isinstance(node, exp.Func):
        return _function(node)
    return f"'{node.sql('duckdb')}' ({type(node).__name__}) is not part of formulas"


def _function(node: exp.Func) -> str:
    name = node.name if isinstance(node, exp.Anonymous) else node.sql_name()
    near = get_close_matches(name.lower(), FUNCTIONS, n=2)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(FUNCTIONS)}"
    return f"there is no function '{name.lower()}' in formulas; {hint}"


def _alias(node: exp.Alias) -> str:
    word, before = node.alias, node.this
    if isinstance(before, exp.Add | exp.Sub) and isinstance(before.expression, exp.Literal):
        op = "+" if isinstance(before, exp.Add) else "-"
        right = f"{before.this.sql('duckdb')} {op} interval '{before.expression.this} {word}'"
        return f"'{word}' after a number is not understood; time is added as {right}"
    said = before.sql("duckdb")
    return (
        f"'{word}' after '{said}' is not understood; an operator is missing, or a name with blanks needs double quotes"
    )
