"""A local service that repairs: remembers keys, and fails as it is told."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from served import Answering, served


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

    class Handler(Answering):
        def do_POST(self) -> None:
            content = self.body()
            service.raw.append((self.headers, content))
            service.got.append((self.headers["Idempotency-Key"], json.loads(content)))
            status = service.answers.pop(0) if service.answers else 200
            if status == 0:
                self.close_connection = True
                return
            if status == 200:
                service.states[self.headers["Idempotency-Key"]] = "done"
            self.say(status, json.dumps({"ok": status == 200}).encode())

        def do_GET(self) -> None:
            state = service.states.get(self.path.rpartition("/")[2])
            self.say(404 if state is None else 200, json.dumps({"state": state}).encode())

    with served(Handler) as address:
        service.url = f"{address}/repairs"
        yield service
