"""The stage: rows of a file to records, and the rows set aside. Pure functions over tables.

`prepare` looks at each row by itself; `decide` looks at the rows beside each other and beside what is stored. Between
the two the caller fetches what is known of the candidates' `record_id`s and of the originals in `refund_of`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.tables import UTC
from everycent.flow.intake.contract import QUARANTINE, RECORD, RawRows, StepContext
from everycent.flow.intake.core import asides
from everycent.flow.intake.core.decision import decide_candidates
from everycent.flow.intake.core.judging import judge_sql
from everycent.flow.intake.core.plan import IntakePlan, plan_intake
from everycent.flow.intake.core.reading import read_sql
from everycent.flow.intake.core.refusal import IntakeRefused
from everycent.flow.intake.core.steps import take_steps

__all__ = ["Intake", "IntakePlan", "IntakeRefused", "Prepared", "decide", "plan_intake", "prepare", "unclaimed"]


@dataclass(frozen=True)
class Prepared:
    """A shard's rows, each looked at by itself.

    `candidates`: RECORD without `booked_on`, with `refund_key` (the refunded record's key) behind, ordered by line.
    `set_aside`: QUARANTINE. `ignored_rows`: int64 lines of rows that are not of this kind. `rows`: what came in.
    """

    candidates: pa.Table
    set_aside: pa.Table
    ignored_rows: pa.Array
    rows: RawRows


@dataclass(frozen=True)
class Intake:
    """What became of a shard: RECORD rows accepted, QUARANTINE rows set aside, and how many of each.

    `counts` has rows_read, accepted, duplicate, conflict, quarantined and ignored (not of this kind); the last five add
    up to the first.
    """

    records: pa.Table
    quarantine: pa.Table
    counts: Mapping[str, int]


def prepare(plan: IntakePlan, rows: RawRows, attached: Mapping[str, pa.Table], engine: LocalEngine) -> Prepared:
    """Reads, adjusts, tags, checks and identifies each row by itself. `attached`: the attached tables by name.

    Lines that could not be split into cells are this kind's where it takes every row of a file; where `when` chooses
    rows they are ignored, and `unclaimed` sets them aside once for all kinds of the file.
    """
    sources = tuple(rows.table.column_names)
    unread = {*plan.columns_wanted, *plan.columns_optional} - {*sources}
    assert not unread, f"{plan.kind} needs the columns {sorted(unread)}; open the file with those of all its kinds"
    numbered = rows.table.rename_columns([f"c{at}" for at in range(len(sources))]).append_column("line", rows.lines)
    tables = {f"attached_{at}": attached[lookup.table] for at, lookup in enumerate(plan.lookups)}
    if plan.steps:
        typed = _in_order(engine.query(read_sql(plan, sources), rows=numbered, **tables))
        context = StepContext(plan.kind, plan.currency, plan.calendar.time_zone, rows.file)
        typed = take_steps(plan, typed, context)
        judged = engine.query(judge_sql(plan), typed=typed)
    else:
        typed_sql = f"WITH typed AS ({read_sql(plan, sources)}) {judge_sql(plan)}"
        judged = engine.query(typed_sql, rows=numbered, **tables)
    judged = _in_order(judged)
    assert judged.num_rows == rows.table.num_rows, "an attached table's key found a row twice"
    is_kind, is_wrong = judged.column("is_kind").cast(pa.bool_()), judged.column("fault").is_valid()
    faults = judged.filter(pc.and_(is_kind, is_wrong)).select(["line", "fault", "key"])
    set_aside = asides.quarantined(plan.kind, rows, faults, engine)
    ignored = judged.filter(pc.invert(is_kind)).column("line")
    if plan.when is None:
        set_aside = pa.concat_tables([set_aside, asides.malformed(plan.kind, rows)])
    else:
        ignored = pa.chunked_array([*ignored.chunks, *rows.malformed.column("line").chunks], pa.int64())
    prepared = Prepared(
        _candidates(plan, rows.file, judged.filter(pc.and_not(is_kind, is_wrong))), set_aside, _array(ignored), rows
    )
    assert prepared.candidates.num_rows + set_aside.num_rows + len(ignored) == rows.rows_read, "a row was lost"
    return prepared


def decide(
    plan: IntakePlan,
    prepared: Prepared,
    known: pa.Table,
    originals: pa.Table,
    open_on: date | None,
    engine: LocalEngine,
) -> Intake:
    """Tells accepted rows from duplicates, conflicts and refunds that cannot be.

    `known` (KNOWN): the stored records with an id of the candidates; `originals` (ORIGINALS): the stored records that
    candidates refund, with what was refunded of them so far. `open_on`: the first day still open for booking.
    """
    candidates = prepared.candidates
    accepted, set_aside = decide_candidates(plan, prepared.rows, candidates, known, originals, engine)
    records = candidates.filter(pa.array(accepted))
    days = records.column("business_date")
    booked = days if open_on is None else pc.max_element_wise(days, pa.scalar(open_on, pa.date32()))
    records = records.append_column("booked_on", booked).select(RECORD.columns.names)
    records = records.cast(RECORD.with_body(plan.body_type))
    assert RECORD.check(records).column("source_line").null_count == 0, "each record has its line"
    quarantine = pa.concat_tables([prepared.set_aside, set_aside]).sort_by("source_line")
    outcomes = quarantine.column("outcome")
    counts = {"rows_read": prepared.rows.rows_read, "accepted": records.num_rows}
    for outcome in ("duplicate", "conflict", "quarantined"):
        counts[outcome] = pc.sum(pc.equal(outcomes, outcome)).as_py() or 0
    counts["ignored"] = len(prepared.ignored_rows)
    assert counts["rows_read"] == sum(counts.values()) - counts["rows_read"], f"the counts do not add up: {counts}"
    return Intake(records, QUARANTINE.check(quarantine), counts)


def unclaimed(rows: RawRows, prepared: Sequence[Prepared], engine: LocalEngine) -> pa.Table:
    """QUARANTINE rows of a shard that no record kind takes: what all kinds of its file ignored.

    Each kind prepares the same shard, read with the columns of all of them; call this once, and store what it gives
    with any one batch of the shard (its `kind` is null). A shard of which some kind takes every row has none.
    """
    assert prepared, "a shard belongs to at least one kind"
    left = prepared[0].ignored_rows
    for other in prepared[1:]:
        left = left.filter(pc.is_in(left, other.ignored_rows))
    reason = pa.repeat("no record kind takes this row: `when` is true for none of them", len(left))
    key = pa.nulls(len(left), pa.string())
    faults = pa.table({"line": left, "fault": reason, "key": key})
    readable = faults.filter(pc.is_in(faults.column("line"), rows.lines))
    lost = RawRows(rows.shard_no, rows.table, rows.lines, _malformed_among(rows, left), rows.file)
    return pa.concat_tables([asides.quarantined(None, rows, readable, engine), asides.malformed(None, lost)])


def _malformed_among(rows: RawRows, lines: pa.Array) -> pa.Table:
    return rows.malformed.filter(pc.is_in(rows.malformed.column("line"), lines))


def _candidates(plan: IntakePlan, file: str, judged: pa.Table) -> pa.Table:
    """The rows that are right, with their body, and with what the calendar and the file say of them."""
    count = judged.num_rows
    local_us = judged.column("occurred").cast(pa.int64()).to_numpy()
    utc_us = plan.calendar.to_utc_us(local_us)
    days = plan.calendar.business_dates(utc_us)
    columns = {
        "record_id": judged.column("record_id"),
        "kind": pa.repeat(plan.kind, count),
        "key": judged.column("key"),
        "occurred_at": pa.array(utc_us, pa.int64()).cast(pa.timestamp("us")).cast(UTC),
        "business_date": pa.array(days, pa.date32()),
        "refund_of": judged.column("refund_of"),
        "amount_minor": judged.column("amount_minor"),
        "content_hash": judged.column("content_hash"),
        "source_file": pa.repeat(file, count),
        "source_line": judged.column("line"),
        "body": _body(plan, judged),
        "refund_key": judged.column("refund_key"),
    }
    return pa.table(columns)


def _body(plan: IntakePlan, judged: pa.Table) -> pa.Array:
    columns = plan.columns.values()
    cells = [_array(judged.column(column.sql).cast(column.type.arrow)) for column in columns]
    return pa.StructArray.from_arrays(cells, fields=list(plan.body_type))


def _in_order(table: pa.Table) -> pa.Table:
    """By line. Most queries keep the order, so looking is cheaper than sorting."""
    lines = table.column("line").to_numpy()
    return table if bool(np.all(lines[1:] > lines[:-1])) else table.take(np.argsort(lines, kind="stable"))


def _array(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
