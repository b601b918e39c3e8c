"""What is stored of the records that a batch's refunds refer to, totals, and how far the order was gone through."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.engine.tables import UUID, TableSchema
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.base.platform.kept_sums import KeptSums, sums_before
from everycent.flow.clearing.contract import (
    ACCUMULATOR,
    OBLIGATION,
    ORDERED_OBLIGATION,
    ORIGINAL,
    REFUNDED,
    SEQUENCED_RECORD,
    RefundState,
)
from everycent.flow.intake.contract import RECORD
from everycent.flow.rating.contract import CHARGE, HELD, RETRY, WHOLE_RECORD, parked_sql


def refund_state(details: Details, engine: LocalEngine, model: str, refunds: pa.Table) -> RefundState:
    """What was before this batch of the records that `refunds` (RECORD rows) refer to; nothing of the batch is stored.

    A refund that is held as a whole gave nothing back, so it does not count as refunded. `held` are the charges that
    still wait. What is cleared in strict order is left out: see `OrderedHistory`.
    """
    wanted = refunds.column("refund_of").cast(pa.binary(16)).unique().drop_null().cast(UUID)

    def stored(schema: TableSchema, column: str, ids: pa.Array, columns: list[str]) -> pa.Table:
        return details.lookup(engine, schema, model, column, ids, columns, plain=True)

    records = stored(RECORD, "record_id", wanted, ["record_id", "amount_minor"])
    earlier = stored(RECORD, "refund_of", wanted, ["record_id", "refund_of", "amount_minor"])

    passed_over = _parked(details, engine, model, earlier.column("record_id"))
    given_back = stored(OBLIGATION, "refund_of", wanted, ["refund_of", "charge", "bearer", "amount_minor"])
    originals = engine.query(
        """
        SELECT record_id, any_value(records.amount_minor) AS amount_minor,
            CAST(coalesce(sum(earlier.amount_minor), 0) AS BIGINT) AS refunded_minor
        FROM records LEFT JOIN (
            SELECT refund_of, amount_minor FROM earlier ANTI JOIN passed_over USING (record_id)
        ) AS earlier ON earlier.refund_of = records.record_id
        GROUP BY record_id ORDER BY record_id
        """,
        records=records,
        earlier=earlier,
        passed_over=passed_over.filter(pc.equal(passed_over.column("charge"), WHOLE_RECORD)),
    )
    refunded = engine.query(
        """
        SELECT refund_of, charge, bearer, CAST(-sum(amount_minor) AS BIGINT) AS refunded_minor
        FROM given_back GROUP BY ALL ORDER BY ALL
        """,
        given_back=given_back,
    )
    return RefundState(
        originals=originals.cast(ORIGINAL),
        charges=stored(CHARGE, "record_id", wanted, CHARGE.columns.names),
        obligations=stored(OBLIGATION, "record_id", wanted, OBLIGATION.columns.names),
        refunded=refunded.cast(REFUNDED),
        held=_parked(details, engine, model, wanted),
    )


def _parked(details: Details, engine: LocalEngine, model: str, ids: pa.Array | pa.ChunkedArray) -> pa.Table:
    """HELD rows of the records' charges that still wait, as they are held now; what order decided is not among them."""
    held, retries = (
        details.lookup(engine, schema, model, "record_id", ids, schema.columns.names, plain=True)
        for schema in (HELD, RETRY)
    )
    if retries.num_rows == 0:
        return held
    rows = engine.query(f"{parked_sql('held_rows', 'retries')} ORDER BY ALL", held_rows=held, retries=retries)
    return rows.cast(HELD.columns)


#: The obligations of a charge's bearer as one row each: what stands in closed statements, and what adjusts it.
_AS_ONE = """
    SELECT record_id, charge, bearer, arg_max(debtor, booked_on) AS debtor, arg_max(creditor, booked_on) AS creditor,
        CAST(sum(amount_minor) AS BIGINT) AS amount_minor, arg_max(currency, booked_on) AS currency,
        arg_max(legal_entity, booked_on) AS legal_entity, max(booked_on) AS booked_on,
        any_value(refund_of) AS refund_of,
        NULL AS debtor_statement, NULL AS creditor_statement, max(sequence_no) AS sequence_no,
        NULL AS total_before_minor, NULL AS total_after_minor, arg_max(budget, booked_on) AS budget,
        arg_max(pot, booked_on) AS pot, arg_max(period, booked_on) AS period, arg_max(leaf, booked_on) AS leaf
    FROM {owed} AS owed GROUP BY record_id, charge, bearer ORDER BY record_id, charge, bearer
"""


#: What is read of turns and obligations: which statements they are on and what their totals were is not asked.
_TURN = ["record_id", "sequence_no", "generation"]
_NOT_ASKED = ("debtor_statement", "creditor_statement", "total_before_minor", "total_after_minor", "adjusts")
_OWED = [name for name in OBLIGATION.ordered.columns.names if name not in _NOT_ASKED]


class OrderedHistory:
    """What is known of the originals that the refunds of a pass refer to, as far as it is effective: read once, then
    kept up window by window, in tables of the engine."""

    def __init__(
        self, details: Details, engine: LocalEngine, model: str, refund_of: pa.ChunkedArray, first_no: int
    ) -> None:
        """`refund_of`: the originals of all refunds of the pass; `first_no`: the number that it begins with."""
        self.engine, self.asked = engine, refund_of
        if len(refund_of) == 0:
            return
        before = f"{details.effective(model)} AND sequence_no < {first_no}"

        def numbered(
            schema: TableSchema, column: str, ids: pa.ChunkedArray, only: str, names: Sequence[str] = ()
        ) -> pa.Table:
            rows = details.lookup(engine, schema, model, column, ids, names or schema.columns.names, only=only)
            return engine.query(f"SELECT * FROM rows WHERE {before}", rows=rows).cast(rows.schema)

        known = numbered(SEQUENCED_RECORD, "record_id", refund_of, "true", _TURN)
        ids = known.column("record_id")
        only = f"sequence_no >= {pc.min(known.column('sequence_no')).as_py() or first_no}"  # refunds come after them
        records = details.lookup(engine, RECORD, model, "record_id", refund_of, ["record_id", "amount_minor"])
        columns = ["record_id", "refund_of", "amount_minor"]
        refunds = details.lookup(engine, RECORD, model, "refund_of", refund_of, columns)
        rated = _parked(details, engine, model, refund_of)
        givers = refunds.column("record_id")
        for name, tables in {
            "history_asked": [pa.table({"record_id": refund_of})],
            "history_record": [records],
            "history_refund": [refunds],
            "history_rated": [rated],
            "history_turn": [known, numbered(SEQUENCED_RECORD, "record_id", givers, only, _TURN)],
            "history_charge": [numbered(CHARGE.ordered, "record_id", ids, only)],
            "history_held": [numbered(HELD.ordered, "record_id", each, only) for each in (ids, givers)],
            "history_obligation": [
                numbered(OBLIGATION.ordered, column, ids, only, _OWED) for column in ("record_id", "refund_of")
            ],
        }.items():
            engine.connection.register("coming", pa.concat_tables(tables))
            engine.connection.execute(f"CREATE OR REPLACE TABLE {name} AS FROM coming")
        engine.connection.unregister("coming")

    def state(self, refund_of: pa.ChunkedArray, inside: pa.ChunkedArray) -> RefundState:
        """What is known of the originals `refund_of` of a window's refunds. `inside`: the window's own records, of
        which only what rating held is told."""
        if len(refund_of) == 0:
            return _nothing_refunded()
        engine = self.engine
        wanted, records = (pa.table({"record_id": ids}) for ids in (refund_of, inside))
        known = engine.query(
            "SELECT record_id FROM wanted ANTI JOIN inside USING (record_id) SEMI JOIN history_turn USING (record_id)",
            wanted=wanted,
            inside=records,
        )

        def of_known(table: str) -> str:
            return f"SELECT * FROM {table} SEMI JOIN known USING (record_id) ORDER BY sequence_no, charge"

        originals = engine.query(_REFUNDED_OF.format(whole=literal(WHOLE_RECORD)), known=known)
        refunded = engine.query(_GIVEN_BACK, known=known)
        held = engine.query(of_known("history_held"), known=known)
        rated = "SELECT * FROM history_rated SEMI JOIN wanted USING (record_id) ORDER BY record_id, charge"
        return RefundState(
            originals=originals.cast(ORIGINAL),
            charges=engine.query(of_known("history_charge"), known=known)
            .select(CHARGE.columns.names)
            .cast(CHARGE.columns),
            obligations=engine.query(_AS_ONE.format(owed=f"({of_known('history_obligation')})"), known=known).cast(
                ORDERED_OBLIGATION.columns
            ),
            refunded=refunded.cast(REFUNDED),
            held=pa.concat_tables(
                [
                    engine.query(rated, wanted=wanted).cast(HELD.columns),
                    held.select(HELD.columns.names).cast(HELD.columns),
                ]
            ),
        )

    def periods(self) -> list[str]:
        """The periods of the pots that the originals drew on."""
        if len(self.asked) == 0:
            return []
        found = self.engine.query(
            "SELECT DISTINCT period FROM history_obligation WHERE budget IS NOT NULL ORDER BY ALL"
        )
        periods: list[str] = found.column("period").to_pylist()
        return periods

    def pots(self) -> pa.Table:
        """The pots (budget, pot) that the originals drew on."""
        if len(self.asked) == 0:
            return pa.table({name: pa.nulls(0, pa.string()) for name in ("budget", "pot")})
        return self.engine.query(
            "SELECT DISTINCT budget, pot FROM history_obligation WHERE budget IS NOT NULL ORDER BY ALL"
        )

    def add(self, turns: pa.Table, charges: pa.Table, held: pa.Table, obligations: pa.Table) -> None:
        """What a window was committed with: it stands before the next."""
        if len(self.asked) == 0:
            return
        ours = "record_id IN (FROM history_asked)"
        giver = "record_id IN (SELECT record_id FROM history_refund)"
        for name, rows, mine in (
            ("history_turn", turns.select(["record_id", "sequence_no"]), f"{ours} OR {giver}"),
            ("history_charge", charges, ours),
            ("history_held", held, f"{ours} OR {giver}"),
            ("history_obligation", obligations.select(_OWED), f"{ours} OR refund_of IN (FROM history_asked)"),
        ):
            self.engine.connection.register("coming", rows)
            self.engine.connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM coming WHERE {mine}")
        self.engine.connection.unregister("coming")


_REFUNDED_OF = """
    SELECT record_id, any_value(history_record.amount_minor) AS amount_minor,
        CAST(coalesce(sum(earlier.amount_minor), 0) AS BIGINT) AS refunded_minor
    FROM history_record SEMI JOIN known USING (record_id) LEFT JOIN (
        SELECT refund_of, amount_minor FROM history_refund SEMI JOIN history_turn USING (record_id)
            ANTI JOIN (SELECT record_id FROM history_held WHERE charge = {whole}) AS passed_over USING (record_id)
    ) AS earlier ON earlier.refund_of = record_id
    GROUP BY record_id ORDER BY record_id
"""

_GIVEN_BACK = """
    SELECT refund_of, charge, bearer, CAST(-sum(amount_minor) AS BIGINT) AS refunded_minor
    FROM history_obligation WHERE refund_of IN (FROM known) GROUP BY ALL ORDER BY ALL
"""


def _nothing_refunded() -> RefundState:
    """What is known where no refund looks back. Made when asked for: empty tables of uuids load pandas."""
    return RefundState(
        ORIGINAL.empty_table(), CHARGE.empty(), ORDERED_OBLIGATION.empty(), REFUNDED.empty_table(), HELD.empty()
    )


@dataclass(frozen=True)
class Frontier:
    """How far a model's ordered records were gone through: in batches up to `through_batch` none waits, but for parked
    ones. `last_no`, `cleared_to`: the highest number given, and the latest business time cleared, until then.
    """

    through_batch: int = 0
    last_no: int = 0
    cleared_to: datetime | None = None


def frontier(connection: Connection, tenant: str, model: str, reads: str) -> Frontier:
    """As it was kept; at the beginning where it was not, or where other records were ordered then (`reads`)."""
    row = connection.execute(
        "SELECT through_batch, last_no, cleared_to FROM clearing.frontier"
        " WHERE tenant = %s AND model = %s AND reads = %s",
        (tenant, model, reads),
    ).fetchone()
    return Frontier() if row is None else Frontier(*row)


def keep_frontier(connection: Connection, tenant: str, model: str, reads: str, reached: Frontier) -> None:
    """Keeps it; a pass that breaks before this reads again what it had read."""
    connection.execute(
        "INSERT INTO clearing.frontier (tenant, model, reads, through_batch, last_no, cleared_to)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (tenant, model) DO UPDATE SET reads = excluded.reads,"
        " through_batch = excluded.through_batch, last_no = excluded.last_no, cleared_to = excluded.cleared_to",
        (tenant, model, reads, reached.through_batch, reached.last_no, reached.cleared_to),
    )


#: What was carried, by leaf of each pot, of all obligations that stand.
ACCUMULATED = KeptSums(
    table=ACCUMULATOR.name,
    columns=ACCUMULATOR.columns,
    keys=ACCUMULATOR.key,
    rows=OBLIGATION.ordered,
    source={"budget": "budget", "pot": "pot", "period": "period", "bearer": "leaf", "total_minor": "amount_minor"},
    only="budget IS NOT NULL",
)


def accumulators(
    details: Details, engine: LocalEngine, model: str, first_no: int, periods: Sequence[str], pots: pa.Table
) -> pa.Table:
    """ACCUMULATOR rows of these `pots` (budget, pot) in these periods as they were before a number: the sums of the
    effective obligations with lower ones. Inside the run lock."""
    return sums_before(ACCUMULATED, details, engine, model, first_no, periods, pots)
