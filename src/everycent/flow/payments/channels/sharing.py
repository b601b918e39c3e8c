"""Profit sharing at a wallet's service, signed as orders are (rest.py).

    GET <url>/shares/<payment>     {"requests": [{"order", "does", "shares": [[receiver, fen], ...], "state"}, ...]}
    POST <url>/shares              {"order", "payment", "does", "shares"}, answered with {"order", "state"}

`order` is the request's key; the service does what comes again under its key once.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

from everycent.flow.payments.channels.rest import signed_request
from everycent.flow.payments.contract import NoAnswer
from everycent.flow.payments.core.sharing import Asked, Does, Had

_STATES = ("accepted", "paid", "refused", "returned")


@dataclass
class SharingChannel:
    """A service at `url`. `clock_s`: seconds since 1970."""

    url: str
    secret: str = field(repr=False)
    timeout_s: float
    clock_s: Callable[[], int]

    def had(self, payment: str) -> list[Had]:
        """All that it has of a payment. Raises NoAnswer, NotSent."""
        told = self._asked("GET", f"/shares/{quote(payment, safe='')}", b"", payment)
        try:
            return [
                Had(
                    UUID(hex=each["order"]),
                    Does(each["does"]),
                    tuple((str(receiver), _fen(amount)) for receiver, amount in each["shares"]),
                    _state(each),
                )
                for each in told["requests"]
            ]
        except (KeyError, TypeError, ValueError) as odd:
            raise NoAnswer(f"the wallet's answer about {payment} cannot be read ({odd})") from None

    def send(self, asked: Asked) -> str:
        """Sends a request; its state. Raises NoAnswer, NotSent."""
        order = {"order": asked.key.hex, "payment": asked.payment, "does": asked.does, "shares": asked.shares}
        told = self._asked("POST", "/shares", json.dumps(order).encode(), asked.key.hex)
        try:
            if told["order"] != asked.key.hex:
                raise NoAnswer(f"the wallet's answer is about another request, {told['order']}")
            return _state(told)
        except (KeyError, TypeError, ValueError) as odd:
            raise NoAnswer(f"the wallet's answer cannot be read ({odd})") from None

    def _asked(self, method: str, path: str, body: bytes, key: str) -> Any:
        address = self.url.rstrip("/") + path
        response = signed_request(self.secret, self.clock_s(), self.timeout_s, method, address, body, key)
        if response.status_code != 200:
            raise NoAnswer(f"the payment service answered with status {response.status_code}")
        try:
            return json.loads(response.content)
        except (ValueError, RecursionError):
            raise NoAnswer("the payment service's answer is no JSON") from None


def _state(told: Any) -> str:
    if told["state"] not in _STATES:
        raise ValueError(f"no state: {told['state']}")
    return str(told["state"])


def _fen(amount: object) -> int:
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise TypeError("an amount is no whole number")
    return amount
