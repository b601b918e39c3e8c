"""A till for the tests of clearing: it clears what was rated, and keeps in mind what refunds gave back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from market import CNY, PARTIES, plan, record_id, records

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import OBLIGATION, ORIGINAL, REFUNDED, ChargeSpec, Cleared
from everycent.flow.clearing.stage import clear, plan_clearing, refund
from everycent.flow.rating.contract import HELD
from everycent.flow.rating.stage import rate

Item = Mapping[str, Any]


@dataclass
class Till:
    """Sells items by a model's charges, then refunds them; storage is a few lists."""

    charges: Mapping[str, ChargeSpec]
    engine: LocalEngine
    sold: pa.Table = field(init=False)
    cleared: Cleared = field(init=False)
    held: pa.Table = field(init=False)
    refunded: dict[bytes, int] = field(default_factory=dict)
    given_back: dict[tuple[bytes, str, int], int] = field(default_factory=dict)

    def sell(self, *items: Item) -> Cleared:
        """Rates and clears items; the key of each is A1, A2 ...; `amount` is what refunds are measured against."""
        self.sold = records(*items)
        rated = rate(plan(self.charges), self.sold, {}, self.engine)
        self.cleared = clear(self.plan, self.sold, rated.charges, self.engine)
        self.held = pa.concat_tables([part.cast(HELD.columns) for part in (rated.held, self.cleared.held)])
        return self.cleared

    @property
    def plan(self):  # type: ignore[no-untyped-def]
        return plan_clearing(self.charges, PARTIES, CNY, "market-shanghai")

    def give_back(self, *refunds: tuple[str, int]) -> Cleared:
        """One batch of refunds in order of arrival: (key of the item, amount in minor units)."""
        first = len(self.refunded) + 1
        rows = [
            {"key": f"R{first + at}-{item}-{amount}-{len(self.given_back)}", "refund_of": item, "amount": amount}
            for at, (item, amount) in enumerate(refunds)
        ]
        found = refund(
            self.plan,
            records(*rows, day="2026-03-09"),
            self._originals(),
            self.cleared.charges,
            self.cleared.obligations,
            self._refunded(),
            self.engine,
            original_held=self.held,
        )
        self._remember(rows, found)
        return found

    def _originals(self) -> pa.Table:
        ids = [id_.bytes for id_ in self.sold["record_id"].to_pylist()]
        done = pa.array([self.refunded.get(id_, 0) for id_ in ids], pa.int64())
        return pa.table([self.sold["record_id"], self.sold["amount_minor"], done], schema=ORIGINAL)

    def _refunded(self) -> pa.Table:
        keys = list(self.given_back)
        columns = [
            pa.ExtensionArray.from_storage(pa.uuid(), pa.array([key[0] for key in keys], pa.binary(16))),
            pa.array([key[1] for key in keys], pa.string()),
            pa.array([key[2] for key in keys], pa.int16()),
            pa.array(list(self.given_back.values()), pa.int64()),
        ]
        return pa.table(columns, schema=REFUNDED)

    def _remember(self, rows: Sequence[Item], found: Cleared) -> None:
        refused = {row["record_id"].bytes for row in found.held.to_pylist() if row["charge"] == "*"}
        for row in rows:
            if record_id(row["key"]) not in refused:
                original = record_id(row["refund_of"])
                self.refunded[original] = self.refunded.get(original, 0) + row["amount"]
        for row in found.obligations.to_pylist():
            key = (row["refund_of"].bytes, row["charge"], row["bearer"])
            self.given_back[key] = self.given_back.get(key, 0) - row["amount_minor"]


def owed(table: pa.Table) -> list[tuple[str, str, str, int]]:
    """(charge, debtor, creditor, amount) of each obligation."""
    rows = OBLIGATION.check(table).to_pylist()
    return [(row["charge"], row["debtor"], row["creditor"], row["amount_minor"]) for row in rows]
