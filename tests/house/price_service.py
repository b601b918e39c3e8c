"""A real service on the loopback interface that answers look-ups, with faults to order."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class PriceService:
    """Knows prices by category. `faults` are used up one by one, a request each; then it answers as it should.

    A fault: a status number, `slow`, `drip`, `no json`, `other shape`, `hang up`, `twice`, `twice differently`.
    """

    prices: dict[str, str]  # as they stand in the JSON text
    url: str = ""
    faults: list[Any] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)

    def answer(self, keys: list[dict[str, str]], fault: Any) -> bytes:
        rows = [f'{{"category": {json.dumps(key["category"])}, "price": {self.prices[key["category"]]}}}'
                for key in keys if key["category"] in self.prices]  # fmt: skip
        if fault == "twice":
            rows += rows
        if fault == "twice differently":
            rows += [row.replace('"price": ', '"price": 7') for row in rows]
        text = f'{{"rows": [{", ".join(rows)}]}}'
        return {"no json": text[:-3], "other shape": '{"rows": {"a": 1}}'}.get(fault, text).encode()


@contextmanager
def price_service(prices: dict[str, str]) -> Iterator[PriceService]:
    """The service while it runs."""
    service = PriceService(prices)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            keys = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["keys"]
            service.asked.append([key["category"] for key in keys])
            fault = service.faults.pop(0) if service.faults else None
            if fault == "hang up":
                self.close_connection = True
                return
            if fault == "slow":
                time.sleep(2.0)
            body = service.answer(keys, fault)
            self.send_response(fault if isinstance(fault, int) else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if fault == "drip":
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    time.sleep(0.05)
            else:
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda request, address: None  # type: ignore[method-assign]  # the asker hung up
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    service.url = f"http://127.0.0.1:{server.server_port}/prices"
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
