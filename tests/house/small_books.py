"""A small house: obligations written as text tables, and books that settle them on a real PostgreSQL."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.money.amount import parse_minor
from everycent.base.money.currency import currency
from everycent.base.platform.batches import open_batch
from everycent.flow.approvals.contract import HOUSE
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.intake.contract import TableSpec
from everycent.flow.ledger import stage as ledger_stage
from everycent.flow.ledger import store as ledger_store
from everycent.flow.parties.contract import CONTRACT_PERIOD, PartySpec
from everycent.flow.payments import service as payments
from everycent.flow.payments.contract import PayoutSpec
from everycent.flow.payments.stage import PaymentPlan, plan_payments
from everycent.flow.pipeline.paying import PAYMENT_OTHERS
from everycent.flow.settlement import service as settlement
from everycent.flow.settlement import store as settlement_store
from everycent.flow.settlement.contract import StatementSpec
from everycent.flow.settlement.service import Asking, Closing
from everycent.flow.settlement.stage import SettlementPlan, accrue, plan_settlement, under_contracts

_DEFAULTS = {"charge": "goods", "bearer": "0", "currency": "CNY", "legal_entity": "shanghai"}
_NAMES = uuid.UUID(int=0)
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)

ROLES = {
    "platform": PartySpec(operator="shanghai"),
    "merchant": PartySpec(key=("merchant",)),
    "brand": PartySpec(key=("brand",)),
}


def obligations_of(text: str) -> pa.Table:
    """OBLIGATION rows from a text table: record, debtor, creditor, amount, booked_on, and any other column."""
    lines = [line.split() for line in text.strip().splitlines() if line.strip()]
    return obligation_rows([dict(zip(lines[0], line, strict=True)) for line in lines[1:]])


def obligation_rows(given: list[dict[str, str]]) -> pa.Table:
    """OBLIGATION rows from dicts of text; ids come from the records' names, statements are still to fill in."""
    rows = []
    for cells in given:
        row: dict[str, object] = {**_DEFAULTS, **cells}
        row["record_id"] = uuid.uuid5(_NAMES, cells["record"])
        row["amount_minor"] = parse_minor(cells["amount"], currency(str(row["currency"])))
        row["booked_on"] = date.fromisoformat(cells["booked_on"])
        row["bearer"] = int(str(row["bearer"]))
        rows.append({name: row.get(name) for name in OBLIGATION.columns.names})
    return pa.Table.from_pylist(rows, schema=OBLIGATION.columns)


@dataclass
class Books:
    """A small house: batches of obligations come in, days are cut, statements are paid."""

    database: object
    engine: LocalEngine
    model: str = "market"
    statements: dict[str, StatementSpec] = field(
        default_factory=lambda: {"merchant": StatementSpec(cycle="daily"), "brand": StatementSpec(cycle="monthly")}
    )
    payouts: dict[str, PayoutSpec] = field(default_factory=dict)
    code: str = "CNY"
    table_specs: dict[str, TableSpec] = field(default_factory=dict)
    tables: dict[str, pa.Table] = field(default_factory=dict)
    contracts: pa.Table = field(default_factory=CONTRACT_PERIOD.empty)
    batches: int = 0
    version: str | None = None  # under which statements close

    @property
    def tenant(self) -> str:
        return self.database.settings.tenant  # type: ignore[attr-defined,no-any-return]

    @property
    def connection(self):  # type: ignore[no-untyped-def]
        return self.database.connection  # type: ignore[attr-defined]

    @property
    def plan(self) -> SettlementPlan:
        return under_contracts(plan_settlement(self.statements, ROLES, self.model), self.contracts, self.engine)

    @property
    def payment_plan(self) -> PaymentPlan:
        return plan_payments(self.payouts, ROLES, self.table_specs, [self.code])

    def book(self, text: str | pa.Table) -> int:
        """One batch: accrues, posts and commits, as the pipeline does."""
        self.batches += 1
        given = obligations_of(text) if isinstance(text, str) else text
        accrued = accrue(self.plan, given, self.engine)
        transfers = ledger_stage.post(accrued.obligations, ("platform",), self.engine)

        def write(connection, batch_no: int) -> None:  # type: ignore[no-untyped-def]
            settlement_store.write(connection, self.tenant, self.model, accrued.accruals)
            ledger_store.write(connection, self.tenant, self.model, batch_no, transfers)

        rows = given.num_rows
        batch = open_batch(self.database.details, self.model, "1", "sale", "a.csv", self.batches, f"{self.batches}")  # type: ignore[attr-defined]
        batch.write(OBLIGATION, accrued.obligations)
        counts = {"rows_read": rows, "accepted": rows, "duplicates": 0, "conflicts": 0, "quarantined": 0}
        return batch.commit(counts, write)

    def close(self, as_of: str, *, asking: Asking | None = None, dry_run: bool = False) -> Closing:
        """The day cut that begins `as_of`."""
        day = date.fromisoformat(as_of)
        details = self.database.details  # type: ignore[attr-defined]
        where = (self.connection, details, self.engine, self.tenant, self.model)
        keeping = settlement.Keeping(self.plan, ledger_store.write, self.version)
        return settlement.close_due(*where, day, asking=asking, keeping=keeping, dry_run=dry_run)

    def instruct(self, as_of: str, *, by: str = HOUSE, now: datetime = NOON, dry_run: bool = False) -> pa.Table:
        """Instructs what is closed."""
        return payments.instruct(
            self.connection,
            self.engine,
            self.payment_plan,
            self.tables,
            PAYMENT_OTHERS,
            self.tenant,
            self.model,
            date.fromisoformat(as_of),
            by=by,
            now=now,
            dry_run=dry_run,
        )

    def write_files(self, as_of: str, directory: Path) -> list[Path]:
        """Writes the bank files of a day."""
        day = date.fromisoformat(as_of)
        return payments.write_files(
            self.connection, self.engine, self.payment_plan, PAYMENT_OTHERS, self.tenant, self.model, day, directory
        )

    def open_on(self) -> date:
        """The first day that is open for booking."""
        return settlement_store.open_on(self.connection, self.tenant, self.model)

    def statement(self, statement_id: str) -> dict[str, object]:
        """One statement as it stands."""
        rows = settlement_store.statements(self.connection, self.tenant, self.model).to_pylist()
        return next(row for row in rows if row["statement_id"] == statement_id)
