"""A real accounting system on the loopback interface: it books vouchers under numbers of its own, once each."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from served import Answering, call_back, served

from everycent.base.platform.signatures import bad_signature, signed

SECRET = b"between the books"


@dataclass
class Accounting:
    """`faults` are used up one by one, a voucher handed over each: `slow` (taken, decided later), `refuse`, `lose` (the
    voucher is booked, the answer is not sent), `drop` (neither), `unsigned`, `forged`, `no json`, `other`, a status
    number, or the process that is to die after its voucher is booked.

    `booked`: each voucher's number here; `came`: how often it was handed over; `dropped`: how often of that in vain;
    `content`: what it says.
    """

    url: str = ""
    faults: list[Any] = field(default_factory=list)
    booked: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    came: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    content: dict[str, bytes] = field(default_factory=dict)
    unsigned: int = 0
    asked: int = 0

    def take(self, voucher: str, body: bytes, fault: Any) -> None:
        """Books it, refuses it, or puts it aside; what it has already stays as it is."""
        self.came[voucher] = self.came.get(voucher, 0) + 1
        if fault == "drop":
            self.dropped[voucher] = self.dropped.get(voucher, 0) + 1
            return
        if voucher in self.booked or voucher in self.refused or voucher in self.taken:
            return
        self.content[voucher] = body
        if fault == "slow":
            self.taken.add(voucher)
        elif fault == "refuse":
            self.refused[voucher] = "6001 is no account here"
        else:
            self.book(voucher)

    def book(self, voucher: str) -> None:
        """Books one under its next number."""
        self.taken.discard(voucher)
        self.booked[voucher] = f"J-{len(self.booked) + 1}"

    def told(self, voucher: str) -> dict[str, Any]:
        """What it says of a voucher."""
        if voucher in self.booked:
            return {"voucher": voucher, "state": "accepted", "number": self.booked[voucher]}
        if voucher in self.refused:
            return {"voucher": voucher, "state": "refused", "reason": self.refused[voucher]}
        return {"voucher": voucher, "state": "taken" if voucher in self.taken else "unknown"}

    def call_back(self, address: str, said: object, secret: bytes = SECRET) -> tuple[int, dict[str, Any]]:
        """Sends an acknowledgement; its status and what came back."""
        return call_back(address, said, secret)


@contextmanager
def accounting_system() -> Iterator[Accounting]:
    """The system while it runs."""
    system = Accounting()

    class Handler(Answering):
        def do_POST(self) -> None:
            body = self.body()
            fault = system.faults.pop(0) if system.faults else None
            if not self._is_signed(body):
                return
            voucher = self.headers["webhook-id"]
            system.take(voucher, body, fault)
            if callable(fault):
                os.kill(fault(), signal.SIGKILL)
            if callable(fault) or fault in ("lose", "drop"):
                self.close_connection = True
                return
            self._answer(system.told(voucher), fault)

        def do_GET(self) -> None:
            system.asked += 1
            if self._is_signed(b""):
                self._answer(system.told(self.path.rpartition("/")[2]), None)

        def _is_signed(self, body: bytes) -> bool:
            if bad_signature(dict(self.headers), body, SECRET, datetime.now(UTC)) is None:
                return True
            system.unsigned += 1
            self._answer({"error": "signature"}, 401)
            return False

        def _answer(self, said: dict[str, Any], fault: Any) -> None:
            if fault == "other":
                said = {**said, "voucher": str(uuid4())}
            text = b"<html>" if fault == "no json" else json.dumps(said).encode()
            secret = b"somebody else's" if fault == "forged" else SECRET
            headers = {} if fault == "unsigned" else signed(uuid4(), text, secret, datetime.now(UTC))
            status = fault if isinstance(fault, int) else 404 if said.get("state") == "unknown" else 200
            self.say(status, text, headers)

    with served(Handler) as address:
        system.url = f"{address}/books"
        yield system
