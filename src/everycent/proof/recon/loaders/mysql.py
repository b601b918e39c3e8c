"""Rows of a read-only query of a named MySQL or MariaDB database: all of them, in ranges of a column, or of some keys.

The driver is an extra (`mysql`), imported only where the loader works. Rows are streamed by the server, not kept here.
"""

import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from everycent.base.engine.declaration import Declaration, Name, Variable
from everycent.flow.intake.contract import RawRows
from everycent.proof.recon.chain import Keys, LinkFailed, Surroundings
from everycent.proof.recon.loaders.drawing import drawn_in_order
from everycent.proof.recon.loaders.encryption import roots_of
from everycent.proof.recon.loaders.numbering import numbered

_PORT = 3306
_CONNECT_S = 10
#: As Python objects a part is many times as large as in Arrow.
_ROWS_PER_PART = 20_000
_PARAMETER = re.compile(r"%\(([^)]+)\)s")
_ZERO_DATE = "0000-00-00"
# Types of columns, by the protocol's numbers.
_TIMESTAMP, _DATE, _DATETIME, _BIT = 7, 10, 12, 16
# Numbers of errors: of the client's own from 2000 to 2999, of statements that took too long (MariaDB, MySQL).
_CLIENTS_OWN = range(2000, 3000)
_TOO_LONG = (1969, 3024)
_LOGINS = (1044, 1045, 1049, 1130, 1698)


class PartedSpec(Declaration):
    """The query in ranges of a whole number, each on a connection of its own."""

    by: Name = Field(description="a column of the query that holds whole numbers", examples=["id"])
    parts: int = Field(default=4, ge=1, le=64, description="into how many ranges", examples=[8])


class MysqlWords(Declaration):
    """A query, and the database that answers it."""

    database: Variable = Field(
        description="the environment variable with the database's URL, mysql://user:password@host:3306/name",
        examples=["ORDERS_DB"],
    )
    statement: str = Field(
        description="a SELECT; %(as_of)s is the day, and where it is driven, %(column)s the list of a key column and "
        "%(keys)s the list of whole keys",
        examples=["SELECT order_id, state FROM orders WHERE order_id IN %(order_id)s"],
    )
    ordered: bool = Field(
        default=False, description="yes: the statement orders its rows, always the same way; no: they are ordered here"
    )
    parted: PartedSpec | None = Field(
        default=None, description="asked in ranges of a column, at once", examples=[{"by": "id", "parts": 8}]
    )
    tls: bool = Field(default=False, description="yes: nothing but an encrypted connection to whom the name says")
    roots: Variable | None = Field(
        default=None, description="with tls, the environment variable with the path of your own authorities (PEM)"
    )
    timeout_ms: int = Field(
        default=600_000, ge=1, description="how long the query may take, in milliseconds", examples=[60_000]
    )


class Mysql:
    """The loader `mysql`. Values come as texts, exact; a row's line is its place in the rows' order."""

    name = "mysql"
    words = MysqlWords
    drivable = True

    def load(self, words: MysqlWords, around: Surroundings, keys: Keys | None) -> Iterator[RawRows]:
        """Parts as they come, in transactions that cannot write. Raises LinkFailed."""
        driver = _driver()
        address = _address(words, around)
        parts = words.parted.parts if words.parted is not None and keys is None else 1
        try:
            with ExitStack() as closing:
                open_ones = [closing.enter_context(_connected(driver, address, words, around)) for _ in range(parts)]
                first = open_ones[0]
                query = _Query(first, words, _bound(first, words.statement, around, keys))
                columns = query.columns
                found = query.whole() if parts == 1 else query.ranges(open_ones)
                yield from numbered(found, columns, f"mysql:{words.database}")
        except (driver.Error, OSError) as error:
            raise LinkFailed(f"loader 'mysql': the database of {words.database} {_told(error, driver)}") from None


def _driver() -> Any:
    try:
        import pymysql
    except ImportError:
        raise LinkFailed("loader 'mysql' needs the extra 'mysql'; install everycent[mysql]") from None
    return pymysql


def _address(words: MysqlWords, around: Surroundings) -> SplitResult:
    """Raises LinkFailed, without the address in it."""
    try:
        address = urlsplit(around.variable(words.database))
        wanted = address.scheme in ("mysql", "mariadb") and address.hostname and address.path.strip("/")
        assert wanted and address.port != 0
    except (ValueError, AssertionError):
        raise LinkFailed(
            f"loader 'mysql': {words.database} holds no address of a database; write mysql://user:password@host:3306/name"
        ) from None
    return address


@contextmanager
def _connected(driver: Any, address: SplitResult, words: MysqlWords, around: Surroundings) -> Iterator[Any]:
    """A connection whose transaction sees one moment and cannot write, with times in UTC."""
    seconds = -(-words.timeout_ms // 1000)
    context = None
    if words.tls:
        context = _trusting(words, around)
    connection = driver.connect(
        host=address.hostname,
        port=address.port or _PORT,
        user=unquote(address.username or ""),
        password=unquote(address.password or ""),
        database=unquote(address.path.strip("/")),
        charset="utf8mb4",
        connect_timeout=_CONNECT_S,
        read_timeout=seconds + _CONNECT_S,
        conv=driver.converters.encoders,  # nothing is decoded: values stay as the server writes them
        cursorclass=driver.cursors.SSCursor,
        ssl=context,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT version()")
            ((version,),) = cursor.fetchall()
            limit = f"max_statement_time = {words.timeout_ms / 1000:.3f}"
            if "MariaDB" not in version:
                limit = f"max_execution_time = {words.timeout_ms}"
            cursor.execute(f"SET SESSION {limit}, net_write_timeout = {seconds}, time_zone = '+00:00'")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        yield connection
    finally:
        if connection._result is not None:
            connection._result.unbuffered_active = False  # it would read what is left of a stream before it closes
        connection.close()


def _trusting(words: MysqlWords, around: Surroundings) -> ssl.SSLContext:
    roots = roots_of(words.roots, around)
    try:
        return ssl.create_default_context(cadata=None if roots is None else roots.decode())
    except (ssl.SSLError, UnicodeDecodeError):
        raise LinkFailed(f"loader 'mysql': the file that {words.roots} names holds no authorities (PEM)") from None


def _bound(connection: Any, statement: str, around: Surroundings, keys: Keys | None) -> str:
    """The statement with its parameters in it; every other `%` is itself."""
    given: dict[str, str] = {"as_of": connection.escape(around.as_of.isoformat())}
    if keys is not None:
        rows = [[connection.escape(value) for value in row] for row in keys.rows]
        given |= {name: _listed([row[at] for row in rows]) for at, name in enumerate(keys.columns)}
        given["keys"] = _listed([_listed(row) for row in rows])
    bound = _PARAMETER.sub(lambda found: given.get(found[1], found[0]), statement)
    return bound.strip().rstrip(";")


def _listed(texts: Sequence[str]) -> str:
    return f"({', '.join(texts)})"


class _Query:
    """A statement that the server has understood, as one alone and as rows: nothing can follow it."""

    def __init__(self, connection: Any, words: MysqlWords, statement: str) -> None:
        self._connection, self._words, self._statement = connection, words, statement
        with connection.cursor() as cursor:
            cursor.execute(f"PREPARE everycent FROM {connection.escape(statement)}")
            cursor.execute(f"SELECT * FROM ({statement}\n) AS given LIMIT 0")
            self.columns = [name for name, *_ in cursor.description]
        texts = (f"coalesce(hex(cast({_quoted(name)} AS binary)), '-')" for name in self.columns)
        self._order = f"md5(concat_ws(',', {', '.join(texts)}))"  # rows alike may change places, no others

    def whole(self) -> Iterator[pa.Table]:
        """All rows, one after the other."""
        ordered = self._statement
        if not self._words.ordered:
            ordered = f"SELECT * FROM ({self._statement}\n) AS given ORDER BY {self._order}"
        return _parts(self._connection, ordered)

    def ranges(self, connections: Sequence[Any]) -> Iterator[pa.Table]:
        """All rows, range after range, each on one of the connections. Raises LinkFailed."""
        assert self._words.parted is not None, "it is asked in ranges"
        column = self._words.parted.by
        if column not in self.columns:
            raise LinkFailed(f"loader 'mysql': parted: the query has no column '{column}'; it has {self._told}")
        least, most = self._bounds(column)
        by = _quoted(column)
        wheres = []
        for low, high in ranges_of(least, most, len(connections)):
            # The ends are open: another connection may see rows that came a moment later.
            lower = "true" if low == least else f"{by} >= {low}"
            upper = "true" if high == most else f"{by} <= {high}"
            wheres.append(f"({lower} AND {upper})" + (f" OR {by} IS NULL" if low == least else ""))
        queries = [
            f"SELECT * FROM ({self._statement}\n) AS given WHERE {where} ORDER BY {by}, {self._order}"
            for where in wheres
        ]
        return drawn_in_order(
            [_parts(connection, query) for connection, query in zip(connections, queries, strict=False)]
        )

    def _bounds(self, column: str) -> tuple[int, int]:
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT min({_quoted(column)}), max({_quoted(column)}) FROM ({self._statement}\n) AS given")
            ((least, most),) = cursor.fetchall()
        try:
            return int(least or 0), int(most or 0)
        except ValueError:
            raise LinkFailed(f"loader 'mysql': parted: '{column}' holds {least}, and not whole numbers") from None

    @property
    def _told(self) -> str:
        return ", ".join(self.columns)


def ranges_of(least: int, most: int, parts: int) -> list[tuple[int, int]]:
    """The whole numbers from `least` to `most` in so many ranges of about one width, or fewer; each is in one."""
    width = -(-(most - least + 1) // parts)
    return [(low, min(low + width - 1, most)) for low in range(least, most + 1, width)]


def _parts(connection: Any, query: str) -> Iterator[pa.Table]:
    """The rows as they come, as texts."""
    cursor = connection.cursor()
    cursor.execute(query)
    names, kinds = [each[0] for each in cursor.description], [each[1] for each in cursor.description]
    while rows := cursor.fetchmany(_ROWS_PER_PART):
        columns = zip(zip(*rows, strict=True), kinds, strict=True)
        yield pa.table([_texts(values, kind) for values, kind in columns], names=names)


def _texts(values: Sequence[Any], kind: int) -> pa.Array:
    """ISO 8601 for times, null for the day zero; bytes as hexadecimal; everything else as the server writes it."""
    if kind == _BIT:
        values = [None if value is None else str(int.from_bytes(value, "big")) for value in values]
    elif any(isinstance(value, bytes) for value in values):
        values = [value.hex() if isinstance(value, bytes) else value for value in values]
    texts = pa.array(values, pa.string())
    if kind not in (_DATE, _DATETIME, _TIMESTAMP):
        return texts
    texts = pc.if_else(pc.starts_with(texts, _ZERO_DATE), pa.scalar(None, pa.string()), texts)
    times = texts if kind == _DATE else pc.replace_substring(texts, " ", "T")
    return pc.binary_join_element_wise(times, "Z", "") if kind == _TIMESTAMP else times


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _told(error: Exception, driver: Any) -> str:
    """What went wrong, without an address or a name that the environment keeps."""
    code, said = (*error.args, "", "")[:2]
    if isinstance(code, int) and code in _TOO_LONG:
        return "did not answer in time; raise timeout_ms, or ask for less"
    if isinstance(code, int) and code in _LOGINS:
        return "refuses the login"
    if not isinstance(error, driver.Error) or not isinstance(code, int) or code in _CLIENTS_OWN:
        return "does not answer, or no longer"
    return f"refused: {str(said).splitlines()[0] if said else code}"


LOADER = Mysql()
