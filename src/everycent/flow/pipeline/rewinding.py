"""Rewinds: records cleared anew from a number on, as a generation that one transaction makes effective."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.platform.batches import COUNTS, open_batch
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.base.platform.generations import Generation, generations
from everycent.flow.clearing.contract import IN_ORDER, OBLIGATION, SEQUENCED_RECORD
from everycent.flow.ledger import stage as ledger
from everycent.flow.ledger import store as ledger_store
from everycent.flow.pipeline import ordering, store
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.versions import is_other_version
from everycent.flow.pipeline.windows import Window, Windows, placed_on_statements, with_obligations
from everycent.flow.settlement import stage as settlement
from everycent.flow.settlement import store as settlement_store

#: So many records are compared at a time, before a generation becomes effective.
_COMPARED_ROWS = 250_000
_ENDS = ("debtor_statement", "creditor_statement")


@dataclass(frozen=True)
class Rewound:
    """What a rewind did: the generation, the number it began at, records cleared again, obligations taken away and
    put in their place, and `parties`: party, currency, change_minor (what it is owed more, or less)."""

    generation: int
    starts_at: int
    records: int
    removed: int
    added: int
    adjusting: int
    statements: tuple[str, ...]
    parties: pa.Table


def building(session: Session, model: str) -> Generation | None:
    """The generation that was begun and is not effective yet."""
    known = generations(session.connection, session.tenant, model)
    return next((each for each in known if each.state == "building"), None)


def rewind(
    session: Session, plan: ModelPlan, starts_at: int, cause: str, report: Callable[[int, int], None]
) -> Rewound:
    """Clears all records from number `starts_at` on again, with late ones in their places. Inside the run lock.

    One that was begun has to be ended first (`resume`), or abandoned.
    """
    through = store.last_batch(session.connection)
    store.begin_generation(session.connection, session.tenant, plan.model, starts_at, cause, through)
    return resume(session, plan, report)


def resume(session: Session, plan: ModelPlan, report: Callable[[int, int], None]) -> Rewound:
    """Goes on with the generation that is being built, at the first record that it lacks, and makes it effective."""
    begun = building(session, plan.model.name)
    assert begun is not None, "there is a generation to go on with"
    assert not is_other_version(session, plan, begun), "one version makes a generation"
    return _Rewind(session, plan, begun).run(report)


class _Rewind:
    """One rewind: `old` sees what stands, `new` what will."""

    def __init__(self, session: Session, plan: ModelPlan, begun: Generation) -> None:
        self.session, self.plan, self.begun = session, plan, begun
        self.engine, self.model = session.engine, plan.model.name
        self.old = session.details
        shared = (session.connection, session.details.lake_dir, session.tenant, session.details.lake_from_rows)
        self.new = Details(*shared, seeing=begun.number)
        self.closed = pa.table({"statement_id": pa.array([], pa.string())})
        self.open_on = settlement_store.open_on(session.connection, session.tenant, self.model)

    def run(self, report: Callable[[int, int], None]) -> Rewound:
        begun = self.begun
        placed = ordering.place(self.session, self.plan, None, begun.through_batch, begun.starts_at)
        turns = ordering.turns_again(self.session, self.plan, self.open_on, begun.starts_at)
        self.closed = settlement_store.closed(self.session.connection, self.session.tenant, self.model)
        self._see_both()
        done = self._done()
        rest, reach = turns.slice(done), placed.reach
        Windows(self.session, self.plan, self.new, begun.number, rest, reach, self._carried_over).clear(
            lambda at, _total: report(done + at, turns.num_rows)
        )
        return self._switch(turns)

    def _see_both(self) -> None:
        """The views of what stands from the first number on and of what will (`old_obligation`, `new_obligation`), and
        the table of what stands in closed statements (`stood`)."""
        self._see("old_obligation", self.old)
        columns = ", ".join(OBLIGATION.ordered.columns.names)
        self.engine.connection.register("closed", self.closed)
        self.engine.connection.execute(
            f"CREATE OR REPLACE TABLE stood AS SELECT {columns} FROM old_obligation WHERE"
            " debtor_statement IN (FROM closed) OR creditor_statement IN (FROM closed)"
        )
        self.engine.connection.unregister("closed")

    def _see(self, name: str, details: Details) -> None:
        """The effective obligations from the first number on that is cleared again."""
        only = f"sequence_no >= {self.begun.starts_at}"
        details.attach(self.engine, f"{name}_of_all", OBLIGATION.ordered, self.model, only=only)
        self.engine.connection.execute(
            f"CREATE OR REPLACE VIEW {name} AS FROM {name}_of_all WHERE {details.effective(self.model)}"
        )

    def _done(self) -> int:
        """How many records were cleared again before a break."""
        columns = ["sequence_no", "generation"]
        only = f"sequence_no >= {self.begun.starts_at}"
        self.old.attach(self.engine, "built", SEQUENCED_RECORD, self.model, columns=columns, only=only)
        query = f"SELECT count(*) FROM built WHERE generation = {self.begun.number}"
        [(count,)] = self.engine.connection.sql(query).fetchall()
        return int(count)

    def _carried_over(self, window: Window) -> tuple[Window, Callable[[Connection, int], None]]:
        """What stands in a closed statement stays as it is; what it lacks adjusts it on an open day."""
        new, _ = placed_on_statements(self.session, self.plan, window.obligations)
        if self.closed.num_rows == 0:
            return with_obligations(window, new), _nothing
        columns = OBLIGATION.ordered.columns.names
        kept = self.engine.query(
            f"SELECT stood.* REPLACE (turns.number AS sequence_no, {self.begun.number}::INTEGER AS generation)"
            " FROM stood JOIN turns USING (record_id)",
            turns=window.turns.select(["record_id", "sequence_no"]).rename_columns(["record_id", "number"]),
        ).cast(OBLIGATION.ordered.columns)
        moved = self.engine.query(_difference_sql(self.open_on), new=new, kept=kept, closed=self.closed)
        moved, _ = placed_on_statements(self.session, self.plan, moved.cast(OBLIGATION.ordered.columns))
        rows = self.engine.query(
            f"SELECT {', '.join(columns)} FROM (FROM moved UNION ALL BY NAME FROM kept)"
            " ORDER BY sequence_no, charge, bearer, booked_on, adjusts",
            moved=moved,
            kept=kept,
        )
        return with_obligations(window, rows), _nothing

    def _differences(self, turns: pa.Table) -> tuple[pa.Table, pa.Table]:
        """The obligations that stand and will not, and those that will and do not. Records are compared some at a time:
        each one's obligations stand together by its number, the old and the new."""
        moved = ", ".join([*OBLIGATION.columns.names, "adjusts"])
        self._see("new_obligation", self.new)
        assert turns.num_rows > 0, "a rewind begins at a record"
        found = []
        for start in range(0, turns.num_rows, _COMPARED_ROWS):
            part = turns.slice(start, _COMPARED_ROWS).select(["record_id", "sequence_no"])
            numbers = part.column("sequence_no").to_numpy()
            [before] = self.engine.query(
                "SELECT coalesce(min(sequence_no), 0) AS first, coalesce(max(sequence_no), 0) AS last FROM placed"
                " SEMI JOIN part USING (record_id)",
                part=part,
            ).to_pylist()
            found.append(
                self.engine.query(
                    f"""
                    SELECT {moved}, sum(n)::BIGINT AS n FROM (
                        SELECT {moved}, -1 AS n FROM old_obligation SEMI JOIN part USING (record_id)
                        WHERE sequence_no BETWEEN {before["first"]} AND {before["last"]}
                        UNION ALL
                        SELECT {moved}, 1 FROM new_obligation WHERE sequence_no BETWEEN {numbers[0]} AND {numbers[-1]}
                    ) GROUP BY ALL HAVING sum(n) <> 0
                    """,
                    part=part,
                )
            )
        differing = pa.concat_tables(found)
        rows = f"SELECT {moved} FROM differing, unnest(range(abs(n))) WHERE n {{}} 0 ORDER BY ALL"
        removed, added = (self.engine.query(rows.format(sign), differing=differing) for sign in "<>")
        return removed, added

    def _switch(self, turns: pa.Table) -> Rewound:
        """Makes the generation effective, with the differences of statements and ledger: one transaction."""
        session, plan, begun = self.session, self.plan, self.begun
        removed, added = self._differences(turns)
        gone = _owed(removed)
        come = _owed(added)
        accruals = settlement.accrue(plan.settlement, come, self.engine).accruals
        at = gone.schema.get_field_index("amount_minor")
        reversed_minor = self.engine.query("SELECT -amount_minor AS m FROM gone", gone=gone).column("m")
        back = gone.set_column(at, OBLIGATION.columns.field("amount_minor"), reversed_minor)
        occasion = f"generation {begun.number}"
        transfers = ledger.post(pa.concat_tables([back, come]), plan.operators, self.engine, occasion)

        def in_transaction(connection: Connection, batch_no: int) -> None:
            settlement_store.replace(connection, session.tenant, self.model, _taken_back(gone, self.engine), accruals)
            ledger_store.write(connection, session.tenant, self.model, batch_no, transfers)
            store.make_effective(connection, session.tenant, self.model, begun.number)

        model = plan.model
        batch = open_batch(session.details, model.name, model.version_hash, IN_ORDER, "", 1, occasion)
        batch.commit(dict.fromkeys(COUNTS, 0), in_transaction)
        ends = [gone.column(name) for name in _ENDS] + [come.column(name) for name in _ENDS]
        statements = sorted({text for end in ends for text in end.unique().to_pylist() if text is not None})
        adjusting = self.engine.query("SELECT count(*) AS n FROM added WHERE adjusts", added=added).column("n")[0]
        return Rewound(
            begun.number,
            begun.starts_at,
            turns.num_rows,
            removed.num_rows,
            added.num_rows,
            int(adjusting.as_py()),
            tuple(statements),
            self.engine.query(_PARTIES, gone=gone, come=come),
        )


_PARTIES = """
    SELECT party, currency, CAST(sum(change) AS DECIMAL(38, 0)) AS change_minor FROM (
        SELECT creditor AS party, currency, amount_minor AS change FROM come UNION ALL
        SELECT debtor, currency, -amount_minor FROM come UNION ALL
        SELECT creditor, currency, -amount_minor FROM gone UNION ALL
        SELECT debtor, currency, amount_minor FROM gone
    ) GROUP BY party, currency HAVING sum(change) <> 0 ORDER BY abs(sum(change)) DESC, party, currency
"""


def _nothing(_connection: Connection, _batch_no: int) -> None:
    """What is built is not accrued and not posted before it is effective."""


def _owed(rows: pa.Table) -> pa.Table:
    return rows.select(OBLIGATION.columns.names).cast(OBLIGATION.columns)


def _taken_back(gone: pa.Table, engine: LocalEngine) -> pa.Table:
    """statement_id, payable_minor, receivable_minor, obligations: what open statements lose."""
    return engine.query(
        """
        SELECT statement_id, CAST(sum(payable) AS DECIMAL(38, 0)) AS payable_minor,
            CAST(sum(receivable) AS DECIMAL(38, 0)) AS receivable_minor, count(*) AS obligations
        FROM (
            SELECT creditor_statement AS statement_id, amount_minor AS payable, 0 AS receivable FROM gone UNION ALL
            SELECT debtor_statement, 0, amount_minor FROM gone
        ) WHERE statement_id IS NOT NULL GROUP BY statement_id ORDER BY statement_id
        """,
        gone=gone,
    )


def _difference_sql(open_on: date) -> str:
    """What is written beside the obligations that are kept: the new ones less these, by bearer and pot. What has a
    kept one, or whose own day is in a closed statement, is booked on the open day."""
    day = f"DATE {literal(open_on.isoformat())}"
    computed = {
        "amount_minor": "CAST(amount AS BIGINT) AS amount_minor",
        "booked_on": f"CASE WHEN moves THEN {day} ELSE booked_on END AS booked_on",
        "adjusts": "moves AS adjusts",
        "debtor_statement": "NULL AS debtor_statement",
        "creditor_statement": "NULL AS creditor_statement",
    }
    columns = ", ".join(computed.get(name, name) for name in OBLIGATION.ordered.columns.names)
    return f"""
        WITH wanted AS (
            SELECT *, 0::BIGINT AS stands, false AS is_kept FROM new
            UNION ALL BY NAME
            SELECT * REPLACE (0::BIGINT AS amount_minor), amount_minor AS stands, true AS is_kept FROM kept
        ), summed AS (
            SELECT record_id, charge, bearer, debtor, creditor, currency, legal_entity, budget, pot, period, leaf,
                sum(amount_minor) - sum(stands) AS amount, bool_or(is_kept) AS some_kept,
                arg_max(total_before_minor, NOT is_kept) AS total_before_minor,
                arg_max(total_after_minor, NOT is_kept) AS total_after_minor,
                any_value(refund_of) AS refund_of, any_value(sequence_no) AS sequence_no,
                any_value(generation) AS generation, min(booked_on) AS booked_on,
                coalesce(bool_or(is_kept OR debtor_statement IN (FROM closed) OR creditor_statement IN (FROM closed)),
                    false) AS moves
            FROM wanted GROUP BY ALL
        )
        SELECT {columns} FROM summed WHERE amount <> 0 OR NOT some_kept ORDER BY sequence_no, charge, bearer
    """
