"""The same rows offered by a real source of each sort, for loaders that can be asked by key."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from maria import Maria
from order_service import order_service
from row_service import row_service

LOADERS = ("grpc", "http", "mysql", "postgres")
COLUMNS = ("order_id", "paid", "note")
_TABLE = "SELECT {columns} FROM offered"
_KEYS = {"postgres": " WHERE order_id = ANY(%(order_id)s)", "mysql": " WHERE order_id IN %(order_id)s"}
#: An expression that fails for one row alone.
_DIES = {
    "postgres": "(1 / (CASE WHEN order_id = 'A3' THEN 0 ELSE 1 END))::text",
    "mysql": "CASE WHEN order_id = 'A3' THEN (SELECT order_id FROM offered) ELSE paid END",
}
_SLEEPS = {"postgres": "pg_sleep(30)::text", "mysql": "sleep(30)"}


@dataclass
class Offered:
    """A source: what a scenario writes below `load`, and what the environment holds."""

    words: dict[str, Any]
    environ: dict[str, str] = field(default_factory=dict)


@contextmanager
def offered(
    loader: str, rows: Sequence[dict[str, str]], database: Any, maria: Any, how: str = "", *, driven: bool = False
) -> Iterator[Offered]:
    """`rows` have COLUMNS, all texts. `how`: "dies": in the middle; "hangs"; "lacks": the column paid."""
    columns = [name for name in COLUMNS if not (how == "lacks" and name == "paid")]
    if loader in _KEYS:
        server: Maria | None = maria if loader == "mysql" else None
        _fill(rows, server, database)
        paid = {"dies": _DIES[loader], "hangs": _SLEEPS[loader]}.get(how, "paid")
        named = ", ".join(f"{paid} AS paid" if name == "paid" else name for name in columns)
        statement = _TABLE.format(columns=named) + (_KEYS[loader] if driven else "")
        url = server.url if server is not None else database.settings.database_url
        words = {"database": "SHOP", "statement": statement, "timeout_ms": 200 if how == "hangs" else 60_000}
        yield Offered({loader: words}, {"SHOP": url})
        return
    with _service(loader, [{name: row[name] for name in columns} for row in rows], columns, how) as found:
        yield found


def _fill(rows: Sequence[dict[str, str]], server: Maria | None, database: Any) -> None:
    kind = "varchar(100) COLLATE utf8mb4_bin" if server is not None else "text"
    quoted = ["(" + ", ".join("'" + row[name].replace("'", "''") + "'" for name in COLUMNS) + ")" for row in rows]
    statements = [
        "DROP TABLE IF EXISTS offered",
        f"CREATE TABLE offered ({', '.join(f'{name} {kind}' for name in COLUMNS)})",
        *([f"INSERT INTO offered VALUES {', '.join(quoted)}"] if rows else []),
    ]
    if server is not None:
        server.execute(*statements)
        return
    for statement in statements:
        database.connection.execute(statement.replace("offered", "public.offered"))


@contextmanager
def _service(loader: str, rows: list[dict[str, str]], columns: Sequence[str], how: str) -> Iterator[Offered]:
    limits = {"timeout_ms": 300, "tries": 1} if how == "hangs" else {"timeout_ms": 60_000}
    if loader == "grpc":
        with row_service(rows, columns) as service:
            service.faults = {"dies": [None, *[grpc.StatusCode.UNAVAILABLE] * 3], "hangs": [60.0]}.get(how, [])
            yield Offered(
                {"grpc": {"address": "SHOP", "source": "o", "page_rows": 2, **limits}}, {"SHOP": service.address}
            )
        return
    asked = {"address": "SHOP", "rows": "data.rows", "page": "page", **limits}
    if how == "hangs":
        with socket.create_server(("127.0.0.1", 0)) as silent:  # it takes what is asked, and says nothing
            yield Offered({"http": asked}, {"SHOP": f"http://127.0.0.1:{silent.getsockname()[1]}"})
        return
    with order_service(rows) as orders:
        orders.faults = [None, 500, 500, 500] if how == "dies" else []
        yield Offered({"http": asked}, {"SHOP": orders.url})
