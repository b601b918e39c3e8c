"""An engine, and sides written the way people write them down."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from everycent.base.engine.local import LocalEngine


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    temp_dir: Path = tmp_path_factory.mktemp("spill")
    with LocalEngine(threads=2, memory_mb=1024, temp_dir=temp_dir) as local:
        yield local
