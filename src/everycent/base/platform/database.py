"""Connections to PostgreSQL: autocommit, UTC, and nothing on the search path but PostgreSQL's own catalog."""

import psycopg
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGconn, PGresult
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


def ask_one(connection: Connection, query: str, *values: str) -> str | None:
    """The one value of a query's one row, as text; `values` are its `$1`, `$2`, ..., as PostgreSQL reads them.

    Straight by libpq: for a short question that is asked very often, of which the driver's own way would be a third.
    """
    assert connection.autocommit, "the driver would begin a transaction first"
    with connection.lock:
        server = connection.pgconn
        result = server.exec_params(query.encode(), [value.encode() for value in values])
    if result.status != ExecStatus.TUPLES_OK:
        raise failure(server, result)
    assert (result.ntuples, result.nfields) == (1, 1), "one row of one value"
    value = result.get_value(0, 0)
    return None if value is None else value.decode()


def failure(server: PGconn, result: PGresult) -> psycopg.Error:
    """The error of a result; one that broke the connection has no code of PostgreSQL's and is named here."""
    if server.status == ConnStatus.BAD:
        return psycopg.OperationalError(f"the connection broke: {server.get_error_message().strip()}")
    return psycopg.errors.error_from_result(result, encoding="utf-8")


def first_line(error: BaseException) -> str:
    """What a driver says, without its explanations."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
