"""A run is observed: what it found becomes or stays a standing break, what it no longer finds is mended.

In the transaction that stores the run. Absence alone mends nothing: a run that never saw a key says nothing about it.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import among, literal
from everycent.base.platform.batches import seal_sql
from everycent.base.platform.bulk import copy_into_engine
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.moving import HOUSE, move_all
from everycent.proof.recon.breaks.seeing import BREAKS, FIGURES, Observed, keep_ids, see_findings, see_run
from everycent.proof.recon.breaks.words import Words
from everycent.proof.recon.chain import CheckerFindings
from everycent.proof.recon.core.moves import DECIDED, Move, Reason, first_state
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.store import lock_scenario, looked_and_failed

_OPEN_FINDING = pa.schema([(name, pa.string()) for name in ("break_id", "key", "left_file", "right_file")])
_UNSEEN = "unseen_break"
_MANY = 10_000


def observe(
    connection: Connection,
    engine: LocalEngine,
    tenant: str,
    model: str,
    run_id: UUID,
    words: Words,
    sides: tuple[SideRows, SideRows],
    now: datetime,
) -> bool:
    """Brings the scenario's standing breaks up to a stored run. The scenario must be locked.

    The run that was observed last, again, changes nothing, unless a break is due to be looked at again; True then.
    """
    again = _note(connection, tenant, model, run_id, words, now)
    seen = Observed(connection, tenant, model, run_id, words, now, again)
    see_run(seen)
    if not again:
        mend(seen, engine, sides)
    look_again(seen)
    if not again:
        _reopen(seen)
        _see_last(seen)
        _find(seen)
    return again


def observe_findings(
    connection: Connection,
    engine: LocalEngine,
    tenant: str,
    model: str,
    run_id: UUID,
    words: Words,
    sides: tuple[SideRows, SideRows],
    now: datetime,
    checked: Sequence[CheckerFindings],
    *,
    again: bool,
) -> None:
    """As `observe`, of what the run's checkers found, once that is kept; in the same transaction.

    What a checker found that could not look this time, or does not look any more, stays. again: as `observe` gave.
    """
    looked, failed = looked_and_failed(checked)
    seen = Observed(connection, tenant, model, run_id, words, now, again, looked, failed)
    see_findings(seen)
    mend(seen, engine, sides)
    look_again(seen)
    if not again:
        _reopen(seen)
    _see_last(seen)
    _find(seen)


def note_words(connection: Connection, tenant: str, model: str, words: Words, now: datetime) -> None:
    """The words hold from now on, where breaks were observed under others. One transaction."""
    with connection.transaction():
        lock_scenario(connection, tenant, model, words.scenario)
        last = connection.execute(
            """SELECT run_id FROM recon.observation WHERE (tenant, model, scenario) = (%s, %s, %s)
            ORDER BY observation_no DESC LIMIT 1""",
            (tenant, model, words.scenario),
        ).fetchone()
        if last is not None:
            _note(connection, tenant, model, last[0], words, now)


def _note(connection: Connection, tenant: str, model: str, run_id: UUID, words: Words, now: datetime) -> bool:
    """Notes the observation, unless it says what the last one did; True where the last one was of this run."""
    given = {
        "tenant": tenant, "model": model, "scenario": words.scenario, "run_id": run_id, "currency": words.currency,
        "handling": json.dumps(words.kept()), "now": now,
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


def mend(seen: Observed, engine: LocalEngine, sides: tuple[SideRows, SideRows], asked: str | None = None) -> int:
    """Closes what was looked at and not found, and says how many; `asked` (SQL of a table of break_id): of these alone.

    pg_temp.seen_break: what was found. What stands by a finding of a checker's is mended by a checker that looked.
    """
    scope = f"s.tenant = {literal(seen.tenant)} AND s.model = {literal(seen.model)}"
    of_these = "" if asked is None else f" AND s.key IN (SELECT key FROM {asked})"
    if seen.checkers is None:
        places = "JOIN recon.break AS f USING (tenant, model, run_id, finding_no)"
    else:
        places = f"""JOIN (SELECT * FROM recon.standing_finding WHERE {among("checker", list(seen.checkers))}) AS f
            USING (tenant, model, break_id)"""
    copy_into_engine(
        seen.connection,
        f"""SELECT s.break_id::text, s.key, f.left_file, f.right_file FROM recon.standing_break AS s {places}
        WHERE {scope} AND s.scenario = {literal(seen.words.scenario)}
            AND s.state <> 'closed' AND s.state <> 'repairing'{of_these}
            AND NOT EXISTS (SELECT FROM pg_temp.seen_break AS b WHERE b.break_id = s.break_id)""",
        _OPEN_FINDING,
        engine.connection,
        _UNSEEN,
    )
    left, right = sides
    looked_at = engine.query(
        f"""SELECT break_id FROM unseen WHERE key IN (SELECT key FROM left_side) OR key IN (SELECT key FROM right_side)
            OR ({_placed(seen)} AND {_given("left", left)} AND {_given("right", right)})""",
        unseen=_UNSEEN,
        left_side=left.rows,
        right_side=right.rows,
    )["break_id"]
    engine.connection.execute(f"DROP TABLE {_UNSEEN}")
    if not len(looked_at):
        return 0
    keep_ids(seen.connection, "looked_at", looked_at)
    reason = f"CASE WHEN s.state IN ('repaired', 'in_doubt') THEN {literal(Reason.REPAIRED)} ELSE "
    return move_all(
        seen.connection,
        seen.moving(Move.MEND, reason=f"{reason}{literal(Reason.MENDED)} END"),
        "SELECT break_id, NULL::jsonb AS detail FROM pg_temp.looked_at",
    )


def _placed(seen: Observed) -> str:
    """A checker may find something about a key and say no place: where no side has the key, nothing was looked at.
    What is about no key is about both sides as a whole."""
    if seen.checkers is None:
        return "true"
    return "(left_file IS NOT NULL OR right_file IS NOT NULL OR key = '')"


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
        move_all(seen.connection, seen.moving(Move.RECHECK, sets=again, values=names), more)
        waiting = f"{waiting} AND w.rechecks + 1 >= {recheck.times}"
    move_all(seen.connection, seen.moving(Move.CONFIRM, sets=once_more, values=names), waiting)
    repaired = due.format(state="'repaired'", always=always)
    why = "it is found again after its repair"
    move_all(seen.connection, seen.moving(Move.CONFIRM, why=why, values=names), repaired)


def _reopen(seen: Observed) -> None:
    """What was closed and is found again; what a person decided about only where its figures are others now."""
    if seen.checkers is None:
        before = f"""({BREAKS}) AS f ON (f.tenant, f.model, f.run_id, f.finding_no)
            = (w.tenant, w.model, w.run_id, w.finding_no)"""
        figures: tuple[str, ...] = FIGURES
    else:
        before = "recon.standing_finding AS f ON (f.tenant, f.model, f.break_id) = (w.tenant, w.model, w.break_id)"
        figures = ("said",)
    seen.connection.execute("DROP TABLE IF EXISTS pg_temp.found_again")
    seen.connection.execute(
        f"""CREATE TEMP TABLE found_again ON COMMIT DROP AS SELECT b.break_id FROM pg_temp.seen_break AS b
        JOIN recon.standing_break AS w ON (w.tenant, w.model, w.break_id) = (%(tenant)s, %(model)s, b.break_id)
        JOIN {before}
        WHERE w.state = 'closed' AND (NOT ({among("reason", sorted(DECIDED))})
            OR ({_of("f", figures)}) IS DISTINCT FROM ({_of("b", figures)}))""",
        seen.names,
    )
    again = "SELECT break_id, NULL::jsonb AS detail FROM pg_temp.found_again"
    sets = {"rechecks": "0", "due_at": "%(due_at)s::timestamptz"}
    move_all(seen.connection, seen.moving(Move.FIND_AGAIN, sets=sets, values=seen.names), again)
    if seen.words.handling.recheck is None:
        move_all(seen.connection, seen.moving(Move.CONFIRM), again)


def _of(row: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{row}.{column}" for column in columns)


def _see_last(seen: Observed) -> None:
    """This run is now the last that found them, in these words."""
    finding_no = "b.finding_no" if seen.checkers is None else "NULL"
    seen.connection.execute(
        f"""UPDATE recon.standing_break AS s SET run_id = %(run_id)s, finding_no = {finding_no}
        FROM pg_temp.seen_break AS b
        WHERE s.tenant = %(tenant)s AND s.model = %(model)s AND s.break_id = b.break_id""",
        seen.names,
    )
    if seen.checkers is not None:
        seen.connection.execute(
            """UPDATE recon.standing_finding AS f SET said = b.said, left_file = b.left_file, left_line = b.left_line,
                right_file = b.right_file, right_line = b.right_line
            FROM pg_temp.seen_break AS b
            WHERE f.tenant = %(tenant)s AND f.model = %(model)s AND f.break_id = b.break_id""",
            seen.names,
        )


def _find(seen: Observed) -> None:
    """What no run found before. Which these are is settled before the first is written: a statement that looks for
    rows in the table that it fills looks through all that it has filled, for each row."""
    rechecks = seen.words.handling.recheck is not None
    state = literal(first_state(rechecks))
    due = "%(due_at)s::timestamptz" if rechecks else "NULL::timestamptz"
    run, names = seen.connection, seen.names
    run.execute("DROP TABLE IF EXISTS pg_temp.new_break")
    run.execute(
        """CREATE TEMP TABLE new_break ON COMMIT DROP AS SELECT * FROM pg_temp.seen_break AS b
        WHERE NOT EXISTS (SELECT FROM recon.standing_break AS s
            WHERE s.tenant = %(tenant)s AND s.model = %(model)s AND s.break_id = b.break_id)""",
        names,
    )
    run.execute("ANALYZE pg_temp.new_break")
    run.execute(
        f"""INSERT INTO recon.standing_break (tenant, model, break_id, scenario, kind, key, occurrence, state,
            first_run_id, run_id, finding_no, rechecks, repairs, moves, found_at, moved_at, due_at)
        SELECT %(tenant)s, %(model)s, break_id, %(scenario)s, kind, key, occurrence, {state}, %(run_id)s,
            %(run_id)s, {"finding_no" if seen.checkers is None else "NULL"}, 0, 0, 1, %(now)s, %(now)s, {due}
        FROM pg_temp.new_break""",
        names,
    )
    if run.execute("SELECT FROM pg_temp.new_break OFFSET %s LIMIT 1", (_MANY,)).fetchone() is not None:
        run.execute("ANALYZE recon.standing_break")  # what follows is planned for as many as there are
    if seen.checkers is not None:
        run.execute(
            """INSERT INTO recon.standing_finding (tenant, model, break_id, checker, cause, said, left_file, left_line,
                right_file, right_line)
            SELECT %(tenant)s, %(model)s, break_id, checker, cause, said, left_file, left_line, right_file, right_line
            FROM pg_temp.new_break""",
            names,
        )
    run.execute(
        f"""INSERT INTO recon.move (tenant, model, break_id, move_no, move, from_state, to_state, reason, who, why,
            detail, run_id, recorded_at, seal)
        SELECT t.*, {seal_sql("t")} FROM (
            SELECT %(tenant)s::text AS tenant, %(model)s::text AS model, break_id, 1::bigint AS move_no,
                {literal(Move.FIND)} AS move, NULL::text AS from_state, {state} AS to_state, NULL::text AS reason,
                {literal(HOUSE)} AS who, NULL::text AS why, NULL::jsonb AS detail, %(run_id)s::uuid AS run_id,
                %(now)s::timestamptz AS recorded_at
            FROM pg_temp.new_break) AS t""",
        names,
    )
