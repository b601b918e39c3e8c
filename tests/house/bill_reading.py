"""A bill read through its format, for tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from everycent.flow.intake.bills.source import open_bill
from everycent.flow.intake.contract import BillFormat, Control


@dataclass(frozen=True)
class Read:
    """A bill read through: its rows as dictionaries, where they stood, what could not be read, and its controls."""

    rows: list[dict[str, Any]]
    lines: list[int]
    malformed: list[tuple[int, str]]
    controls: tuple[Control, ...]

    def column(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]

    @property
    def disagreeing(self) -> list[tuple[str, str, str]]:
        return [(each.name, each.stated, each.found) for each in self.controls if not each.agrees]


def read(bill_format: BillFormat, path: Path, rows_per_shard: int = 100) -> Read:
    source = open_bill(path, bill_format)
    shards = list(source.shards(rows_per_shard))
    malformed = pa.concat_tables([shard.malformed for shard in shards])
    return Read(
        [row for shard in shards for row in shard.table.to_pylist()],
        [line for shard in shards for line in shard.lines.to_pylist()],
        [(row["line"], row["reason"]) for row in malformed.to_pylist()],
        source.controls,
    )
