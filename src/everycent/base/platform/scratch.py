"""A scratch database beside the real one: the real migrations and the real paths, and nothing of it stays."""

import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from everycent.base.platform.database import Connection, connect
from everycent.base.platform.migrate import migrate
from everycent.base.platform.settings import Settings

_PREFIX = "everycent_scratch_"


class ScratchRefused(Exception):
    """No scratch database can be made; the message says why and what would be right."""


@contextmanager
def scratch_database(running: Settings, migrations: Sequence[Path]) -> Iterator[Settings]:
    """Settings of a new, empty, migrated database on the same server, with a data directory of its own.

    Both are gone afterwards; what a kill leaves behind is removed by the next call. Raises ScratchRefused.
    """
    assert running.database_url is not None, "the server runs"
    with connect(running) as connection:
        prefix = _prefix(connection)
        name = f"{prefix}{uuid.uuid4().hex}"
        folder = running.temp_dir / name
        scratch = replace(running, database_url=make_conninfo(running.database_url, dbname=name), data_dir=folder)
        _remove_abandoned(connection, prefix, running.temp_dir)
        connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))  # ends with this connection
        try:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege as error:
            user = conninfo_to_dict(running.database_url).get("user", "the database's user")
            raise ScratchRefused(
                f"{user} may not create a scratch database; grant it CREATEDB, or unset EVERYCENT_DATABASE_URL"
            ) from error
        try:
            with connect(scratch) as empty:  # what is lost with the machine is only scratch
                empty.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(sql.Identifier(name)))
            migrate(scratch, migrations)
            yield scratch
        finally:
            _remove(connection, name)
            shutil.rmtree(folder, ignore_errors=True)


def _prefix(connection: Connection) -> str:
    """How scratch databases beside this one begin. Others of the server have their own: their locks are not seen
    from here."""
    row = connection.execute("SELECT oid FROM pg_database WHERE datname = current_database()").fetchone()
    assert row is not None, "one is connected to a database that is there"
    return f"{_PREFIX}{row[0]}_"


def _remove_abandoned(connection: Connection, prefix: str, temp_dir: Path) -> None:
    """Removes scratch databases whose command is gone: then nobody holds their lock."""
    found = connection.execute(
        "SELECT datname FROM pg_database WHERE starts_with(datname, %s) ORDER BY 1", (prefix,)
    ).fetchall()
    for (name,) in found:
        if connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (name,)).fetchone() == (True,):
            _remove(connection, str(name))
            shutil.rmtree(temp_dir / str(name), ignore_errors=True)
            connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))


def _remove(connection: Connection, name: str) -> None:
    connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
