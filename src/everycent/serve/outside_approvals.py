"""An approval system outside of the house: told what waits, by POST, and answering by call-backs.

    POST <EVERYCENT_APPROVAL_URL>
      {"request", "model", "kind", "subject", "amount_minor", "currency", "requested_by", "level", "levels", "groups",
       "due_at"}
    call-backs, by POST
      {"request", "model", "by", "yes", "reason"}

Both are signed. What a call-back says counts as if its person (`by`) had said it here: who is in no group that is
asked, who asked for it, or comes too late, is refused by name. Delivered again, it changes nothing. A request is told
once more with each round while it waits, under the same id for the same level.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID, uuid5

from everycent.base.platform.database import Connection, connect
from everycent.base.platform.settings import Settings
from everycent.base.platform.signed_service import NotReached, SignedService, said_in
from everycent.flow.approvals import service as approvals
from everycent.flow.approvals.contract import Answer, Outcome, Refusal, Request, Standing
from everycent.serve.approving import Word, say
from everycent.serve.call_backs import hearing, unheard

#: No call-back is longer.
CALL_BACK_BYTES_MAX = 16_384
#: What the sender is told: 2xx need not come again, 4xx is refused.
_STATUS = {"too_long": 413, Refusal.UNKNOWN_REQUEST: 404, "not_a_decision": 422}
_WORDS = {"request": str, "model": str, "by": str, "yes": bool}


class ApprovalSystem(SignedService):
    """Where a company's people approve things."""

    called = "approval system"
    url_setting = "EVERYCENT_APPROVAL_URL"
    secret_setting = "EVERYCENT_APPROVAL_SECRET"


@dataclass(frozen=True)
class ToldRequest:
    """A request that the approval system was told; `not_reached`: why it did not hear it."""

    model: str
    request: Request
    standing: Standing
    not_reached: str | None


def tell_waiting(
    connection: Connection, tenant: str, models: Sequence[str], system: ApprovalSystem, now: datetime
) -> list[ToldRequest]:
    """Tells the approval system every request that waits, by model and id."""
    told = []
    for model in models:
        for request, standing in approvals.waiting(connection, tenant, model, now):
            told.append(ToldRequest(model, request, standing, _told(system, model, request, standing, now)))
    return told


def _told(system: ApprovalSystem, model: str, request: Request, standing: Standing, now: datetime) -> str | None:
    subject = request.subject
    said = {
        "request": str(request.request_id),
        "model": model,
        "kind": subject.kind,
        "subject": subject.subject_id,
        "amount_minor": subject.amount_minor,
        "currency": subject.currency,
        "requested_by": subject.requested_by,
        "level": standing.level,
        "levels": len(request.levels),
        "groups": list(standing.groups),
        "due_at": None if standing.due_at is None else standing.due_at.isoformat(),
    }
    try:
        system.tell(uuid5(request.request_id, str(standing.level)), said, now)
    except NotReached as error:
        return str(error)
    return None


@dataclass(frozen=True)
class Heard:
    """A call-back. `outcome`: done, unchanged, or refused, then with the name of the rule that it breaks and why."""

    outcome: str
    request: str | None = None
    state: str | None = None
    refusal: str | None = None
    reason: str | None = None

    @property
    def status(self) -> int:
        """What its sender is told."""
        if self.refusal is None:
            return 200
        return 401 if self.refusal.startswith("signature_") else _STATUS.get(self.refusal, 409)


def receiving_decisions(
    settings: Settings, secret: bytes, host: str = "127.0.0.1", port: int = 0,
    told: Callable[[Heard], None] = lambda _: None,
) -> AbstractContextManager[str]:  # fmt: skip
    """Takes decisions while it runs; gives the address that they are sent to. `told` of each."""
    return hearing(partial(_heard, settings, secret), told, CALL_BACK_BYTES_MAX, host, port)


def _heard(settings: Settings, secret: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> Heard:
    broken = unheard(headers, body, secret, CALL_BACK_BYTES_MAX, now)
    if broken is not None:
        return Heard("refused", refusal=broken[0], reason=broken[1])
    read = _read(body)
    if isinstance(read, str):
        return Heard("refused", refusal="not_a_decision", reason=read)
    model, request_id, word = read
    with connect(settings) as connection:
        return _of(str(request_id), say(connection, settings.tenant, model, request_id, word, now))


def _read(body: bytes) -> tuple[str, UUID, Word] | str:
    """The model, the request and what is said of it; or what is wrong with the message."""
    try:
        given = said_in(body)
    except ValueError as odd:
        return str(odd)
    if not isinstance(given, dict) or not all(isinstance(given.get(name), kind) for name, kind in _WORDS.items()):
        return "it has the texts request, model and by, yes (true or false), and with a no the text reason"
    reason = given.get("reason")
    if reason is not None and not isinstance(reason, str):
        return f"its reason is {json.dumps(reason)[:100]}; a text is right, or null"
    try:
        return given["model"], UUID(given["request"]), Word(given["by"], given["yes"], reason)
    except ValueError:
        return f"its request is '{given['request'][:100]}'; right is the id that the approval system was told"


def _of(request_id: str, answer: Answer) -> Heard:
    state = None if answer.request is None else answer.request.state.value
    if answer.outcome is Outcome.REFUSED:
        return Heard("refused", request_id, state, answer.refusal and str(answer.refusal), answer.message)
    return Heard(answer.outcome.value, request_id, state)
