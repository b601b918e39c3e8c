"""A service on the network: asked within a time, asked again with growing waits, its answer not longer than a limit."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import httpx

from everycent.base.engine.json_names import NameTwice, named_once

_FIRST_WAIT_S = 0.1
_ANSWER_BYTES_MAX = 64 * 1024 * 1024

Read = TypeVar("Read")


class NoAnswer(Exception):
    """A request that gave no answer; `final` where asking again would not help."""

    def __init__(self, why: str, *, final: bool = False) -> None:
        super().__init__(why)
        self.final = final


@dataclass
class Service:
    """Where and how it is asked. `clock` counts seconds, `sleep` waits them."""

    url: str
    timeout_s: float
    tries: int
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)

    def client(self) -> httpx.Client:
        """For several questions."""
        return httpx.Client(timeout=self.timeout_s, follow_redirects=False, headers=dict(self.headers))

    def ask(self, client: httpx.Client, method: str, read: Callable[[bytes], Read], **asked: Any) -> Read:
        """What `read` makes of the answer to `client.request(method, url, **asked)`; it may raise NoAnswer, too."""
        for attempt in range(1, self.tries + 1):
            try:
                return read(self._once(client, method, asked))
            except NoAnswer as failure:
                if failure.final or attempt == self.tries:
                    times = "" if attempt == 1 else f", {attempt} times"
                    raise NoAnswer(f"{failure}{times}") from None
            self.sleep(_FIRST_WAIT_S * 2 ** (attempt - 1))
        raise AssertionError("the last try returns or raises")

    def _once(self, client: httpx.Client, method: str, asked: Mapping[str, Any]) -> bytes:
        ends = self.clock() + self.timeout_s
        try:
            with client.stream(method, self.url, **asked) as response:
                if response.status_code != httpx.codes.OK:
                    final = response.status_code < 500 and response.status_code != httpx.codes.TOO_MANY_REQUESTS
                    raise NoAnswer(f"the service answered with status {response.status_code}", final=final)
                return self._read(response, ends)
        except httpx.TimeoutException:
            raise NoAnswer(self._slow) from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NoAnswer(f"the service cannot be reached ({type(error).__name__})") from None

    def _read(self, response: httpx.Response, ends: float) -> bytes:
        """The answer's bytes; a server that sends a little now and then is slow, too."""
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if self.clock() > ends:
                raise NoAnswer(self._slow)
            if size > _ANSWER_BYTES_MAX:
                raise NoAnswer("the service's answer is too long", final=True)
        return b"".join(parts)

    @property
    def _slow(self) -> str:
        return f"the service did not answer within {round(self.timeout_s * 1000)} ms"


def exact_json(text: bytes) -> Any:
    """JSON whose numbers are exact. Raises NoAnswer."""
    try:
        return json.loads(text, object_pairs_hook=named_once, parse_float=Decimal, parse_constant=_no_number)
    except NameTwice as twice:
        raise NoAnswer(f"in the service's answer {twice}") from None
    except (ValueError, RecursionError):
        raise NoAnswer("the service's answer is no JSON") from None


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")
