"""Migrations: one Alembic branch per context, applied together in one transaction, or not at all."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from everycent.base.platform.database import Connection, connect
from everycent.base.platform.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy

PLATFORM_MIGRATIONS = Path(__file__).resolve().parent / "migrations"
_SCRIPTS = Path(__file__).parent / "alembic"
_MIGRATE_LOCK = 0x6576_6379_0002


class DatabaseIsNewer(Exception):
    """The database was upgraded by a newer program than this one."""


def migrate(settings: Settings, directories: Sequence[Path]) -> bool:
    """Brings the database up to the migrations in `directories` and the platform's own; True where it changed.

    Costs one query where nothing is to do. Raises DatabaseIsNewer.
    """
    given = [folder.resolve() for folder in directories]
    places = [PLATFORM_MIGRATIONS, *(folder for folder in given if folder != PLATFORM_MIGRATIONS)]
    wanted = _content_hash(places)
    with connect(settings) as connection:
        if _applied_hash(connection) == wanted:
            return False
        connection.execute("SELECT pg_advisory_lock(%s)", (_MIGRATE_LOCK,))  # goes with the connection
        if _applied_hash(connection) == wanted:
            return False
        _upgrade(settings, places, wanted)
    return True


def _content_hash(places: Sequence[Path]) -> str:
    """Over the names and contents of all migrations."""
    content = hashlib.sha256()
    for file in sorted((file for place in places for file in place.glob("*.py")), key=lambda file: file.name):
        text = file.read_bytes()
        content.update(f"{file.name}\n{len(text)}\n".encode())
        content.update(text)
    return content.hexdigest()


def _applied_hash(connection: Connection) -> str | None:
    if connection.execute("SELECT to_regclass('platform.migrated')").fetchone() == (None,):
        return None
    row = connection.execute("SELECT content_hash FROM platform.migrated").fetchone()
    return None if row is None else str(row[0])


def _upgrade(settings: Settings, places: Sequence[Path], wanted: str) -> None:
    # Alembic and SQLAlchemy take most of a second to load, and are needed once in a database's life.
    import sqlalchemy
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", "\n".join(str(place).replace("%", "%%") for place in places))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}

    def new_connection() -> Connection:
        opened = connect(settings)
        opened.autocommit = False
        return opened

    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=new_connection, poolclass=sqlalchemy.NullPool)
    try:
        with engine.begin() as transaction:
            transaction.exec_driver_sql("CREATE SCHEMA IF NOT EXISTS platform")
            transaction.exec_driver_sql("CREATE TABLE IF NOT EXISTS platform.migrated (content_hash text NOT NULL)")
            _refuse_newer(transaction, known)
            config.attributes["connection"] = transaction
            command.upgrade(config, "heads")
            transaction.exec_driver_sql("DELETE FROM platform.migrated")
            transaction.exec_driver_sql("INSERT INTO platform.migrated VALUES (%s)", (wanted,))
    except sqlalchemy.exc.OperationalError as error:
        raise error.orig or error from error  # callers know the driver's errors


def _refuse_newer(transaction: "sqlalchemy.Connection", known: set[str]) -> None:
    if transaction.exec_driver_sql("SELECT to_regclass('platform.revision')").scalar() is None:
        return
    applied = {row[0] for row in transaction.exec_driver_sql("SELECT version_num FROM platform.revision")}
    if newer := sorted(applied - known):
        raise DatabaseIsNewer(
            f"the database holds migrations that this program does not know ({', '.join(newer)}); use the newer program"
        )
