"""Non-order charges in one model's session: taken, approved, booked; and what parties have paid in."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa

from everycent.base.platform.database import Connection
from everycent.flow.approvals import service as approvals_service
from everycent.flow.approvals.asked import Approvals
from everycent.flow.approvals.contract import HOUSE
from everycent.flow.intake.service import open_source
from everycent.flow.ledger import store as ledger_store
from everycent.flow.model.contract import LoadedModel
from everycent.flow.non_order import service as non_order
from everycent.flow.non_order.contract import Deposit, Given, NonOrderCharge
from everycent.flow.payments import store as payments_store
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.plan import plan_model
from everycent.flow.pipeline.session import Session
from everycent.flow.settlement import store as settlement_store

#: A file's columns: what a charge cannot do without, and what it may leave out.
_NEEDED = ("reference", "kind", "party", "amount", "occurred_on")
_OPTIONAL = ("currency", "reason", "source")
_ROWS_AT_ONCE = 1 << 14


class ChargeHouse:
    """What charges ask of other contexts."""

    approvals: Approvals = approvals_service

    def post(self, connection: Connection, tenant: str, model: str, transfers: pa.Table) -> None:
        ledger_store.write(connection, tenant, model, None, transfers)

    def open_on(self, connection: Connection, tenant: str, model: str) -> date:
        return settlement_store.open_on(connection, tenant, model)

    def deposit(self, connection: Connection, tenant: str, model: str, charge: NonOrderCharge) -> Deposit:
        where = (connection, tenant, model, [charge.account], charge.party_id, charge.charge_id)
        of = {"party_id": charge.party_id, "legal_entity": charge.legal_entity, "currency": charge.currency}
        found = (row for row in payments_store.deposits(*where) if of.items() <= row.items())
        nothing = {**of, "kind": charge.account, "owed_minor": 0, "paid_in_minor": 0, "given_back_minor": 0}
        return Deposit(**next(found, nothing))


@dataclass(frozen=True)
class FileSpec:
    """How a file of charges is read: a CSV file's encoding."""

    encoding: str = "utf-8"


@dataclass(frozen=True)
class Fees:
    """Where a session's non-order charges are given and looked at: by whom, and when."""

    session: Session
    by: str
    now: datetime

    def counter(self, model: str) -> non_order.Counter:
        """Where charges of a model are given."""
        return non_order.Counter(self.session.connection, self.session.tenant, model, ChargeHouse(), self.by, self.now)

    def give(self, model: LoadedModel, given: Sequence[Given]) -> list[non_order.Answer]:
        """Takes charges, each by itself; what became of each. Raises ModelRefused, ChargeAltered."""
        plan = plan_model(model, self.session.tenant, model.files).non_order
        return [non_order.give(self.counter(model.name), plan, each) for each in given]

    def read(self, model: LoadedModel, path: Path, source: str) -> Iterator[tuple[str, Given]]:
        """The charges in a file, each with its place. Raises SourceError; InputRefused where a row cannot be read."""
        opened = open_source(path, FileSpec(), _NEEDED, _OPTIONAL)
        for shard in opened.shards(_ROWS_AT_ONCE):
            if shard.malformed.num_rows:
                bad = shard.malformed.slice(0, 1).to_pylist()[0]
                raise InputRefused(f"{path}: {bad['reason']}; nothing of it was taken")
            for line, row in zip(shard.lines.to_pylist(), shard.table.to_pylist(), strict=True):
                yield f"{path.name}:{line}", _given(row, model.spec.currency, source)

    def shown(
        self, model: str | None, state: str | None, party: str | None, kind: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Charges for people, the newest first, with what became of their money."""
        where = (self.session.connection, self.session.tenant)
        rows = non_order.shown(*where, model=model, state=state, party=party, kind=kind, limit=limit)
        settled = payments_store.standings(*where, [str(row["charge_id"]) for row in rows])
        return [{**row, **_settlement(row["state"], settled.get(str(row["charge_id"])))} for row in rows]

    def deposits(self, model: LoadedModel, party: str | None) -> list[Deposit]:
        """What each party has paid in of each deposit, and has left."""
        plan = plan_model(model, self.session.tenant, model.files).non_order
        kinds = sorted({kind.account for kind in plan.kinds.values() if kind.gives_back})
        rows = payments_store.deposits(self.session.connection, self.session.tenant, model.name, kinds, party)
        return [Deposit(**row) for row in rows]


def _given(row: Mapping[str, Any], currency: str, source: str) -> Given:
    said = {name: "" if value is None else str(value) for name, value in row.items()}
    return Given(
        said.get("source") or source, said["reference"], said["kind"], said["party"], said["amount"],
        said.get("currency") or currency, said["occurred_on"], said.get("reason", ""),
    )  # fmt: skip


def _settlement(state: str, standing: Mapping[str, Any] | None) -> dict[str, Any]:
    """What became of a charge's money, in one word, and the instruction that moves it."""
    if standing is None:
        return {"settlement": "waiting" if state == "booked" else None, "instruction_id": None}
    word = standing["outcome"] if standing["instruction_id"] is None else standing["state"]
    return {"settlement": word, "instruction_id": standing["instruction_id"]}


def expire(session: Session, model: str, now: datetime) -> list[UUID]:
    """Declines the charges that nobody approved in time."""
    return non_order.expire(Fees(session, HOUSE, now).counter(model))
