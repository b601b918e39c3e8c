"""One move of many breaks, in one statement: the state changes and the history grows together. Callers own the
transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.batches import seal_sql
from everycent.base.platform.database import Connection
from everycent.proof.recon.core.moves import MOVES, Move

#: Who moves breaks where no person does.
HOUSE = "everycent"


@dataclass(frozen=True)
class Moving:
    """One move. `reason` (SQL over the break `s`) is why it closes; `sets` are further columns, SQL over `s`."""

    tenant: str
    model: str
    move: Move
    now: datetime
    who: str = HOUSE
    why: str | None = None
    run_id: UUID | None = None
    reason: str = "s.reason"
    sets: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def parameters(self) -> dict[str, Any]:
        """Those of the statement."""
        return {
            "tenant": self.tenant, "model": self.model, "now": self.now, "who": self.who, "why": self.why,
            "run_id": self.run_id, **self.values,
        }  # fmt: skip


def apply(connection: Connection, moving: Moving, chosen: str) -> list[UUID]:
    """Moves those of the chosen breaks whose state allows it; returns them, in order.

    chosen: SQL that gives break_id, each once, and detail (jsonb, what the history keeps of this move). Those whose
    state forbids the move are left as they are: the caller says which, by what is not returned.
    """
    moved = f"{_statement(moving, chosen)} SELECT break_id FROM moved ORDER BY break_id"
    return [found for (found,) in connection.execute(moved, moving.parameters)]


def move_all(connection: Connection, moving: Moving, chosen: str) -> int:
    """As `apply`, of however many; says how many were moved."""
    row = connection.execute(f"{_statement(moving, chosen)} SELECT count(*) FROM moved", moving.parameters).fetchone()
    assert row is not None, "count gives a row"
    return int(row[0])


def by_ids(ids: Sequence[UUID]) -> tuple[str, dict[str, Any]]:
    """`chosen` of `apply`, and its values, for breaks that are named."""
    return "SELECT unnest(%(ids)s::uuid[]) AS break_id, %(detail)s::jsonb AS detail", {"ids": list(ids)}


def _statement(moving: Moving, chosen: str) -> str:
    allowed = MOVES[moving.move]
    assert allowed, f"{moving.move} makes a break, it moves none"
    states = ", ".join(map(literal, allowed))
    after = " ".join(f"WHEN {literal(before)} THEN {literal(to)}" for before, to in allowed.items())
    to_state = f"CASE s.state {after} END"
    due = {"due_at": "CASE WHEN moving.to_state IN ('waiting', 'repaired') THEN s.due_at END"}
    sets = "".join(f", {identifier(column)} = {value}" for column, value in {**due, **moving.sets}.items())
    return f"""
        WITH chosen AS ({chosen}),
        moving AS (
            SELECT s.*, {to_state} AS to_state, {moving.reason} AS for_reason, chosen.detail
            FROM recon.standing_break AS s JOIN chosen USING (break_id)
            WHERE s.tenant = %(tenant)s AND s.model = %(model)s AND s.state IN ({states})
            ORDER BY s.break_id FOR UPDATE OF s),
        logged AS (
            INSERT INTO recon.move (tenant, model, break_id, move_no, move, from_state, to_state, reason, who, why,
                detail, run_id, recorded_at, seal)
            SELECT t.*, {seal_sql("t")} FROM (
                SELECT tenant, model, break_id, moves + 1 AS move_no, {literal(moving.move)} AS move,
                    state AS from_state, to_state, CASE to_state WHEN 'closed' THEN for_reason END AS reason,
                    %(who)s AS who, %(why)s::text AS why, detail, %(run_id)s::uuid AS run_id,
                    %(now)s::timestamptz AS recorded_at
                FROM moving) AS t),
        moved AS (
            UPDATE recon.standing_break AS s SET state = moving.to_state, moves = s.moves + 1,
                moved_at = %(now)s, reason = CASE moving.to_state WHEN 'closed' THEN moving.for_reason END{sets}
            FROM moving
            WHERE s.tenant = moving.tenant AND s.model = moving.model AND s.break_id = moving.break_id
            RETURNING s.break_id)"""
