"""What the services of the tests share: HTTP on the loopback interface, and signed call-backs."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import httpx

from everycent.base.platform.signatures import signed


class Answering(BaseHTTPRequestHandler):
    """Takes a request and answers it, without a word on the terminal."""

    def body(self) -> bytes:
        """What came."""
        return self.rfile.read(int(self.headers["Content-Length"]))

    def say(self, status: int, text: bytes = b"", headers: Mapping[str, str] = MappingProxyType({})) -> None:
        """Answers."""
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        del format, args


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a service while it runs, without a slash at its end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def call_back(address: str, said: object, secret: bytes) -> tuple[int, dict[str, Any]]:
    """Sends a signed call-back; its status and what came back."""
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    heard = httpx.post(address, content=body, headers=signed(uuid4(), body, secret, datetime.now(UTC)))
    return heard.status_code, heard.json()
