"""Takes stored records through a model again, in the order in which they arrived, into another place."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier
from everycent.base.platform.batches import run_lock
from everycent.base.platform.database import Connection
from everycent.flow.clearing import store as clearing_store
from everycent.flow.intake import stage as intake
from everycent.flow.intake.contract import QUARANTINE, RECORD
from everycent.flow.model.contract import LoadedModel
from everycent.flow.pipeline import store
from everycent.flow.pipeline.committing import Origin, commit
from everycent.flow.pipeline.compute import rate_and_clear
from everycent.flow.pipeline.contract import InputRefused
from everycent.flow.pipeline.inputs import arrival_order
from everycent.flow.pipeline.ordered_pass import clear_waiting
from everycent.flow.pipeline.plan import ModelPlan, plan_model
from everycent.flow.pipeline.run import attached_table
from everycent.flow.pipeline.session import Session
from everycent.flow.rating import stage as rating
from everycent.flow.rating import store as rating_store
from everycent.flow.rating.contract import FETCHED_TABLE

_VIEW = "replayed"
#: Why a factor from outside has no value where stored history is computed.
NOT_STORED = "no value of it is stored for this record, and nobody outside is asked here"
#: Where a record stood when it arrived; the batches of one kind are numbered in the order of their arrival.
_ARRIVAL = ("batch_no", "source_file", "source_line", "record_id")


@dataclass(frozen=True)
class Replayed:
    """How many records were taken through the model again, by kind."""

    records: Mapping[str, int]


def replay(
    history: Session,
    scratch: Session,
    model: LoadedModel,
    report: Callable[[str, int, int | None], None],
) -> Replayed:
    """Rates and clears all records that `history` has of the model, by name, with `model`, and commits to `scratch`.

    The records stand as they were accepted: what identifies, dates and measures them is not worked out anew; a column
    that they do not have is empty. Attached tables are the model's own. Raises ModelRefused, InputRefused, SourceError.
    """
    plan = plan_model(model, history.tenant, model.files)
    tables = factor_tables(scratch, plan)
    counts: dict[str, int] = {}
    with run_lock(history.details, model.name), run_lock(scratch.details, model.name):
        store.register_version(scratch.connection, scratch.tenant, plan)
        for kind in arrival_order(model):
            counts[kind] = 0
            for shard, records in enumerate(_records(history, plan, kind)):
                _clear_again(history, scratch, plan, kind, shard, records, tables)
                counts[kind] += records.num_rows
                report(f"replaying {kind}", counts[kind], None)
        clear_waiting(scratch, plan, date.max, report)
    return Replayed(counts)


def factor_tables(session: Session, plan: ModelPlan) -> dict[str, pa.Table]:
    """The attached tables that factors are looked up in, which are beside the model; others are not read."""
    names = dict.fromkeys(lookup.table for rating in plan.rating.values() for lookup in rating.lookups)
    tables = {}
    for name in names:
        if name.startswith(FETCHED_TABLE):
            continue  # its values are those that were frozen
        file = plan.tables[name].file
        if file is not None and file not in plan.model.files:
            raise InputRefused(f"the model looks factors up in {file}; put it beside {plan.model.path}")
        tables[name] = attached_table(session, plan, plan.model.files, name).rows
    return tables


def frozen_outside(history: Session, plan: ModelPlan, kind: str, record_ids: pa.ChunkedArray) -> pa.Table:
    """For each record the values that were looked up outside when it was rated, NULL for its other factors."""
    rated = plan.rating[kind]
    found = rating_store.snapshots(history.details, history.engine, plan.model.name, record_ids, rated.snapshot_type)
    outside = rating.fetched_lookups(rated)
    columns = [
        f"arg_max(body.{name}, attempt) FILTER (body.{name} IS NOT NULL) AS {name}"
        if factor.name in outside
        else f"CAST(NULL AS {factor.type.duckdb}) AS {name}"
        for factor, name in ((factor, identifier(factor.name)) for factor in rated.factors)
    ]
    return history.engine.query(
        f"SELECT record_id, {', '.join(columns)} FROM found GROUP BY record_id ORDER BY record_id", found=found
    )


def nothing_stored(plan: rating.RatingPlan, records: pa.Table, engine: LocalEngine) -> dict[str, pa.Table]:
    """The tables of what is looked up outside for records that have no stored value: nobody is asked."""
    return rating.given_tables(plan, records, {}, NOT_STORED, engine)


def _records(history: Session, plan: ModelPlan, kind: str) -> Iterator[pa.Table]:
    """The kind's RECORD rows in the order of their arrival, as many at a time as a batch has."""
    body_type = plan.intake[kind].body_type
    shape = RECORD.with_body(body_type)
    history.details.attach(history.engine, _VIEW, RECORD, plan.model.name, kind=kind, body_type=body_type)
    rows: list[pa.RecordBatch] = []
    size = 0
    for part in history.engine.ordered(f"SELECT * FROM {_VIEW}", _ARRIVAL):
        rows.append(part)
        size += part.num_rows
        if size >= history.settings.batch_rows:
            yield _table(rows, shape)
            rows, size = [], 0
    if rows:
        yield _table(rows, shape)


def _table(rows: list[pa.RecordBatch], shape: pa.Schema) -> pa.Table:
    return pa.Table.from_batches(rows).select(shape.names).cast(shape)


def _clear_again(
    history: Session,
    scratch: Session,
    plan: ModelPlan,
    kind: str,
    shard: int,
    records: pa.Table,
    tables: Mapping[str, pa.Table],
) -> None:
    counts = dict.fromkeys(("duplicate", "conflict", "quarantined", "ignored"), 0)
    counts |= {"rows_read": records.num_rows, "accepted": records.num_rows}
    taken = intake.Intake(records, QUARANTINE.empty(), counts)
    state = None
    if plan.model.spec.records[kind].refunds is not None:
        state = clearing_store.refund_state(scratch.details, scratch.engine, plan.model.name, records)
    given = None
    if kind in plan.rating and rating.fetched_lookups(plan.rating[kind]):
        given = frozen_outside(history, plan, kind, records.column("record_id"))
        tables = {**tables, **nothing_stored(plan.rating[kind], records, scratch.engine)}
    batch = rate_and_clear(plan, kind, taken, state, tables, scratch.engine, given)
    commit(scratch, plan.model, Origin(kind, "history", shard, f"history {shard}"), batch, _nothing_more)


def _nothing_more(connection: Connection, batch_no: int) -> None:
    """A replayed batch is marked nowhere: nobody goes on with half a replay."""
