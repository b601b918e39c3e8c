"""Figures as people take them away: tables of Arrow for CSV and XLSX, in major units."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import currency
from everycent.serve.figures.asked import Figures
from everycent.serve.sheets import write_sheet


def spoken(figures: Figures) -> list[list[Any]]:
    """The rows for a terminal: amounts in major units of their currency."""
    at = figures.at("currency")
    return [
        [
            "" if value is None else grouped_minor(value, currency(row[at])) if column.kind == "amount" else value
            for column, value in zip(figures.columns, row, strict=True)
        ]
        for row in figures.rows
    ]


def as_table(figures: Figures) -> pa.Table:
    """The rows as columns of exact decimals: as many decimals as the finest currency among them has."""
    at = figures.at("currency")
    places = max((currency(row[at]).exponent for row in figures.rows), default=2)
    types = {"text": pa.string(), "count": pa.int64(), "date": pa.date32(), "amount": pa.decimal128(38, places)}
    made = {}
    for place, column in enumerate(figures.columns):
        values = [row[place] for row in figures.rows]
        if column.kind == "amount":
            values = [_major(value, row[at]) for value, row in zip(values, figures.rows, strict=True)]
        made[column.name] = pa.array(values, types[column.kind])
    return pa.table(made)


def _major(minor: int | None, code: str) -> Decimal | None:
    return None if minor is None else Decimal(minor).scaleb(-currency(code).exponent)


def write(figures: Figures, path: Path) -> None:
    """Writes a .csv or an .xlsx, whole or not at all. Raises NotDone, OSError."""
    amounts_in = {column.name: "currency" for column in figures.columns if column.kind == "amount"}
    write_sheet(path, figures.name, as_table(figures), amounts_in)
