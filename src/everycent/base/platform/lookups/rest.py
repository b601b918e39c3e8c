"""Look-ups by HTTP: in batches, each within a time, tried again with growing waits, and let be where they only fail."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import httpx

from everycent.base.platform.lookups.answers import Answer, Key, failed, matched

_FIRST_WAIT_S = 0.1
_ANSWER_BYTES_MAX = 64 * 1024 * 1024
#: How long a service that only fails is left alone before one request tries it again.
COOL_DOWN_S = 30.0


class _Failure(Exception):
    """A request that gave no answer; `final` where asking again would not help."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


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
        with httpx.Client(timeout=self.timeout_s, follow_redirects=False) as client:
            for start in range(0, len(keys), self.batch):
                part = keys[start : start + self.batch]
                found |= self._part(client, columns, part, value)
        return found

    def _part(self, client: httpx.Client, columns: Sequence[str], keys: Sequence[Key], value: str) -> dict[Key, Answer]:
        if self._failures >= self.give_up_after and self.clock() < self._open_until:
            return failed(keys, f"the service is left alone for a while after {self._failures} requests that failed")
        asked = {self.send: [dict(zip(columns, map(_plain, key), strict=True)) for key in keys]}
        try:
            rows = self._tried(client, asked)
        except _Failure as failure:
            self._failures += 1
            self._open_until = self.clock() + COOL_DOWN_S
            return failed(keys, str(failure))
        self._failures = 0
        return matched(columns, keys, value, rows)

    def _tried(self, client: httpx.Client, asked: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        for attempt in range(1, self.tries + 1):
            try:
                return self._asked(client, asked)
            except _Failure as failure:
                if failure.final or attempt == self.tries:
                    times = "" if attempt == 1 else f", {attempt} times"
                    raise _Failure(f"{failure}{times}") from None
            self.sleep(_FIRST_WAIT_S * 2 ** (attempt - 1))
        raise AssertionError("the last try returns or raises")

    def _asked(self, client: httpx.Client, asked: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """One request. Raises _Failure."""
        ends = self.clock() + self.timeout_s
        try:
            with client.stream("POST", self.url, json=asked) as response:
                if response.status_code != httpx.codes.OK:
                    final = response.status_code < 500 and response.status_code != httpx.codes.TOO_MANY_REQUESTS
                    raise _Failure(f"the service answered with status {response.status_code}", final=final)
                text = self._read(response, ends)
        except httpx.TimeoutException:
            raise _Failure(self._slow) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _Failure(f"the service cannot be reached ({type(error).__name__})") from None
        try:
            answer = json.loads(text, parse_float=Decimal, parse_constant=_no_number)
        except ValueError:
            raise _Failure("the service's answer is no JSON") from None
        rows = answer.get(self.rows) if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _Failure(f"the service's answer has no list of rows named '{self.rows}'")
        return rows

    def _read(self, response: httpx.Response, ends: float) -> bytes:
        """The answer's bytes; a server that sends a little now and then is slow, too."""
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if self.clock() > ends:
                raise _Failure(self._slow)
            if size > _ANSWER_BYTES_MAX:
                raise _Failure("the service's answer is too long", final=True)
        return b"".join(parts)

    @property
    def _slow(self) -> str:
        return f"the service did not answer within {round(self.timeout_s * 1000)} ms"


def _plain(value: str | int | date) -> str | int:
    return value.isoformat() if isinstance(value, date) else value


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
