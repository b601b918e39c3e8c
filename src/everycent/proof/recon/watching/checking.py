"""Takes events in, and checks the keys that are due by the very stage that a run uses."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.platform.database import Connection
from everycent.proof.recon.contract import BREAK, SIDE, Bucket
from everycent.proof.recon.core.buckets import cause_texts_sql
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.in_modes import compare_in_modes
from everycent.proof.recon.live import LiveSpec
from everycent.proof.recon.stage import reconcile
from everycent.proof.recon.watching import store
from everycent.proof.recon.watching.events import Put, QueueFull
from everycent.proof.recon.watching.store import FOUND, SIDE_EVENT, Watched
from everycent.proof.recon.watching.taking import cleared_before, take_events

#: Of the findings of a key.
_ORDER = "bucket, left_file, left_line, right_file, right_line"


#: What an event is that was not taken, by whether the event that has its id has the same content.
_NOT_TAKEN: Mapping[bool | None, tuple[str, str]] = {
    True: ("duplicate", ""),
    False: ("conflict", "an event with this id has other content"),
    None: ("too_late", "it is older than what is kept, and no other event of its key is kept"),
}


@dataclass(frozen=True)
class Checked:
    """What one turn did: keys checked, and of these the ones with a break."""

    keys: int
    breaks: int


@dataclass(frozen=True)
class Watch:
    """How a scenario's events stand. `counts`: by what became of them, and `checked`, keys that were; `verdicts`: keys
    by outcome; `lag_s`: how long the longest due key has waited."""

    waiting: int
    lag_s: int
    counts: Mapping[str, int] = field(default_factory=dict)
    verdicts: Mapping[str, int] = field(default_factory=dict)


def refuse_full(connection: Connection, watched: Watched, live: LiveSpec) -> None:
    """Raises QueueFull where so many keys wait that no further event is taken."""
    if store.waiting(connection, watched) >= live.queue:
        raise QueueFull(
            f"{watched.scenario}: {live.queue:,} keys wait to be checked; start a watcher, or raise `queue`"
        )


def put_events(
    connection: Connection, watched: Watched, live: LiveSpec, events: pa.Table, now: datetime, *, again: bool = False
) -> Put:
    """Takes ARRIVING events of one scenario in, in one transaction; again changes nothing and says so.

    `again`: they had to wait, for the queue was full; they are counted as `limited`.
    """
    sampled_out = pc.equal(events["outcome"], "sampled_out")
    kept = events.filter(pc.invert(sampled_out))
    counts = Counter(sampled_out=events.num_rows - kept.num_rows, limited=events.num_rows if again else 0)
    with connection.transaction():
        before = None if live.keep is None else cleared_before(connection, watched)  # nothing is cleared meanwhile
        by_arrival = live.counted_from == "arrival"
        taken_in = take_events(connection, watched, kept, now, live.delay, by_arrival=by_arrival, cleared_before=before)
        others = [(row_no, *_NOT_TAKEN[same]) for row_no, same in taken_in.others]
        counts.update(outcome for _, outcome, _ in others)
        old = pa.array([row_no for row_no, _, _ in others], pa.int64())
        new = kept.filter(pc.invert(pc.is_in(kept["row_no"], old)))
        counts.update({row["values"]: row["counts"] for row in pc.value_counts(new["outcome"]).to_pylist()})
        store.count(connection, watched, counts | {"asked": taken_in.asked})
    del counts["limited"]
    refused = new.filter(pc.equal(new["outcome"], "refused"))
    told = [row for row in others if row[1] != "duplicate"]
    told += [(row["row_no"], "refused", row["reason"]) for row in refused.select(["row_no", "reason"]).to_pylist()]
    return Put(dict(counts), sorted(told))


def check_due(
    connection: Connection, engine: LocalEngine, plan: ReconPlan, watched: Watched, most: int, now: datetime
) -> Checked:
    """Checks up to `most` keys that are due, in one transaction: all that both sides have said of them until now.

    A process that is killed meanwhile leaves its keys to the next. Watchers may run side by side.
    """
    with connection.transaction():
        keys = store.claim(connection, watched, most, now)
        if not keys:
            return Checked(0, 0)
        store.mark(connection, keys)
        left, right = (store.events_of_marked(connection, watched, side) for side in ("left", "right"))
        done, _ = compare_in_modes(plan, reconcile, left.select(SIDE.names), right.select(SIDE.names), engine)
        found = pa.concat_tables([done.breaks, done.write_offs]).select(FOUND.names)
        numbered = engine.query(
            f"SELECT *, row_number() OVER (PARTITION BY key ORDER BY {_ORDER}) AS finding_no FROM found", found=found
        )
        verdicts = _verdicts(keys, left, right, found, engine)
        store.judge_marked(connection, watched, verdicts, numbered, now)
        broken = int(pc.sum(pc.equal(verdicts["outcome"], "break")).as_py())
        store.count(connection, watched, {"checked": len(keys), "checked_with_break": broken})
    return Checked(len(keys), broken)


def _verdicts(keys: list[str], left: pa.Table, right: pa.Table, found: pa.Table, engine: LocalEngine) -> pa.Table:
    """key, outcome, left_events, right_events, arrived_no."""
    assert left.schema == SIDE_EVENT and right.schema == SIDE_EVENT
    verdicts = engine.query(
        f"""SELECT key, CASE WHEN bool_or(bucket <> {literal(Bucket.WITHIN_TOLERANCE)}) THEN 'break'
                WHEN bool_or(bucket IS NOT NULL) THEN 'within_tolerance' ELSE 'equal' END AS outcome,
            any_value(l) AS left_events, any_value(r) AS right_events, any_value(last) AS arrived_no
        FROM (
            SELECT key, count(*) FILTER (side = 0) AS l, count(*) FILTER (side = 1) AS r, max(arrived_no) AS last
            FROM (SELECT 0 AS side, key, arrived_no FROM l UNION ALL SELECT 1 AS side, key, arrived_no FROM r)
            GROUP BY key) LEFT JOIN found USING (key)
        GROUP BY key""",
        l=left.select(["key", "arrived_no"]),
        r=right.select(["key", "arrived_no"]),
        found=found.select(["key", "bucket"]),
    )
    assert verdicts.num_rows == len(keys), "each claimed key has an event"
    return verdicts


def breaks_standing(
    connection: Connection,
    engine: LocalEngine,
    watched: Watched,
    keys: list[str] | None = None,
    *,
    open_alone: bool = False,
) -> tuple[pa.Table, pa.Table]:
    """The breaks and write-offs (BREAK) of these keys' verdicts, of all if not given: as a run gives them. With
    `open_alone` without breaks that were closed."""
    found = store.found_of(connection, watched, keys, open_alone=open_alone)
    shown = engine.query(
        f"""SELECT {", ".join(BREAK.names)} FROM found JOIN {cause_texts_sql()} USING (cause)
        ORDER BY key, {_ORDER}""",
        found=found,
    ).cast(BREAK)
    written_off = pc.equal(shown["bucket"], Bucket.WITHIN_TOLERANCE)
    return shown.filter(pc.invert(written_off)), shown.filter(written_off)


def watch_of(connection: Connection, watched: Watched, now: datetime) -> Watch:
    """How the scenario's events stand."""
    due = store.next_due(connection, watched)
    lag_s = 0 if due is None or due > now else int((now - due).total_seconds())
    counts, verdicts = store.counters(connection, watched), store.outcomes(connection, watched)
    return Watch(store.waiting(connection, watched), lag_s, counts, verdicts)
