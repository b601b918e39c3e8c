"""The rows of a decision table, told as rules that an author could have written; cells stand as they are written."""

import csv
import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

_COMPARED = re.compile(r"(>=|<=|<>|!=|>|<|=)\s*(.+)", re.DOTALL)
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def rules_of_text(file: str, text: str, given: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """Each row: its name (or `<file> line <n>`), `when`, `valid`, and its `amount` or `price`.

    `given`: words of the price that are the same in each row. Empty where the text was not kept.
    """
    reader = csv.reader(StringIO(text, newline=""))
    columns = [name.strip() for name in next(reader, [])]
    return [
        _rule(f"{file} line {reader.line_num}", dict(zip(columns, map(str.strip, cells), strict=False)), given)
        for cells in reader
        if any(cell.strip() for cell in cells)
    ]


def _rule(place: str, row: Mapping[str, str], given: Mapping[str, str]) -> Mapping[str, Any]:
    conditions = [
        _condition(column.removeprefix("when").strip(), cell)
        for column, cell in row.items()
        if column.startswith("when ") and cell
    ]
    rule: dict[str, Any] = {"name": row.get("name") or place}
    if conditions:
        rule["when"] = " and ".join(conditions)
    if row.get("valid_from") or row.get("valid_to"):
        rule["valid"] = [row.get("valid_from", ""), row.get("valid_to", "")]
    if row.get("amount"):
        return rule | {"amount": row["amount"]}
    price: dict[str, dict[str, str]] = {}
    for column, cell in row.items():
        kind, dot, word = column.partition(".")
        if dot and cell and not column.startswith("when "):
            price.setdefault(kind, {})[word] = cell
    for column, value in given.items():
        kind, _, word = column.partition(".")
        if kind in price or not price:
            price.setdefault(kind, {}).setdefault(word, value)
    return rule | ({"price": price} if price else {})


def _condition(subject: str, cell: str) -> str:
    if _COMPARED.fullmatch(cell):
        return f"{subject} {cell}"
    low, dots, high = cell.partition("..")
    if dots and all(not bound.strip() or _NUMBER.fullmatch(bound.strip()) for bound in (low, high)):
        bounds = [f"{subject} >= {low.strip()}"] if low.strip() else []
        return " and ".join(bounds + ([f"{subject} < {high.strip()}"] if high.strip() else []))
    values = [value.strip() if _NUMBER.fullmatch(value.strip()) else f"'{value.strip()}'" for value in cell.split("|")]
    return f"{subject} = {values[0]}" if len(values) == 1 else f"{subject} in ({', '.join(values)})"
