"""Clears records in strict order, window by window; each window is one batch: all of it or none of it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pyarrow as pa

from everycent.base.engine.tables import TableSchema
from everycent.base.platform.batches import COUNTS, open_batch
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing import store as clearing_store
from everycent.flow.clearing.contract import (
    ACCUMULATOR,
    IN_ORDER,
    OBLIGATION,
    ORDERED_OBLIGATION,
    SEQUENCE,
    SEQUENCED_RECORD,
    WAITING_CHARGE,
)
from everycent.flow.intake.contract import RECORD
from everycent.flow.pipeline.ordering import Reach, attach_records, order_of
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session
from everycent.flow.rating.contract import CHARGE, HELD
from everycent.flow.settlement import stage as settlement

_TOTAL = """
    SELECT * FROM touched UNION ALL
    SELECT * FROM totals ANTI JOIN touched USING (budget, pot, period, bearer) ORDER BY ALL
"""


@dataclass(frozen=True)
class Window:
    """A window that was cleared: TURN rows, and the rows made, with their numbers and generation."""

    turns: pa.Table
    charges: pa.Table
    obligations: pa.Table
    held: pa.Table


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
        first_no = self._first_no(self.turns)
        history = clearing_store.OrderedHistory(self.details, self.session.engine, self.model, self._fetch(), first_no)
        totals = clearing_store.accumulators(self.details, self.session.engine, self.model, first_no)
        for done, turns in self._cut():
            report(done, total)
            window, touched = self._cleared(turns, totals, history)
            window, in_transaction = self.finish(window)
            self._commit(window, in_transaction, self._first_no(turns))
            history.add(window.turns, window.charges, window.held, window.obligations)
            totals = self.session.engine.query(_TOTAL, touched=touched, totals=totals).cast(ACCUMULATOR.columns)
        report(total, total)
        return total

    @staticmethod
    def _first_no(turns: pa.Table) -> int:
        return int(turns.column("sequence_no").to_numpy()[0])

    def _cut(self) -> Iterator[tuple[int, pa.Table]]:
        size = order_of(self.plan).window
        for start in range(0, self.turns.num_rows, size):
            yield start, self.turns.slice(start, size)

    def _fetch(self) -> pa.ChunkedArray:
        """The records and their charges as the engine's tables, in order, from which windows are cut; gives the ids of
        all records that they refund."""
        engine, duck = self.session.engine, self.session.engine.connection
        duck.register("turns", self.turns)
        for at, kind in enumerate(self._kinds):
            attach_records(self.session, self.plan, self.reach, "turning", kind, RECORD.columns.names)
            duck.execute(
                f"CREATE OR REPLACE TABLE turning_{at} AS SELECT sequence_no, record.* EXCLUDE (model, batch_no)"
                " REPLACE (turns.booked_on AS booked_on)"
                " FROM turning AS record JOIN turns USING (record_id) ORDER BY sequence_no"
            )
        self.details.attach(engine, "turning", WAITING_CHARGE, self.model, after_batch=self.reach.after_batch)
        columns = ", ".join("turns.booked_on" if name == "booked_on" else name for name in CHARGE.columns.names)
        names = self.plan.clearing.names
        duck.register("declared", pa.table({"charge": names, "place": list(range(len(names)))}))
        duck.execute(
            f"CREATE OR REPLACE TABLE turning_charge AS SELECT sequence_no, {columns} FROM turning"
            " JOIN turns USING (record_id) JOIN declared USING (charge) ORDER BY sequence_no, place"
        )
        duck.unregister("turns")
        duck.unregister("declared")
        refunds = " UNION ".join(f"SELECT refund_of FROM turning_{at}" for at in range(len(self._kinds)))
        asked = engine.query(f"FROM ({refunds}) WHERE refund_of IS NOT NULL ORDER BY refund_of")
        return asked.column("refund_of").cast(pa.uuid())

    @property
    def _kinds(self) -> list[str]:
        return self.plan.model.spec.ordered_kinds

    def _cleared(
        self, turns: pa.Table, totals: pa.Table, history: clearing_store.OrderedHistory
    ) -> tuple[Window, pa.Table]:
        engine = self.session.engine
        first, last = self._first_no(turns), int(turns.column("sequence_no").to_numpy()[-1])
        within = f"sequence_no BETWEEN {first} AND {last} ORDER BY sequence_no"

        def rows(table: str, schema: pa.Schema) -> pa.Table:
            listed = ", ".join(f'"{name}"' for name in schema.names)
            return engine.query(f"SELECT {listed} FROM {table} WHERE {within}").cast(schema)

        records = {
            kind: rows(f"turning_{at}", RECORD.with_body(self.plan.intake[kind].body_type))
            for at, kind in enumerate(self._kinds)
        }
        refund_of = pa.concat_tables([table.select(["refund_of"]) for table in records.values()]).column("refund_of")
        asked = pa.chunked_array([refund_of.cast(pa.binary(16)).unique().drop_null().cast(pa.uuid())])
        state = history.state(asked, turns.column("record_id"))
        found = clearing.clear_in_order(
            self.plan.clearing,
            turns.select(SEQUENCE.names),
            records,
            rows("turning_charge", CHARGE.columns),
            state,
            totals,
            engine,
            threads=self.session.settings.threads,
        )
        held = engine.query(
            "SELECT held.*, sequence_no FROM held JOIN turns USING (record_id) ORDER BY sequence_no, charge",
            held=found.held,
            turns=turns.select(["record_id", "sequence_no"]),
        )
        obligations = found.obligations.cast(ORDERED_OBLIGATION.columns)
        nothing = pa.array([False] * obligations.num_rows, pa.bool_())
        window = Window(
            turns,
            self._numbered(found.charges, CHARGE.ordered),
            self._numbered(obligations.append_column("adjusts", nothing), OBLIGATION.ordered),
            self._numbered(held, HELD.ordered),
        )
        return window, found.accumulators.cast(ACCUMULATOR.columns)

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
