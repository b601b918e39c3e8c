"""Quoting: the only way a name or a text from a model or from data gets into SQL."""

from collections.abc import Sequence


def identifier(name: str) -> str:
    """`name` as a quoted SQL identifier."""
    assert "\x00" not in name, "an identifier cannot hold a NUL"
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as a quoted SQL string."""
    assert "\x00" not in text, "a literal cannot hold a NUL"
    return "'" + text.replace("'", "''") + "'"


def among(column: str, texts: Sequence[str]) -> str:
    """A condition: the column is one of these texts."""
    return f"{identifier(column)} IN ({', '.join(map(literal, texts))})" if texts else "false"
