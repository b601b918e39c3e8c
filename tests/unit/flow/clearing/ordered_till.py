"""A till for the tests of ordered clearing: it clears facts window by window, and keeps what storage keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from market import PARTIES, ids, records

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import currency
from everycent.flow.clearing.contract import (
    ACCUMULATOR,
    ORDERED_CHARGE,
    ORDERED_OBLIGATION,
    ORIGINAL,
    REFUNDED,
    SEQUENCE,
    BudgetSpec,
    ChargeSpec,
    OrderedCleared,
    RefundState,
)
from everycent.flow.clearing.stage import ClearingPlan, clear_in_order, plan_clearing, pots_in_reach
from everycent.flow.rating.contract import CHARGE, HELD, WHOLE_RECORD

Fact = Mapping[str, Any]
SALE, REFUND = "item_delivered", "item_refunded"


@dataclass
class OrderedTill:
    """Clears facts in their order. A sale has a key, `charges` {name: minor units}, `amount` (its worth) and columns; a
    refund has a key, `refund_of` and `amount`."""

    charges: Mapping[str, ChargeSpec]
    budgets: Mapping[str, BudgetSpec]
    engine: LocalEngine
    money: str = "CNY"
    threads: int = 1
    sequence_no: int = 0
    cleared: OrderedCleared = field(init=False)
    originals: dict[bytes, list[int]] = field(default_factory=dict)
    refunds: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        nothing = (ORDERED_CHARGE, ORDERED_OBLIGATION, HELD, ACCUMULATOR)
        self.cleared = OrderedCleared(*(schema.empty() for schema in nothing))

    @property
    def plan(self) -> ClearingPlan:
        return plan_clearing(self.charges, PARTIES, currency(self.money), "market-shanghai", self.budgets)

    def clear(self, *facts: Fact) -> OrderedCleared:
        """One window."""
        rows, window = self._window(facts)
        self.sequence_no += len(facts)
        found = clear_in_order(self.plan, *window, self.cleared.accumulators, self.engine, self.threads)
        self._remember(rows, found)
        return found

    def reach(self, *facts: Fact) -> list[tuple[str, ...]]:
        """The pots that a window would reach."""
        _, window = self._window(facts)
        return [tuple(row.values()) for row in pots_in_reach(self.plan, *window, self.engine).to_pylist()]

    def _window(
        self, facts: Sequence[Fact]
    ) -> tuple[pa.Table, tuple[pa.Table, dict[str, pa.Table], pa.Table, RefundState]]:
        """Its records, and what clearing takes: the sequence, the records by kind, the charges, what was before."""
        rows = records(*facts)
        kinds = pa.array([REFUND if "refund_of" in fact else SALE for fact in facts], pa.string())
        rows = rows.set_column(rows.schema.get_field_index("kind"), "kind", kinds)
        numbers = pa.array(range(self.sequence_no + 1, self.sequence_no + 1 + len(facts)), pa.int64())
        sequence = pa.table([rows["record_id"], kinds, numbers], schema=SEQUENCE)
        by_kind = {kind: rows.filter(pc.equal(rows["kind"], kind)) for kind in (SALE, REFUND)}
        return rows, (sequence, by_kind, self._charges(facts), self._state(rows))

    def _charges(self, facts: Sequence[Fact]) -> pa.Table:
        rows = [
            (fact["key"], name, amount, fact.get("on", "2026-03-01"))
            for fact in facts
            for name, amount in fact.get("charges", {}).items()
        ]
        names = pa.array([row[1] for row in rows], pa.string())
        return CHARGE.check(
            pa.table(
                {
                    "record_id": ids([row[0] for row in rows]),
                    "charge": names,
                    "rule": names,
                    "amount_minor": pa.array([row[2] for row in rows], pa.int64()),
                    "currency": pa.array([self.money] * len(rows), pa.string()),
                    "debtor": pa.nulls(len(rows), pa.string()),
                    "creditor": pa.array(["merchant:m-7/s-1"] * len(rows), pa.string()),
                    "booked_on": pa.array([row[3] for row in rows], pa.string()).cast(pa.date32()),
                    "refund_of": ids([None] * len(rows)),
                }
            )
        )

    def _state(self, rows: pa.Table) -> RefundState:
        """What storage knows of the originals that the window's refunds refer to."""
        asked = {key.bytes for key in rows["refund_of"].to_pylist() if key is not None}
        known = [key for key in self.originals if key in asked]
        back: dict[tuple[bytes, str, int], int] = {}
        for row in self.cleared.obligations.to_pylist():
            if row["refund_of"] is not None and row["refund_of"].bytes in known:
                key = (row["refund_of"].bytes, row["charge"], row["bearer"])
                back[key] = back.get(key, 0) - row["amount_minor"]
        columns = [
            _uuids([key[0] for key in back]),
            pa.array([key[1] for key in back], pa.string()),
            pa.array([key[2] for key in back], pa.int16()),
            pa.array(list(back.values()), pa.int64()),
        ]
        amounts = [[self.originals[key][at] for key in known] for at in (0, 1)]
        return RefundState(
            pa.table([_uuids(known), *(pa.array(column, pa.int64()) for column in amounts)], schema=ORIGINAL),
            _of(self.cleared.charges, known),
            _of(self.cleared.obligations, known),
            pa.table(columns, schema=REFUNDED),
            _of(self.cleared.held, known),
        )

    def _remember(self, rows: pa.Table, found: OrderedCleared) -> None:
        passed_over = {row["record_id"] for row in found.held.to_pylist() if row["charge"] == WHOLE_RECORD}
        for row in rows.select(["record_id", "refund_of", "amount_minor"]).to_pylist():
            if row["refund_of"] is None:
                self.originals[row["record_id"].bytes] = [row["amount_minor"], 0]
            elif row["record_id"] not in passed_over:
                self.originals[row["refund_of"].bytes][1] += row["amount_minor"]
        keys = list(ACCUMULATOR.key)
        totals = {tuple(row[key] for key in keys): row for row in self.cleared.accumulators.to_pylist()}
        totals |= {tuple(row[key] for key in keys): row for row in found.accumulators.to_pylist()}
        kept = pa.Table.from_pylist([totals[key] for key in sorted(totals)], schema=ACCUMULATOR.columns)
        schemas = {"charges": ORDERED_CHARGE, "obligations": ORDERED_OBLIGATION, "held": HELD}
        tables = {
            name: pa.concat_tables([getattr(self.cleared, name), getattr(found, name).cast(schema.columns)])
            for name, schema in schemas.items()
        }
        self.cleared = OrderedCleared(**tables, accumulators=kept)


def _uuids(keys: Sequence[bytes]) -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(keys, pa.binary(16)))


def _of(table: pa.Table, known: Sequence[bytes]) -> pa.Table:
    mask = [row.bytes in known for row in table["record_id"].to_pylist()]
    return table.filter(pa.array(mask, pa.bool_()))


def carried(table: pa.Table) -> list[tuple[str, str, int, int | None, int | None]]:
    """(charge, leaf, amount, total before, total after) of each obligation."""
    names = ["charge", "leaf", "amount_minor", "total_before_minor", "total_after_minor"]
    return [tuple(row[name] for name in names) for row in table.to_pylist()]  # type: ignore[misc]


def totals(table: pa.Table) -> dict[str, int]:
    """Bearer → total, of the only pot."""
    return dict(zip(table["bearer"].to_pylist(), table["total_minor"].to_pylist(), strict=True))
