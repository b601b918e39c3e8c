"""A local service that repairs: remembers keys, and fails as it is told."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Service:
    """`answers`: status codes to give, in turn; 0 closes the connection without one; then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # (Idempotency-Key, body)
    states: dict[str, str] = field(default_factory=dict)  # by key, what GET says
    raw: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)  # headers and bytes, as they came


@contextmanager
def repair_service() -> Iterator[Service]:
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            service.raw.append((self.headers, content))
            service.got.append((self.headers["Idempotency-Key"], json.loads(content)))
            status = service.answers.pop(0) if service.answers else 200
            if status == 0:
                self.close_connection = True
                return
            if status == 200:
                service.states[self.headers["Idempotency-Key"]] = "done"
            self._say(status, {"ok": status == 200})

        def do_GET(self) -> None:
            state = service.states.get(self.path.rpartition("/")[2])
            self._say(404 if state is None else 200, {"state": state})

        def _say(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_port}/repairs"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
