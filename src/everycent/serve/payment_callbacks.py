"""Receives payment services' call-backs over HTTP."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from everycent.base.platform.database import connect
from everycent.base.platform.settings import Settings
from everycent.flow.model.contract import LoadedModel
from everycent.flow.payments.contract import ComeBackRefused, InstructionAltered, Taken
from everycent.flow.payments.service import CALL_BACK_BYTES_MAX, REST
from everycent.flow.pipeline.service import take_call_back
from everycent.serve.call_backs import listening

#: By the name of the rule that a refused one breaks; all others: 422. What is taken is 200, whatever came of it: it was
#: heard, and need not come again.
_STATUS = {"not_signed": 401, "wrong_signature": 401, "too_old": 401, "unknown_order": 404, "too_long": 413}


@dataclass(frozen=True)
class Heard:
    """A call-back: what came of it, or the rule that it breaks and why."""

    taken: Taken | None
    refusal: str | None = None
    reason: str | None = None

    @property
    def status(self) -> int:
        """What its sender is told."""
        if self.refusal is None:
            return 200
        return 409 if self.refusal == "altered" else _STATUS.get(self.refusal, 422)

    @property
    def plain(self) -> dict[str, Any]:
        """For JSON."""
        if self.taken is None:
            return {"outcome": "refused", "refusal": self.refusal, "reason": self.reason}
        taken = self.taken
        return {"outcome": taken.came, "order": taken.said.key.hex, "state": taken.state, "finding": taken.finding}


def receiving_payments(
    settings: Settings, model: LoadedModel, secret: str, host: str = "127.0.0.1", port: int = 0,
    told: Callable[[Heard], None] = lambda _: None, channel: str = REST,
) -> AbstractContextManager[str]:  # fmt: skip
    """Takes call-backs about a model's payments while it runs; gives the address they are sent to. `told` of each."""

    def take(path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        heard = _heard(settings, model, secret, channel, path, headers, body)
        told(heard)
        return heard.status, heard.plain

    return listening(take, CALL_BACK_BYTES_MAX, host, port)


def _heard(
    settings: Settings,
    model: LoadedModel,
    secret: str,
    channel: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
) -> Heard:
    now = datetime.now(UTC)
    try:
        with connect(settings) as connection:
            where = (connection, settings.tenant, model.name, secret)
            return Heard(take_call_back(*where, path, headers, body, now, model.calendar.today(now), channel))
    except ComeBackRefused as refused:
        name, _, reason = str(refused).partition(": ")
        return Heard(None, name, reason)
    except InstructionAltered as altered:
        return Heard(None, "altered", str(altered))
