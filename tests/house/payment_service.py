"""A real payment service on the loopback interface: signed orders, answers to order, and a memory of what it paid."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from served import Answering, served

from everycent.flow.payments.channels.signing import refuse_unsigned
from everycent.flow.payments.contract import ComeBackRefused

SECRET = "between us"


@dataclass
class PaymentService:
    """`faults` are used up one by one, a request each: a status number, `hang up` (after taking the order), `no json`,
    `other order`. `paid`: how often each order was carried out. `shares`: what it has of each payment; `sent`: the keys
    of all requests to share one, as they came."""

    url: str = ""
    faults: list[Any] = field(default_factory=list)
    paid: dict[str, int] = field(default_factory=dict)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    idempotent: bool = True
    unsigned: int = 0
    shares: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    def shared(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Shares a payment, a request once."""
        self.sent.append(asked["order"])
        had = self.shares.setdefault(asked["payment"], [])
        if asked["order"] not in [each["order"] for each in had]:
            had.append({name: asked[name] for name in ("order", "does", "shares")} | {"state": "paid"})
        return {"order": asked["order"], "state": "paid"}

    def take(self, order: dict[str, Any]) -> dict[str, Any]:
        key = order["order"]
        if key not in self.paid or not self.idempotent:
            self.paid[key] = self.paid.get(key, 0) + 1
            self.orders[key] = order
        return self.told(key)

    def told(self, key: str) -> dict[str, Any]:
        if key not in self.orders:
            return {"order": key, "state": "unknown"}
        amount = {name: self.orders[key][name] for name in ("amount_minor", "currency")}
        return {"order": key, "state": "paid", "reference": f"P-{key[:6]}", **amount}


@contextmanager
def payment_service() -> Iterator[PaymentService]:
    """The service while it runs."""
    service = PaymentService()

    class Handler(Answering):
        def do_POST(self) -> None:
            body = self.body()
            if self._is_signed(body):
                take = service.shared if self.path.endswith("/shares") else service.take
                self._answer(take(json.loads(body)))

        def do_GET(self) -> None:
            if self._is_signed(b"") and "/shares/" in self.path:
                self._answer({"requests": service.shares.get(self.path.rpartition("/")[2], [])})
            elif "/shares/" not in self.path and self._is_signed(b""):
                told = service.told(self.path.rpartition("/")[2])
                self._answer(told, 404 if told["state"] == "unknown" else 200)

        def _is_signed(self, body: bytes) -> bool:
            try:
                refuse_unsigned(SECRET, int(time.time()), self.command, self.path, body, dict(self.headers.items()))
            except ComeBackRefused:
                service.unsigned += 1
                self._answer({"error": "signature"}, 401)
                return False
            return True

        def _answer(self, told: dict[str, Any], status: int = 200) -> None:
            fault = service.faults.pop(0) if service.faults else None
            if fault == "hang up":
                return
            if fault == "other order":
                told = {**told, "order": "0" * 32}
            text = b"<html>" if fault == "no json" else json.dumps(told).encode()
            self.say(fault if isinstance(fault, int) else status, text)

    with served(Handler) as address:
        service.url = f"{address}/v1"
        yield service
