"""Call-backs over HTTP: whoever asked a service about something is told the answer here, by POST."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeVar

from everycent.base.platform.database import DatabaseUnreachable
from everycent.base.platform.signatures import bad_signature

#: The path, the headers and the body of a call-back -> the status and what is answered, for JSON.
Take = Callable[[str, Mapping[str, str], bytes], tuple[int, dict[str, Any]]]

_WAITS_S = 10.0


class Heard(Protocol):
    """What came of a call-back; its fields are what is answered."""

    @property
    def status(self) -> int:
        """What its sender is told."""


AHeard = TypeVar("AHeard", bound=Heard)


def hearing(
    hear: Callable[[Mapping[str, str], bytes, datetime], AHeard],
    told: Callable[[AHeard], None],
    bytes_max: int,
    host: str,
    port: int,
) -> AbstractContextManager[str]:
    """`listening`, where `hear` takes a call-back in, and `told` is told what came of each."""

    def take(_path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        heard = hear(headers, body, datetime.now(UTC))
        told(heard)
        return heard.status, dict(vars(heard))

    return listening(take, bytes_max, host, port)


def unheard(
    headers: Mapping[str, str], body: bytes, secret: bytes, bytes_max: int, now: datetime
) -> tuple[str, str] | None:
    """Why a call-back is not even read: the name of the rule that it breaks, and in words."""
    if len(body) > bytes_max:
        return "too_long", f"a call-back has {bytes_max} bytes at most"
    bad = bad_signature(headers, body, secret, now)
    if bad is None:
        return None
    said = "it is not signed by the shared secret, now; see webhook-id, webhook-timestamp, webhook-signature"
    return bad.value, said


@contextmanager
def listening(take: Take, bytes_max: int, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Takes call-backs while it runs; gives the address that they are sent to. Of a longer body than `bytes_max` one
    byte more is given. What the books cannot take now, since they cannot be reached, is to be sent again.

    Raises OSError where the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = _WAITS_S

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not (length.isascii() and length.isdigit()):
                self._answer(411, {"outcome": "not_taken", "reason": "say how long it is, in Content-Length"})
                return
            body = self.rfile.read(min(int(length), bytes_max + 1))
            try:
                status, said = take(self.path, dict(self.headers), body)
            except DatabaseUnreachable:
                reason = "the books cannot be reached; send it again later"
                status, said = 503, {"outcome": "not_taken", "reason": reason}
            self._answer(status, said)

        def _answer(self, status: int, said: dict[str, Any]) -> None:
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    try:
        server = ThreadingHTTPServer((host, port), Handler)
    except OSError as error:
        said = f"nothing can listen at {host}, port {port}: {error.strerror}; name another port"
        raise OSError(error.errno, said) from None
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://{host}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
