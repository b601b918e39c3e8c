"""Receives the verification service's call-backs over HTTP."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

from everycent.base.platform.database import connect
from everycent.base.platform.settings import Settings
from everycent.flow.parties.service import ANSWER_BYTES_MAX, AccountPolicy, AnswerTaken, take_answer
from everycent.serve.call_backs import listening

#: What the sender is told: 2xx is an answer that need not come again, 4xx one that is refused, 503 one to send again.
_STATUS = {"taken": 200, "duplicate": 200, "refused": 422}
_UNSIGNED = ("signature_missing", "signature_wrong", "signature_stale")


def receiving(
    settings: Settings, model: str, policy: AccountPolicy, secret: bytes, host: str = "127.0.0.1", port: int = 0,
    told: Callable[[AnswerTaken], None] = lambda _: None,
) -> AbstractContextManager[str]:  # fmt: skip
    """Takes call-backs while it runs; gives the address that they are sent to. `told` of each."""

    def take(_path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        with connect(settings) as connection:
            at = (connection, settings.tenant, model, policy, secret)
            taken = take_answer(*at, headers, body, datetime.now(UTC))
        told(taken)
        status = 401 if taken.refusal in _UNSIGNED else _STATUS[taken.outcome]
        return status, {"outcome": taken.outcome, "refusal": taken.refusal, "reason": taken.reason}

    return listening(take, ANSWER_BYTES_MAX, host, port)
