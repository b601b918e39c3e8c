"""What other contexts ask of approvals inside their own transactions; `service` gives it, wired by the pipeline."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from everycent.base.platform.database import Connection
from everycent.flow.approvals.contract import LevelSpec, Request, Subject


class Approvals(Protocol):
    """Who has to say yes."""

    def ask(
        self,
        connection: Connection,
        tenant: str,
        model: str,
        subjects: Sequence[Subject],
        levels: Sequence[LevelSpec],
        now: datetime,
    ) -> list[Request]:
        """A request for each subject, in their order."""

    def drop(self, connection: Connection, tenant: str, model: str, request_ids: Sequence[UUID], now: datetime) -> None:
        """Withdraws pending requests, because their subjects are no longer to be approved."""

    def expire(self, connection: Connection, tenant: str, model: str, kind: str, now: datetime) -> list[Request]:
        """Ends the requests of a kind that nobody decided in time, and gives them."""
