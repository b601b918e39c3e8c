"""Takes events in: all of one delivery by one statement. Callers own the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from everycent.base.platform.bulk import copy_in
from everycent.base.platform.database import Connection
from everycent.proof.recon.watching.events import ARRIVING
from everycent.proof.recon.watching.store import Watched

_COMING = """
    CREATE TEMPORARY TABLE IF NOT EXISTS coming_event (
        row_no bigint, event_id text, occurred_at timestamptz, source_file text, source_line bigint, record_id uuid,
        columns jsonb, content_hash uuid, scenario text, side text, key text, amount_minor bigint, status text,
        reason text
    ) ON COMMIT DELETE ROWS"""

#: Of several with one id in one delivery the first counts. Rows of `pending` are locked in the order of their key: two
#: that put events never wait for each other in a circle. One that checks a key holds its row, so that an event that
#: comes meanwhile waits, and then asks for the key again. A row that is due late enough is locked, and not written.
_TAKE = """
    WITH taken AS (
        INSERT INTO recon.event (tenant, model, scenario, side, event_id, occurred_at, recorded_at, key, amount_minor,
            status, source_file, source_line, reason, record_id, columns, content_hash)
        SELECT %(tenant)s, %(model)s, scenario, side, event_id, occurred_at, %(now)s, key, amount_minor,
            status, source_file, source_line, reason, record_id, columns, content_hash
        FROM (
            SELECT DISTINCT ON (side COLLATE "C", event_id COLLATE "C") *
            FROM pg_temp.coming_event {in_time} ORDER BY side COLLATE "C", event_id COLLATE "C", row_no) AS first
        ORDER BY side COLLATE "C", event_id COLLATE "C"
        ON CONFLICT DO NOTHING
        RETURNING scenario, key, occurred_at, arrived_no),
    asked AS (
        INSERT INTO recon.pending AS waiting (tenant, model, scenario, key, due_at)
        SELECT %(tenant)s, %(model)s, scenario, key,
            max(CASE WHEN %(by_arrival)s THEN %(now)s ELSE least(occurred_at, %(now)s) END) + %(delay)s
        FROM taken WHERE key IS NOT NULL
        GROUP BY scenario, key ORDER BY scenario COLLATE "C", key COLLATE "C"
        ON CONFLICT (tenant, model, scenario, key) DO UPDATE SET due_at = excluded.due_at
        WHERE waiting.due_at < excluded.due_at
        RETURNING xmax = 0 AS waits_from_now_on)
    SELECT count(*), CASE WHEN count(*) < %(given)s THEN array_agg(arrived_no) END,
        (SELECT count(*) FILTER (WHERE waits_from_now_on) FROM asked) FROM taken"""
#: Whether others of the key are kept, where it happened before those times whose events were cleared away.
_IN_TIME = """WHERE occurred_at >= %(cleared_before)s OR EXISTS (
                SELECT FROM recon.event AS kept WHERE (kept.tenant, kept.model, kept.scenario, kept.key)
                    = (%(tenant)s, %(model)s, %(scenario)s, coming_event.key))"""
#: Of those that were given and not taken: whether an event with the id has the same content; null where there is none.
_KNOWN_AS = """
    SELECT row_no, same FROM (
        SELECT c.row_no, e.content_hash = c.content_hash AS same, coalesce(e.arrived_no = ANY(%(taken)s), false)
            AND row_number() OVER (PARTITION BY c.side, c.event_id ORDER BY c.row_no) = 1 AS is_taken
        FROM pg_temp.coming_event AS c LEFT JOIN recon.event AS e
            ON (e.tenant, e.model, e.scenario, e.side, e.event_id)
            = (%(tenant)s, %(model)s, c.scenario, c.side, c.event_id)) AS known
    WHERE NOT is_taken ORDER BY 1"""


@dataclass(frozen=True)
class TakenIn:
    """`others`: the row_no of those that were not taken, with whether the event that has their id has the same content,
    None where there is none for they came too late. `asked`: keys that wait from now on."""

    others: Sequence[tuple[int, bool | None]]
    asked: int


def take_events(
    connection: Connection,
    watched: Watched,
    events: pa.Table,
    now: datetime,
    delay: timedelta,
    *,
    by_arrival: bool,
    cleared_before: datetime | None = None,
) -> TakenIn:
    """Keeps ARRIVING events of one scenario that are new, and asks for their keys to be checked.

    `cleared_before`: an event that happened before is too late, unless others of its key are still kept.
    """
    connection.execute(_COMING)
    columns = [name for name in ARRIVING.names if name != "outcome"]
    copy_in(connection, "pg_temp.coming_event", events.select(columns))
    given = {**watched.constants, "now": now, "given": events.num_rows, "delay": delay, "by_arrival": by_arrival}
    in_time = "" if cleared_before is None else _IN_TIME
    row = connection.execute(
        _TAKE.replace("{in_time}", in_time), {**given, "cleared_before": cleared_before}
    ).fetchone()
    assert row is not None, "counts are a row"
    taken, places, asked = row
    others: list[tuple[int, bool | None]] = []
    if taken < events.num_rows:
        others = connection.execute(_KNOWN_AS, {**given, "taken": places or []}).fetchall()
    assert taken + len(others) == events.num_rows, "an event is new, known or too late"
    connection.execute("TRUNCATE pg_temp.coming_event")
    return TakenIn(others, int(asked))


def cleared_before(connection: Connection, watched: Watched) -> datetime:
    """Up to when settled events were cleared away. None are while this transaction takes events."""
    row = connection.execute(f"SELECT before FROM recon.cleared WHERE {watched.sql} FOR SHARE").fetchone()
    if row is None:  # the first of all
        connection.execute(
            "INSERT INTO recon.cleared VALUES (%s, %s, %s, '1900-01-01 00:00:00+00') ON CONFLICT DO NOTHING",
            tuple(watched.constants.values()),
        )
        return cleared_before(connection, watched)
    before: datetime = row[0]
    return before
