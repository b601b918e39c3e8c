"""All SQL of events and verdicts. Callers own the transaction, unless said otherwise."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from everycent.base.engine.sql import literal
from everycent.base.platform.bulk import copy_in, copy_out
from everycent.base.platform.database import Connection
from everycent.flow.settlement.contract import HELD_RECORD
from everycent.proof.recon.contract import BREAK, SIDE, Bucket

#: What is stored of a break; its cause's texts are of the program.
FOUND = pa.schema([each for each in BREAK if each.name not in ("cause_en", "cause_zh")])

#: An event as a row of its side, with the order of its arrival.
SIDE_EVENT = pa.schema([*SIDE, pa.field("arrived_no", pa.int64())])


#: Before the outcome of keys that were cleared away, in the name of the counter that counts them.
CLEARED = "cleared_"


@dataclass(frozen=True)
class Watched:
    """Names one scenario."""

    tenant: str
    model: str
    scenario: str

    @property
    def constants(self) -> dict[str, str | int | None]:
        """As the columns that all of its rows have."""
        return {"tenant": self.tenant, "model": self.model, "scenario": self.scenario}

    @property
    def sql(self) -> str:
        """As the condition that finds its rows."""
        return " AND ".join(f"{column} = {literal(str(value))}" for column, value in self.constants.items())


def waiting(connection: Connection, watched: Watched) -> int:
    """How many keys wait to be checked: those that were asked for, less those that were checked."""
    row = connection.execute(
        f"""SELECT coalesce(sum(CASE name WHEN 'asked' THEN counted ELSE -counted END), 0) FROM recon.event_count
        WHERE {watched.sql} AND name IN ('asked', 'checked')"""
    ).fetchone()
    assert row is not None and row[0] >= 0, "a key is checked that was asked for"
    return int(row[0])


def next_due(connection: Connection, watched: Watched) -> datetime | None:
    """When the first of the waiting keys is due; None where none waits."""
    row = connection.execute(f"SELECT min(due_at) FROM recon.pending WHERE {watched.sql}").fetchone()
    return None if row is None else row[0]


def count(connection: Connection, watched: Watched, counted: Mapping[str, int]) -> None:
    """Adds to the scenario's counters. Last in a transaction: those that count the same wait for each other."""
    for name in sorted(name for name, number in counted.items() if number):
        connection.execute(
            "INSERT INTO recon.event_count AS kept (tenant, model, scenario, name, counted) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (tenant, model, scenario, name) DO UPDATE SET counted = kept.counted + excluded.counted",
            (*watched.constants.values(), name, counted[name]),
        )


def counters(connection: Connection, watched: Watched) -> dict[str, int]:
    """The scenario's counters, by name."""
    rows = connection.execute(f"SELECT name, counted FROM recon.event_count WHERE {watched.sql} ORDER BY 1")
    return {str(name): int(counted) for name, counted in rows}


_CLAIMED = """
    CREATE TEMPORARY TABLE IF NOT EXISTS claimed_key (key text PRIMARY KEY) ON COMMIT DELETE ROWS"""


def claim(connection: Connection, watched: Watched, most: int, now: datetime) -> list[str]:
    """Up to `most` keys that are due, the longest due first; no other watcher gets them until the transaction ends."""
    rows = connection.execute(
        f"""SELECT key FROM recon.pending WHERE {watched.sql} AND due_at <= %s
        ORDER BY due_at, key LIMIT %s FOR UPDATE SKIP LOCKED""",
        (now, most),
    )
    return [str(key) for (key,) in rows]


def mark(connection: Connection, keys: Sequence[str]) -> None:
    """Names the keys that this transaction is about, for the functions below."""
    connection.execute(_CLAIMED)
    copy_in(connection, "pg_temp.claimed_key", pa.table({"key": pa.array(keys, pa.string())}))


def events_of_marked(connection: Connection, watched: Watched, side: str) -> pa.Table:
    """All that one side said of the marked keys: SIDE_EVENT."""
    columns = ", ".join(f"e.{name}" for name in SIDE_EVENT.names)
    return copy_out(
        connection,
        f"""SELECT {columns} FROM pg_temp.claimed_key AS c CROSS JOIN LATERAL (
            SELECT * FROM recon.event AS of_key
            WHERE {watched.sql} AND of_key.key = c.key AND side = {literal(side)} OFFSET 0) AS e""",
        SIDE_EVENT,
    )


_JUDGE = """
    INSERT INTO recon.verdict AS kept
        (tenant, model, scenario, key, outcome, left_events, right_events, arrived_no, checks, checked_at)
    SELECT %(tenant)s, %(model)s, %(scenario)s, key, outcome, left_events, right_events, arrived_no, 1, %(now)s
    FROM pg_temp.new_verdict
    ON CONFLICT (tenant, model, scenario, key) DO UPDATE SET outcome = excluded.outcome,
        left_events = excluded.left_events, right_events = excluded.right_events, arrived_no = excluded.arrived_no,
        checks = kept.checks + 1, checked_at = excluded.checked_at"""


def judge_marked(connection: Connection, watched: Watched, verdicts: pa.Table, found: pa.Table, now: datetime) -> None:
    """The verdicts on the marked keys, in the place of those before, and nothing more to do for them.

    verdicts: key, outcome, left_events, right_events, arrived_no. found: FOUND with finding_no.
    """
    connection.execute(
        """CREATE TEMPORARY TABLE IF NOT EXISTS new_verdict (key text, outcome text, left_events bigint,
            right_events bigint, arrived_no bigint) ON COMMIT DELETE ROWS"""
    )
    copy_in(connection, "pg_temp.new_verdict", verdicts)
    marked = "USING pg_temp.claimed_key AS c WHERE old.key = c.key AND"
    connection.execute(f"DELETE FROM recon.verdict_break AS old {marked} {watched.sql}")
    connection.execute(_JUDGE, {**watched.constants, "now": now})
    copy_in(connection, "recon.verdict_break", found, watched.constants)
    gone = connection.execute(f"DELETE FROM recon.pending AS old {marked} {watched.sql}").rowcount
    assert gone == verdicts.num_rows, f"{gone} keys were claimed, {verdicts.num_rows} were judged"


#: A break that a person closed, or that was mended, holds nothing any more.
OPEN_BREAK = """NOT EXISTS (
            SELECT FROM recon.standing_break AS s WHERE (s.tenant, s.model, s.scenario, s.kind, s.key)
                = (b.tenant, b.model, b.scenario, b.bucket, b.key) AND s.state = 'closed')"""


def found_of(
    connection: Connection, watched: Watched, keys: Sequence[str] | None = None, *, open_alone: bool = False
) -> pa.Table:
    """What the verdicts of these keys (of all, if not given) found: FOUND, in no order. `open_alone`: without breaks
    that were closed."""
    among = "" if keys is None else f" AND key IN ({', '.join(map(literal, keys)) or 'NULL'})"
    still = f" AND {OPEN_BREAK}" if open_alone else ""
    return copy_out(
        connection,
        f"SELECT {', '.join(FOUND.names)} FROM recon.verdict_break AS b WHERE {watched.sql}{among}{still}",
        FOUND,
    )


def standing_of(connection: Connection, watched: Watched, keys: Sequence[str]) -> dict[str, datetime | None]:
    """Of the keys that have an event: when they are due, None where their verdict knows all events."""
    rows = connection.execute(
        f"""SELECT key, due_at FROM recon.pending WHERE {watched.sql} AND key = ANY(%(keys)s)
        UNION ALL SELECT key, NULL FROM recon.verdict AS v WHERE {watched.sql} AND key = ANY(%(keys)s) AND NOT EXISTS (
            SELECT FROM recon.pending AS p
            WHERE (p.tenant, p.model, p.scenario, p.key) = (v.tenant, v.model, v.scenario, v.key))""",
        {"keys": list(keys)},
    )
    return dict(rows.fetchall())


def held_records(connection: Connection, watched: Watched, *, unchecked: bool) -> pa.Table:
    """HELD_RECORD: the records whose key is a break that is not closed; with `unchecked` also those that still wait."""
    waits = "EXISTS (SELECT FROM recon.pending AS p WHERE p.key = e.key AND (p.tenant, p.model, p.scenario) = {of})"
    of = f"({', '.join(literal(str(value)) for value in watched.constants.values())})"
    waits = waits.format(of=of)
    events = f"SELECT * FROM recon.event WHERE {watched.sql} AND record_id IS NOT NULL AND reason IS NULL"
    broken = f"""SELECT e.record_id, format('%s: %s is a break: %s', e.scenario, e.key, min(b.cause)) AS reason
        FROM (SELECT * FROM recon.verdict_break WHERE {watched.sql}) AS b JOIN ({events}) AS e USING (key)
        WHERE b.bucket <> {literal(Bucket.WITHIN_TOLERANCE)} AND NOT {waits} AND {OPEN_BREAK}
        GROUP BY e.record_id, e.scenario, e.key"""
    waiting = (
        f"SELECT e.record_id, format('%s: %s is not checked yet', e.scenario, e.key) FROM ({events}) AS e WHERE {waits}"
    )
    query = f"{broken} UNION ALL {waiting}" if unchecked else broken
    return copy_out(connection, f"SELECT * FROM ({query}) AS held ORDER BY 2, 1", HELD_RECORD)


def outcomes(connection: Connection, watched: Watched) -> dict[str, int]:
    """How many keys have which verdict, and stand by it; those that were cleared away too."""
    rows = connection.execute(
        f"""SELECT outcome, sum(keys)::bigint FROM (
            SELECT outcome, count(*) AS keys FROM recon.verdict WHERE {watched.sql} GROUP BY 1
            UNION ALL SELECT substr(name, {len(CLEARED) + 1}), counted FROM recon.event_count
            WHERE {watched.sql} AND starts_with(name, {literal(CLEARED)})) AS each GROUP BY 1 ORDER BY 1"""
    )
    return {str(outcome): int(keys) for outcome, keys in rows}


def batch_seen(connection: Connection, watched: Watched, side: str) -> int:
    """The last batch whose records are events of that side. Nobody else moves it until the transaction ends."""
    given = {**watched.constants, "side": side}
    connection.execute(
        "INSERT INTO recon.records_seen VALUES (%(tenant)s, %(model)s, %(scenario)s, %(side)s, 0)"
        " ON CONFLICT DO NOTHING",
        given,
    )
    row = connection.execute(
        f"SELECT batch_no FROM recon.records_seen WHERE {watched.sql} AND side = %(side)s FOR UPDATE", given
    ).fetchone()
    assert row is not None, "it was put there above"
    return int(row[0])


def see_batch(connection: Connection, watched: Watched, side: str, batch_no: int) -> None:
    """The records of that batch and all before it are events."""
    connection.execute(
        f"UPDATE recon.records_seen SET batch_no = %s WHERE {watched.sql} AND side = %s", (batch_no, side)
    )


def take_turn(connection: Connection, watched: Watched, keys: int, per_second: int, now: datetime) -> datetime:
    """Reserves so many checks; from when they may be made. A transaction of its own."""
    row = connection.execute(
        """INSERT INTO recon.pace AS kept (tenant, model, scenario, next_at)
        VALUES (%(tenant)s, %(model)s, %(scenario)s, %(now)s::timestamptz + %(takes)s)
        ON CONFLICT (tenant, model, scenario) DO UPDATE SET next_at = greatest(kept.next_at, %(now)s) + %(takes)s
        RETURNING next_at - %(takes)s""",
        {**watched.constants, "now": now, "takes": timedelta(seconds=1) * keys / per_second},
    ).fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


def give_back_turn(connection: Connection, watched: Watched, keys: int, per_second: int) -> None:
    """Checks that were reserved and not made."""
    connection.execute(
        f"UPDATE recon.pace SET next_at = next_at - %s WHERE {watched.sql}",
        (timedelta(seconds=1) * keys / per_second,),
    )


def standing_breaks(
    connection: Connection, watched: Watched, keys: Sequence[str] | None = None, *, unsure: bool
) -> dict[str, str]:
    """By key the kind of a break that stands by the scenario's runs; of these keys, or of all. `unsure`: also of those
    that still wait to be looked at again."""
    rows = connection.execute(
        f"""SELECT key, min(kind) FROM recon.standing_break WHERE {watched.sql} AND state <> 'closed'
            AND (%(unsure)s OR state <> 'waiting') AND (%(keys)s::text[] IS NULL OR key = ANY(%(keys)s))
        GROUP BY key ORDER BY key COLLATE "C" """,
        {"unsure": unsure, "keys": None if keys is None else list(keys)},
    )
    return {str(key): str(kind) for key, kind in rows}
