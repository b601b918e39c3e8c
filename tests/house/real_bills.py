"""Real bills, statements and reports that may not be shipped, and any bill as its format reads it."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from everycent.flow.intake.contract import BillFormat, Control

_REPOSITORY = Path(__file__).parents[2]
REAL = Path(os.environ.get("EVERYCENT_SHARED_DATA", _REPOSITORY.parent / "shared" / "data"))


def real(folder: str) -> Path:
    """The folder of real files, for a module's fixtures; see `needs`."""
    return REAL / folder


def needs(folder: str) -> pytest.MarkDecorator:
    """Skips where the real files are not there, and says which."""
    return pytest.mark.skipif(
        not real(folder).is_dir(),
        reason=f"the real files '{folder}' may not be shipped and are not in {REAL}; "
        f"EVERYCENT_SHARED_DATA names their parent folder",
    )


@dataclass(frozen=True)
class Bill:
    """All that a format reads of a file: rows without empty cells, their lines, malformed places, controls."""

    rows: list[dict[str, str]]
    lines: list[int]
    malformed: list[dict[str, Any]]
    controls: list[Control]

    @property
    def disagreeing(self) -> list[Control]:
        return [control for control in self.controls if not control.agrees]

    def column(self, name: str) -> list[str | None]:
        return [row.get(name) for row in self.rows]

    @property
    def ties(self) -> bool:
        return bool(self.controls) and not self.disagreeing and not self.malformed


def read_bill(bill_format: BillFormat, path: Path, rows_per_part: int = 1000) -> Bill:
    """The whole bill; each part is found to be what the contract promises."""
    bill = Bill([], [], [], [])
    for part in bill_format.parse(path, rows_per_part):
        assert part.rows.column_names == list(bill_format.columns)
        assert part.rows.num_rows + part.malformed.num_rows <= rows_per_part
        rows = part.rows.to_pylist()
        bill.rows.extend({name: cell for name, cell in row.items() if cell is not None} for row in rows)
        bill.lines.extend(part.lines.to_pylist())
        bill.malformed.extend(part.malformed.to_pylist())
        bill.controls.extend(part.controls)
    assert bill.lines == sorted(bill.lines)
    return bill
