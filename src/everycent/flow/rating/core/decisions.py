"""Decision tables: rules as the rows of a table, read into the very rules that an author could have written.

A column `when <formula>` holds conditions on it, one for each row; an empty cell asks for nothing. Other columns are
`amount`, the words of a price (`percentage.rate`), `name`, `priority`, `valid_from` and `valid_to`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from everycent.base.engine.sql import literal
from everycent.base.engine.types import Kind
from everycent.flow.rating.contract import RatedChargeSpec, RatingRefused, RuleSpec, RuleTableSpec
from everycent.flow.rating.core.names import Names, Path
from everycent.flow.rating.price import NUMBER, PriceSpec

#: More rows want an attached table and a factor, which are joined.
ROWS_MAX = 500
_OWN = ("amount", "name", "priority", "valid_from", "valid_to")
_COMPARED = re.compile(r"(>=|<=|<>|!=|>|<|=)\s*(.+)", re.DOTALL)


@dataclass(frozen=True)
class DecisionTable:
    """A file's rows: its columns' names, and each row's line in the file and cells."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def rules_of_table(
    charge: str, spec: RatedChargeSpec, table: DecisionTable, names: Names
) -> Iterator[tuple[int, RuleSpec]]:
    """Each row as a rule, with its line. Raises RatingRefused."""
    assert isinstance(spec.rules, RuleTableSpec), "a decision table is declared"
    path: Path = ("charges", charge, "rules")
    subjects = _subjects(table, names, path)
    if not table.rows or len(table.rows) > ROWS_MAX:
        message = f"{table.file} has {len(table.rows)} rows; a decision table has 1 to {ROWS_MAX}"
        raise RatingRefused(f"{message}; what is found by equal columns alone can be a factor from a table", path)
    for line, cells in table.rows:
        row = {column: cell.strip() for column, cell in zip(table.columns, cells, strict=True)}
        try:
            yield line, _rule(row, subjects, spec.rules.given)
        except ValidationError as error:
            said = error.errors()[0]
            word = ".".join(str(part) for part in said["loc"])
            text = str(said.get("ctx", {}).get("error", said["msg"]))
            raise RatingRefused(f"{table.file} line {line}: {word}: {text}", path) from None
        except ValueError as error:
            raise RatingRefused(f"{table.file} line {line}: {error}", path) from None


def _subjects(table: DecisionTable, names: Names, path: Path) -> dict[str, tuple[str, Kind]]:
    """Each `when` column's formula and its kind. Refuses a column that means nothing."""
    found: dict[str, tuple[str, Kind]] = {}
    words = {f"{kind}.{word}" for kind, word in _price_words()}
    for column in table.columns:
        subject = re.fullmatch(r"when\s+(.+)", column)
        if subject is not None:
            formula = names.formula(subject[1], path)
            found[column] = (subject[1], formula.type.kind)
        elif column not in _OWN and column not in words:
            message = f"{table.file}: column '{column}' means nothing here; write 'when {column}' for a condition"
            raise RatingRefused(f"{message}, or one of {', '.join(_OWN)}, percentage.rate ...", path)
    if len(set(table.columns)) < len(table.columns):
        raise RatingRefused(f"{table.file} has two columns of one name", path)
    return found


def _price_words() -> Iterator[tuple[str, str]]:
    """The words of prices that fit into cells."""
    for kind in ("flat", "percentage", "per_unit", "package"):
        words = PriceSpec.model_fields[kind].annotation.__args__[0].model_fields  # type: ignore[union-attr]
        yield from ((kind, word) for word in words)


def _rule(row: Mapping[str, str], subjects: Mapping[str, tuple[str, Kind]], given: Mapping[str, str]) -> RuleSpec:
    conditions = [condition(text, kind, row[column]) for column, (text, kind) in subjects.items() if row[column]]
    words: dict[str, object] = {word: row[word] for word in ("amount", "name", "priority") if row.get(word)}
    if row.get("valid_from") or row.get("valid_to"):
        words["valid"] = (row.get("valid_from") or None, row.get("valid_to") or None)
    if conditions:
        words["when"] = " and ".join(conditions)
    price = _price(row, given)
    return RuleSpec.model_validate(words | ({"price": price} if price and "amount" not in words else {}))


def _price(row: Mapping[str, str], given: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """The row's price; the words that are the same in each row are added to the kind that the row has."""
    found: dict[str, dict[str, str]] = {}
    for column, cell in row.items():
        kind, dot, word = column.partition(".")
        if dot and cell and not column.startswith("when "):
            found.setdefault(kind, {})[word] = cell
    for column, cell in given.items():
        kind, _, word = column.partition(".")
        if kind in found or not found:
            found.setdefault(kind, {}).setdefault(word, cell)
    return found


def condition(subject: str, kind: Kind, cell: str) -> str:
    """What a cell asks of a subject: `toys`, `a|b`, `<> a`, `>= 100`, `10..20` (20 itself is outside). ValueError."""
    left = subject if re.fullmatch(r"[^\W\d]\w*", subject) else f"({subject})"
    if compared := _COMPARED.fullmatch(cell):
        op = "<>" if compared[1] == "!=" else compared[1]
        if kind in ("text", "boolean") and op not in ("=", "<>"):
            raise ValueError(f"{kind} has no order, so '{cell}' cannot be asked of {subject}; write a|b for a list")
        return f"{left} {op} {_constant(compared[2], kind, subject)}"
    if kind not in ("text", "boolean") and ".." in cell:
        low, _, high = cell.partition("..")
        bounds = [f"{left} >= {_constant(low, kind, subject)}"] if low.strip() else []
        bounds += [f"{left} < {_constant(high, kind, subject)}"] if high.strip() else []
        return " and ".join(bounds)
    values = [cell] if re.fullmatch("'.*'", cell, re.DOTALL) else cell.split("|")
    constants = [_constant(value, kind, subject) for value in values]
    return f"{left} = {constants[0]}" if len(constants) == 1 else f"{left} in ({', '.join(constants)})"


def _constant(text: str, kind: Kind, subject: str) -> str:
    value = text.strip()
    if kind == "text":
        return literal(value[1:-1] if re.fullmatch("'.*'", value, re.DOTALL) else value)
    if kind in ("integer", "decimal", "money") and NUMBER.fullmatch(value):
        return value
    if kind == "boolean" and value.lower() in ("true", "false", "yes", "no"):
        return "true" if value.lower() in ("true", "yes") else "false"
    if kind == "date" and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return f"date {literal(value)}"
    hint = "; ask about date(...) of it" if kind == "timestamp" else ""
    raise ValueError(f"'{value}' is no value that {subject} ({kind}) can be compared with{hint}")
