"""Rows of a gRPC service that offers `RowSource` (row_source/everycent_rows.proto): page by page, or looked up by key.

The library is an extra (`grpc`), imported only where the loader works.
"""

import time
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from pydantic import Field

from everycent.base.engine.declaration import Declaration, Variable
from everycent.flow.intake.contract import RawRows
from everycent.proof.recon.chain import Keys, LinkFailed, Surroundings
from everycent.proof.recon.loaders.encryption import roots_of
from everycent.proof.recon.loaders.numbering import numbered
from everycent.proof.recon.loaders.row_source.messages import METHOD, Messages, messages

_ANSWER_BYTES_MAX = 64 * 1024 * 1024
_FIRST_WAIT_S = 0.1
#: Codes of gRPC after which asking again may help.
_AGAIN = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED")


class GrpcWords(Declaration):
    """A service, and which of its rows."""

    address: Variable = Field(
        description="the environment variable with the service's host:port", examples=["ORDERS_GRPC"]
    )
    source: str = Field(description="which rows, in the service's own words", examples=["orders"])
    page_rows: int = Field(default=10_000, ge=1, le=1_000_000, description="rows that are asked for in one page")
    pages_most: int = Field(default=100_000, ge=1, description="more pages than these are an error")
    token: Variable | None = Field(default=None, description="the environment variable with a bearer token")
    tls: bool = Field(default=False, description="yes: nothing but an encrypted connection to whom the name says")
    roots: Variable | None = Field(
        default=None, description="with tls, the environment variable with the path of your own authorities (PEM)"
    )
    timeout_ms: int = Field(default=10_000, ge=1, description="how long one answer may take, in milliseconds")
    tries: int = Field(default=3, ge=1, le=10, description="how often a page is asked for before it counts as failed")


class Grpc:
    """The loader `grpc`. A row's line is its place in the order of the answers."""

    name = "grpc"
    words = GrpcWords
    drivable = True

    def load(self, words: GrpcWords, around: Surroundings, keys: Keys | None) -> Iterator[RawRows]:
        """A part for each page. Raises LinkFailed."""
        try:
            import grpc

            known = messages()
        except ImportError:
            raise LinkFailed("loader 'grpc' needs the extra 'grpc'; install everycent[grpc]") from None
        with _channel(grpc, words, around) as channel:
            service = _RowSource(grpc, known, channel, words, around)
            yield from numbered(service.pages(keys), (), f"grpc:{words.address}/{words.source}")


def _channel(grpc: Any, words: GrpcWords, around: Surroundings) -> Any:
    address = around.variable(words.address)
    options = [("grpc.max_receive_message_length", _ANSWER_BYTES_MAX), ("grpc.enable_retries", 0)]
    if not words.tls:
        return grpc.insecure_channel(address, options)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(roots_of(words.roots, around)), options)


class _RowSource:
    """The service, asked within a time and asked again with growing waits."""

    def __init__(self, grpc: Any, known: Messages, channel: Any, words: GrpcWords, around: Surroundings) -> None:
        self._grpc, self._known, self._words = grpc, known, words
        self._as_of = around.as_of.isoformat()
        token = None if words.token is None else around.variable(words.token)
        self._metadata = () if token is None else (("authorization", f"Bearer {token}"),)
        self._ask = channel.unary_unary(
            METHOD,
            request_serializer=known.request.SerializeToString,
            response_deserializer=known.response.FromString,
        )

    def pages(self, keys: Keys | None) -> Iterator[pa.Table]:
        """Raises LinkFailed."""
        request = self._known.request(source=self._words.source, as_of=self._as_of, page_rows=self._words.page_rows)
        if keys is not None:
            request.key_columns.extend(keys.columns)
            request.keys.extend(self._known.key(values=row) for row in keys.rows)
        for _ in range(self._words.pages_most):
            page = self._page(request)
            yield self._table(page)
            if not page.next_page:
                return
            if page.next_page == request.page:
                raise self._failed(f"the mark of the next page, '{page.next_page}', is this page's own")
            request.page = page.next_page
        raise self._failed(f"it has more than {self._words.pages_most} pages; raise pages_most if that is right")

    def _page(self, request: Any) -> Any:
        tries = self._words.tries
        for attempt in range(1, tries + 1):
            try:
                return self._ask(request, timeout=self._words.timeout_ms / 1000, metadata=self._metadata)
            except self._grpc.RpcError as error:
                code = error.code().name
                if code not in _AGAIN or attempt == tries:
                    times = "" if attempt == 1 else f", {attempt} times"
                    raise self._failed(f"{self._told(code)}{times}") from None
            time.sleep(_FIRST_WAIT_S * 2 ** (attempt - 1))
        raise AssertionError("the last try returns or raises")

    def _told(self, code: str) -> str:
        """Without the service's own words, which may hold addresses."""
        if code == "DEADLINE_EXCEEDED":
            return f"the service did not answer within {self._words.timeout_ms} ms"
        if code == "UNAVAILABLE":
            return "the service cannot be reached"
        if code == "UNIMPLEMENTED":
            return "the service does not offer everycent.recon.v1.RowSource"
        return f"the service answered {code}"

    def _table(self, page: Any) -> pa.Table:
        counts = {len(column.values) for column in page.columns}
        if len(counts) > 1:
            raise self._failed(f"its columns have {' and '.join(map(str, sorted(counts)))} values; all have as many")
        names = [column.name for column in page.columns]
        if len(set(names)) != len(names):
            raise self._failed(f"it names a column twice: {', '.join(names)}")
        return pa.table([self._texts(column) for column in page.columns], names=names)

    def _texts(self, column: Any) -> pa.Array:
        values = list(column.values)
        for at in column.nulls:
            if at >= len(values):
                raise self._failed(f"column '{column.name}' has no value in row {at}, and has {len(values)} rows")
            values[at] = None
        return pa.array(values, pa.string())

    def _failed(self, said: str) -> LinkFailed:
        return LinkFailed(f"loader 'grpc': {self._words.address}: {said}")


LOADER = Grpc()
