"""Lets the tests of this folder import `market_place` and clearing's oracle; gives them two places to compare."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.details import Details
from everycent.flow.pipeline.service import Session

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "clearing")]

from market_place import MarketPlace


@pytest.fixture
def place(database: Any, engine: LocalEngine, tmp_path: Path) -> MarketPlace:
    """A market in a database of its own."""
    settings = replace(database.settings, threads=1)
    return MarketPlace(Session(settings, database.connection, engine, database.details), tmp_path / "files")


@pytest.fixture
def once(database: Any, engine: LocalEngine, tmp_path: Path) -> MarketPlace:
    """The same, under another tenant: where everything is cleared once."""
    settings = replace(database.settings, threads=1, tenant="once")
    details = Details(database.connection, settings.lake_dir, "once", settings.lake_from_rows)
    return MarketPlace(Session(settings, database.connection, engine, details), tmp_path / "once")
