"""Events as the two sides of a run: what both sides said of keys that were checked."""

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.bulk import copy_into_engine, copy_out
from everycent.base.platform.database import Connection
from everycent.proof.recon.contract import REFUSED, SIDE
from everycent.proof.recon.core.side import SideRows
from everycent.proof.recon.watching.events import LEFT_OUT
from everycent.proof.recon.watching.store import Watched


def events_as_sides(connection: Connection, engine: LocalEngine, watched: Watched) -> tuple[SideRows, SideRows]:
    """Both sides, as the engine's tables event_left and event_right. A key that waits to be checked does not take part
    yet: before it is due, a difference is no break."""
    with connection.transaction():  # both sides of one moment
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        left, right = (_side(connection, engine, watched, side) for side in ("left", "right"))
    return left, right


def broken_as_sides(connection: Connection, engine: LocalEngine, watched: Watched) -> tuple[SideRows, SideRows] | None:
    """As events_as_sides, of keys alone that are a break by their verdict or have one that stands; None where there are
    none."""
    broken = f"""SELECT key FROM recon.verdict WHERE {watched.sql} AND outcome = 'break'
        UNION SELECT key FROM recon.standing_break WHERE {watched.sql} AND state <> 'closed'"""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if connection.execute(f"SELECT 1 FROM ({broken}) AS b LIMIT 1").fetchone() is None:
            return None
        left, right = (_side(connection, engine, watched, side, broken) for side in ("left", "right"))
    return left, right


def _side(
    connection: Connection, engine: LocalEngine, watched: Watched, side: str, among: str | None = None
) -> SideRows:
    """`among`: SQL that gives the keys whose events alone take part."""
    events = f"SELECT * FROM recon.event WHERE {watched.sql} AND side = {literal(side)}"
    events += "" if among is None else f" AND key IN ({among})"
    waits = f"key IN (SELECT key FROM recon.pending WHERE {watched.sql})"
    compared = f"SELECT {', '.join(SIDE.names)} FROM ({events}) AS e WHERE reason IS NULL AND NOT {waits}"
    refused = f"""SELECT source_file, source_line, reason FROM ({events}) AS e
        WHERE reason <> {literal(LEFT_OUT)} ORDER BY source_file COLLATE "C", source_line"""
    out = f"SELECT count(*) FROM ({events}) AS e WHERE reason = {literal(LEFT_OUT)} OR (reason IS NULL AND {waits})"
    table = f"event_{side}"
    copy_into_engine(connection, compared, SIDE, engine.connection, identifier(table))
    row = connection.execute(out).fetchone()
    assert row is not None, "a count is a row"
    return SideRows(table, copy_out(connection, refused, REFUSED), int(row[0]))
