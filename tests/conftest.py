"""Fixtures shared by all tests: a real PostgreSQL with all migrations applied, and a DuckDB."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from server_folders import server_folder

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection, connect
from everycent.base.platform.details import Details
from everycent.base.platform.migrate import migrate
from everycent.base.platform.postgres import serving, stop
from everycent.base.platform.settings import Settings

_SERVER_DIR = "EVERYCENT_TEST_SERVER_DIR"  # given by the session's first process to its workers
_MIGRATIONS = sorted(path for path in (Path(__file__).parents[1] / "src").rglob("migrations") if path.is_dir())


@dataclass(frozen=True)
class Database:
    """A test's own database, empty but for all migrations, and its own data directory."""

    settings: Settings  # database_url names the test's own database
    connection: Connection
    details: Details


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput") or _SERVER_DIR in os.environ:
        return
    folder = server_folder("everycent-tests-")
    os.environ[_SERVER_DIR] = str(folder)
    config.add_cleanup(lambda: _remove_server_dir(folder))


def _remove_server_dir(folder: Path) -> None:
    os.environ.pop(_SERVER_DIR, None)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _template() -> Iterator[Settings]:
    """The session's server with a database to copy; workers of one session share it."""
    data_dir = Path(os.environ[_SERVER_DIR])
    with serving(Settings(data_dir=data_dir, memory_mb=512, threads=1)) as running:
        name = f"template_{_migrations_hash()}"
        template = replace(running, database_url=_url(running, name))
        with connect(running) as connection:
            connection.execute("SELECT pg_advisory_lock(1)")
            connection.execute("ALTER SYSTEM SET fsync = off")  # a test's database need not outlive the machine
            connection.execute("SELECT pg_reload_conf()")
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
                connection.execute("CREATE DATABASE being_made")
                migrate(replace(running, database_url=_url(running, "being_made")), _MIGRATIONS)
                connection.execute(f"ALTER DATABASE being_made RENAME TO {name}")
        yield template


@dataclass(frozen=True)
class Databases:
    """The session's server, and databases of it that are thrown away."""

    template: Settings  # database_url names an empty database with all migrations

    @contextmanager
    def fresh(self, data_dir: Path, copy_of: str | None = None) -> Iterator[Settings]:
        """A new database, empty or the copy of another, which nobody may be connected to; dropped in the end."""
        assert self.template.database_url is not None
        maintenance = replace(self.template, database_url=_url(self.template, "everycent"))
        name = f"test_{uuid.uuid4().hex}"
        with connect(maintenance) as connection:
            copied = database_name(self.template) if copy_of is None else copy_of
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {copied} STRATEGY file_copy")
        try:
            yield replace(self.template, database_url=_url(self.template, name), data_dir=data_dir)
        finally:
            with connect(maintenance) as connection:
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def opened(self, data_dir: Path, copy_of: str | None = None) -> Iterator[Database]:
        """A new database, as `fresh` makes it, and a connection to it."""
        with self.fresh(data_dir, copy_of) as settings, connect(settings) as connection:
            details = Details(connection, settings.lake_dir, settings.tenant, settings.lake_from_rows)
            yield Database(settings, connection, details)


@pytest.fixture(scope="session")
def databases(_template: Settings) -> Databases:
    """Where databases are made and thrown away."""
    return Databases(_template)


@pytest.fixture
def database(databases: Databases, tmp_path: Path) -> Iterator[Database]:
    """A fresh database for one test."""
    with databases.opened(tmp_path / "everycent") as made:
        yield made


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A new data directory for an embedded server of the test's own; root's server can reach it. Gone afterwards."""
    folder = server_folder("everycent-test-")
    yield folder / ".everycent"
    stop(Settings(data_dir=folder / ".everycent"))
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    """A DuckDB of one thread."""
    with LocalEngine(threads=1, memory_mb=512, temp_dir=tmp_path / "spill") as local:
        yield local


def database_name(settings: Settings) -> str:
    """The name of the database that the settings' address leads to."""
    assert settings.database_url is not None
    return settings.database_url.split("///")[1].split("?")[0]


def _url(settings: Settings, name: str) -> str:
    assert settings.database_url is not None
    head, _, tail = settings.database_url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{tail}"


def _migrations_hash() -> str:
    content = hashlib.sha256()
    for file in sorted(file for folder in _MIGRATIONS for file in folder.glob("*.py")):
        content.update(file.read_bytes())
    return content.hexdigest()[:16]
