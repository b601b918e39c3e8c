"""Refunds of charges that have no turn, in the strict order all the same.

Such charges are given back on arrival, cumulatively: several refunds of one record round in the order in which they
came, and the first takes a charge that is returned whole. Where late records find their places, what stands is compared
with what the strict order gives, and the refunds that differ are corrected; no original is rated again.
"""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing.contract import ACCUMULATOR, OBLIGATION, ORIGINAL, REFUNDED, OnRefund
from everycent.flow.intake.contract import RECORD
from everycent.flow.pipeline import ordering
from everycent.flow.pipeline.corrected_batch import write_correction
from everycent.flow.pipeline.correcting import FACE, Correcting, Correction, Wish
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.sourcing import Gathered
from everycent.flow.pipeline.standing import Stored, raw
from everycent.flow.rating.contract import CHARGE, HELD, SNAPSHOT
from everycent.flow.settlement import store as settlement_store


def give_back_in_order(session: Session, plan: ModelPlan) -> int:
    """Corrects refunds of the records that waiting refunds refer to, where the strict order gives them other amounts
    than arrival did; how many. The records were placed (`ordering.place`); inside the run lock. Done again, it finds
    nothing."""
    corrected = 0
    for kind in plan.rating:
        if not _gives_back_at_once(plan, kind):
            continue
        ids = _refunded_several_times(session, plan, ordering.refunded_by_waiting(session, plan, kind))
        for start in range(0, len(ids), session.settings.batch_rows):
            open_on = settlement_store.open_on(session.connection, session.tenant, plan.model.name)
            found = _reordered(session, plan, kind, ids.slice(start, session.settings.batch_rows), open_on)
            if found.charges.num_rows:
                write_correction(session, plan, kind, found, lambda *_: None, ordered=False)
                corrected += found.charges.num_rows
    return corrected


def _gives_back_at_once(plan: ModelPlan, kind: str) -> bool:
    """Whether refunds of the kind have places, and give back charges that have none."""
    return plan.refunds_find_their_places(kind) and any(
        kind in charge.for_ and charge.on_refund is not OnRefund.KEEP and name not in plan.clearing.ordered
        for name, charge in plan.model.spec.charges.items()
    )


def _refunded_several_times(session: Session, plan: ModelPlan, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    if len(ids) == 0:
        return ids
    columns = ["record_id", "refund_of"]
    refunds = session.details.lookup(session.engine, RECORD, plan.model.name, "refund_of", ids, columns)
    found = session.engine.query(
        "SELECT refund_of FROM refunds GROUP BY refund_of HAVING count(*) > 1 ORDER BY refund_of", refunds=refunds
    )
    return found.column("refund_of")


def _reordered(session: Session, plan: ModelPlan, kind: str, ids: pa.ChunkedArray, open_on: date) -> Correction:
    return _Reordering(Stored(session, plan, kind, ids, open_on), Wish(), Gathered({}, None)).made()


class _Reordering(Correcting):
    """What stands of the originals' plain charges, given back anew; its pairs are a refund and a charge."""

    def made(self) -> Correction:
        stored, engine = self.stored, self.engine
        worth = stored.originals.select(["record_id", "amount_minor"])
        none = pa.repeat(pa.scalar(0, pa.int64()), worth.num_rows)
        given = clearing.refund(
            self.plan.clearing,
            stored.refunds,
            worth.append_column(ORIGINAL.field("refunded_minor"), none).cast(ORIGINAL),
            self._plain(stored.charges, originals=True).cast(CHARGE.columns),
            self._owed_of_originals(),
            REFUNDED.empty_table(),
            engine,
            original_held=HELD.empty(),
        )
        charges = given.charges.cast(CHARGE.columns)
        charges = charges.append_column("sequence_no", pa.repeat(pa.scalar(0, pa.int64()), charges.num_rows))
        obligations = engine.query(
            "FROM shape UNION ALL BY NAME SELECT *, 0::BIGINT AS sequence_no FROM obligations",
            shape=clearing.CORRECTING.empty_table(),
            obligations=given.obligations.cast(OBLIGATION.columns),
        ).cast(clearing.CORRECTING)
        stands = self._plain(self._plain_standing(), originals=False)
        pairs = self._moved(self._plain(stored.charges, originals=False), stands, charges, obligations)
        gone, _ = clearing.taken_back(self._of(pairs, stands), ACCUMULATOR.empty(), engine)
        nothing = SNAPSHOT.empty(pa.struct([]))
        return self._correction(pairs, self._of(pairs, charges), self._of(pairs, obligations), gone, nothing)

    def _plain(self, rows: pa.Table, *, originals: bool) -> pa.Table:
        """Those of charges of the model that have no turn: of the originals, or of their refunds."""
        plan = self.plan.clearing
        names = pa.array([name for name in plan.names if name not in plan.ordered], pa.string())
        ids = (self.stored.originals if originals else self.stored.refunds).column("record_id")
        mine = pc.is_in(raw(rows.column("record_id")), raw(ids))
        return rows.filter(pc.and_(pc.is_in(rows.column("charge"), names), mine))

    def _owed_of_originals(self) -> pa.Table:
        """OBLIGATION rows: what stands of a bearer after corrections, in one row."""
        owed = self._plain(self._plain_standing(), originals=True)
        rows = self.engine.query(
            """
            SELECT record_id, charge, bearer, debtor, creditor, sum(amount_minor)::BIGINT AS amount_minor, currency,
                legal_entity, max(booked_on) AS booked_on, refund_of, NULL::VARCHAR AS debtor_statement,
                NULL::VARCHAR AS creditor_statement
            FROM owed GROUP BY ALL HAVING sum(amount_minor) <> 0 OR count(*) = 1 ORDER BY ALL
            """,
            owed=owed.drop_columns(["debtor_statement", "creditor_statement"]),
        )
        return rows.cast(OBLIGATION.columns)

    def _moved(self, standing: pa.Table, owed: pa.Table, charges: pa.Table, obligations: pa.Table) -> pa.Table:
        """record_id and charge of refunds that give back other amounts than what stands. Where all refunds of a record
        together do, something else than their order decided it, such as another version of the model: it stays."""
        return self.engine.query(
            f"""
            WITH before AS ({FACE.format(charges="standing", obligations="owed")}),
            after AS ({FACE.format(charges="charges", obligations="obligations")}),
            moved AS ((FROM before EXCEPT FROM after) UNION ALL (FROM after EXCEPT FROM before)),
            same AS (
                SELECT original, charge FROM (
                    SELECT record_id, charge, amount_minor FROM standing
                    UNION ALL SELECT record_id, charge, -amount_minor FROM charges
                ) JOIN family USING (record_id) GROUP BY original, charge HAVING sum(amount_minor) = 0)
            SELECT DISTINCT record_id, charge FROM moved JOIN family USING (record_id)
                SEMI JOIN same USING (original, charge) ORDER BY ALL
            """,
            standing=standing,
            owed=owed,
            charges=charges,
            obligations=obligations,
            family=self.stored.family.select(["record_id", "original"]),
        )

    def _of(self, pairs: pa.Table, rows: pa.Table) -> pa.Table:
        """The rows of these pairs, in their order."""
        places = rows.select(["record_id", "charge"]).append_column("place", pa.array(range(rows.num_rows), pa.int64()))
        kept = self.engine.query(
            "SELECT place FROM places SEMI JOIN pairs USING (record_id, charge) ORDER BY place",
            places=places,
            pairs=pairs,
        )
        return rows.take(kept.column("place"))
