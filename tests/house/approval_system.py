"""A real approval system on the loopback interface: it keeps what it is told, once each, and answers when told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import uuid4

import httpx

from everycent.base.platform.signatures import bad_signature, signed

SECRET = b"between the two of us"


@dataclass
class OutsideApprovals:
    """`told`: what it was told, by the message's id; `deaf`: it answers 503 as long as this is so."""

    url: str = ""
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    deaf: bool = False
    unsigned: int = 0

    def answer(self, address: str, said: object, secret: bytes = SECRET) -> tuple[int, dict[str, Any]]:
        """Sends a call-back; its status and what came back."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        heard = httpx.post(address, content=body, headers=signed(uuid4(), body, secret, datetime.now(UTC)))
        return heard.status_code, heard.json()


@contextmanager
def outside_approvals() -> Iterator[OutsideApprovals]:
    """The system while it runs."""
    system = OutsideApprovals()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bad = bad_signature(dict(self.headers), body, SECRET, datetime.now(UTC))
            system.unsigned += bad is not None
            if bad is None and not system.deaf:
                system.told[self.headers["webhook-id"]] = json.loads(body)
            self.send_response(401 if bad else 503 if system.deaf else 202)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    system.url = f"http://127.0.0.1:{server.server_port}/requests"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield system
    finally:
        server.shutdown()
        server.server_close()
