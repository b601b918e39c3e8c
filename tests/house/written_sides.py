"""Sides of a reconciliation written the way people write them down, with what rules may look at; and any such sides."""

from datetime import date

import pyarrow as pa
from hypothesis import strategies as st

from everycent.proof.recon.contract import ITEM

SEEN = {"day": "occurred_on", "of": "counterparty", "ref": "reference", "group": "group", "money": "currency",
        "fee": "fee_minor"}  # fmt: skip


def side(text: str, file: str) -> pa.Table:
    """The first line names columns; "-" is nothing."""
    heads, *lines = [line.split() for line in text.strip().splitlines()]
    rows = [dict(zip(heads, line, strict=True)) for line in lines]
    columns = {
        "source_file": pa.array([file] * len(rows), pa.string()),
        "source_line": pa.array(range(1, len(rows) + 1), pa.int64()),
        "key": pa.array([row["key"] for row in rows], pa.string()),
        "amount_minor": pa.array([int(row["amount"]) for row in rows], pa.int64()),
        "status": pa.array([row.get("status") for row in rows], pa.string()),
    }
    for word, name in SEEN.items():
        if word in heads:
            of = [None if row[word] == "-" else row[word] for row in rows]
            kind = ITEM.field(name).type
            if pa.types.is_date(kind):
                of = [found and date(2026, 3, int(found)) for found in of]
            columns[name] = pa.array([int(x) if x and pa.types.is_integer(kind) else x for x in of], kind)
    return pa.table(columns)


RULES = """
- {key: {may_differ: amount, within: 1 day}}
- {dates: {by: counterparty, within: 1 day}}
- {tolerance: {by: counterparty, absolute: '0.01', undecided: leave}}
- {subset: {most: '3'}}
"""
ROW = st.tuples(st.sampled_from("ABCDE"), st.integers(-2, 4), st.integers(1, 3), st.sampled_from("mn-"))
ROWS = st.lists(ROW, max_size=8)


def rows_of(rows: list[tuple[str, int, int, str]], file: str) -> pa.Table:
    text = "\n".join(f"{key} {amount} {day} {of}" for key, amount, day, of in rows)
    return side(f"key amount day of\n{text}", file)
