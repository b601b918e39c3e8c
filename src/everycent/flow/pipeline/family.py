"""One family of parked records through the stages again: the originals' charges that wait, then what refunds give back
of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.base.engine.tables import UUID, TableSchema
from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing.contract import OBLIGATION, ORIGINAL, REFUNDED, WAITING_CHARGE, Cleared
from everycent.flow.intake import stage as intake
from everycent.flow.intake.contract import QUARANTINE, RECORD
from everycent.flow.ledger import stage as ledger
from everycent.flow.parties import stage as parties
from everycent.flow.pipeline.compute import Batch, apart
from everycent.flow.pipeline.plan import ModelPlan, rating_terms
from everycent.flow.pipeline.session import Session
from everycent.flow.pipeline.sharing import Standing, awaiting, flat, per_share
from everycent.flow.pipeline.sourcing import Gathered
from everycent.flow.rating import stage as rating
from everycent.flow.rating import store as rating_store
from everycent.flow.rating.contract import CHARGE, HELD, RETRY, RETRY_SNAPSHOT, SNAPSHOT, WHOLE_RECORD
from everycent.flow.settlement import stage as settlement

NO_ROWS = {"rows_read": 0, "accepted": 0, "duplicate": 0, "conflict": 0, "quarantined": 0, "ignored": 0}


@dataclass(frozen=True)
class Family:
    """Originals of one kind, and what of them and of their refunds is parked.

    `waits`: record_id, refund_of (null: an original), charge, state, reason.
    """

    kind: str
    originals: pa.ChunkedArray
    waits: pa.Table


@dataclass(frozen=True)
class Retried:
    """`batch`: what is new. `outcomes`: RETRY rows of the charges for which something changed. `snapshots`:
    RETRY_SNAPSHOT rows. `gathered`: what it was rated with."""

    batch: Batch
    outcomes: pa.Table
    snapshots: pa.Table
    gathered: Gathered


def retry(
    session: Session,
    plan: ModelPlan,
    family: Family,
    gather: Callable[[str, pa.Table], Gathered],
    open_on: date,
) -> Retried | None:
    """Rates what is parked of a family again; None where nothing came of it."""
    engine = session.engine
    stored = _Stored(session, plan, family, open_on)
    gathered = gather(family.kind, stored.originals)
    rated, snapshots = _rated(stored, gathered.tables)
    at_once, waiting = apart(rated.charges, plan.clearing)
    cleared = clearing.clear(plan.clearing, stored.originals, at_once, engine)
    cleared, waiting = _with_per_share(stored, cleared, rated, waiting)
    held = pa.concat_tables([_plain(HELD, part) for part in (rated.held, cleared.held)])
    given_back = _given_back(stored, cleared, held)
    charges = pa.concat_tables([_plain(CHARGE, part.charges) for part in (cleared, given_back)])
    obligations = pa.concat_tables([_plain(OBLIGATION, part.obligations) for part in (cleared, given_back)])
    held = pa.concat_tables([held, _plain(HELD, given_back.held)])
    named = ["record_id", "charge"]  # those are released too that now wait for their turn
    released = pa.concat_tables([charges.select(named), waiting.select(named)])
    outcomes = _outcomes(stored, released, held)
    new_held = _new_held(family, held, engine)
    if outcomes.num_rows == 0:
        assert charges.num_rows == 0 and new_held.num_rows == 0, "what is new releases something"
        return None
    accrued = settlement.accrue(plan.settlement, obligations, engine)
    first = outcomes.slice(0, 1).to_pylist()[0]
    occasion = f"{first['record_id']}/{first['charge']}/{first['attempt']}"
    batch = Batch(
        intake=intake.Intake(stored.nothing, QUARANTINE.empty(), NO_ROWS),
        snapshots=SNAPSHOT.empty(pa.struct([])),
        charges=charges,
        held=new_held,
        obligations=accrued.obligations,
        accruals=accrued.accruals,
        parties=parties.identify(plan.model.spec.parties, stored.originals, engine),
        transfers=ledger.post(accrued.obligations, plan.operators, engine, occasion),
        waiting=waiting,
    )
    return Retried(batch, outcomes, _attempted(snapshots, outcomes, engine), gathered)


class _Stored:
    """What is stored of a family, read once."""

    def __init__(self, session: Session, plan: ModelPlan, family: Family, open_on: date) -> None:
        self.session, self.plan, self.family = session, plan, family
        self.engine, self.model = session.engine, plan.model.name
        body = plan.intake[family.kind].body_type
        found = session.details.lookup(
            self.engine, RECORD, self.model, "record_id", family.originals, RECORD.columns.names, body
        )
        self.nothing = found.slice(0, 0)
        self.originals = booked(found, open_on)
        self.charges = self.rows(CHARGE, "record_id", family.originals)
        self.refunds = booked(self._refunds(), open_on)

    def rows(self, schema: TableSchema, column: str, ids: pa.ChunkedArray) -> pa.Table:
        """All stored rows of the schema whose column is among the ids."""
        return self.session.details.lookup(self.engine, schema, self.model, column, ids, schema.columns.names)

    def _refunds(self) -> pa.Table:
        """RECORD rows of the originals' refunds in their order, without their bodies; a refund that is passed over for
        a reason of its own is left out."""
        refunds = refunds_of(self.session, self.plan, self.family.kind, self.originals)
        rows = self.engine.query(
            f"""
            SELECT record_id FROM refunds WHERE record_id NOT IN (
                SELECT own.record_id FROM waits AS own
                WHERE own.charge = '{WHOLE_RECORD}' AND own.refund_of IS NOT NULL AND (own.state = 'quarantined'
                    OR own.refund_of NOT IN (
                        SELECT record_id FROM waits WHERE charge = '{WHOLE_RECORD}' AND refund_of IS NULL)))
            """,
            refunds=refunds.select(["record_id"]),
            waits=self.family.waits,
        )
        ids, kept = (each.column("record_id").cast(pa.binary(16)) for each in (refunds, rows))
        return refunds.filter(pc.is_in(ids, kept.combine_chunks()))


def refunds_of(session: Session, plan: ModelPlan, kind: str, originals: pa.Table) -> pa.Table:
    """RECORD rows of the refunds of `originals` (RECORD rows of a kind), without their bodies: in the strict order
    where late ones find their places in it, else in order of arrival."""
    names = [name for name in RECORD.columns.names if name != RECORD.body]
    known = originals.select(["record_id", "occurred_at"])
    if plan.refunds_find_their_places(kind):
        rows = _in_their_places(session, plan, known, names)
    else:
        session.details.attach(session.engine, "family_refund", RECORD, plan.model.name, columns=names)
        rows = session.engine.query(
            "SELECT * EXCLUDE (model, batch_no) FROM family_refund"
            " WHERE refund_of IN (SELECT record_id FROM originals) ORDER BY batch_no, source_line, record_id",
            originals=known,
        )
    rows = rows.cast(pa.schema([RECORD.columns.field(name) for name in names]))
    at = RECORD.columns.get_field_index(str(RECORD.body))
    empty = pa.array([{}] * rows.num_rows, pa.struct([]))
    return RECORD.check(rows.add_column(at, pa.field(str(RECORD.body), empty.type), empty))


def _in_their_places(session: Session, plan: ModelPlan, originals: pa.Table, names: Sequence[str]) -> pa.Table:
    """The refunds' rows in the order of `ordering.in_order_sql`; those of one original stand together in it."""
    details, engine, model, order = session.details, session.engine, plan.model.name, plan.model.spec.order
    assert order is not None, "without an order there are no places"
    refunds = details.lookup(engine, RECORD, model, "refund_of", originals.column("record_id"), names)
    ties = [f"t{at}" for at in range(len(order.by) - 1)]
    values = ", ".join(f"body.{identifier(column)} AS t{at}" for at, column in enumerate(order.by[1:]))
    tied = []
    for kind in sorted(set(refunds.column("kind").to_pylist())) if ties else ():
        ids = refunds.filter(pc.equal(refunds.column("kind"), kind)).column("record_id")
        columns = ["record_id", str(RECORD.body)]
        rows = details.lookup(engine, RECORD, model, "record_id", ids, columns, plan.intake[kind].body_type)
        tied.append(engine.query(f"SELECT record_id, {values} FROM rows", rows=rows))
    if not tied:
        ties, tied = [], [refunds.select(["record_id"])]
    by = ["greatest(refund.occurred_at, original.occurred_at)", *(f"{tie} NULLS FIRST" for tie in ties)]
    return engine.query(
        f"SELECT {', '.join(f'refund.{identifier(name)}' for name in names)} FROM refunds AS refund"
        " JOIN tied ON tied.record_id = refund.record_id"
        " JOIN originals AS original ON original.record_id = refund.refund_of"
        f" ORDER BY {', '.join(by)}, refund.record_id",
        refunds=refunds,
        originals=originals,
        tied=pa.concat_tables(tied),
    )


def booked(records: pa.Table, open_on: date) -> pa.Table:
    """The records booked no earlier than on the first day that is open: what is closed stays closed."""
    at = records.schema.get_field_index("booked_on")
    days = pc.max_element_wise(records.column("booked_on"), pa.scalar(open_on, pa.date32()))
    return records.set_column(at, records.schema.field("booked_on"), days)


def _rated(stored: _Stored, tables: Mapping[str, pa.Table]) -> tuple[rating.Rated, pa.Table]:
    """The originals' parked charges rated again; the snapshots of what was looked up for it."""
    terms = rating_terms(stored.plan, stored.family.kind)
    waits = stored.family.waits
    own = waits.filter(pc.is_null(waits.column("refund_of"))).select(["record_id", "charge"])
    known = rating.Known(own, stored.charges.select(["record_id", "charge", "amount_minor"]), _frozen(stored, terms))
    rated = rating.rate_again(terms, stored.originals, known, tables, stored.engine)
    return rated, rated.snapshots


def _frozen(stored: _Stored, terms: rating.RatingTerms) -> pa.Table:
    """For each original the values from which a charge that stands was computed, NULL for other factors."""
    body, details = terms.plan.snapshot_type, stored.session.details
    if not terms.plan.factors:
        return pa.table({"record_id": pa.array([], UUID)})
    found = rating_store.snapshots(details, stored.engine, stored.model, stored.family.originals, body)
    return rating.frozen_values(terms.plan, found, stored.charges, stored.engine)


def _with_per_share(
    stored: _Stored, cleared: Cleared, rated: rating.Rated, waiting: pa.Table
) -> tuple[Cleared, pa.Table]:
    """What was cleared, and what waits for its turn, with the charges per share that were parked: of shares that stand
    now, or did before."""
    kind, engine, terms = stored.family.kind, stored.engine, rating_terms(stored.plan, stored.family.kind)
    if not stored.plan.shares.get(kind):
        return cleared, waiting
    waits = stored.family.waits
    held = pa.concat_tables([_plain(HELD, part) for part in (rated.held, cleared.held)])
    given = _frozen(stored, terms)
    standing = Standing(
        pa.concat_tables([stored.charges, _plain(CHARGE, cleared.charges)]),
        pa.concat_tables(
            [stored.rows(OBLIGATION, "record_id", stored.family.originals), _plain(OBLIGATION, cleared.obligations)]
        ),
        _still_held(stored, held),
        flat(rating.filled(terms.plan, stored.originals, rated.snapshots, given, engine)),
        waits.filter(pc.is_null(waits.column("refund_of"))).select(["record_id", "charge"]),
    )
    more = per_share(stored.plan, kind, stored.originals, standing, engine)
    lacking = HELD.empty()
    if stored.plan.shares_in_order:
        before = stored.rows(WAITING_CHARGE, "record_id", stored.family.originals)
        base = pa.concat_tables([_plain(WAITING_CHARGE, before), waiting])
        wait_too, lacking = awaiting(stored.plan, kind, stored.originals, base, standing, engine)
        waiting = pa.concat_tables([waiting, wait_too])
    return Cleared(
        pa.concat_tables([_plain(CHARGE, part.charges) for part in (cleared, more)]),
        pa.concat_tables([_plain(OBLIGATION, part.obligations) for part in (cleared, more)]),
        pa.concat_tables([*(_plain(HELD, part.held) for part in (cleared, more)), lacking]),
    ), waiting


def _given_back(stored: _Stored, cleared: Cleared, held: pa.Table) -> Cleared:
    """What refunds give back of the charges that wait in them."""
    engine, family = stored.engine, stored.family
    waits = family.waits.filter(pc.is_valid(family.waits.column("refund_of")))
    if waits.num_rows == 0:
        return Cleared(CHARGE.empty(), OBLIGATION.empty(), HELD.empty())
    charges = pa.concat_tables([stored.charges, _plain(CHARGE, cleared.charges)])
    owed = stored.rows(OBLIGATION, "record_id", family.originals)
    obligations = pa.concat_tables([owed, _plain(OBLIGATION, cleared.obligations)])
    back = stored.rows(OBLIGATION, "refund_of", family.originals)
    refunded = engine.query(
        "SELECT refund_of, charge, bearer, CAST(-sum(amount_minor) AS BIGINT) AS refunded_minor"
        " FROM back GROUP BY ALL ORDER BY ALL",
        back=back,
    )
    worth = stored.originals.select(["record_id", "amount_minor"])
    nothing = pa.repeat(pa.scalar(0, pa.int64()), worth.num_rows)
    cleared_back = clearing.refund(
        stored.plan.clearing,
        stored.refunds,
        worth.append_column(ORIGINAL.field("refunded_minor"), nothing).cast(ORIGINAL),
        charges,
        obligations,
        refunded.cast(REFUNDED),
        engine,
        original_held=_still_held(stored, held),
    )
    parts = (cleared_back.charges, cleared_back.obligations, cleared_back.held)
    return Cleared(*(_of_parked(part, waits, engine) for part in parts))


def _still_held(stored: _Stored, held: pa.Table) -> pa.Table:
    """HELD rows of the originals as they stand now."""
    waits = stored.family.waits.select(["record_id", "refund_of", *HELD.columns.names[1:]])
    rows = stored.engine.query(
        """
        SELECT record_id, charge, state, reason FROM held
        UNION ALL
        SELECT record_id, charge, state, reason FROM waits
        WHERE refund_of IS NULL AND charge NOT IN (SELECT name FROM tried)
        ORDER BY record_id, charge
        """,
        held=held,
        waits=waits,
        tried=_tried(stored),
    )
    return rows.cast(HELD.columns)


def _of_parked(rows: pa.Table, waits: pa.Table, engine: LocalEngine) -> pa.Table:
    """The rows of charges that wait, in their order."""
    numbered = rows.append_column("place", pa.array(range(rows.num_rows), pa.int64()))
    kept = engine.query(
        f"""
        SELECT place FROM numbered SEMI JOIN waits
        ON waits.record_id = numbered.record_id AND waits.charge IN (numbered.charge, '{WHOLE_RECORD}') ORDER BY place
        """,
        numbered=numbered.select(["record_id", "charge", "place"]),
        waits=waits,
    )
    return rows.take(kept.column("place"))


def _outcomes(stored: _Stored, charges: pa.Table, held: pa.Table) -> pa.Table:
    """RETRY rows of the parked charges for which something changed; of a whole record once it has a charge."""
    engine, family = stored.engine, stored.family
    before = rating_store.attempts(stored.session.details, engine, stored.model, family.waits.column("record_id"))
    judged = pa.concat_tables([stored.originals.select(["record_id"]), stored.refunds.select(["record_id"])])
    rows = engine.query(
        f"""
        WITH found AS (
            SELECT w.record_id, w.charge, w.state, w.reason, CASE
                WHEN w.charge = '{WHOLE_RECORD}' AND w.record_id IN (SELECT record_id FROM charges) THEN 'charged'
                WHEN w.charge = '{WHOLE_RECORD}' AND h.record_id IS NULL THEN 'not_charged'
                WHEN c.record_id IS NOT NULL THEN 'charged'
                WHEN h.record_id IS NULL THEN 'not_charged'
                ELSE h.state END AS outcome,
                CASE WHEN c.record_id IS NULL THEN h.reason END AS new_reason
            FROM waits w SEMI JOIN judged USING (record_id)
                LEFT JOIN charges c ON c.record_id = w.record_id AND c.charge = w.charge
                LEFT JOIN held h ON h.record_id = w.record_id AND h.charge = w.charge
            WHERE w.charge IN (SELECT name FROM tried)
        )
        SELECT record_id, charge, coalesce(attempt, 1) + 1 AS attempt, outcome, new_reason AS reason
        FROM found LEFT JOIN before USING (record_id)
        WHERE (outcome, new_reason) IS DISTINCT FROM (state, reason) ORDER BY record_id, charge
        """,
        waits=family.waits,
        judged=judged,
        charges=charges.select(["record_id", "charge"]),
        held=held,
        before=before,
        tried=_tried(stored),
    )
    return RETRY.check(rows.cast(RETRY.columns))


def _tried(stored: _Stored) -> pa.Table:
    """The names of what is rated again; a charge that the model does not have any more stays parked as it is."""
    return pa.table({"name": [WHOLE_RECORD, *stored.plan.rating[stored.family.kind].computed_from]})


def _new_held(family: Family, held: pa.Table, engine: LocalEngine) -> pa.Table:
    """What is held now and was not parked before by that name."""
    rows = engine.query(
        "SELECT held.* FROM held ANTI JOIN waits USING (record_id, charge) ORDER BY record_id, charge",
        held=held,
        waits=family.waits,
    )
    return HELD.check(rows.cast(HELD.columns))


def _attempted(snapshots: pa.Table, outcomes: pa.Table, engine: LocalEngine) -> pa.Table:
    """RETRY_SNAPSHOT rows of the records for which something changed."""
    if snapshots.num_rows == 0:
        return RETRY_SNAPSHOT.empty(pa.struct([]))
    rows = engine.query(
        """SELECT record_id, attempt, body FROM snapshots JOIN (SELECT DISTINCT record_id, attempt FROM outcomes)
        USING (record_id) ORDER BY record_id""",
        snapshots=snapshots,
        outcomes=outcomes,
    )
    return rows.cast(RETRY_SNAPSHOT.with_body(snapshots.schema.field("body").type))


def _plain(schema: TableSchema, rows: pa.Table) -> pa.Table:
    """The rows in the schema's own types: texts may come as dictionaries."""
    return rows.cast(schema.columns)
