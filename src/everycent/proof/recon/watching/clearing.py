"""Clears away what is settled and old: events, verdicts and findings of keys on which nothing is open any more."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from everycent.base.engine.sql import literal
from everycent.base.platform.database import Connection
from everycent.proof.recon.contract import Bucket
from everycent.proof.recon.live import LiveSpec
from everycent.proof.recon.watching import store
from everycent.proof.recon.watching.store import CLEARED, OPEN_BREAK, Watched

#: So many keys, and so many events that were never compared, go in one transaction: whoever puts events waits for it.
_AT_ONCE = 10_000


@dataclass(frozen=True)
class Cleared:
    """What one turn cleared away; `more`: there may be more."""

    keys: int
    events: int
    more: bool


def clear_away(
    connection: Connection, watched: Watched, live: LiveSpec, now: datetime, *, at_once: int = _AT_ONCE
) -> Cleared:
    """Clears away some of the keys that are settled, all of whose events happened and came longer ago than the scenario
    keeps them, in one transaction. The counts stay. An event that comes later and is as old is too late.

    A key is settled where it does not wait, and no break of it is open.
    """
    if live.keep is None:
        return Cleared(0, 0, more=False)
    with connection.transaction():
        before = _move(connection, watched, now - live.keep)
        keys = _mark_settled(connection, watched, before, at_once)
        outcomes = _clear_verdicts(connection, watched)
        assert sum(outcomes.values()) == keys, "each key that is cleared away has a verdict"
        of_keys = connection.execute(f"DELETE FROM recon.event AS old {_OF_MARKED} AND {watched.sql}").rowcount
        never_compared = _clear_never_compared(connection, watched, before, at_once)
        counts = Counter({f"{CLEARED}{outcome}": number for outcome, number in outcomes.items()})
        counts["cleared"] = of_keys + never_compared
        store.count(connection, watched, counts)
    return Cleared(keys, counts["cleared"], more=at_once in (keys, never_compared))


_OF_MARKED = "USING pg_temp.settled_key AS s WHERE old.key = s.key"


def _move(connection: Connection, watched: Watched, before: datetime) -> datetime:
    """Moves the moment on before which events are too late; it never goes back. Locks it: no event is taken meanwhile,
    so that none comes to a key that goes."""
    row = connection.execute(
        """INSERT INTO recon.cleared AS kept VALUES (%(tenant)s, %(model)s, %(scenario)s, %(before)s)
        ON CONFLICT (tenant, model, scenario) DO UPDATE SET before = greatest(kept.before, excluded.before)
        RETURNING before""",
        {**watched.constants, "before": before},
    ).fetchone()
    assert row is not None
    moved: datetime = row[0]
    return moved


def _mark_settled(connection: Connection, watched: Watched, before: datetime, most: int) -> int:
    """Names up to `most` keys that may go; how many."""
    connection.execute("CREATE TEMPORARY TABLE IF NOT EXISTS settled_key (key text PRIMARY KEY) ON COMMIT DELETE ROWS")
    of_key = "(n.tenant, n.model, n.scenario, n.key) = (e.tenant, e.model, e.scenario, e.key)"
    at = literal(before.isoformat())
    return connection.execute(
        f"""INSERT INTO pg_temp.settled_key SELECT DISTINCT key FROM recon.event AS e
        WHERE {watched.sql} AND key IS NOT NULL AND recorded_at < {at} AND occurred_at < {at}
            AND NOT EXISTS (SELECT FROM recon.pending AS n WHERE {of_key})
            AND NOT EXISTS (
                SELECT FROM recon.event AS n WHERE {of_key} AND (n.recorded_at >= {at} OR n.occurred_at >= {at}))
            AND NOT EXISTS (
                SELECT FROM recon.verdict_break AS b
                WHERE (b.tenant, b.model, b.scenario, b.key) = (e.tenant, e.model, e.scenario, e.key)
                    AND b.bucket <> {literal(Bucket.WITHIN_TOLERANCE)} AND {OPEN_BREAK})
        LIMIT {most}"""
    ).rowcount


def _clear_verdicts(connection: Connection, watched: Watched) -> dict[str, int]:
    """How many verdicts of each outcome went."""
    connection.execute(f"DELETE FROM recon.verdict_break AS old {_OF_MARKED} AND {watched.sql}")
    rows = connection.execute(
        f"""WITH gone AS (DELETE FROM recon.verdict AS old {_OF_MARKED} AND {watched.sql} RETURNING outcome)
        SELECT outcome, count(*) FROM gone GROUP BY 1 ORDER BY 1"""
    )
    return {str(outcome): int(keys) for outcome, keys in rows}


def _clear_never_compared(connection: Connection, watched: Watched, before: datetime, most: int) -> int:
    """Events without a key: left out or refused."""
    at = literal(before.isoformat())
    return connection.execute(
        f"""DELETE FROM recon.event WHERE {watched.sql} AND (side, event_id) IN (
            SELECT side, event_id FROM recon.event
            WHERE {watched.sql} AND key IS NULL AND recorded_at < {at} AND occurred_at < {at} LIMIT {most})"""
    ).rowcount
