"""Clears records in strict order, window by window; each window is one batch: all of it or none of it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from everycent.base.engine.tables import TableSchema
from everycent.base.platform.batches import COUNTS, open_batch
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.flow.clearing import store as clearing_store
from everycent.flow.clearing.contract import (
    ACCUMULATOR,
    IN_ORDER,
    OBLIGATION,
    ORDERED_OBLIGATION,
    SEQUENCED_RECORD,
)
from everycent.flow.pipeline.ordering import Reach, order_of
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.turn import Known, Turned, take_turn
from everycent.flow.pipeline.turning import Turning, totals_before
from everycent.flow.rating.contract import CHARGE, HELD, RUNNING
from everycent.flow.settlement import stage as settlement

_TOTAL = """
    SELECT * FROM touched UNION ALL
    SELECT * FROM totals ANTI JOIN touched USING (budget, pot, period, bearer) ORDER BY ALL
"""


_HELD = "SELECT held.*, sequence_no FROM held JOIN turns USING (record_id) ORDER BY sequence_no, charge"
_MOVED = "SELECT moved.*, sequence_no FROM moved JOIN turns USING (record_id) ORDER BY sequence_no, factor"


@dataclass(frozen=True)
class Window:
    """A window that was cleared: TURN rows, and the rows made, with their numbers and generation."""

    turns: pa.Table
    charges: pa.Table
    obligations: pa.Table
    held: pa.Table
    moved: pa.Table


#: Makes the window's obligations those that are written, and says what belongs into its transaction.
Finish = Callable[[Window], tuple[Window, Callable[[Connection, int], None]]]


class Windows:
    """Clears `turns` (TURN rows), which are within `reach`, as one generation. `details` sees that generation."""

    def __init__(
        self,
        session: Session,
        plan: ModelPlan,
        details: Details,
        generation: int,
        turns: pa.Table,
        reach: Reach,
        finish: Finish,
    ) -> None:
        self.session, self.plan, self.details = session, plan, details
        self.generation, self.turns, self.reach, self.finish = generation, turns, reach, finish
        self.model = plan.model.name

    def clear(self, report: Callable[[int, int], None]) -> int:
        """Clears and commits all windows; how many records there were."""
        total = int(self.turns.num_rows)
        if total == 0:
            return 0
        engine, first = self.session.engine, self._first_no(self.turns)
        turning = Turning(self.session, self.plan, self.details, self.turns, self.reach)
        periods = turning.periods()
        pots = turning.pots()
        carried = clearing_store.accumulators(self.details, engine, self.model, first, periods, pots)
        totals = totals_before(self.details, self.session, self.plan, first, periods, turning.running_pots())
        for done, turns in self._cut():
            report(done, total)
            window, found = self._cleared(turning.known(turns, carried, totals), turns)
            window, in_transaction = self.finish(window)
            self._commit(window, in_transaction, self._first_no(turns))
            turning.add(window.turns, window.charges, window.held, window.obligations, window.moved)
            touched, totals = found.accumulators.cast(ACCUMULATOR.columns), found.totals
            carried = engine.query(_TOTAL, touched=touched, totals=carried).cast(ACCUMULATOR.columns)
        report(total, total)
        return total

    @staticmethod
    def _first_no(turns: pa.Table) -> int:
        return int(turns.column("sequence_no").to_numpy()[0])

    def _cut(self) -> Iterator[tuple[int, pa.Table]]:
        size = order_of(self.plan).window
        for start in range(0, self.turns.num_rows, size):
            yield start, self.turns.slice(start, size)

    def _cleared(self, known: Known, turns: pa.Table) -> tuple[Window, Turned]:
        engine = self.session.engine
        found = take_turn(self.plan, known, engine, self.session.settings.threads)
        held = engine.query(_HELD, held=found.held, turns=turns.select(["record_id", "sequence_no"]))
        moved = engine.query(_MOVED, moved=found.moved, turns=turns.select(["record_id", "sequence_no"]))
        obligations = found.obligations.cast(ORDERED_OBLIGATION.columns)
        nothing = pa.array([False] * obligations.num_rows, pa.bool_())
        window = Window(
            turns,
            self._numbered(found.charges, CHARGE.ordered),
            self._numbered(obligations.append_column("adjusts", nothing), OBLIGATION.ordered),
            self._numbered(held, HELD.ordered),
            self._numbered(moved, RUNNING),
        )
        return window, found

    def _numbered(self, rows: pa.Table, schema: TableSchema) -> pa.Table:
        number = pa.array([self.generation] * rows.num_rows, pa.int32())
        return rows.append_column("generation", number).select(schema.columns.names).cast(schema.columns)

    def _commit(self, window: Window, in_transaction: Callable[[Connection, int], None], first_no: int) -> None:
        model = self.plan.model
        name = f"{self.generation}/{first_no}"
        content = hashlib.sha256(name.encode()).hexdigest()
        opened = open_batch(self.session.details, model.name, model.version_hash, IN_ORDER, "", 0, content)
        sequenced = self._numbered(window.turns, SEQUENCED_RECORD)
        for schema, rows in (
            (SEQUENCED_RECORD, sequenced),
            (CHARGE.ordered, window.charges),
            (HELD.ordered, window.held),
            (OBLIGATION.ordered, window.obligations),
            (RUNNING, window.moved),
        ):
            opened.write(schema, rows)
        opened.commit(dict.fromkeys(COUNTS, 0), in_transaction)


def placed_on_statements(session: Session, plan: ModelPlan, obligations: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The obligations (OBLIGATION.ordered rows) with their statements, and what these accrue."""
    accrued = settlement.accrue(plan.settlement, obligations.select(OBLIGATION.columns.names), session.engine)
    for name in ("debtor_statement", "creditor_statement"):
        at = obligations.schema.get_field_index(name)
        obligations = obligations.set_column(at, obligations.schema.field(name), accrued.obligations.column(name))
    return obligations, accrued.accruals


def with_obligations(window: Window, obligations: pa.Table) -> Window:
    """The window with other obligations."""
    return replace(window, obligations=obligations.cast(OBLIGATION.ordered.columns))
