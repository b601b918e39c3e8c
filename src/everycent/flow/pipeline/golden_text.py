"""Reads the text tables of golden cases: facts in, obligations (or charges) out.

A table's cells stand apart by two or more spaces (or a tab). Facts start with the record kind and its column names; the
rows that follow belong to that kind until another kind's line. `-` is an empty cell.
"""

import re
from dataclasses import dataclass

EMPTY = "-"


@dataclass(frozen=True)
class FactTable:
    """Rows of one record kind, as text; columns are the model's own names."""

    kind: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


@dataclass(frozen=True)
class ExpectedTable:
    """Rows that must come out: exactly these, in any order, compared on these columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]


class GoldenTextError(ValueError):
    """A golden table that cannot be read; the message names the line."""


def read_facts(text: str, kinds: frozenset[str]) -> list[FactTable]:
    """The facts of a golden case, in order. Raises GoldenTextError."""
    return _tables(text, kinds, "facts", "a record kind")


def read_values(text: str, factors: frozenset[str]) -> list[FactTable]:
    """The values that a golden case gives to factors: tables whose kind is the factor. Raises GoldenTextError."""
    return _tables(text, factors, "factors", "a factor that is looked up outside")


def _tables(text: str, kinds: frozenset[str], what: str, first: str) -> list[FactTable]:
    tables: list[FactTable] = []
    kind, columns, rows = "", (), []  # type: str, tuple[str, ...], list[tuple[str | None, ...]]
    for number, cells in _lines(text):
        if cells[0] in kinds:
            if kind:
                tables.append(FactTable(kind, columns, tuple(rows)))
            kind, columns, rows = cells[0], tuple(cells[1:]), []
            continue
        if not kind:
            names = ", ".join(sorted(kinds)) or "the model has none"
            raise GoldenTextError(f"line {number} of {what} starts with '{cells[0]}'; start with {first}: {names}")
        rows.append(_row(cells, columns, number, what))
    if kind:
        tables.append(FactTable(kind, columns, tuple(rows)))
    return tables


def read_expected(text: str, allowed: frozenset[str], what: str) -> ExpectedTable:
    """The expected rows of a golden case. Raises GoldenTextError."""
    lines = list(_lines(text))
    if not lines:
        raise GoldenTextError(f"{what} has no header; write for example: charge  debtor  creditor  amount")
    columns = tuple(lines[0][1])
    unknown = [column for column in columns if column not in allowed]
    if unknown:
        raise GoldenTextError(f"{what} has no column '{unknown[0]}'; there are {', '.join(sorted(allowed))}")
    return ExpectedTable(columns, tuple(_row(cells, columns, number, what) for number, cells in lines[1:]))


def _lines(text: str) -> list[tuple[int, list[str]]]:
    return [
        (number, re.split(r"\s{2,}|\t", line.strip()))
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip() and not line.strip().startswith("#")
    ]


def _row(cells: list[str], columns: tuple[str, ...], number: int, what: str) -> tuple[str | None, ...]:
    if len(cells) != len(columns):
        message = f"line {number} of {what} has {len(cells)} cells for {len(columns)} columns ({', '.join(columns)})"
        raise GoldenTextError(f"{message}; cells stand two spaces apart, '-' is an empty cell")
    return tuple(None if cell == EMPTY else cell for cell in cells)
