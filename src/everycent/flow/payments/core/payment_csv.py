"""Instructions as CSV: for people and spreadsheets, and for what has no other file format yet."""

import csv
import io
from collections.abc import Mapping
from typing import Any, BinaryIO

import pyarrow as pa

from everycent.base.money.amount import format_minor
from everycent.base.money.currency import currency
from everycent.flow.payments.contract import INSTRUCTION
from everycent.flow.payments.core.text import spreadsheet_safe

COLUMNS = (
    "instruction_id",
    "direction",
    "party_id",
    "legal_entity",
    "amount",
    "currency",
    "account",
    "account_name",
    "as_of",
)
_TEXTS = ("party_id", "legal_entity", "account", "account_name")


def write_csv(out: BinaryIO, instructions: pa.Table) -> None:
    """Streams INSTRUCTION rows as UTF-8 CSV with a header: amounts with all their decimals, texts made safe."""
    INSTRUCTION.check(instructions)
    text = io.TextIOWrapper(out, encoding="utf-8", newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for batch in instructions.to_batches(max_chunksize=10_000):
        writer.writerows(_cells(row) for row in batch.to_pylist())
    text.flush()
    text.detach()


def _cells(row: Mapping[str, Any]) -> list[str]:
    amount = format_minor(int(row["amount_minor"]), currency(row["currency"]))
    assert row["amount_minor"] > 0, "an instruction's amount is above 0, its direction says the rest"
    cells = {**{name: str(row[name]) for name in COLUMNS if name != "amount"}, "amount": amount}
    return [spreadsheet_safe(cells[name]) if name in _TEXTS else cells[name] for name in COLUMNS]
