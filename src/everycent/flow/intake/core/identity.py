"""What makes a row the same row: its key, its record id, and the hash of its content.

`key`           the id columns' canonical texts joined by "/"; "/" and "\\" inside a value are escaped by "\\".
`record_id`     the first 128 bits of SHA-256 over `tenant, source, kind, key, revision` joined by U+001F, in UTF-8.
`content_hash`  the first 128 bits of SHA-256 over the declared columns that have a value, in ascending order of name
                (by code point): name, U+001F, the canonical text's length in bytes, U+001F, canonical text, U+001E.
                Tags are not part of it, since they follow from the columns; a column without a value is left out, so
                that a new optional column does not change what was hashed before.

Canonical text: text as it is; integer and money (minor units) in decimal digits, negative ones with "-"; decimal
without zeros at its end nor a point left there; boolean `true` or `false`; date as 2026-03-01; timestamp as
microseconds since 1970-01-01 00:00 on its own wall clock. None of it depends on the engine's formatting of times or its
settings.
"""

from collections.abc import Mapping, Sequence

from everycent.base.engine.sql import literal
from everycent.base.engine.types import Column, ColumnType

#: Corrections of a record will raise it; what arrives in this issue is the first revision.
FIRST_REVISION = "0"


def canonical_sql(type_: ColumnType, value: str) -> str:
    """The canonical text of a typed value; NULL where the value is."""
    match type_.kind:
        case "text":
            return value
        case "decimal" if type_.scale > 0:
            return f"rtrim(rtrim(CAST({value} AS VARCHAR), '0'), '.')"
        case "timestamp":
            return f"CAST(epoch_us({value}) AS VARCHAR)"
    return f"CAST({value} AS VARCHAR)"


def key_sql(columns: Sequence[Column]) -> str:
    """NULL where one of the columns is."""
    assert columns, "a key has columns"
    parts = []
    for column in columns:
        text = canonical_sql(column.type, column.sql)
        if column.type.kind == "text":
            text = f"replace(replace({text}, '\\', '\\\\'), '/', '\\/')"
        parts.append(text)
    return " || '/' || ".join(parts)


def record_id_sql(tenant: str, source: str, kind: str, key: str) -> str:
    """The id of the record of `kind` whose key is the expression `key`."""
    assert "\x1f" not in tenant + source + kind, "U+001F separates the parts of an identity"
    before = f"{tenant}\x1f{source}\x1f{kind}\x1f"
    return _uuid_sql(f"{literal(before)} || {key} || {literal(chr(31) + FIRST_REVISION)}")


def content_hash_sql(columns: Mapping[str, Column]) -> str:
    """Of the declared columns, by name."""
    parts = []
    for name in sorted(columns):
        text = canonical_sql(columns[name].type, columns[name].sql)
        said = f"{literal(name + chr(31))} || strlen({text}) || {literal(chr(31))} || {text} || {literal(chr(30))}"
        parts.append(f"coalesce({said}, '')")
    return _uuid_sql(f"concat({', '.join(parts)})")


def _uuid_sql(text: str) -> str:
    return f"CAST(left(sha256({text}), 32) AS UUID)"
