"""A run is observed: what it found becomes or stays a standing break, what it no longer finds is mended.

In the transaction that stores the run. Absence alone mends nothing: a run that never saw a key says nothing about it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import among, literal
from everycent.base.platform.batches import seal_sql
from everycent.base.platform.bulk import copy_out
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.moving import HOUSE, Moving, apply, by_ids
from everycent.proof.recon.breaks.words import Words, written
from everycent.proof.recon.core.moves import DECIDED, Move, Reason, first_state
from everycent.proof.recon.core.side import SideRows

_OPEN_FINDING = pa.schema([(name, pa.string()) for name in ("break_id", "key", "left_file", "right_file")])
_FIGURES = "left_amount_minor, right_amount_minor, left_status, right_status, cause"


@dataclass(frozen=True)
class Observed:
    """What is looked at, at the moment of the look: a run, or (`run_id` None) the rows of some keys, asked again.

    `again`: the run is the one that was observed last.
    """

    connection: Connection
    tenant: str
    model: str
    run_id: UUID | None
    words: Words
    now: datetime
    again: bool

    def moving(self, move: Move, **given: object) -> Moving:
        return Moving(self.tenant, self.model, move, self.now, run_id=self.run_id, **given)  # type: ignore[arg-type]

    @property
    def names(self) -> dict[str, object]:
        return {
            "tenant": self.tenant,
            "model": self.model,
            "run_id": self.run_id,
            "scenario": self.words.scenario,
            "now": self.now,
            "due_at": self.now + self.words.handling.waits,
        }


def observe(
    connection: Connection,
    engine: LocalEngine,
    tenant: str,
    model: str,
    run_id: UUID,
    words: Words,
    sides: tuple[SideRows, SideRows],
    now: datetime,
) -> None:
    """Brings the scenario's standing breaks up to a stored run. The scenario must be locked.

    The run that was observed last, again, changes nothing, unless a break is due to be looked at again.
    """
    again = _note(connection, tenant, model, run_id, words, now)
    seen = Observed(connection, tenant, model, run_id, words, now, again)
    connection.execute("DROP TABLE IF EXISTS pg_temp.seen_break")
    connection.execute(f"CREATE TEMP TABLE seen_break ON COMMIT DROP AS {_SEEN}", seen.names)
    connection.execute("ANALYZE pg_temp.seen_break")
    if not again:
        mend(seen, engine, sides)
    look_again(seen)
    if not again:
        _reopen(seen)
        _see_last(seen)
        _find(seen)


def _note(connection: Connection, tenant: str, model: str, run_id: UUID, words: Words, now: datetime) -> bool:
    """Notes the observation, unless it says what the last one did; True where the last one was of this run."""
    given = {
        "tenant": tenant, "model": model, "scenario": words.scenario, "run_id": run_id, "currency": words.currency,
        "handling": json.dumps(written(words.handling)), "now": now,
    }  # fmt: skip
    last = connection.execute(
        """SELECT observation_no, run_id = %(run_id)s, handling = %(handling)s::jsonb FROM recon.observation
        WHERE tenant = %(tenant)s AND model = %(model)s AND scenario = %(scenario)s
        ORDER BY observation_no DESC LIMIT 1""",
        given,
    ).fetchone()
    number, again, same_words = (0, False, False) if last is None else last
    if not (again and same_words):
        connection.execute(
            f"""INSERT INTO recon.observation (tenant, model, scenario, observation_no, run_id, currency,
                handling, recorded_at, seal)
            SELECT t.*, {seal_sql("t")} FROM (SELECT %(tenant)s AS tenant, %(model)s AS model, %(scenario)s AS scenario,
                %(number)s::bigint AS observation_no, %(run_id)s::uuid AS run_id, %(currency)s AS currency,
                %(handling)s::jsonb AS handling,
                %(now)s::timestamptz AS recorded_at) AS t""",
            {**given, "number": number + 1},
        )
    return bool(again)


#: SQL: a break's id, from whose it is and what it is.
BREAK_ID = """substr(encode(sha256(convert_to(concat_ws(E'\\x1f', %(tenant)s::text, %(model)s::text, %(scenario)s::text,
            bucket, occurrence, key), 'UTF8')), 'hex'), 1, 32)::uuid"""

_SEEN = f"""
    SELECT {BREAK_ID} AS break_id,
        bucket AS kind, key, occurrence, finding_no, {_FIGURES}
    FROM (SELECT *, row_number() OVER (PARTITION BY bucket, key ORDER BY finding_no) AS occurrence
        FROM recon.break WHERE tenant = %(tenant)s AND model = %(model)s AND run_id = %(run_id)s) AS found"""


def mend(
    seen: Observed, engine: LocalEngine, sides: tuple[SideRows, SideRows], keys: Sequence[str] | None = None
) -> list[UUID]:
    """Closes what was looked at and not found, of these keys alone if given. pg_temp.seen_break: what was."""
    scope = f"tenant = {literal(seen.tenant)} AND model = {literal(seen.model)}"
    of_these = "" if keys is None else f" AND {among('key', keys)}"
    unseen = copy_out(
        seen.connection,
        f"""SELECT s.break_id::text, s.key, f.left_file, f.right_file
        FROM (SELECT * FROM recon.standing_break WHERE {scope} AND scenario = {literal(seen.words.scenario)}
            AND state <> 'closed' AND state <> 'repairing'{of_these}) AS s
        JOIN recon.break AS f USING (tenant, model, run_id, finding_no)
        WHERE NOT EXISTS (SELECT FROM pg_temp.seen_break AS b WHERE b.break_id = s.break_id)""",
        _OPEN_FINDING,
    )
    if unseen.num_rows == 0:
        return []
    left, right = sides
    looked_at = engine.query(
        f"""SELECT break_id FROM unseen WHERE key IN (SELECT key FROM left_side) OR key IN (SELECT key FROM right_side)
            OR ({_given("left", left)} AND {_given("right", right)})""",
        unseen=unseen,
        left_side=left.rows,
        right_side=right.rows,
    )["break_id"].to_pylist()
    chosen, ids = by_ids([UUID(text) for text in looked_at])
    reason = f"CASE WHEN s.state IN ('repaired', 'in_doubt') THEN {literal(Reason.REPAIRED)} ELSE "
    return apply(
        seen.connection,
        seen.moving(Move.MEND, reason=f"{reason}{literal(Reason.MENDED)} END", values={**ids, "detail": None}),
        chosen,
    )


def _given(word: str, side: SideRows) -> str:
    """That the file which the row was in, if it was in one on this side, was given again, and every row of it read."""
    file = f"{word}_file"
    if side.refused.num_rows:
        return f"{file} IS NULL"
    return f"({file} IS NULL OR {file} IN (SELECT source_file FROM {word}_side))"


def look_again(seen: Observed) -> None:
    """What waited for its recheck and is found again is confirmed, or waits once more; so is what a repair left."""
    recheck, names = seen.words.handling.recheck, seen.names
    due = """SELECT b.break_id, NULL::jsonb AS detail FROM pg_temp.seen_break AS b
        JOIN recon.standing_break AS w ON (w.tenant, w.model, w.break_id) = (%(tenant)s, %(model)s, b.break_id)
        WHERE w.state = {state} AND (w.due_at <= %(now)s OR {always})"""
    always = "false" if recheck else "true"
    waiting = due.format(state="'waiting'", always=always)
    once_more = {"rechecks": "s.rechecks + 1"}
    if recheck is not None:
        more = f"{waiting} AND w.rechecks + 1 < {recheck.times}"
        again = {**once_more, "due_at": "%(due_at)s::timestamptz"}
        apply(seen.connection, seen.moving(Move.RECHECK, sets=again, values=names), more)
        waiting = f"{waiting} AND w.rechecks + 1 >= {recheck.times}"
    apply(seen.connection, seen.moving(Move.CONFIRM, sets=once_more, values=names), waiting)
    repaired = due.format(state="'repaired'", always=always)
    why = "it is found again after its repair"
    apply(seen.connection, seen.moving(Move.CONFIRM, why=why, values=names), repaired)


def _reopen(seen: Observed) -> None:
    """What was closed and is found again; what a person decided about only where its figures are others now."""
    found = f"""SELECT b.break_id, NULL::jsonb AS detail FROM pg_temp.seen_break AS b
        JOIN recon.standing_break AS w ON (w.tenant, w.model, w.break_id) = (%(tenant)s, %(model)s, b.break_id)
        JOIN recon.break AS f ON (f.tenant, f.model, f.run_id, f.finding_no)
            = (w.tenant, w.model, w.run_id, w.finding_no)
        WHERE w.state = 'closed' AND (NOT ({among("reason", sorted(DECIDED))})
            OR ({_of("f", _FIGURES)}) IS DISTINCT FROM ({_of("b", _FIGURES)}))"""
    sets = {"rechecks": "0", "due_at": "%(due_at)s::timestamptz"}
    reopened = apply(seen.connection, seen.moving(Move.FIND_AGAIN, sets=sets, values=seen.names), found)
    if seen.words.handling.recheck is None:
        chosen, ids = by_ids(reopened)
        apply(seen.connection, seen.moving(Move.CONFIRM, values={**ids, "detail": None}), chosen)


def _of(row: str, columns: str) -> str:
    return ", ".join(f"{row}.{column}" for column in columns.split(", "))


def _see_last(seen: Observed) -> None:
    """This run is now the last that found them."""
    seen.connection.execute(
        """UPDATE recon.standing_break AS s SET run_id = %(run_id)s, finding_no = b.finding_no
        FROM pg_temp.seen_break AS b
        WHERE s.tenant = %(tenant)s AND s.model = %(model)s AND s.break_id = b.break_id""",
        seen.names,
    )


def _find(seen: Observed) -> None:
    """What no run found before."""
    rechecks = seen.words.handling.recheck is not None
    state = literal(first_state(rechecks))
    due = "%(due_at)s::timestamptz" if rechecks else "NULL::timestamptz"
    seen.connection.execute(
        f"""WITH found AS (
            INSERT INTO recon.standing_break (tenant, model, break_id, scenario, kind, key, occurrence, state,
                first_run_id, run_id, finding_no, rechecks, repairs, moves, found_at, moved_at, due_at)
            SELECT %(tenant)s, %(model)s, break_id, %(scenario)s, kind, key, occurrence, {state}, %(run_id)s,
                %(run_id)s, finding_no, 0, 0, 1, %(now)s, %(now)s, {due}
            FROM pg_temp.seen_break AS b
            WHERE NOT EXISTS (SELECT FROM recon.standing_break AS s
                WHERE s.tenant = %(tenant)s AND s.model = %(model)s AND s.break_id = b.break_id)
            RETURNING break_id)
        INSERT INTO recon.move (tenant, model, break_id, move_no, move, from_state, to_state, reason, who, why, detail,
            run_id, recorded_at, seal)
        SELECT t.*, {seal_sql("t")} FROM (
            SELECT %(tenant)s::text AS tenant, %(model)s::text AS model, break_id, 1::bigint AS move_no,
                {literal(Move.FIND)} AS move, NULL::text AS from_state, {state} AS to_state, NULL::text AS reason,
                {literal(HOUSE)} AS who, NULL::text AS why, NULL::jsonb AS detail, %(run_id)s::uuid AS run_id,
                %(now)s::timestamptz AS recorded_at
            FROM found) AS t""",
        seen.names,
    )
