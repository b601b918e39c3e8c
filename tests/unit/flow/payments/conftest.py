"""Closed statements and instructions written as text tables."""

import uuid
from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pytest

from everycent.base.money.amount import parse_minor
from everycent.base.money.currency import currency
from everycent.flow.payments.contract import INSTRUCTION
from everycent.flow.settlement.contract import STATEMENT

_DAY = date(2026, 3, 1)
_STATEMENT = {
    "role": "merchant",
    "period": "2026-03-01",
    "period_first": _DAY,
    "period_last": _DAY,
    "closes_on": _DAY,
    "legal_entity": "shanghai",
    "mode": "net",
    "obligations": 1,
    "state": "closed",
    "closed_as_of": _DAY,
}
_INSTRUCTION = {
    "role": "merchant",
    "party_id": "merchant:m",
    "legal_entity": "shanghai",
    "direction": "pay",
    "channel": "bank_file",
    "as_of": _DAY,
    "state": "created",
    "account_name": "M",
}


def _lines(text: str) -> list[dict[str, str]]:
    lines = [line.split() for line in text.strip().splitlines() if line.strip()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


@pytest.fixture
def closed() -> Callable[..., pa.Table]:
    """Closed STATEMENT rows from a text table: statement_id, party_id, payable, receivable, and any other column."""

    def read(text: str, code: str = "CNY") -> pa.Table:
        rows = []
        for cells in _lines(text):
            payable, receivable = (parse_minor(cells[name], currency(code)) for name in ("payable", "receivable"))
            row = {**_STATEMENT, "currency": code, **cells, "net_minor": payable - receivable}
            row["lines_minor"] = parse_minor(cells.get("lines", "0"), currency(code))
            row |= {"payable_minor": payable, "receivable_minor": receivable}
            rows.append({name: row.get(name) for name in STATEMENT.columns.names})
        return pa.Table.from_pylist(rows, schema=STATEMENT.columns)

    return read


@pytest.fixture
def instructions() -> Callable[[list[dict[str, object]]], pa.Table]:
    """INSTRUCTION rows from dicts: amount_minor, currency, account, and any other column."""

    def rows(given: list[dict[str, object]]) -> pa.Table:
        filled = [
            {**_INSTRUCTION, "instruction_id": uuid.uuid5(uuid.UUID(int=0), str(at)), **cells}
            for at, cells in enumerate(given)
        ]
        named = [{name: row.get(name) for name in INSTRUCTION.columns.names} for row in filled]
        return pa.Table.from_pylist(named, schema=INSTRUCTION.columns)

    return rows
