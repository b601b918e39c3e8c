"""Migrations apply together or not at all, and cost nothing where nothing is to do."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from everycent.base.platform.database import DatabaseUnreachable, connect
from everycent.base.platform.migrate import _MIGRATE_LOCK, DatabaseIsNewer, migrate
from everycent.base.platform.settings import Settings


@pytest.fixture
def empty(database) -> Iterator[Settings]:
    """The settings of a database without any migration."""
    name = f"empty_{uuid.uuid4().hex}"
    database.connection.execute(f"CREATE DATABASE {name}")
    head, _, tail = database.settings.database_url.partition("?")
    yield replace(database.settings, database_url=f"{head.rpartition('/')[0]}/{name}?{tail}")
    database.connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def write(folder: Path, name: str, sql: str, after: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    branch = f"('{name.split('_')[0]}',)" if after is None else None
    (folder / f"{name}.py").write_text(
        f"from alembic import op\nrevision = '{name}'\ndown_revision = {after!r}\nbranch_labels = {branch}\n"
        f"depends_on = None\ndef upgrade():\n    op.execute('''{sql}''')\n"
    )
    return folder


def tables(settings: Settings) -> list[str]:
    with connect(settings) as connection:
        rows = connection.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname = 'shop' ORDER BY 1"
        )
        return [name for (name,) in rows]


def test_branches_are_applied_together_and_then_found_applied(empty, tmp_path: Path):
    one = write(tmp_path / "one", "shop_1", "create schema shop; create table shop.a ()")
    two = write(tmp_path / "two", "till_1", "create schema till")
    assert migrate(empty, [one, two]) is True
    with connect(empty) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (_MIGRATE_LOCK,))
        assert migrate(empty, [one, two]) is False, "found without waiting for the lock of those who upgrade"
    write(one, "shop_2", "create table shop.b ()", after="shop_1")
    assert migrate(empty, [one, two]) is True
    assert tables(empty) == ["shop.a", "shop.b"]


def test_one_that_fails_takes_all_back(empty, tmp_path: Path):
    one = write(tmp_path / "one", "shop_1", "create schema shop; create table shop.a ()")
    two = write(tmp_path / "two", "till_1", "create table nowhere.b ()")
    with pytest.raises(Exception, match="nowhere") as caught:
        migrate(empty, [one, two])
    assert isinstance(caught.value.__cause__, psycopg.Error)
    assert tables(empty) == []
    assert migrate(empty, [one]) is True


def test_a_newer_database_is_refused(empty, tmp_path: Path):
    one = write(tmp_path / "one", "shop_1", "create schema shop")
    migrate(empty, [one, write(tmp_path / "two", "till_1", "create schema till")])
    with pytest.raises(DatabaseIsNewer, match=r"till_1.*use the newer program"):
        migrate(empty, [one])


def test_an_address_without_a_database_is_named(tmp_path: Path):
    nowhere = Settings(data_dir=tmp_path, database_url=f"postgresql:///x?host={tmp_path}")
    with pytest.raises(DatabaseUnreachable, match="the database does not answer"):
        connect(nowhere)
