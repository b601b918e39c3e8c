"""Look-ups by HTTP: in batches, each within a time, tried again with growing waits, and let be where they only fail."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import httpx

from everycent.base.platform.lookups.answers import Answer, Key, failed, matched
from everycent.base.platform.lookups.service import NoAnswer, Service, exact_json

#: How long a service that only fails is left alone before one request tries it again.
COOL_DOWN_S = 30.0


@dataclass
class RestLookUp:
    """A service at `url`: gets {send: [{column: value}]} by POST, answers {rows: [{column: value, ...}]}.

    Numbers in an answer are read exactly. `clock` counts seconds, `sleep` waits them.
    """

    url: str
    send: str
    rows: str
    batch: int
    timeout_s: float
    tries: int
    give_up_after: int
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _failures: int = field(default=0, init=False)  # requests in a row
    _open_until: float = field(default=0.0, init=False)

    def fetch(self, columns: Sequence[str], keys: Sequence[Key], value: str) -> Mapping[Key, Answer]:
        """An answer for each key; a request that fails is one for all of its keys."""
        found: dict[Key, Answer] = {}
        service = Service(self.url, self.timeout_s, self.tries, self.clock, self.sleep)
        with service.client() as client:
            for start in range(0, len(keys), self.batch):
                part = keys[start : start + self.batch]
                found |= self._part(service, client, columns, part, value)
        return found

    def _part(
        self, service: Service, client: httpx.Client, columns: Sequence[str], keys: Sequence[Key], value: str
    ) -> dict[Key, Answer]:
        if self._failures >= self.give_up_after and self.clock() < self._open_until:
            return failed(keys, f"the service is left alone for a while after {self._failures} requests that failed")
        asked = {self.send: [dict(zip(columns, map(_plain, key), strict=True)) for key in keys]}
        try:
            rows = service.ask(client, "POST", self._rows, json=asked)
        except NoAnswer as failure:
            self._failures += 1
            self._open_until = self.clock() + COOL_DOWN_S
            return failed(keys, str(failure))
        self._failures = 0
        return matched(columns, keys, value, rows)

    def _rows(self, text: bytes) -> list[Mapping[str, Any]]:
        answer = exact_json(text)
        rows = answer.get(self.rows) if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise NoAnswer(f"the service's answer has no list of rows named '{self.rows}'")
        return rows


def _plain(value: str | int | date) -> str | int:
    return value.isoformat() if isinstance(value, date) else value
