"""Lets the tests of this folder import `market`; one engine for all examples of a property."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from everycent.base.engine.local import LocalEngine

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEngine]:
    """With the threads that could bring rows out of order."""
    with LocalEngine(threads=2, memory_mb=512, temp_dir=Path(tmp_path_factory.mktemp("spill"))) as engine:
        yield engine
