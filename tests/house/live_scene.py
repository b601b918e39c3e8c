"""Events written the way people write them down: "left A1 100 paid", and a scenario that they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import md5
from itertools import count
from typing import Any
from uuid import UUID

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.platform.database import Connection
from everycent.proof.recon.contract import REFUSED, SIDE, LiveSpec
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.in_modes import compare_in_modes
from everycent.proof.recon.service import events_as_sides, run
from everycent.proof.recon.stage import Reconciled, reconcile
from everycent.proof.recon.watching.checking import Checked, breaks_standing, check_due, put_events
from everycent.proof.recon.watching.clearing import Cleared, clear_away
from everycent.proof.recon.watching.events import ENVELOPE, Put, arriving, sampled_sql
from everycent.proof.recon.watching.store import Watched

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = ReconPlan("paid", 0, left_sums=False, right_sums=False, compares_status=True)
_NUMBERS = count()


@dataclass(frozen=True)
class Happened:
    """One event; its place is its own number, so that it does not depend on when it arrives."""

    number: int
    side: str
    key: str
    amount: int
    status: str | None = None
    at: datetime = NOON

    @property
    def row(self) -> dict[str, Any]:
        """As a row of its side."""
        return {
            "source_file": "log",
            "source_line": self.number,
            "key": self.key,
            "amount_minor": self.amount,
            "status": self.status,
        }


def happened(text: str) -> list[Happened]:
    """Lines of side, key, amount, status and, behind @, minutes after noon."""
    found = []
    for number, line in enumerate(text.strip().splitlines(), 1):
        words, _, minutes = line.partition("@")
        side, key, amount, *status = words.split()
        at = NOON + timedelta(minutes=int(minutes or 0))
        found.append(Happened(number, side, key, int(amount), status[0] if status else None, at))
    return found


@dataclass(frozen=True)
class Scene:
    """A scenario of its own in the database, and a clock that the test moves."""

    connection: Connection
    engine: LocalEngine
    live: LiveSpec = field(default_factory=LiveSpec)
    plan: ReconPlan = PLAN
    watched: Watched = field(default_factory=lambda: Watched("default", "market", f"paid{next(_NUMBERS)}"))

    def over(self, connection: Connection) -> "Scene":
        """The same scenario, seen by another process."""
        return replace(self, connection=connection)

    def put(self, events: Sequence[Happened], now: datetime = NOON) -> list[Put]:
        """Delivers events, each side by itself."""
        return [self._put(side, [e for e in events if e.side == side], now) for side in ("left", "right")]

    def _put(self, side: str, events: Sequence[Happened], now: datetime) -> Put:
        envelope = [
            {
                "row_no": at,
                "event_id": f"e{event.number}",
                "occurred_at": event.at,
                "source_file": "log",
                "source_line": event.number,
                "record_id": None,
                "columns": "{}",
                "content_hash": UUID(bytes=md5(repr(event).encode()).digest()).bytes,
            }
            for at, event in enumerate(events)
        ]
        rows = [{**event.row, "source_line": at} for at, event in enumerate(events)]
        read = SideRows(pa.Table.from_pylist(rows, SIDE), REFUSED.empty_table(), 0)
        table = pa.Table.from_pylist(envelope, ENVELOPE)
        came = arriving(self.watched.scenario, side, self.live, table, read, self.engine)
        return put_events(self.connection, self.watched, self.live, came, now)

    def check(self, now: datetime = NOON, most: int = 1_000) -> Checked:
        """One turn of a watcher."""
        return check_due(self.connection, self.engine, self.plan, self.watched, most, now)

    def check_all(self, now: datetime) -> None:
        """Turns until nothing that is due is left."""
        while self.check(now).keys:
            pass

    def breaks(self) -> tuple[pa.Table, pa.Table]:
        """Breaks and write-offs of the verdicts."""
        return breaks_standing(self.connection, self.engine, self.watched)

    def verdicts(self) -> dict[str, str]:
        """Each key's outcome."""
        rows = self.connection.execute(f"SELECT key, outcome FROM recon.verdict WHERE {self.watched.sql} ORDER BY key")
        return dict(rows.fetchall())

    def waiting(self) -> int:
        """Keys that wait, counted one by one."""
        row = self.connection.execute(f"SELECT count(*) FROM recon.pending WHERE {self.watched.sql}").fetchone()
        assert row is not None
        return int(row[0])

    def stands(self, key: str, kind: str, *, closed: bool) -> None:
        """What was checked is a run whose break stands; a person closed it."""
        left, right = events_as_sides(self.connection, self.engine, self.watched)
        named = replace(self.plan, scenario=self.watched.scenario)
        run(self.connection, self.engine, self.watched.tenant, self.watched.model, "CNY", named, left, right)
        state = "SET state = 'closed', reason = 'written_off'" if closed else "SET state = state"
        row = f"{self.watched.sql} AND key = %s AND kind = %s"
        done = self.connection.execute(f"UPDATE recon.standing_break {state} WHERE {row}", (key, kind))
        assert done.rowcount == 1, f"no break {kind} of {key} stands"

    def clear(self, now: datetime, at_once: int = 1_000) -> Cleared:
        """One turn of clearing away."""
        return clear_away(self.connection, self.watched, self.live, now, at_once=at_once)

    def events(self) -> list[str]:
        """What is kept of the events: side and key, the key of those never compared is empty."""
        rows = self.connection.execute(
            f"SELECT side || ' ' || coalesce(key, '') FROM recon.event WHERE {self.watched.sql} ORDER BY 1"
        )
        return [str(event) for (event,) in rows]

    def offline(self, events: Sequence[Happened]) -> Reconciled:
        """The oracle: a run over all rows of these events that are not sampled out."""
        left, right = self.side(events, "left"), self.side(events, "right")
        return compare_in_modes(self.plan, reconcile, left, right, self.engine)[0]

    def side(self, events: Sequence[Happened], side: str) -> pa.Table:
        """The rows (SIDE) of one side's events that are not sampled out."""
        rows = pa.Table.from_pylist([event.row for event in events if event.side == side], SIDE)
        kept = f"SELECT * FROM rows WHERE {sampled_sql('key', self.live)}"
        return self.engine.query(kept, rows=rows).cast(SIDE)
