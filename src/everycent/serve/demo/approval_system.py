"""An approval system to try things with: a real HTTP server that is told what waits, and decides by signed call-backs.

Of each request one person of the group that is asked decides, whoever did not ask for it. What is said goes by the last
digit of the amount, so that a demo needs no configuration: to 8 no, all else yes.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx

from everycent.base.platform.signatures import bad_signature, signed
from everycent.serve.demo.loopback import Answering, served

_SAYS_NO = "8"
_CALL_BACK_S = 10.0


@dataclass
class ApprovalSimulator:
    """`people`: by group. `told`: the requests that it was told, by the message's id. `said`: its decisions, by it."""

    secret: bytes
    call_back: str
    people: Mapping[str, Sequence[str]]
    url: str = ""
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    said: dict[str, dict[str, Any]] = field(default_factory=dict)

    def decision(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """What is said of a request; None where nobody is there who may decide it."""
        people = [name for group in request["groups"] for name in self.people.get(group, ())]
        by = next((name for name in people if name != request["requested_by"]), None)
        if by is None:
            return None
        yes = not str(request["amount_minor"]).endswith(_SAYS_NO)
        reason = None if yes else "the papers are missing"
        return {"request": request["request"], "model": request["model"], "by": by, "yes": yes, "reason": reason}

    def deliver(self) -> None:
        """Calls back about all that it has not decided yet."""
        for message, request in self.told.items():
            said = None if message in self.said else self.decision(request)
            if said is not None:
                self.said[message] = said
                body = json.dumps(said).encode()
                headers = signed(uuid4(), body, self.secret, datetime.now(UTC))
                httpx.post(self.call_back, content=body, headers=headers, timeout=_CALL_BACK_S)


@contextmanager
def approval_simulator(
    secret: bytes, call_back: str, people: Mapping[str, Sequence[str]]
) -> Iterator[ApprovalSimulator]:
    """The system while it runs, on the loopback interface."""
    system = ApprovalSimulator(secret, call_back, people)

    class Handler(Answering):
        def do_POST(self) -> None:
            body = self.body()
            if bad_signature(dict(self.headers), body, secret, datetime.now(UTC)) is not None:
                self.say(401)
                return
            system.told[self.headers["webhook-id"]] = json.loads(body)
            self.say(202)

    with served(Handler) as address:
        system.url = f"{address}/requests"
        yield system
