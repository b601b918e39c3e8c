"""Connections to PostgreSQL: autocommit, UTC, and nothing on the search path but PostgreSQL's own catalog."""

import psycopg
from psycopg.rows import TupleRow

from everycent.base.platform.settings import Settings, SettingsError

Connection = psycopg.Connection[TupleRow]

_CONNECT_TIMEOUT_S = 10
#: Sessions render timestamps in UTC: a row's seal is computed over its text (see details.py).
_OPTIONS = "-c timezone=UTC -c search_path=pg_catalog -c datestyle=ISO -c client_min_messages=warning"


class DatabaseUnreachable(Exception):
    """The database does not answer; the message says which and why."""


def connect(settings: Settings) -> Connection:
    """A new connection to `settings.database_url`, autocommit on; `with connection.transaction()` opens a transaction.

    With the embedded PostgreSQL, take the settings that `postgres.serving` gives: they hold its address.
    Raises DatabaseUnreachable, or SettingsError for an address that is none.
    """
    assert settings.database_url is not None, "no address: run inside `with serving(settings) as running:`"
    try:
        return psycopg.connect(
            settings.database_url,
            autocommit=True,
            application_name="everycent",
            options=_OPTIONS,
            client_encoding="utf8",
            connect_timeout=_CONNECT_TIMEOUT_S,
        )
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(
            f"the database does not answer ({first_line(error)}); see EVERYCENT_DATABASE_URL"
        ) from error
    except psycopg.ProgrammingError as error:  # not chained: the driver repeats the address, password and all
        said = first_line(error).partition(': "')[0]
        raise SettingsError(
            f"EVERYCENT_DATABASE_URL is not an address ({said}); right would be: postgresql://user@host:port/name"
        ) from None


def first_line(error: BaseException) -> str:
    """What a driver says, without its explanations."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
