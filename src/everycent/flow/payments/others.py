"""The rest of the house, as payments use it inside their own transactions; wired by the pipeline."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

import pyarrow as pa

from everycent.base.platform.database import Connection
from everycent.flow.approvals.asked import Approvals
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

    def mandated(
        self, connection: Connection, tenant: str, ids: Collection[UUID], as_of: date
    ) -> set[tuple[UUID, date]]:
        """The mandates of these accounts that hold on a day, by account and day of signature."""

    def mandates(self, connection: Connection, tenant: str, ids: Collection[UUID]) -> Mapping[tuple[UUID, date], str]:
        """The ids of these accounts' mandates in the clear, for the bank's file alone."""


@dataclass(frozen=True)
class Others:
    """What payments cause in the ledger and on statements, the accounts that they pay to, and who releases them."""

    post: PostTransfers
    settle: TellStatements
    accounts: PayoutAccounts
    approvals: Approvals
