"""A market that takes files in and remembers what it accepted, as storage would."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from everycent.base.engine.local import LocalEngine
from everycent.base.money.calendar import BusinessCalendar
from everycent.base.money.currency import Currency, currency
from everycent.flow.intake.contract import KNOWN, ORIGINALS, RecordSpec, Step, TableSpec
from everycent.flow.intake.readers.opening import open_source
from everycent.flow.intake.stage import Intake, IntakePlan, decide, plan_intake, prepare

SOLD: dict[str, Any] = {
    "id": ["order_id", "line_no"],
    "occurred_at": "sold_at",
    "columns": {
        "order_id": "text",
        "line_no": "integer",
        "merchant": "text",
        "price": "money",
        "coupon": {"type": "money", "required": "no"},
        "sold_at": "timestamp",
    },
    "amount": "price",
}
REFUNDED: dict[str, Any] = {
    "refunds": "item_sold",
    "of": ["order_id", "line_no"],
    "id": "refund_id",
    "occurred_at": "refunded_at",
    "columns": {
        "refund_id": "text",
        "order_id": "text",
        "line_no": "integer",
        "refunded": "money",
        "refunded_at": "date",
    },
    "amount": "refunded",
}


@dataclass
class Market:
    """Kinds by name; `stored` is every record accepted so far."""

    engine: LocalEngine
    folder: Path
    kinds: dict[str, RecordSpec] = field(default_factory=dict)
    tables: dict[str, TableSpec] = field(default_factory=dict)
    attached: dict[str, pa.Table] = field(default_factory=dict)
    steps: dict[str, Step] = field(default_factory=dict)
    currency: Currency = field(default_factory=lambda: currency("CNY"))
    calendar: BusinessCalendar = field(default_factory=lambda: BusinessCalendar("Asia/Shanghai", time(0)))
    open_on: date | None = None
    stored: list[pa.Table] = field(default_factory=list)

    def declare(
        self, kind: str, base: Mapping[str, Any] = SOLD, columns: Mapping[str, Any] | None = None, **words: Any
    ) -> None:
        """A kind like `base`, with these columns and words changed or added."""
        merged = {**base, **words, "columns": {**base["columns"], **(columns or {})}}
        self.kinds[kind] = RecordSpec.model_validate(merged)

    def plan(self, kind: str) -> IntakePlan:
        return plan_intake(
            kind,
            self.kinds[kind],
            tables=self.tables,
            all_kinds=self.kinds,
            currency=self.currency,
            calendar=self.calendar,
            tenant="shanghai",
            source="market",
            steps=self.steps,
        )

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def take(self, kind: str, given: str | Path, rows_per_shard: int = 1000) -> list[Intake]:
        """Takes a file in, or CSV text, shard by shard."""
        path = given if isinstance(given, Path) else self.file("items.csv", given)
        plan = self.plan(kind)
        source = open_source(path, plan.spec, plan.columns_wanted, plan.columns_optional)
        taken = []
        for rows in source.shards(rows_per_shard):
            prepared = prepare(plan, rows, self.attached, self.engine)
            known, originals = self._known(), self._originals()
            intake = decide(plan, prepared, known, originals, self.open_on, self.engine)
            self.stored.append(intake.records.drop_columns("body"))
            taken.append(intake)
        return taken

    def _known(self) -> pa.Table:
        return pa.concat_tables(
            [KNOWN.empty_table(), *(table.select(KNOWN.names).cast(KNOWN) for table in self.stored)]
        )

    def _originals(self) -> pa.Table:
        if not self.stored:
            return ORIGINALS.empty_table()
        sql = """
            SELECT record_id, amount_minor, CAST(coalesce((SELECT sum(r.amount_minor) FROM stored r
                WHERE r.refund_of = stored.record_id), 0) AS BIGINT) AS refunded_minor, NULL AS currency FROM stored
        """
        return self.engine.query(sql, stored=pa.concat_tables(self.stored)).cast(ORIGINALS)


@pytest.fixture
def market(engine: LocalEngine, tmp_path: Path) -> Market:
    """A market that sells items and refunds them."""
    market = Market(engine, tmp_path)
    market.declare("item_sold")
    market.declare("item_refunded", REFUNDED)
    return market


@pytest.fixture
def reasons() -> Callable[[list[Intake]], list[str]]:
    """The rows set aside as `line outcome: reason`."""

    def of(taken: list[Intake]) -> list[str]:
        rows = [row for intake in taken for row in intake.quarantine.to_pylist()]
        return [f"{row['source_line']} {row['outcome']}: {row['reason']}" for row in rows]

    return of
