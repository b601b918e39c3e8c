"""A service outside of the house that is told things over HTTP, signed, and answers later by signed call-backs."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from everycent.base.platform.settings import SettingsError
from everycent.base.platform.signatures import bad_signature, signed

_TIMEOUT_S = 10.0


class NotReached(Exception):
    """The service did not take what it was told; the message says why. It is told again."""


class NotBelieved(Exception):
    """The service answered, but not in a way that can be believed; the message says why. It is asked again."""


_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def said_in(body: bytes) -> Any:
    """What a message in JSON says. Raises ValueError with what is wrong: it is no JSON, it has a name twice, of which
    nobody can tell the meant one, or a text of it holds a character that no database keeps."""
    try:
        return json.loads(body, object_pairs_hook=_sound)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("it is no JSON") from None


def _sound(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) != len(pairs):
        raise ValueError("it has a name twice")
    if any(_NOT_STORABLE.search(text) for pair in pairs for text in pair if isinstance(text, str)):
        raise ValueError("a text of it holds a character that no database keeps: U+0000, or half of a surrogate pair")
    return found


@dataclass(frozen=True, repr=False)
class SignedService:
    """Where the service is, and the secret that both sides sign with. A subclass says what it is called, and which
    settings have the two."""

    url: str
    secret: bytes

    called: ClassVar[str]
    url_setting: ClassVar[str]
    secret_setting: ClassVar[str]

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None) -> Self:
        """By its settings. Raises SettingsError."""
        env = os.environ if environ is None else environ
        url, secret = env.get(cls.url_setting, ""), env.get(cls.secret_setting, "")
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
            raise SettingsError(f"{cls.url_setting} is '{url}'; right would be: the service's address, https://...")
        if len(secret) < 16:
            said = f"{cls.secret_setting} has {len(secret)} characters; right would be: the shared secret, at least 16"
            raise SettingsError(said)
        return cls(url, secret.encode())

    def tell(self, message_id: UUID, said: Mapping[str, Any], now: datetime) -> None:
        """Sends one message; the same id says that it is the same one again. Raises NotReached."""
        answer = self._sent("POST", self.url, message_id, json.dumps(said, ensure_ascii=False).encode(), now)
        if not answer.is_success:
            raise NotReached(f"the {self.called} answers {answer.status_code}")

    def exchange(self, method: str, path: str, message_id: UUID, body: bytes, now: datetime) -> bytes:
        """Sends one message to a path below the service's address, and gives what it answers, which it has signed, too.

        An answer that refuses something (4xx) is one. Raises NotReached, NotBelieved.
        """
        answer = self._sent(method, self.url.rstrip("/") + path, message_id, body, now)
        if answer.status_code >= 500:
            raise NotReached(f"the {self.called} answers {answer.status_code}")
        bad = bad_signature(answer.headers, answer.content, self.secret, now)
        if bad is not None:
            raise NotBelieved(f"its answer ({answer.status_code}) is not signed by the shared secret, now ({bad})")
        return answer.content

    def _sent(self, method: str, url: str, message_id: UUID, body: bytes, now: datetime) -> httpx.Response:
        headers = {"content-type": "application/json", **signed(message_id, body, self.secret, now)}
        try:
            return httpx.request(method, url, content=body, headers=headers, timeout=_TIMEOUT_S)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise NotReached(f"the {self.called} was not reached: {error or type(error).__name__}") from None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
