"""Bills as text, read through their formats; and the real ones, where the folder of shared data is there."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from bill_reading import Read, read

from everycent.flow.intake.contract import BillFormat

SHARED = Path(os.environ.get("EVERYCENT_SHARED_DATA", Path(__file__).parents[6] / "shared" / "data"))


@pytest.fixture
def bill(tmp_path: Path) -> Callable[..., Read]:
    """Reads a text as a bill of a format."""

    def of(bill_format: BillFormat, text: str, encoding: str = "utf-8", rows_per_shard: int = 100) -> Read:
        path = tmp_path / "bill.csv"
        path.write_bytes(text.encode(encoding))
        return read(bill_format, path, rows_per_shard)

    return of


@pytest.fixture
def real() -> Callable[[str], Path]:
    """A real file by its path in the folder of shared data; the test is skipped where that is not there."""

    def at(name: str) -> Path:
        if not SHARED.is_dir():
            reason = f"real bills may not be shipped and are not in {SHARED}"
            pytest.skip(f"{reason}; EVERYCENT_SHARED_DATA names their folder")
        return SHARED / name

    return at
