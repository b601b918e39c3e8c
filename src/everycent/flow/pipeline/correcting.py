"""Corrections (冲正): what stands of stored records' charges is taken back, and what the model of now makes of them
stands in its place. The history stays; each record with its refunds is corrected whole or not at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.sql import literal
from everycent.base.engine.tables import UUID
from everycent.base.money.span import span_labels
from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing import store as clearing_store
from everycent.flow.clearing.contract import (
    ACCUMULATOR,
    OBLIGATION,
    ORIGINAL,
    REFUNDED,
    SEQUENCE,
    RefundState,
)
from everycent.flow.pipeline.plan import ModelPlan, rating_terms
from everycent.flow.pipeline.reaching import budget_pots
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.sharing import with_per_share
from everycent.flow.pipeline.sourcing import Gathered
from everycent.flow.pipeline.standing import REFUSED, Stored, raw
from everycent.flow.rating import stage as rating
from everycent.flow.rating import store as rating_store
from everycent.flow.rating.contract import CHARGE, HELD, WHOLE_RECORD

#: A charge of an original that is corrected, in it and in its refunds.
_PAIR = pa.schema([pa.field("original", UUID), pa.field("charge", pa.string())])


@dataclass(frozen=True)
class Wish:
    """What is asked of a correction. `charges`: these alone, and these even where only their shares could differ; all,
    where it is empty. `look_up`: factors are looked up anew; else those that were frozen keep their values."""

    charges: tuple[str, ...] = ()
    look_up: bool = False


@dataclass(frozen=True)
class Correction:
    """What corrects some originals of one kind, and their refunds.

    `charges`, `obligations`: rows of CHARGE.corrected and OBLIGATION.corrected, in order. `snapshots`: RETRY_SNAPSHOT
    rows. `refused`: record_id and reason of originals that cannot be corrected. `changes`: record_id, charge,
    before_minor, after_minor, currency of each charge that is corrected. `originals`: their RECORD rows.
    """

    charges: pa.Table
    obligations: pa.Table
    snapshots: pa.Table
    refused: pa.Table
    changes: pa.Table
    originals: pa.Table
    gathered: Gathered = field(default_factory=lambda: Gathered({}, None))

    def part(self, *, ordered: bool) -> "Correction":
        """What arrival decided of it, or what order did; a snapshot goes with the first of the two."""
        at_once = pc.equal(self.charges.column("sequence_no"), 0)
        wanted = pc.invert(at_once) if ordered else at_once
        owed = pc.equal(self.obligations.column("sequence_no"), 0)
        first = raw(self.charges.filter(at_once).column("record_id"))
        early = pc.is_in(raw(self.snapshots.column("record_id")), first)
        return replace(
            self,
            charges=self.charges.filter(wanted),
            obligations=self.obligations.filter(pc.invert(owed) if ordered else owed),
            snapshots=self.snapshots.filter(pc.invert(early) if ordered else early),
        )


def corrected(
    session: Session,
    plan: ModelPlan,
    kind: str,
    originals: pa.ChunkedArray,
    wish: Wish,
    gather: Callable[[str, pa.Table], Gathered],
    open_on: date,
) -> Correction:
    """What corrects the records `originals` of a kind that is no refund, booked no earlier than on `open_on`. Nothing
    is written.

    Raises AmbiguousFactor, RatingRefused.
    """
    stored = Stored(session, plan, kind, originals, open_on)
    return Correcting(stored, wish, gather(kind, stored.originals)).made()


class Correcting:
    """One correction: rated anew, compared with what stands, taken back and cleared."""

    def __init__(self, stored: Stored, wish: Wish, gathered: Gathered) -> None:
        self.stored, self.wish, self.gathered = stored, wish, gathered
        self.engine, self.plan = stored.engine, stored.plan
        self.refused = stored.refused
        self.ordered = pa.array(self.plan.clearing.ordered, pa.string())

    def made(self) -> Correction:
        stored = self.stored
        self.originals = self._left(stored.originals)
        charges, snapshots, values = self._rated()
        self._refuse_unnumbered(charges.filter(pc.is_in(charges.column("charge"), self.ordered)))
        charges = self._of_originals(charges)
        in_order = pc.is_in(charges.column("charge"), self.ordered)
        at_once = charges.filter(pc.invert(in_order))
        plain_charges, plain_obligations = self._cleared_at_once(at_once, values)
        pairs = self._differing(plain_charges, plain_obligations)
        new_charges, new_obligations = self._of(pairs, plain_charges), self._of(pairs, plain_obligations)
        gone, _ = clearing.taken_back(self._of(pairs, self._plain_standing()), _no_totals(), self.engine)
        parts = [(pairs, new_charges, new_obligations, gone)]
        parts.append(self._in_order(charges.filter(in_order)))
        every = pa.concat_tables([part[0] for part in parts])
        kept = pc.invert(pc.is_in(raw(every.column("original")), raw(self.refused.column("record_id"))))
        every = every.filter(kept)
        found = [
            pa.concat_tables([part[at].cast(schema) for part in parts])
            for at, schema in ((1, _CHARGED), (2, clearing.CORRECTING), (3, clearing.CORRECTING))
        ]
        new, owed, taken = (self._of(every, table) for table in found)
        return self._correction(every, new, owed, taken, snapshots)

    def _left(self, originals: pa.Table) -> pa.Table:
        """Those that are not refused."""
        ids = raw(originals.column("record_id"))
        return originals.filter(pc.invert(pc.is_in(ids, raw(self.refused.column("record_id")))))

    def _refuse(self, held: pa.Table) -> None:
        """Adds what could not be charged (HELD rows)."""
        more = self.engine.query(
            """
            SELECT original AS record_id, min(format('charge {} would be held: {}', charge, reason)) AS reason
            FROM held JOIN family USING (record_id) GROUP BY ALL ORDER BY ALL
            """,
            held=held,
            family=self.stored.family,
        )
        self.refused = pa.concat_tables([self.refused, more.cast(REFUSED)])
        self.originals = self._left(self.originals)

    def _refuse_unnumbered(self, charges: pa.Table) -> None:
        """Adds originals with charges (CHARGE rows) that order decides, where they or a refund have no number yet."""
        more = self.engine.query(
            """
            SELECT original AS record_id,
                min('charge ' || charge || ' has its turn in strict order still to come; run the model first') AS reason
            FROM family JOIN charges ON charges.record_id = family.original
                ANTI JOIN numbers ON numbers.record_id = family.record_id
            GROUP BY ALL ORDER BY ALL
            """,
            family=self.stored.family,
            charges=charges.select(["record_id", "charge"]),
            numbers=self.stored.numbers.select(["record_id"]),
        )
        self.refused = pa.concat_tables([self.refused, more.cast(REFUSED)])
        self.originals = self._left(self.originals)

    def _rated(self) -> tuple[pa.Table, pa.Table, pa.Table]:
        """CHARGE rows of the originals as rated now; snapshots of what was looked up for that, and of all values."""
        stored, plan = self.stored, self.plan
        terms = rating_terms(plan, stored.kind)
        in_turn = pa.array(plan.clearing.in_turn, pa.string())
        standing = stored.charges.select(["record_id", "charge", "amount_minor"])
        kept = standing.filter(pc.is_in(standing.column("charge"), in_turn))
        every = pa.repeat(pa.scalar(WHOLE_RECORD), self.originals.num_rows)
        marks = pa.table({"record_id": self.originals.column("record_id"), "charge": every})
        frozen = self._frozen(terms.plan)
        known = rating.Known(marks, kept, frozen)
        rated = rating.rate_again(terms, self.originals, known, self.gathered.tables, self.engine)
        self._refuse(rated.held)
        charges = rated.charges.cast(CHARGE.columns)
        charges = charges.filter(pc.invert(pc.is_in(charges.column("charge"), in_turn)))
        values = rating.filled(terms.plan, self.originals, rated.snapshots, frozen, self.engine)
        return self._of_originals(charges), rated.snapshots, values

    def _frozen(self, plan: rating.RatingPlan) -> pa.Table:
        """The values that stay, a column for each factor; none of them where they are looked up anew."""
        if not plan.factors:
            return pa.table({"record_id": pa.array([], UUID)})
        stored, ids = self.stored, self.originals.column("record_id")
        found = rating_store.snapshots(stored.details, self.engine, stored.model, ids, plan.snapshot_type)
        users = stored.charges
        if self.wish.look_up:
            stay = pa.array([name for name in plan.computed_from if not self._is_asked(name)], pa.string())
            users = users.filter(pc.is_in(users.column("charge"), stay))
        return rating.frozen_values(plan, found, users, self.engine)

    def _is_asked(self, charge: str) -> bool:
        """Whether values of it may be looked up anew; what is computed in its turn goes by what it finds."""
        return not self.wish.charges or charge in {*self.wish.charges, *self.plan.clearing.in_turn}

    def _needed(self) -> frozenset[str]:
        """The names that what is asked for is computed from: of other factors, nothing that was found is kept."""
        computed_from = self.plan.rating[self.stored.kind].computed_from
        return frozenset(
            name for charge in self.wish.charges or computed_from for name in computed_from.get(charge, ())
        )

    def _of_originals(self, rows: pa.Table) -> pa.Table:
        return rows.filter(pc.is_in(raw(rows.column("record_id")), raw(self.originals.column("record_id"))))

    def _cleared_at_once(self, charges: pa.Table, snapshots: pa.Table) -> tuple[pa.Table, pa.Table]:
        """CHARGE rows with a number of 0 and CORRECTING rows: of the originals, and what their refunds give back."""
        plan, engine = self.plan, self.engine
        cleared = clearing.clear(plan.clearing, self.originals, charges, engine)
        cleared = with_per_share(plan, self.stored.kind, self.originals, cleared, HELD.empty(), snapshots, engine)
        self._refuse(cleared.held)
        charges = self._of_originals(cleared.charges.cast(CHARGE.columns))
        obligations = self._of_originals(cleared.obligations.cast(OBLIGATION.columns))
        refunds = self.stored.refunds
        worth = self.originals.select(["record_id", "amount_minor"])
        none = pa.repeat(pa.scalar(0, pa.int64()), worth.num_rows)
        if refunds.num_rows:
            mine = pc.is_in(raw(refunds.column("refund_of")), raw(self.originals.column("record_id")))
            given_back = clearing.refund(
                plan.clearing,
                refunds.filter(mine),
                worth.append_column(ORIGINAL.field("refunded_minor"), none).cast(ORIGINAL),
                charges,
                obligations,
                REFUNDED.empty_table(),
                engine,
                original_held=HELD.empty(),
            )
            charges = pa.concat_tables([charges, given_back.charges.cast(CHARGE.columns)])
            obligations = pa.concat_tables([obligations, given_back.obligations.cast(OBLIGATION.columns)])
        number = pa.repeat(pa.scalar(0, pa.int64()), charges.num_rows)
        rows = engine.query(
            f"SELECT {', '.join(clearing.CORRECTING.names)} FROM shape UNION ALL BY NAME"
            " SELECT *, 0::BIGINT AS sequence_no FROM obligations",
            shape=clearing.CORRECTING.empty_table(),
            obligations=obligations,
        )
        return charges.append_column("sequence_no", number), rows.cast(clearing.CORRECTING)

    def _plain_standing(self) -> pa.Table:
        rows = self.stored.obligations
        return rows.filter(pc.equal(rows.column("sequence_no"), 0))

    def _differing(self, charges: pa.Table, obligations: pa.Table) -> pa.Table:
        """_PAIR rows of charges that arrival decided and that are not as they stand."""
        standing = self.stored.charges
        standing = standing.filter(pc.invert(pc.is_in(standing.column("charge"), self.ordered)))
        rows = self.engine.query(
            f"""
            WITH before AS ({FACE.format(charges="standing", obligations="owed")}),
            after AS ({FACE.format(charges="charges", obligations="obligations")}),
            moved AS ((FROM before EXCEPT FROM after) UNION ALL (FROM after EXCEPT FROM before))
            SELECT DISTINCT original, charge FROM moved JOIN family USING (record_id)
            WHERE original IN (SELECT record_id FROM originals) AND {self._asked()} ORDER BY ALL
            """,
            standing=standing,
            owed=self._plain_standing(),
            charges=charges,
            obligations=obligations,
            family=self.stored.family,
            originals=self.originals.select(["record_id"]),
        )
        return rows.cast(_PAIR)

    def _asked(self) -> str:
        if not self.wish.charges:
            return "true"
        return f"charge IN ({', '.join(map(literal, self.wish.charges))})"

    def _in_order(self, charges: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table, pa.Table]:
        """The pairs that order decided and that are corrected; their charges, obligations, and what takes back."""
        pairs = self._differing_in_order(charges, forced=bool(self.wish.charges))
        totals = _no_totals()
        if pairs.num_rows:
            totals = self._accumulators()
        while True:
            standing = self._of(pairs, self._numbered_standing())
            gone, left = clearing.taken_back(standing, totals, self.engine)
            found = self._cleared_in_order(pairs, charges, left)
            if found.held.num_rows == 0:
                made = pairs, found.charges, found.obligations, gone
                if self._differing_in_order(charges, forced=False).num_rows or self._moves(gone, found.obligations):
                    return made
                return tuple(table.slice(0, 0) for table in made)  # shared again, it comes out as it stands
            self._refuse(found.held)
            pairs = pairs.filter(
                pc.invert(pc.is_in(raw(pairs.column("original")), raw(self.refused.column("record_id"))))
            )

    def _accumulators(self) -> pa.Table:
        """What is carried now in all pots that the correction can touch: where the originals would be today, and where
        what stands of them is."""
        stored = self.stored
        days = self.originals.column("business_date").to_numpy()
        budgets = self.plan.clearing.budgets.values()
        periods = {label for budget in budgets for label in span_labels(budget.period, days)[1]}
        periods |= {period for period in stored.obligations.column("period").to_pylist() if period is not None}
        own = budget_pots(self.plan, {stored.kind: self.originals}, self.engine)
        drawn = stored.obligations.filter(pc.is_valid(stored.obligations.column("budget"))).select(own.column_names)
        pots = pa.concat_tables([own, drawn.cast(own.schema)])
        return clearing_store.accumulators(stored.details, self.engine, stored.model, _AFTER_ALL, sorted(periods), pots)

    def _numbered_standing(self) -> pa.Table:
        rows = self.stored.obligations
        return rows.filter(pc.greater(rows.column("sequence_no"), 0))

    def _moves(self, gone: pa.Table, obligations: pa.Table) -> bool:
        """Whether what takes back and what stands in its place are more than nothing."""
        same = f"{', '.join(_LEDGER)}, budget, pot, period, leaf"
        moved = self.engine.query(
            f"SELECT 1 FROM (FROM gone UNION ALL BY NAME FROM obligations) GROUP BY {same}"
            " HAVING sum(amount_minor) <> 0 LIMIT 1",
            gone=gone,
            obligations=obligations,
        )
        return bool(moved.num_rows)

    def _differing_in_order(self, charges: pa.Table, *, forced: bool) -> pa.Table:
        drawing = ", ".join(map(literal, self.plan.clearing.drawing)) or "NULL"
        in_turn = ", ".join(map(literal, self.plan.clearing.in_turn)) or "''"
        face = "record_id, charge, amount_minor, currency, debtor, creditor"
        rows = self.engine.query(
            f"""
            WITH before AS (
                SELECT {face} FROM standing SEMI JOIN originals USING (record_id)
                WHERE charge IN ({drawing}) AND charge NOT IN ({in_turn})),
            after AS (SELECT {face} FROM charges WHERE charge IN ({drawing}))
            SELECT DISTINCT record_id AS original, charge FROM (
                (FROM before EXCEPT FROM after) UNION ALL (FROM after EXCEPT FROM before)
                UNION ALL (FROM after WHERE {str(forced).lower()})
            ) WHERE {self._asked()} ORDER BY ALL
            """,
            standing=self.stored.charges,
            charges=charges,
            originals=self.originals.select(["record_id"]),
        )
        return rows.cast(_PAIR)

    def _cleared_in_order(self, pairs: pa.Table, charges: pa.Table, accumulators: pa.Table) -> clearing.OrderedCleared:
        stored, engine = self.stored, self.engine
        family = engine.query(
            "SELECT record_id FROM family WHERE original IN (SELECT original FROM pairs)",
            family=stored.family,
            pairs=pairs,
        ).column("record_id")
        sequence = stored.numbers.filter(pc.is_in(raw(stored.numbers.column("record_id")), raw(family)))
        sequence = sequence.select(SEQUENCE.names).sort_by("sequence_no")
        refunds = stored.refunds
        records = {stored.kind: stored.originals} | {
            name: refunds.filter(pc.equal(refunds.column("kind"), name))
            for name in refunds.column("kind").unique().to_pylist()
        }
        wanted = self._of(pairs, charges)
        state = RefundState(
            ORIGINAL.empty_table(),
            CHARGE.empty(),
            clearing.CORRECTING.empty_table(),
            REFUNDED.empty_table(),
            HELD.empty(),
        )
        return clearing.clear_in_order(self.plan.clearing, sequence, records, wanted, state, accumulators, engine)

    def _of(self, pairs: pa.Table, rows: pa.Table) -> pa.Table:
        """The rows of these pairs, in their order."""
        places = rows.append_column("place", pa.array(range(rows.num_rows), pa.int64()))
        kept = self.engine.query(
            """
            SELECT place FROM places JOIN family USING (record_id)
            SEMI JOIN pairs ON pairs.original = family.original AND pairs.charge = places.charge ORDER BY place
            """,
            places=places.select(["record_id", "charge", "place"]),
            family=self.stored.family,
            pairs=pairs,
        )
        return rows.take(kept.column("place"))

    def _correction(
        self, pairs: pa.Table, charges: pa.Table, obligations: pa.Table, gone: pa.Table, snapshots: pa.Table
    ) -> Correction:
        """The rows as they are stored, with their revisions."""
        stored, engine = self.stored, self.engine
        standing = self._of(pairs, stored.charges)
        every = self._revised(charges, standing)
        owed = engine.query(
            """
            WITH made AS (
                SELECT *, true AS reverses FROM gone UNION ALL BY NAME SELECT *, false AS reverses FROM obligations
            )
            SELECT made.* REPLACE (greatest(made.booked_on, family.booked_on) AS booked_on),
                false AS adjusts, every.generation, every.revision
            FROM made JOIN family USING (record_id)
                JOIN every ON every.record_id = made.record_id AND every.charge = made.charge
            ORDER BY sequence_no, record_id, charge, reverses DESC, bearer, debtor, creditor
            """,
            gone=gone,
            obligations=obligations,
            family=stored.family,
            every=every,
        )
        schemas = (CHARGE.corrected, OBLIGATION.corrected)
        charged, moved = (
            rows.select(schema.columns.names).cast(schema.columns)
            for rows, schema in zip((every, owed), schemas, strict=True)
        )
        changes = engine.query(
            """
            SELECT made.record_id, made.charge, coalesce(standing.amount_minor, 0) AS before_minor,
                made.amount_minor AS after_minor, made.currency
            FROM charged AS made LEFT JOIN standing USING (record_id, charge) ORDER BY ALL
            """,
            charged=charged,
            standing=standing,
        )
        return Correction(
            charged,
            moved,
            stored.attempts(snapshots, charged, self._needed()),
            self.refused,
            changes,
            stored.originals,
            self.gathered,
        )

    def _revised(self, charges: pa.Table, standing: pa.Table) -> pa.Table:
        """The charges as corrected, with their revisions and numbers; what is charged no more, at nothing."""
        stored, engine = self.stored, self.engine
        known = stored.rows(CHARGE.corrected)
        numbers = stored.numbers.select(["record_id", "sequence_no", "generation"])
        numbers = numbers.rename_columns(["record_id", "number", "made_in"])
        ordered = ", ".join(map(literal, self.plan.clearing.ordered)) or "NULL"
        return engine.query(
            f"""
            WITH last AS (SELECT record_id, charge, max(revision) AS revision FROM known GROUP BY ALL),
            made AS (
                SELECT * EXCLUDE (sequence_no) FROM charges
                UNION ALL
                SELECT standing.* REPLACE (0::BIGINT AS amount_minor) FROM standing
                ANTI JOIN charges USING (record_id, charge)
            )
            SELECT made.* REPLACE (greatest(made.booked_on, family.booked_on) AS booked_on),
                CASE WHEN made.charge IN ({ordered}) THEN number ELSE 0 END::BIGINT AS sequence_no,
                CASE WHEN made.charge IN ({ordered}) THEN made_in ELSE 0 END::INTEGER AS generation,
                (coalesce(last.revision, 0) + 1)::INTEGER AS revision, false AS reverses
            FROM made JOIN family USING (record_id) LEFT JOIN last USING (record_id, charge)
                LEFT JOIN numbers USING (record_id)
            ORDER BY sequence_no, record_id, charge
            """,
            known=known,
            charges=charges,
            standing=standing,
            family=stored.family,
            numbers=numbers,
        )


_LEDGER = ("record_id", "charge", "bearer", "debtor", "creditor", "currency", "legal_entity")
_CHARGED = pa.schema([*CHARGE.columns, ("sequence_no", pa.int64())])
#: A number after all that are given.
_AFTER_ALL = (1 << 63) - 1
#: What is compared of charges and their obligations, as far as they are more than nothing: one text each, whatever rows
#: it stands in. (A charge that was taken back stands at nothing.)
FACE = """
    SELECT record_id, charge, concat_ws(' ', amount_minor, currency, debtor, creditor) AS face FROM {charges}
    WHERE amount_minor <> 0
    UNION ALL
    SELECT record_id, charge, concat_ws(' ', bearer, debtor, creditor, currency, legal_entity, sum(amount_minor))
    FROM {obligations} GROUP BY record_id, charge, bearer, debtor, creditor, currency, legal_entity
    HAVING sum(amount_minor) <> 0
"""


def _no_totals() -> pa.Table:
    return ACCUMULATOR.empty()
