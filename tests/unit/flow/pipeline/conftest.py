"""Lets the tests of this folder import clearing's oracle, and gives them two market places to compare."""

import sys
from pathlib import Path
from typing import Any

import pytest
from market_place import MarketPlace, opened

from everycent.base.engine.local import LocalEngine

sys.path.append(str(Path(__file__).parents[1] / "clearing"))


@pytest.fixture
def place(database: Any, engine: LocalEngine, tmp_path: Path) -> MarketPlace:
    """A market in a database of its own."""
    return opened(database, engine, tmp_path / "files")


@pytest.fixture
def once(database: Any, engine: LocalEngine, tmp_path: Path) -> MarketPlace:
    """The same, under another tenant: where everything is cleared once."""
    return opened(database, engine, tmp_path / "once", tenant="once")
