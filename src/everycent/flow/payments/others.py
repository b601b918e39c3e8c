"""The rest of the house, as payments use it inside their own transactions; wired by the pipeline."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

import pyarrow as pa

from everycent.base.platform.database import Connection
from everycent.flow.approvals.contract import LevelSpec, Request, Subject
from everycent.flow.settlement.contract import SideEnd


class PostTransfers(Protocol):
    """Posts TRANSFER rows: the ledger's `store.write`."""

    def __call__(
        self, connection: Connection, tenant: str, model: str, batch_no: int | None, transfers: pa.Table
    ) -> None: ...


class TellStatements(Protocol):
    """Keeps on statements what became of their payments: settlement's `service.settle`."""

    def __call__(
        self,
        connection: Connection,
        tenant: str,
        model: str,
        ends: Sequence[SideEnd],
        as_of: date,
        now: datetime | None = None,
    ) -> None: ...


class PayoutAccounts(Protocol):
    """The parties' own verified accounts."""

    def verified(self, connection: Connection, tenant: str, ids: Collection[UUID]) -> set[UUID]:
        """Those of these that are verified still."""

    def numbers(self, connection: Connection, tenant: str, ids: Collection[UUID]) -> Mapping[UUID, str]:
        """Their numbers in the clear, for the channel alone."""


class Approvals(Protocol):
    """Who has to say yes: approvals' `service`."""

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


@dataclass(frozen=True)
class Others:
    """What payments cause in the ledger and on statements, the accounts that they pay to, and who releases them."""

    post: PostTransfers
    settle: TellStatements
    accounts: PayoutAccounts
    approvals: Approvals
