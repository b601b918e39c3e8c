"""A real approval system on the loopback interface: it keeps what it is told, once each, and answers when told to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from served import Answering, call_back, served

from everycent.base.platform.signatures import bad_signature

SECRET = b"between the two of us"


@dataclass
class OutsideApprovals:
    """`told`: what it was told, by the message's id; `deaf`: it answers 503 as long as this is so."""

    url: str = ""
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    deaf: bool = False
    unsigned: int = 0

    def answer(self, address: str, said: object, secret: bytes = SECRET) -> tuple[int, dict[str, Any]]:
        """Sends a call-back; its status and what came back."""
        return call_back(address, said, secret)


@contextmanager
def outside_approvals() -> Iterator[OutsideApprovals]:
    """The system while it runs."""
    system = OutsideApprovals()

    class Handler(Answering):
        def do_POST(self) -> None:
            body = self.body()
            bad = bad_signature(dict(self.headers), body, SECRET, datetime.now(UTC))
            system.unsigned += bad is not None
            if bad is None and not system.deaf:
                system.told[self.headers["webhook-id"]] = json.loads(body)
            self.say(401 if bad else 503 if system.deaf else 202)

    with served(Handler) as address:
        system.url = f"{address}/requests"
        yield system
