"""An accounting system to try things with: a real HTTP server that takes vouchers, and acknowledges them by signed
call-backs.

It books each under a number that follows from the voucher's own, so that it needs no memory; one with a code that
begins with 9 it refuses, for it has no such account.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from everycent.base.platform.signatures import bad_signature, signed
from everycent.serve.demo.loopback import Answering, served

_UNKNOWN_CODES = "9"
_CALL_BACK_S = 10.0


@dataclass
class AccountingSimulator:
    """`told`: acknowledgements by voucher, those that it has yet to send among `waiting`."""

    secret: bytes
    call_back: str
    url: str = ""
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)

    def take(self, voucher: str, content: dict[str, Any]) -> dict[str, Any]:
        """Takes one, and decides later."""
        codes = sorted({line["code"] for line in content["lines"] if line["code"].startswith(_UNKNOWN_CODES)})
        number = f"{content['booked_on'][:7]}/{content['number']:04}"
        decided = {"state": "refused", "reason": f"there is no account {codes[0]}"} if codes else {
            "state": "accepted", "number": number
        }  # fmt: skip
        self.told[voucher] = {"voucher": voucher, **decided}
        self.waiting.append(voucher)
        return {"voucher": voucher, "state": "taken"}

    def deliver(self) -> None:
        """Sends the acknowledgements that wait."""
        for voucher in self.waiting:
            body = json.dumps(self.told[voucher]).encode()
            headers = signed(uuid4(), body, self.secret, datetime.now(UTC))
            httpx.post(self.call_back, content=body, headers=headers, timeout=_CALL_BACK_S)
        self.waiting.clear()


@contextmanager
def accounting_simulator(secret: bytes, call_back: str) -> Iterator[AccountingSimulator]:
    """The system while it runs, on the loopback interface."""
    system = AccountingSimulator(secret, call_back)

    class Handler(Answering):
        def do_POST(self) -> None:
            body = self.body()
            if self._is_signed(body):
                self._answer(system.take(self.headers["webhook-id"], json.loads(body)))

        def do_GET(self) -> None:
            voucher = self.path.rpartition("/")[2]
            if self._is_signed(b""):
                self._answer(system.told.get(voucher, {"voucher": voucher, "state": "unknown"}))

        def _is_signed(self, body: bytes) -> bool:
            if bad_signature(dict(self.headers), body, secret, datetime.now(UTC)) is None:
                return True
            self.say(401)
            return False

        def _answer(self, said: dict[str, Any]) -> None:
            text = json.dumps(said).encode()
            status = 404 if said["state"] == "unknown" else 200
            self.say(status, text, signed(uuid4(), text, secret, datetime.now(UTC)))

    with served(Handler) as address:
        system.url = f"{address}/books"
        yield system
