"""A real service on the loopback interface that gives orders page by page or by key, with faults to order."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from served import Answering, served


@dataclass
class OrderService:
    """`rows` are given `size` a page. `faults`: statuses or bodies that are answered first, one a request."""

    rows: list[dict[str, Any]]
    size: int = 2
    url: str = ""
    faults: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    keys: list[list[Any]] = field(default_factory=list)
    seen_headers: list[str | None] = field(default_factory=list)

    def page(self, query: dict[str, list[str]]) -> Any:
        """By `page` (from 1), or after the mark `after`."""
        if "page" in query:
            start = (int(query["page"][0]) - 1) * self.size
            return {"data": {"rows": self.rows[start : start + self.size]}}
        start = int(query.get("after", ["0"])[0])
        end = start + self.size
        return {"data": {"rows": self.rows[start:end]}, "next": end if end < len(self.rows) else None}

    def of_keys(self, keys: list[dict[str, Any]]) -> Any:
        self.keys.append([key["order_id"] for key in keys])
        return {"data": {"rows": [row for row in self.rows if row["order_id"] in self.keys[-1]]}}


@contextmanager
def order_service(rows: list[dict[str, Any]], size: int = 2) -> Iterator[OrderService]:
    """The service while it runs."""
    service = OrderService(rows, size)

    class Handler(Answering):
        def do_GET(self) -> None:
            service.asked.append(self.path)
            self._answer(lambda: service.page(parse_qs(urlsplit(self.path).query)))

        def do_POST(self) -> None:
            asked = json.loads(self.body())["keys"]
            self._answer(lambda: service.of_keys(asked))

        def _answer(self, found: Any) -> None:
            service.seen_headers.append(self.headers.get("Authorization"))
            fault = service.faults.pop(0) if service.faults else None
            body = fault.encode() if isinstance(fault, str) else json.dumps(found()).encode()
            self.say(fault if isinstance(fault, int) else 200, body)

    with served(Handler) as address:
        service.url = address
        yield service
