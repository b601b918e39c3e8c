"""Shares customers' payments at their wallet: judged by what it has of them, then sent, each under its key.

Each request is kept before it is sent, and what the wallet says of it when it is said. A request whose answer was lost
is asked for again, and is there, or is sent again under the same key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Protocol

from everycent.flow.payments.contract import NoAnswer, NotSent
from everycent.flow.payments.core.sharing import Asked, Had, Refused, SharingLimits, judge


class SharesPayments(Protocol):
    """A wallet that shares payments."""

    def had(self, payment: str) -> list[Had]:
        """All that it has of a payment. Raises NoAnswer, NotSent."""

    def send(self, asked: Asked) -> str:
        """Sends a request; its state. Raises NoAnswer, NotSent."""


class KeepsShares(Protocol):
    """Where requests are kept. Each call is committed by itself."""

    def ask(self, asked: Asked) -> Refused | None:
        """Keeps a request, or says why it may not be; again, it changes nothing."""

    def heard(self, asked: Asked, state: str) -> None:
        """Keeps and books what the wallet says of a request that is kept; again, it changes nothing."""


@dataclass(frozen=True)
class Shared:
    """What came of a request: sent, repeated (the wallet had it), refused here, or unknown (ask again). `state`: as the
    wallet says it. `why`: in words."""

    payment: str
    request: str
    came: str
    state: str | None = None
    refusal: str | None = None
    why: str | None = None


def share(
    wallet: SharesPayments,
    keeper: KeepsShares,
    requests: Sequence[tuple[str, str, Asked | Refused]],
    limits: SharingLimits,
    today: date,
) -> list[Shared]:
    """Shares payments as asked (rows of `read_requests`), one request after another; what came of each, in order."""
    told = []
    for payment, group in groupby(requests, key=lambda each: each[0]):
        try:
            had: list[Had] | str = wallet.had(payment)
        except (NoAnswer, NotSent) as silence:
            had = str(silence)
        for _, request, asked in group:
            told.append(_shared(wallet, keeper, payment, request, asked, had, limits, today))
    assert len(told) == len(requests), "each request has an outcome"
    return told


def _shared(
    wallet: SharesPayments,
    keeper: KeepsShares,
    payment: str,
    request: str,
    asked: Asked | Refused,
    had: list[Had] | str,
    limits: SharingLimits,
    today: date,
) -> Shared:
    """`had`: what the wallet has; why nobody can tell where it does not answer. What is sent is added."""
    if isinstance(asked, Refused):
        return Shared(payment, request, "refused", None, asked.refusal, asked.message)
    if isinstance(had, str):
        return Shared(payment, request, "unknown", None, None, had)
    broken = judge(asked, had, limits, today) or keeper.ask(asked)
    if broken is not None:
        return Shared(payment, request, "refused", None, broken.refusal, broken.message)
    twin = next((each for each in had if each.key == asked.key), None)
    if twin is not None:
        keeper.heard(asked, twin.state)
        return Shared(payment, request, "repeated", twin.state)
    state, silent = "accepted", None  # as far as anybody can tell where no answer comes
    try:
        state = wallet.send(asked)
    except (NoAnswer, NotSent) as silence:
        silent = str(silence)
    had.append(Had(asked.key, asked.does, asked.shares, state))
    if silent is not None:
        return Shared(payment, request, "unknown", None, None, silent)
    keeper.heard(asked, state)
    return Shared(payment, request, "sent", state)
