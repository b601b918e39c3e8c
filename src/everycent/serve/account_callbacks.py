"""Receives the verification service's call-backs over HTTP."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from everycent.base.platform.database import DatabaseUnreachable, connect
from everycent.base.platform.settings import Settings
from everycent.flow.parties.service import ANSWER_BYTES_MAX, AccountPolicy, AnswerTaken, take_answer

#: What the sender is told: 2xx is an answer that need not come again, 4xx one that is refused, 503 one to send again.
_STATUS = {"taken": 200, "duplicate": 200, "refused": 422}
_UNSIGNED = ("signature_missing", "signature_wrong", "signature_stale")
_WAITS_S = 10.0


@contextmanager
def receiving(
    settings: Settings, model: str, policy: AccountPolicy, secret: bytes, host: str = "127.0.0.1", port: int = 0,
    told: Callable[[AnswerTaken], None] = lambda _: None,
) -> Iterator[str]:  # fmt: skip
    """Takes call-backs while it runs; gives the address that they are sent to. `told` of each."""

    def take(headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        try:
            with connect(settings) as connection:
                at = (connection, settings.tenant, model, policy, secret)
                taken = take_answer(*at, headers, body, datetime.now(UTC))
        except DatabaseUnreachable:
            return 503, {"outcome": "not_taken", "reason": "the books cannot be reached; send it again later"}
        told(taken)
        status = 401 if taken.refusal in _UNSIGNED else _STATUS[taken.outcome]
        return status, {"outcome": taken.outcome, "refusal": taken.refusal, "reason": taken.reason}

    class Handler(BaseHTTPRequestHandler):
        timeout = _WAITS_S

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not (length.isascii() and length.isdigit()):
                self._answer(411, {"outcome": "not_taken", "reason": "say how long it is, in Content-Length"})
                return
            body = self.rfile.read(min(int(length), ANSWER_BYTES_MAX + 1))
            self._answer(*take(dict(self.headers), body))

        def _answer(self, status: int, said: dict[str, Any]) -> None:
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer((host, port), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://{host}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
