"""What the services that are made up here share: HTTP on the loopback interface."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any

_BODY_BYTES_MAX = 1 << 20
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Answering(BaseHTTPRequestHandler):
    """Takes a request and answers it, without a word on the terminal."""

    def body(self) -> bytes:
        """What came."""
        return self.rfile.read(min(int(self.headers["Content-Length"] or 0), _BODY_BYTES_MAX))

    def say(self, status: int, text: bytes = b"", headers: Mapping[str, str] = _NO_HEADERS) -> None:
        """Answers."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""
        del format, args


@contextmanager
def served(handler: type[BaseHTTPRequestHandler], port: int = 0) -> Iterator[str]:
    """The address of a service while it runs, without a slash at its end."""
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
