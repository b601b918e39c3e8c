"""A verification service to try things with: a real HTTP server that answers by signed call-backs, as it is told to.

What it does with a question goes by the last digit of the number, so that a demo needs no configuration; or `manners`
say it, by number.
"""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import httpx

from everycent.base.platform.signatures import bad_signature, signed
from everycent.serve.demo.loopback import Answering, served


class Manner(StrEnum):
    """How the service treats a question."""

    ACCEPTS = "accepts"
    REFUSES = "refuses"
    SLOW = "slow"  # the answer waits until `deliver`
    TWICE = "twice"
    CONTRADICTS = "contradicts"  # accepts, then refuses
    UNKNOWN = "unknown"  # about an account that nobody asked about
    WRONG_SIGNATURE = "wrong_signature"
    BROKEN = "broken"  # it fails to take the question


#: By the number's last character; all others are accepted.
_BY_LAST = {"1": Manner.REFUSES, "2": Manner.SLOW, "3": Manner.TWICE, "4": Manner.CONTRADICTS, "5": Manner.UNKNOWN,
            "6": Manner.WRONG_SIGNATURE, "7": Manner.BROKEN}  # fmt: skip


@dataclass
class VerificationSimulator:
    """`asked`: the questions that were taken. `waiting`: answers that are not sent yet. `told`: the status and body by
    which the receiver answered each that was."""

    secret: bytes
    call_back: str
    manners: Mapping[str, Manner] = field(default_factory=dict)
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    told: list[tuple[int, str]] = field(default_factory=list)

    def manner(self, number: str) -> Manner:
        """How a question about the number is treated."""
        return self.manners.get(number, _BY_LAST.get(number[-1:], Manner.ACCEPTS))

    def take(self, question: dict[str, Any]) -> list[dict[str, Any]]:
        """Notes the question; gives the answers that are to be sent at once."""
        self.asked.append(question)
        reference = question["reference"]
        right = {"reference": reference, "outcome": "verified"}
        refusal = {"reference": reference, "outcome": "refused", "reason": "the name is another"}
        stranger = {"reference": str(uuid.uuid5(uuid.NAMESPACE_OID, reference)), "outcome": "verified"}
        match self.manner(question["number"]):
            case Manner.REFUSES:
                return [refusal]
            case Manner.SLOW:
                self.waiting.append(right)
                return []
            case Manner.TWICE:
                return [right, right]
            case Manner.CONTRADICTS:
                return [right, refusal]
            case Manner.UNKNOWN:
                return [stranger]
            case Manner.WRONG_SIGNATURE:
                return [{**right, "signed by": "nobody"}]
            case _:
                return [right]

    def deliver(self) -> None:
        """Sends what waits."""
        while self.waiting:
            self.send(self.waiting.pop(0))

    def send(self, answer: dict[str, Any]) -> None:
        """Calls back."""
        body = json.dumps(answer).encode()
        secret = b"another secret" if "signed by" in answer else self.secret
        headers = signed(uuid.uuid4(), body, secret, datetime.now(UTC))
        said = httpx.post(self.call_back, content=body, headers=headers, timeout=10.0)
        self.told.append((said.status_code, said.text))


@contextmanager
def verification_simulator(
    secret: bytes, call_back: str, manners: Mapping[str, Manner] | None = None, port: int = 0
) -> Iterator[VerificationSimulator]:
    """The service while it runs, on the loopback interface; it calls back before a question's answer is complete."""
    service = VerificationSimulator(secret, call_back, manners or {})

    class Handler(Answering):
        def do_POST(self) -> None:
            body = self.body()
            status, answers = 202, []
            if bad_signature(dict(self.headers), body, service.secret, datetime.now(UTC)) is not None:
                status = 401
            else:
                question = json.loads(body)
                if service.manner(question["number"]) is Manner.BROKEN:
                    status = 503
                else:
                    answers = service.take(question)
            for answer in answers:
                service.send(answer)
            self.say(status)

    with served(Handler, port) as address:
        service.url = f"{address}/verify"
        yield service
