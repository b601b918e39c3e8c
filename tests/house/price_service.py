"""A real service on the loopback interface that answers look-ups, with faults to order."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from served import Answering, served


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

    class Handler(Answering):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            keys = json.loads(self.body())["keys"]
            service.asked.append([key["category"] for key in keys])
            fault = service.faults.pop(0) if service.faults else None
            if fault == "hang up":
                self.close_connection = True
                return
            if fault == "slow":
                time.sleep(2.0)
            body = service.answer(keys, fault)
            with suppress(ConnectionError):  # the asker hung up
                if fault == "drip":
                    self._drip(body)
                else:
                    self.say(fault if isinstance(fault, int) else 200, body)

        def _drip(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            for byte in body:
                self.wfile.write(bytes([byte]))
                time.sleep(0.05)

    with served(Handler) as address:
        service.url = f"{address}/prices"
        yield service
