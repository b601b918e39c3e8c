"""What is stored of the records whose turn comes, brought into the engine once, and cut into windows from there."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.sql import identifier, literal
from everycent.base.money.span import span_labels
from everycent.base.platform.details import Details
from everycent.flow.clearing import store as clearing_store
from everycent.flow.clearing.contract import SEQUENCE, WAITING_CHARGE
from everycent.flow.intake.contract import RECORD
from everycent.flow.pipeline.ordering import Reach, attach_records
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.reaching import budget_pots, running_pots
from everycent.flow.pipeline.running import MOVED, Totals
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.sharing import kept_factors
from everycent.flow.pipeline.turn import Known
from everycent.flow.rating import stage as rating
from everycent.flow.rating import store as rating_store
from everycent.flow.rating.contract import CHARGE, HELD, RETRY_SNAPSHOT, SNAPSHOT

_STANDING = pa.schema(
    [CHARGE.columns.field("record_id"), pa.field("charge", pa.string()), ("amount_minor", pa.int64())]
)


class Turning:
    """`turns` (TURN rows) with their records, charges and snapshots. `details` sees the generation that is cleared."""

    def __init__(self, session: Session, plan: ModelPlan, details: Details, turns: pa.Table, reach: Reach) -> None:
        self.session, self.plan, self.details, self.engine = session, plan, details, session.engine
        self.model, self.reach = plan.model.name, reach
        self.kinds = plan.model.spec.ordered_kinds
        duck = self.engine.connection
        duck.register("turns", turns)
        for at, kind in enumerate(self.kinds):
            self._fetch_records(at, kind)
        self.details.attach(self.engine, "turning", WAITING_CHARGE, self.model, after_batch=reach.after_batch)
        columns = ", ".join("turns.booked_on" if name == "booked_on" else name for name in CHARGE.columns.names)
        names = plan.clearing.names
        duck.register("declared", pa.table({"charge": names, "place": list(range(len(names)))}))
        duck.execute(
            f"CREATE OR REPLACE TABLE turning_charge AS SELECT sequence_no, {columns} FROM {self._waiting()}"
            " JOIN turns USING (record_id) JOIN declared USING (charge) ORDER BY sequence_no, place"
        )
        duck.unregister("declared")
        for at, (kind, turn) in enumerate(plan.turns.items()):
            self._fetch_snapshots(f"turning_snapshot_{at}", kind, turn.frozen)
        for at, (kind, factors) in enumerate(self._kept.items()):
            self._fetch_snapshots(f"turning_kept_{at}", kind, factors)
        if self._asks_others:
            self._fetch_standing()
        duck.unregister("turns")
        refunds = " UNION ".join(f"SELECT refund_of FROM turning_{at}" for at in range(len(self.kinds)))
        asked = self.engine.query(f"FROM ({refunds}) WHERE refund_of IS NOT NULL ORDER BY refund_of")
        originals = asked.column("refund_of").cast(pa.uuid())
        first_no = int(turns.column("sequence_no").to_numpy()[0])
        self.history = clearing_store.OrderedHistory(details, self.engine, self.model, originals, first_no)
        self.moved = MOVED.empty_table()
        if plan.running and len(originals):
            self.moved = rating_store.moved_of(details, self.engine, self.model, originals, first_no).select(
                MOVED.names
            )
        self.originals = originals.cast(pa.binary(16)).combine_chunks()

    def periods(self) -> list[str]:
        """The periods of all pots that the turns can touch: those of their own days, and those that what they refund
        moved."""
        days = " UNION ".join(f"SELECT business_date FROM turning_{at}" for at in range(len(self.kinds)))
        found = self.engine.query(days).column("business_date").to_numpy()
        kept = {budget.period for budget in self.plan.clearing.budgets.values()}
        kept |= {running.period for running in self.plan.running}
        own = {label for span in kept for label in span_labels(span, found)[1]}
        return sorted(own.union(self.history.periods(), self.moved.column("period").to_pylist()))

    def pots(self) -> pa.Table:
        """budget, pot of all that the turns can draw on: of the records themselves, and of what they refund."""
        own = budget_pots(self.plan, self._stored_records(), self.engine)
        return pa.concat_tables([own, self.history.pots()])

    def running_pots(self) -> pa.Table:
        """factor, pot of all totals that the turns can move: of the records themselves, and of what they refund."""
        own = running_pots(self.plan, self._stored_records(), self.engine)
        return pa.concat_tables([own, self.moved.select(own.column_names).cast(own.schema)])

    def _stored_records(self) -> dict[str, str]:
        return {kind: f"turning_{at}" for at, kind in enumerate(self.kinds)}

    def _waiting(self) -> str:
        """SQL: the charges that waited, as the newest correction of those that were corrected since made them."""
        if not self.details.parts(CHARGE.corrected, self.model):
            return "turning"
        self.details.attach(self.engine, "turning_corrected", CHARGE.corrected, self.model)
        columns = ", ".join(WAITING_CHARGE.columns.names)
        newest = (
            f"SELECT {columns} FROM turning_corrected WHERE sequence_no > 0 AND refund_of IS NULL"
            " QUALIFY revision = max(revision) OVER (PARTITION BY record_id, charge)"
        )
        return (
            f"(SELECT {columns} FROM turning ANTI JOIN ({newest}) AS newest USING (record_id, charge)"
            f" UNION ALL {newest})"
        )

    @property
    def _asks_others(self) -> bool:
        """Whether it matters which other charges a record has."""
        shared = any(share.turn.bases for _, share in self.plan.shares_in_order)
        return shared or any(turn.bases or turn.is_conditional for turn in self.plan.turns.values())

    @property
    def _kept(self) -> dict[str, tuple[rating.Factor, ...]]:
        """By kind, the factors that charges per share take from snapshots."""
        return kept_factors(self.plan)

    def _fetch_records(self, at: int, kind: str) -> None:
        attach_records(self.session, self.plan, self.reach, "turning", kind, RECORD.columns.names)
        self.engine.connection.execute(
            f"CREATE OR REPLACE TABLE turning_{at} AS SELECT sequence_no, record.* EXCLUDE (model, batch_no)"
            " REPLACE (turns.booked_on AS booked_on)"
            " FROM turning AS record JOIN turns USING (record_id) ORDER BY sequence_no"
        )

    def _fetch_snapshots(self, table: str, kind: str, factors: Sequence[rating.Factor]) -> None:
        """What was looked up for the records: on arrival, and later what was not found then."""
        body = self.plan.rating[kind].snapshot_type
        if not factors:
            return
        for view, schema in (("arrived", SNAPSHOT), ("retried", RETRY_SNAPSHOT)):
            after = self.reach.after_batch
            self.details.attach(self.engine, view, schema, self.model, kind=kind, body_type=body, after_batch=after)
        values = ", ".join(
            f"arg_max(body.{name}, attempt) FILTER (body.{name} IS NOT NULL) AS {name}"
            for name in (identifier(factor.name) for factor in factors)
        )
        self.engine.connection.execute(
            f"CREATE OR REPLACE TABLE {table} AS SELECT sequence_no, record_id, {values}"
            " FROM (SELECT record_id, 1 AS attempt, body FROM arrived UNION ALL"
            " SELECT record_id, attempt, body FROM retried) JOIN turns USING (record_id) GROUP BY ALL"
        )

    def _fetch_standing(self) -> None:
        """What arrival decided of the records: charges, those that are held, those that wait with their amounts."""
        for view, schema in (("charged", CHARGE), ("held_back", HELD)):
            after = self.reach.after_batch
            self.details.attach(self.engine, view, schema, self.model, plain=True, after_batch=after)
        self.engine.connection.execute(
            "CREATE OR REPLACE TABLE turning_standing AS SELECT sequence_no, record_id, charge, amount_minor FROM ("
            " SELECT record_id, charge, amount_minor FROM charged"
            " UNION ALL SELECT record_id, charge, NULL FROM held_back"
            " UNION ALL SELECT record_id, charge, amount_minor FROM turning_charge WHERE amount_minor IS NOT NULL"
            ") JOIN turns USING (record_id)"
        )

    def known(self, turns: pa.Table, accumulators: pa.Table, totals: Totals) -> Known:
        """What is known of a window of the turns. `accumulators`, `totals`: what was carried and added up before it."""
        numbers = turns.column("sequence_no").to_numpy()
        first, last = int(numbers[0]), int(numbers[-1])
        records = {
            kind: self._rows(f"turning_{at}", RECORD.with_body(self.plan.intake[kind].body_type), first, last)
            for at, kind in enumerate(self.kinds)
        }
        refund_of = pa.concat_tables([table.select(["refund_of"]) for table in records.values()]).column("refund_of")
        wanted = refund_of.cast(pa.binary(16)).unique().drop_null()
        asked = pa.chunked_array([wanted.cast(pa.uuid())])
        standing = _STANDING.empty_table()
        if self._asks_others:
            standing = self._rows("turning_standing", _STANDING, first, last)
        return Known(
            turns.select(SEQUENCE.names),
            records,
            self._rows("turning_charge", WAITING_CHARGE.columns, first, last),
            standing,
            {
                kind: self._snapshots(f"turning_snapshot_{at}", turn.frozen, first, last)
                for at, (kind, turn) in enumerate(self.plan.turns.items())
            },
            self.history.state(asked, turns.column("record_id")),
            accumulators,
            Totals(totals.standing, _among(self.moved, wanted)),
            {
                kind: self._snapshots(f"turning_kept_{at}", factors, first, last)
                for at, (kind, factors) in enumerate(self._kept.items())
            },
        )

    def add(self, turns: pa.Table, charges: pa.Table, held: pa.Table, obligations: pa.Table, moved: pa.Table) -> None:
        """What a window was committed with: it stands before the next."""
        self.history.add(turns, charges, held, obligations)
        if len(self.originals):
            self.moved = pa.concat_tables([self.moved, _among(moved.select(MOVED.names), self.originals)])

    def _snapshots(self, table: str, factors: Sequence[rating.Factor], first: int, last: int) -> pa.Table:
        fields = [pa.field(factor.name, factor.type.arrow) for factor in factors]
        schema = pa.schema([_STANDING.field("record_id"), *fields])
        return self._rows(table, schema, first, last) if fields else schema.empty_table()

    def _rows(self, table: str, schema: pa.Schema, first: int, last: int) -> pa.Table:
        listed = ", ".join(identifier(name) for name in schema.names)
        return self.engine.query(
            f"SELECT {listed} FROM {table} WHERE sequence_no BETWEEN {first} AND {last} ORDER BY sequence_no"
        ).cast(schema)


def _among(moved: pa.Table, originals: pa.Array) -> pa.Table:
    """MOVED rows of these originals, and of refunds of them."""
    sides = [moved.column(name).cast(pa.binary(16)) for name in ("record_id", "refund_of")]
    mine = [pc.fill_null(pc.is_in(side, originals), False) for side in sides]
    return moved.filter(pc.or_(*mine)).cast(MOVED)


def totals_before(
    details: Details, session: Session, plan: ModelPlan, first_no: int, periods: Sequence[str], pots: pa.Table
) -> Totals:
    """What was added up in these pots (factor, pot) and periods before a number."""
    if not plan.running:
        return Totals()
    rows = rating_store.standing_totals(details, session.engine, plan.model.name, first_no, periods, pots)
    return Totals({running.name: _of(session, running.name, rows) for running in plan.running})


def _of(session: Session, factor: str, rows: pa.Table) -> pa.Table:
    names: Sequence[str] = rating.STANDING.names
    found = session.engine.query(
        f"SELECT {', '.join(names)} FROM rows WHERE factor = {literal(factor)} ORDER BY ALL", rows=rows
    )
    return found.cast(rating.STANDING)
