"""Rows of a read-only query of a named PostgreSQL database: all of them, or those of some keys."""

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pyarrow as pa
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import ExecStatus
from pydantic import Field

from everycent.base.engine.declaration import Declaration, Variable
from everycent.base.engine.sql import identifier
from everycent.base.platform.bulk import copy_parts
from everycent.base.platform.database import first_line
from everycent.flow.intake.contract import RawRows
from everycent.proof.recon.chain import Keys, LinkFailed, Surroundings
from everycent.proof.recon.loaders.numbering import numbered

_TIMESTAMP, _TIMESTAMPTZ = 1114, 1184  # of pg_type


class PostgresWords(Declaration):
    """A query, and the database that answers it."""

    database: Variable = Field(description="the environment variable with the database's URL", examples=["ORDERS_DB"])
    statement: str = Field(
        description="a SELECT; %(as_of)s is the day, and where it is driven, %(column)s the array of a key column",
        examples=["SELECT order_id, state FROM orders WHERE order_id = ANY(%(order_id)s)"],
    )
    ordered: bool = Field(
        default=False, description="yes: the statement orders its rows, always the same way; no: they are ordered here"
    )
    timeout_ms: int = Field(
        default=600_000, ge=1, description="how long the query may take, in milliseconds", examples=[60_000]
    )


class Postgres:
    """The loader `postgres`. Values come as texts, exact; a row's line is its place in the rows' order."""

    name = "postgres"
    words = PostgresWords
    drivable = True

    def load(self, words: PostgresWords, around: Surroundings, keys: Keys | None) -> Iterator[RawRows]:
        """Parts as they come, in a transaction that cannot write. Raises LinkFailed."""
        url = _address(words, around)
        options = f"-c default_transaction_read_only=on -c statement_timeout={words.timeout_ms} -c timezone=UTC"
        try:
            with psycopg.connect(url, options=options, connect_timeout=10, client_encoding="utf8") as connection:
                connection.read_only = True
                statement = _bound(connection, words.statement, around, keys)
                names, query = _as_texts(connection, statement, ordered=words.ordered)
                schema = pa.schema([(name, pa.string()) for name in names])
                with closing(copy_parts(connection, query, schema)) as parts:
                    yield from numbered(parts, names, f"postgres:{words.database}")
                connection.rollback()
        except psycopg.OperationalError as error:
            raise LinkFailed(
                f"loader 'postgres': the database of {words.database} does not answer, or not in time: "
                f"{first_line(error)}"
            ) from None
        except psycopg.ProgrammingError as error:
            said = first_line(error).partition(': "')[0]
            raise LinkFailed(f"loader 'postgres': the database of {words.database} refused: {said}") from None
        except psycopg.Error as error:
            raise LinkFailed(f"loader 'postgres': the query of {words.database} failed: {first_line(error)}") from None


def _address(words: PostgresWords, around: Surroundings) -> str:
    """Raises LinkFailed without the address in it: where a password's @ or / is taken for the end of it, the driver
    would repeat the rest as the name of a host."""
    url = around.variable(words.database)
    try:
        said = conninfo_to_dict(url)
        wanted = not any("@" in str(said.get(part, "")) for part in ("host", "port", "dbname"))
    except psycopg.Error:
        wanted = False
    if not wanted:
        raise LinkFailed(
            f"loader 'postgres': {words.database} holds no address of a database; write "
            "postgresql://user:password@host:5432/name, with %40 for an @ and %2F for a / of the password"
        )
    return url


def _bound(connection: psycopg.Connection, statement: str, around: Surroundings, keys: Keys | None) -> str:
    """The statement with its parameters in it; every other `%` is itself."""
    given: dict[str, object] = {"as_of": around.as_of}
    if keys is not None:
        given |= {name: [row[at] for row in keys.rows] for at, name in enumerate(keys.columns)}
    with psycopg.ClientCursor(connection) as cursor:
        for name in given:
            statement = statement.replace(f"%({name})s", f"\0{name}\0")
        statement = statement.replace("%", "%%")
        for name in given:
            statement = statement.replace(f"\0{name}\0", f"%({name})s")
        return cursor.mogrify(statement.encode(), given).strip().rstrip(";")


def _as_texts(connection: psycopg.Connection, statement: str, *, ordered: bool) -> tuple[list[str], str]:
    """The columns, and a query that gives them as texts. The server has understood the statement by then, and as one
    alone: nothing can follow it."""
    connection.execute("SELECT 1")  # begins the transaction
    server = connection.pgconn
    for found in (server.prepare(b"", statement.encode()), server.describe_prepared(b"")):
        if found.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            raise psycopg.errors.error_from_result(found, encoding="utf-8")
    if not found.nfields:
        raise psycopg.DataError("it gives no rows; write a SELECT")
    names = [(found.fname(at) or b"").decode() for at in range(found.nfields)]
    given = ", ".join(f"c{at}" for at in range(len(names)))
    texts = ", ".join(_text(f"c{at}", found.ftype(at)) + f" AS {identifier(name)}" for at, name in enumerate(names))
    order = "" if ordered else 'ORDER BY given::text COLLATE "C"'
    return names, f"SELECT {texts} FROM ({statement}\n) AS given({given}) {order}"


def _text(column: str, kind: int) -> str:
    """ISO 8601 for times; everything else as the server writes it."""
    if kind == _TIMESTAMP:
        return f"""to_char({column}, 'YYYY-MM-DD"T"HH24:MI:SS.US')"""
    if kind == _TIMESTAMPTZ:
        return f"""to_char({column}, 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    return f"{column}::text"


LOADER = Postgres()
