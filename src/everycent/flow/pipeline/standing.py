"""What is stored of records that are to be corrected, with their refunds, and what stands of it."""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.sql import identifier, literal
from everycent.base.engine.tables import TableSchema
from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing.contract import OBLIGATION, SEQUENCED_RECORD, WAITING_CHARGE
from everycent.flow.intake.contract import RECORD
from everycent.flow.pipeline.family import booked, refunds_of
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session
from everycent.flow.rating import store as rating_store
from everycent.flow.rating.contract import CHARGE, HELD, RETRY, RETRY_SNAPSHOT, WHOLE_RECORD, parked_sql

#: record_id and reason of originals that cannot be corrected.
REFUSED = pa.schema([pa.field("record_id", pa.uuid()), pa.field("reason", pa.string())])


class Stored:
    """What is stored of originals and their refunds, and what stands of them."""

    def __init__(self, session: Session, plan: ModelPlan, kind: str, ids: pa.ChunkedArray, open_on: date) -> None:
        self.session, self.plan, self.kind = session, plan, kind
        self.engine, self.details, self.model = session.engine, session.details, plan.model.name
        body = plan.intake[kind].body_type
        found = self.details.lookup(self.engine, RECORD, self.model, "record_id", ids, RECORD.columns.names, body)
        self.originals = booked(found, open_on)
        refunds = refunds_of(session, plan, kind, self.originals)
        passed_over = self._held(refunds)
        whole = passed_over.filter(pc.equal(passed_over.column("charge"), WHOLE_RECORD)).column("record_id")
        refunds = refunds.filter(pc.invert(pc.is_in(raw(refunds.column("record_id")), raw(whole))))
        self.refunds = booked(refunds, open_on)
        self.family = pa.concat_tables(
            [
                self.originals.select(["record_id", "kind", "booked_on"]).append_column(
                    "original", self.originals.column("record_id")
                ),
                self.refunds.select(["record_id", "kind", "booked_on"]).append_column(
                    "original", self.refunds.column("refund_of")
                ),
            ]
        )
        self.charges = self.rows(CHARGE)
        self.obligations = self._obligations()
        self.numbers = self._effective(SEQUENCED_RECORD)
        self.refused = self._refused()

    def rows(self, schema: TableSchema, *, plain: bool = False) -> pa.Table:
        """The stored rows of the family."""
        ids = self.family.column("record_id")
        return self.details.lookup(self.engine, schema, self.model, "record_id", ids, schema.columns.names, plain=plain)

    def _effective(self, schema: TableSchema) -> pa.Table:
        rows = self.rows(schema)
        return self.engine.query(f"SELECT * FROM rows WHERE {self.details.effective(self.model)}", rows=rows).cast(
            rows.schema
        )

    def _obligations(self) -> pa.Table:
        """CORRECTING rows of what stands."""
        names = ", ".join(clearing.CORRECTING.names)
        ordered = self._effective(OBLIGATION.ordered)
        return (
            self.engine.query(
                f"SELECT {names} FROM ordered UNION ALL BY NAME SELECT *, 0::BIGINT AS sequence_no FROM plain",
                ordered=ordered.select(clearing.CORRECTING.names),
                plain=self.rows(OBLIGATION, plain=True),
            )
            .select(clearing.CORRECTING.names)
            .cast(clearing.CORRECTING)
        )

    def _held(self, records: pa.Table) -> pa.Table:
        """record_id, charge, reason of what waits of records, or was refused in their turn."""
        ids = records.column("record_id")
        names = HELD.columns.names
        own, every = (
            self.details.lookup(self.engine, HELD, self.model, "record_id", ids, names, plain=plain)
            for plain in (True, False)
        )
        retries = self.details.lookup(self.engine, RETRY, self.model, "record_id", ids, RETRY.columns.names)
        return self.engine.query(
            f"""
            SELECT record_id, charge, reason FROM ({parked_sql("own", "retries")}) UNION
            SELECT record_id, charge, reason FROM every ANTI JOIN own USING (record_id, charge) ORDER BY ALL
            """,
            own=own,
            every=every,
            retries=retries,
        )

    def _refused(self) -> pa.Table:
        """Originals of which not all is there yet, or that this version of the model clears in another way."""
        numbered = self.obligations.filter(pc.greater(self.obligations.column("sequence_no"), 0))
        left_behind = set(numbered.column("charge").unique().to_pylist()) - set(self.plan.clearing.ordered)
        assert not left_behind, f"a version that clears {left_behind} no more in order is refused before"
        waiting = self.rows(WAITING_CHARGE)
        ordered = ", ".join(map(literal, self.plan.clearing.ordered)) or "''"
        return self.engine.query(
            f"""
            SELECT original AS record_id, min(reason) AS reason FROM (
                SELECT record_id, format('charge {{}} waits: {{}}; see to that first', charge, reason) AS reason
                FROM held
                UNION ALL
                SELECT record_id, format('charge {{}} waits for its turn in strict order; run the model first', charge)
                FROM waiting ANTI JOIN numbers USING (record_id)
                UNION ALL
                SELECT record_id, format('charge {{}} was cleared on arrival, and is not by this version of the model;'
                    ' give the charge that it has now another name', charge)
                FROM owed WHERE sequence_no = 0 AND charge IN ({ordered})
            ) JOIN family USING (record_id) GROUP BY ALL ORDER BY ALL
            """,
            held=self._held(self.family),
            owed=self.obligations,
            waiting=waiting,
            numbers=self.numbers,
            family=self.family,
        ).cast(REFUSED)

    def attempts(self, snapshots: pa.Table, charges: pa.Table, needed: frozenset[str]) -> pa.Table:
        """RETRY_SNAPSHOT rows of what was looked up for the originals that are corrected (in `charges`): the `needed`
        factors, where they were not known so."""
        body = snapshots.schema.field("body").type
        if snapshots.num_rows == 0 or body.num_fields == 0:
            return RETRY_SNAPSHOT.empty(pa.struct([]))
        ids = self.originals.column("record_id")
        known = rating_store.snapshots(self.details, self.engine, self.model, ids, body)
        names = [identifier(field.name) for field in body]
        kept = [f"{name} := CASE WHEN {field.name in needed} THEN body.{name} END"
                for field, name in zip(body, names, strict=True)]  # fmt: skip
        newest = [f"arg_max(body.{name}, attempt) FILTER (body.{name} IS NOT NULL) AS {name}" for name in names]
        fresh = [f"(body.{name} IS NOT NULL AND body.{name} IS DISTINCT FROM last.{name})" for name in names]
        rows = self.engine.query(
            f"""
            WITH last AS (SELECT record_id, {", ".join(newest)} FROM known GROUP BY ALL),
            found AS (SELECT record_id, struct_pack({", ".join(kept)}) AS body FROM snapshots)
            SELECT record_id, (coalesce(attempt, 1) + 1)::INTEGER AS attempt, body FROM found
            LEFT JOIN before USING (record_id) LEFT JOIN last USING (record_id) SEMI JOIN charges USING (record_id)
            WHERE {" OR ".join(fresh)} ORDER BY record_id
            """,
            snapshots=snapshots,
            before=rating_store.attempts(self.details, self.engine, self.model, ids),
            known=known,
            charges=charges.select(["record_id"]),
        )
        return rows.cast(RETRY_SNAPSHOT.with_body(body))


def raw(ids: pa.ChunkedArray) -> pa.Array:
    """The ids as bytes, which compute functions compare."""
    return ids.cast(pa.binary(16)).combine_chunks()
