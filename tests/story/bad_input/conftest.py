"""A shop for each test, and one for all refusals, which must leave it as it is."""

import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from everycent.base.platform.settings import Settings

if TYPE_CHECKING:
    from shop import Shop

sys.path.append(str(Path(__file__).parent))  # for `shop`


@pytest.fixture
def shop(database: Any, tmp_path: Path) -> "Shop":
    """A shop with a database of its own."""
    from shop import open_shop

    return open_shop(tmp_path, database.settings)


@pytest.fixture(scope="module")
def books(_template: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple["Shop", str]]:
    """A shop that has sold something, and its dump's hash. For refusals, which leave the database as it is."""
    from shop import SALES, open_shop, sale

    head, _, tail = str(_template.database_url).partition("?")
    server, _, template = head.rpartition("/")
    name = f"refusals_{uuid.uuid4().hex}"
    with psycopg.connect(f"{server}/everycent?{tail}", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        shop = open_shop(tmp_path_factory.mktemp("books"), replace(_template, database_url=f"{server}/{name}?{tail}"))
        shop.write({"data/sale.csv": SALES + sale("S1") + sale("S2")})
        assert shop.run().json["verified"]
        yield shop, shop.dump_hash()
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
