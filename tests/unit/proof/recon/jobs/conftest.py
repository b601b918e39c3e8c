"""An office in a test's database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from job_office import NOON, Given, Office

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.jobs.working import Worker


@pytest.fixture
def office(database: Any, engine: LocalEngine, tmp_path: Path) -> Callable[..., Office]:
    def opened(**sides: tuple[SideRows, SideRows]) -> Office:
        given = Given(sides)
        worker = Worker(database.connection, engine, "default", tmp_path / "jobs", "test", given, lambda: NOON)
        return Office(worker, given)

    return opened
