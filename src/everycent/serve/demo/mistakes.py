"""The demo's bad rows: a clerk's manual upload of items with every mistake that intake must name."""

from pathlib import Path

import pyarrow as pa

from everycent.base.money.amount import format_minor, parse_minor
from everycent.base.money.currency import Currency
from everycent.serve.demo.files import write_small_csv

#: What intake must say about the upload's nine rows.
EXPECTED_OUTCOMES = {"duplicate": 3, "conflict": 1, "quarantined": 5}


def write_manual_upload(path: Path, items: pa.Table, currency: Currency) -> Path:
    """Three items once more, one with another price, and five that cannot be read or believed."""
    header = items.column_names
    rows = [["" if cell is None else str(cell) for cell in row.values()] for row in items.slice(0, 4).to_pylist()]
    duplicates, conflict = rows[:3], dict(zip(header, rows[3], strict=True))
    price = parse_minor(conflict["price"], currency)
    conflict["price"] = format_minor(price + 100, currency)
    wrong = [
        {"price": format_minor(price, currency) + ("5" if currency.exponent else ".5")},  # one decimal too many
        {"category": "teleportation"},
        {"seller_id": ""},
        {"coupon": format_minor(price + 1, currency)},
        {"delivered_at": "2026-02-30 10:00:00"},
    ]
    right = dict(zip(header, rows[0], strict=True))
    right["price"] = format_minor(price, currency)
    bad = [right | {"order_id": f"HM-manual-{n}"} | mistake for n, mistake in enumerate(wrong, 1)]
    assert len(wrong) == EXPECTED_OUTCOMES["quarantined"]
    write_small_csv(path, header, [*duplicates, *([row[name] for name in header] for row in (conflict, *bad))])
    return path
