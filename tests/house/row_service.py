"""A real gRPC service on the loopback interface that gives rows page by page or by key, with faults to order."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from everycent.proof.recon.loaders.row_source.messages import METHOD, messages

Row = dict[str, str | None]


@dataclass
class RowService:
    """`faults`: codes of gRPC, seconds to wait, or whole answers, one a request; then the rows."""

    rows: Sequence[Row]
    columns: Sequence[str]
    address: str = ""
    faults: list[Any] = field(default_factory=list)
    asked: list[Any] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def answer(self, request: Any, context: Any) -> Any:
        """As the .proto says."""
        self.asked.append(request)
        self.tokens.append(dict(context.invocation_metadata()).get("authorization"))
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, grpc.StatusCode):
            context.abort(fault, "of s3cret at 10.0.0.1")
        if isinstance(fault, float):
            self.stop.wait(fault)
        elif fault is not None:
            return fault
        return self._page(request)

    def _page(self, request: Any) -> Any:
        rows = list(self.rows)
        if request.key_columns:
            keys = {tuple(key.values) for key in request.keys}
            rows = [row for row in rows if tuple(row[name] for name in request.key_columns) in keys]
        start = int(request.page or 0)
        end = start + request.page_rows
        return page(self.columns, rows[start:end], str(end) if end < len(rows) else "")


def page(columns: Sequence[str], rows: Sequence[Row], following: str = "") -> Any:
    """RowsResponse."""
    known = messages()
    return known.response(
        columns=[
            known.column(
                name=name,
                values=[row[name] or "" for row in rows],
                nulls=[at for at, row in enumerate(rows) if row[name] is None],
            )
            for name in columns
        ],
        next_page=following,
    )


@contextmanager
def row_service(
    rows: Sequence[Row], columns: Sequence[str] | None = None, credentials: Any = None
) -> Iterator[RowService]:
    """The service while it runs; with `credentials` it speaks TLS."""
    known = messages()
    service = RowService(rows, columns or list(rows[0]))
    server = grpc.server(ThreadPoolExecutor(4))
    _, package, method = METHOD.split("/")
    handler = grpc.unary_unary_rpc_method_handler(
        service.answer,
        request_deserializer=known.request.FromString,
        response_serializer=known.response.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(package, {method: handler}),))
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    service.address = f"localhost:{port}"
    server.start()
    try:
        yield service
    finally:
        service.stop.set()
        server.stop(None).wait()
