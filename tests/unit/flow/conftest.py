"""Obligations written as text tables, and books that settle them on a real PostgreSQL."""

from collections.abc import Callable

import pyarrow as pa
import pytest
from small_books import Books, obligations_of

from everycent.base.engine.local import LocalEngine


@pytest.fixture
def obligations() -> Callable[[str], pa.Table]:
    """Reads obligations from a text table."""
    return obligations_of


@pytest.fixture
def books(database: object, engine: LocalEngine) -> Books:
    """Empty books; merchants are settled daily, brands monthly."""
    return Books(database, engine)
