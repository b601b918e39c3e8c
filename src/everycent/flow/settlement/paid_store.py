"""The SQL of what payments say of statements. Callers own the transaction."""

from collections.abc import Sequence
from datetime import date, datetime

from everycent.base.platform.database import Connection
from everycent.flow.approvals.contract import HOUSE
from everycent.flow.settlement.contract import SideEnd
from everycent.flow.settlement.core.moves import Move

#: The sides of the statement `held` that are settled once those of `told` are settled, or opened.
_SIDES = {
    Move.SETTLE: "ARRAY(SELECT DISTINCT side FROM unnest(held.settled_sides || told.sides) AS s (side) ORDER BY 1)",
    Move.REOPEN: "ARRAY(SELECT side FROM unnest(held.settled_sides) AS s (side) WHERE side <> ALL (told.sides))",
}
#: What was told before, by its cause, is passed over.
_TELL = """
    WITH new AS (
        SELECT *, row_number() OVER (PARTITION BY statement_id ORDER BY side, cause) AS place
        FROM unnest(%(ids)s::text[], %(sides)s::text[], %(causes)s::text[], %(whys)s::text[])
            AS given (statement_id, side, cause, why)
        WHERE NOT EXISTS (
            SELECT FROM settlement.statement_move AS m WHERE m.tenant = %(tenant)s AND m.model = %(model)s
                AND m.statement_id = given.statement_id AND m.side = given.side AND m.cause = given.cause)),
    told AS (SELECT statement_id, array_agg(side) AS sides, count(*) AS moves FROM new GROUP BY statement_id),
    moved AS (
        UPDATE settlement.statement AS held
        SET settled_sides = {sides}, moves = held.moves + told.moves, settled_as_of = CASE
            WHEN cardinality({sides}) = CASE held.mode WHEN 'net' THEN 1 ELSE 2 END
                THEN coalesce(held.settled_as_of, %(as_of)s) END
        FROM told WHERE held.tenant = %(tenant)s AND held.model = %(model)s AND held.statement_id = told.statement_id
            AND held.released_as_of IS NOT NULL
        RETURNING held.statement_id, held.state, held.moves - told.moves AS moves_before),
    logged AS (
        INSERT INTO settlement.statement_move (tenant, model, statement_id, move_no, move, from_state, to_state, person,
            reason, as_of, recorded_at, side, cause)
        SELECT %(tenant)s, %(model)s, statement_id, moves_before + place, %(move)s, state, state, %(by)s, why,
            %(as_of)s, coalesce(%(now)s::timestamptz, now()), side, cause
        FROM new JOIN moved USING (statement_id)
        RETURNING 1)
    SELECT (SELECT count(*) FROM new), (SELECT count(*) FROM logged)
"""
_HOLD = """
    SELECT FROM settlement.statement
    WHERE tenant = %(tenant)s AND model = %(model)s AND statement_id = ANY(%(ids)s)
    ORDER BY statement_id COLLATE "C" FOR UPDATE
"""


def settle(
    connection: Connection, tenant: str, model: str, ends: Sequence[SideEnd], as_of: date, now: datetime | None = None
) -> None:
    """Keeps what became of the payments of statements: what was not paid is opened first, then what was is settled.

    Told again, it changes nothing. `now`: when it became known; the transaction's time where that is not given.
    """
    if not ends:
        return
    held = {"tenant": tenant, "model": model, "ids": [end.statement_id for end in ends]}
    connection.execute(_HOLD, held)
    for move in (Move.REOPEN, Move.SETTLE):
        some = [end for end in ends if end.settled is (move is Move.SETTLE)]
        if not some:
            continue
        told = {
            **held, "move": move.value, "by": HOUSE, "as_of": as_of, "now": now,
            "ids": [end.statement_id for end in some], "sides": [end.side for end in some],
            "causes": [end.cause for end in some], "whys": [end.why for end in some],
        }  # fmt: skip
        row = connection.execute(_TELL.format(sides=_SIDES[move]), told).fetchone()
        assert row is not None and row[0] == row[1], f"{move}: of {row} told sides not all are of released statements"
