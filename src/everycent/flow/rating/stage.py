"""Rating as a stage: records and attached tables in; charges, held charges and snapshots out."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.distinct import Combinations, combinations, over_combinations
from everycent.base.engine.local import LocalEngine
from everycent.flow.intake.contract import RECORD
from everycent.flow.parties.contract import PartySpec, party_id_sql
from everycent.flow.rating.contract import CHARGE, HELD, SNAPSHOT, WHOLE_RECORD
from everycent.flow.rating.core.again import Known, RatingTerms, filled, frozen_values, waiting
from everycent.flow.rating.core.careful import careful_sql
from everycent.flow.rating.core.decisions import DecisionTable
from everycent.flow.rating.core.fetched import fetched_lookups, given_tables
from everycent.flow.rating.core.held import held_rows
from everycent.flow.rating.core.long import charge_rows
from everycent.flow.rating.core.plan import Factor, RatingPlan
from everycent.flow.rating.core.planning import plan_rating
from everycent.flow.rating.core.running import MOVED, MOVES, STANDING, Running, moves, plan_running, run
from everycent.flow.rating.core.shares import (
    SharePlan,
    SharesRated,
    folded,
    frozen_for,
    lacking,
    plan_shares,
    with_share,
)
from everycent.flow.rating.core.sheet import Wide, correct, read_sheet
from everycent.flow.rating.core.snapshots import snapshot_rows
from everycent.flow.rating.core.tables import lookup_tables, plain_records
from everycent.flow.rating.core.turn import TurnPlan, plan_turn, widened
from everycent.flow.rating.core.why import ChargeTried, rules_tried
from everycent.flow.rating.core.wide import wide_sql

__all__ = [
    "MOVED",
    "MOVES",
    "STANDING",
    "ChargeTried",
    "DecisionTable",
    "Factor",
    "Known",
    "Rated",
    "RatingPlan",
    "RatingTerms",
    "Running",
    "SharePlan",
    "SharesRated",
    "TurnPlan",
    "fetched_lookups",
    "filled",
    "frozen_values",
    "given_tables",
    "lacking",
    "moves",
    "plan_rating",
    "plan_running",
    "plan_shares",
    "plan_turn",
    "rate",
    "rate_again",
    "rate_given",
    "rate_in_turn",
    "rate_shares",
    "rules_tried",
    "run",
]


@dataclass(frozen=True)
class Rated:
    """What rating made of a batch: CHARGE, HELD and SNAPSHOT rows, each in record order, then as declared."""

    charges: pa.Table
    held: pa.Table
    snapshots: pa.Table


def rate(plan: RatingPlan, records: pa.Table, tables: Mapping[str, pa.Table], engine: LocalEngine) -> Rated:
    """The charges that records of the plan's kind cause.

    `records`: RECORD rows with their body. `tables`: the attached tables by name. Every record ends in at least one row
    of charges or held. Text columns of the charges are dictionary-encoded. Raises AmbiguousFactor.
    """
    RECORD.check(records)
    if plan.currency_column is not None:
        return _rate_each(plan, plan.currency_column, records, tables, engine)
    lookups = lookup_tables(plan, tables, engine)
    rows = plain_records(plan, records)
    with ThreadPoolExecutor(max_workers=1) as beside:  # Arrow lets go of the interpreter while DuckDB works
        keys = {role: beside.submit(_party_keys, spec, plan, rows) for role, spec in plan.roles.items()}
        wide = Wide(engine.query(wide_sql(plan), r=rows, **lookups), records.num_rows)
    parties = {role: _party_ids(role, spec, plan, keys[role].result(), engine) for role, spec in plan.roles.items()}
    sheet, doubtful = read_sheet(plan, wide, records.num_rows, parties.values())
    careful = None
    if len(doubtful):
        careful = engine.query(careful_sql(plan), r=rows.take(pa.array(doubtful)), **lookups)
        correct(plan, sheet, careful)
    held = held_rows(plan, records, sheet, careful)
    charges = charge_rows(plan, records, sheet, parties)
    assert charges.num_rows + held.num_rows >= records.num_rows, "every record is charged or held"
    return Rated(charges, held, snapshot_rows(plan, records, wide, lookups, engine))


def _rate_each(
    plan: RatingPlan, column: str, records: pa.Table, tables: Mapping[str, pa.Table], engine: LocalEngine
) -> Rated:
    """Records of several currencies, each by its currency's plan; the result is in record order all the same."""
    codes = pc.struct_field(records.column("body"), column)
    parts = []
    for code, own in plan.in_currency.items():
        mine = records.filter(pc.equal(codes, code))
        if mine.num_rows:
            parts.append(rate(own, mine, tables, engine))
    schemas = (CHARGE.columns, HELD.columns, SNAPSHOT.with_body(plan.snapshot_type))
    made = [
        pa.concat_tables([schema.empty_table(), *(rows.cast(schema) for rows in of_all)])
        for schema, of_all in zip(
            schemas,
            ([part.charges for part in parts], [part.held for part in parts], [part.snapshots for part in parts]),
            strict=True,
        )
    ]
    known = sum(pc.sum(pc.equal(codes, code)).as_py() or 0 for code in plan.in_currency)
    assert known == records.num_rows, "intake takes no record without one of the kind's currencies"
    return Rated(*(_in_record_order(rows, records) for rows in made))


def _in_record_order(rows: pa.Table, records: pa.Table) -> pa.Table:
    places = pc.index_in(_storage(rows.column("record_id")), value_set=_storage(records.column("record_id")))
    return rows.take(pa.array(np.argsort(places.to_numpy(), kind="stable")))


def rate_again(
    terms: RatingTerms, records: pa.Table, known: Known, tables: Mapping[str, pa.Table], engine: LocalEngine
) -> Rated:
    """The parked charges of `records` (RECORD rows of the plan's kind) as rated now: charged, held, or neither.

    What stands keeps its amount, and the values that it was computed from are not looked up again. Only charges that
    are parked are in the result; a record that ends without any charge is held as a whole, as on its arrival. Snapshots
    have the values that were looked up. Raises AmbiguousFactor, RatingRefused.
    """
    parts = [rate(group.plan, group.records, tables, engine) for group in waiting(terms, records, known, engine)]
    body = terms.plan.snapshot_type
    charges = [part.charges.cast(CHARGE.columns) for part in parts]
    held = pa.concat_tables([HELD.empty(), *(part.held.cast(HELD.columns) for part in parts)])
    standing = known.standing.column("record_id")
    stands = pc.is_in(_storage(held.column("record_id")), value_set=_storage(standing))
    uncharged = pc.and_(pc.equal(held.column("charge"), WHOLE_RECORD), stands)
    snapshots = [_snapshots_as(body, part.snapshots) for part in parts]
    return Rated(
        pa.concat_tables([CHARGE.empty(), *charges]),
        held.filter(pc.invert(uncharged)),
        pa.concat_tables([SNAPSHOT.empty(body), *snapshots]),
    )


def rate_given(
    terms: RatingTerms, records: pa.Table, values: pa.Table, tables: Mapping[str, pa.Table], engine: LocalEngine
) -> Rated:
    """`rate`, with factor values that are known already: from a snapshot, or from what came before.

    `values`: record_id, and a column for each factor of the plan, in its type; a value that is NULL there is looked up.
    So records rated from their own snapshots give the same bytes, whatever the tables and constants say by now. The
    result is in record order within each set of records that have the same values given. Raises AmbiguousFactor.
    """
    every = pa.repeat(pa.scalar(WHOLE_RECORD), records.num_rows)
    parked = pa.table({"record_id": records.column("record_id"), "charge": every})
    nothing = CHARGE.empty().select(["record_id", "charge", "amount_minor"])
    rated = rate_again(terms, records, Known(parked, nothing, values), tables, engine)
    return Rated(rated.charges, rated.held, filled(terms.plan, records, rated.snapshots, values, engine))


def rate_in_turn(
    turn: TurnPlan,
    records: pa.Table,
    marks: pa.Table,
    standing: pa.Table,
    snapshots: pa.Table,
    moved: pa.Table,
    engine: LocalEngine,
) -> Rated:
    """The charges that waited for their turn, now that all is known that came before.

    `records`: RECORD rows of the plan's kind with their body. `marks`: record_id, charge of what waits. `standing`:
    record_id, charge, amount_minor (NULL: held) of the records' other charges. `snapshots`: record_id and a column for
    each frozen factor. `moved`: record_id, factor, and MOVED columns. A record that ends without any charge is held as
    a whole. There are no snapshots: what was looked up was so on arrival, and `moved` is kept.
    """
    waiting = records.filter(pc.is_in(_storage(records.column("record_id")), _storage(marks.column("record_id"))))
    rated = rate(turn.plan, widened(turn, waiting, standing, snapshots, moved, engine), {}, engine)
    return Rated(
        engine.query(
            "SELECT c.* FROM charges c SEMI JOIN marks USING (record_id, charge) ORDER BY c.place",
            charges=_placed(rated.charges.cast(CHARGE.columns)),
            marks=marks,
        )
        .drop_columns(["place"])
        .cast(CHARGE.columns),
        engine.query(
            f"""
            SELECT * FROM held WHERE (record_id, charge) IN (SELECT record_id, charge FROM marks)
                OR (charge = '{WHOLE_RECORD}' AND record_id NOT IN (SELECT record_id FROM standing)) ORDER BY place
            """,
            held=_placed(rated.held.cast(HELD.columns)),
            marks=marks,
            standing=standing,
        )
        .drop_columns(["place"])
        .cast(HELD.columns),
        SNAPSHOT.empty(pa.struct([])),
    )


def rate_shares(
    plan: SharePlan,
    records: pa.Table,
    shares: pa.Table,
    base_held: pa.Table,
    standing: pa.Table,
    snapshots: pa.Table,
    engine: LocalEngine,
) -> SharesRated:
    """A charge per share of `records` (RECORD rows of the plan's kind with their body), now that the shares are known.

    `shares`: record_id, bearer, amount_minor of the base's obligations; a record without any is without the charge.
    `base_held`: record_id of records whose base is held, which holds the charge. `standing`: record_id, charge,
    amount_minor of the records' other charges. `snapshots`: record_id and a column for each of `plan.kept`.
    """
    charged: dict[int, pa.Table] = {}
    held: dict[int, pa.Table] = {}
    for number in plan.of.rated:
        rows = with_share(plan, number, records, shares)
        if rows.num_rows == 0:
            continue
        frozen = frozen_for(plan, number, snapshots)
        rated = rate(plan.turn.plan, widened(plan.turn, rows, standing, frozen, _NOTHING_MOVED, engine), {}, engine)
        charged[number], held[number] = rated.charges, rated.held
    return folded(plan, records, charged, held, base_held, engine)


_MOVED_BY = CHARGE.columns.field("record_id")
_NOTHING_MOVED = pa.table([pa.nulls(0, _MOVED_BY.type)], schema=pa.schema([_MOVED_BY]))


def _placed(rows: pa.Table) -> pa.Table:
    return rows.append_column("place", pa.array(np.arange(rows.num_rows)))


def _storage(ids: pa.ChunkedArray) -> pa.Array:
    return ids.cast(pa.binary(16)).combine_chunks()


def _snapshots_as(body: pa.DataType, snapshots: pa.Table) -> pa.Table:
    """Snapshots with all of the fields of `body`, NULL in those that they have not."""
    own = snapshots.column("body")
    there = {field.name for field in own.type}
    values = [
        pc.struct_field(own, field.name).cast(field.type).combine_chunks()
        if field.name in there
        else pa.nulls(snapshots.num_rows, field.type)
        for field in body
    ]
    wider = pa.StructArray.from_arrays(values, fields=list(body))
    return pa.table([snapshots.column("record_id"), wider], schema=SNAPSHOT.with_body(body))


def _party_keys(spec: PartySpec, plan: RatingPlan, rows: pa.Table) -> Combinations:
    """The distinct keys of a role; the operator's is the same for every record."""
    if spec.operator is not None:
        return Combinations(pa.array(np.zeros(rows.num_rows, dtype=np.int32)), pa.table({"operator": [spec.operator]}))
    return combinations(rows.select([plan.column(name).sql for name in spec.key]))


def _party_ids(
    role: str, spec: PartySpec, plan: RatingPlan, keys: Combinations, engine: LocalEngine
) -> pa.DictionaryArray:
    """Each record's party id in one role, null where a key column is empty."""
    return over_combinations(engine, keys, party_id_sql(role, spec, lambda name: plan.column(name).sql))
