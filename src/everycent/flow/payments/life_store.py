"""The SQL of what is said of instructions, and of what follows from it. Callers own the transaction."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from everycent.base.platform.batches import seal_sql
from everycent.base.platform.database import Connection
from everycent.flow.payments.contract import BankBooking, Booking, InstructionAltered, InstructionState, Move, Said
from everycent.flow.payments.core.bank_answers import Member
from everycent.flow.payments.core.ends import Covered, Event
from everycent.flow.payments.core.following import Followed, Known
from everycent.flow.payments.core.moves import Standing
from everycent.flow.payments.sealing import HISTORY, sealed_with

_KNOWN = f"""
    SELECT instruction_id, model, party_id, legal_entity, currency, direction, amount_minor, channel, state, booking,
        finding, moves, reason, proposed_by, released_by, filed_as_of, ended_as_of, seal <> {seal_sql("t")}
    FROM payments.instruction AS t
    WHERE tenant = %(tenant)s AND instruction_id = ANY(%(ids)s)
    ORDER BY instruction_id FOR UPDATE
"""

_HEARD = """
    SELECT instruction_id, move, cause FROM payments.instruction_move
    WHERE tenant = %(tenant)s AND instruction_id = ANY(%(ids)s) AND came <> 'moved'
"""

_BOOKED = """
    SELECT instruction_id, move, source, reference FROM payments.bank_booking
    WHERE tenant = %(tenant)s AND instruction_id = ANY(%(ids)s)
"""

#: As unnest() gives them, under the names of the instruction's columns.
_CHANGES = (
    ("instruction_id", "uuid"), ("state", "text"), ("booking", "text"), ("finding", "text"), ("reason", "text"),
    ("released_by", "text"), ("filed_as_of", "date"), ("ended_as_of", "date"), ("moves", "bigint"),
)  # fmt: skip

_MOVES = (
    ("model", "text"), ("instruction_id", "uuid"), ("move_no", "bigint"), ("move", "text"), ("came", "text"),
    ("from_state", "text"), ("to_state", "text"), ("booking", "text"), ("finding", "text"), ("cause", "text"),
    ("who", "text"), ("why", "text"),
)  # fmt: skip


def _unnested(columns: Sequence[tuple[str, str]], name: str) -> str:
    arrays = ", ".join(f"%({column})s::{kind}[]" for column, kind in columns)
    return f"unnest({arrays}) AS {name}({', '.join(column for column, _ in columns)})"


_CHANGE = f"""
    UPDATE payments.instruction AS known
    SET {", ".join(f"{column} = found.{column}" for column, _ in _CHANGES[1:])},
        seal = {sealed_with("to_jsonb(found)")}
    FROM {_unnested(_CHANGES, "found")}
    WHERE known.tenant = %(tenant)s AND known.instruction_id = found.instruction_id
"""

_LOG = f"""
    INSERT INTO payments.instruction_move ({HISTORY}, seal)
    SELECT t.*, {seal_sql("t")} FROM (
        SELECT %(tenant)s::text AS tenant, moved.*, %(now)s::timestamptz AS recorded_at
        FROM {_unnested(_MOVES, "moved")}) AS t
"""

_REOPEN = """
    WITH gone AS (
        DELETE FROM payments.instruction_statement
        WHERE tenant = %(tenant)s AND instruction_id = ANY(%(ids)s)
        RETURNING tenant, model, statement_id, side, amount_minor, instruction_id)
    INSERT INTO payments.reopened_statement (tenant, model, statement_id, side, amount_minor, instruction_id, as_of)
    SELECT gone.*, %(as_of)s FROM gone
"""

#: What was not instructed anew meanwhile is paid by it again; what was, has been paid twice, and the party owes it.
_COVER = """
    WITH open_ones AS (
        SELECT gone.* FROM payments.reopened_statement AS gone
            LEFT JOIN payments.instruction_statement AS held USING (tenant, model, statement_id, side)
        WHERE gone.tenant = %(tenant)s AND gone.instruction_id = ANY(%(ids)s)
            AND (held.outcome IS NULL OR held.outcome = 'carried')),
    removed AS (
        DELETE FROM payments.reopened_statement AS gone USING open_ones
        WHERE gone.tenant = open_ones.tenant AND gone.model = open_ones.model
            AND gone.instruction_id = open_ones.instruction_id AND gone.statement_id = open_ones.statement_id
            AND gone.side = open_ones.side)
    INSERT INTO payments.instruction_statement (
        tenant, model, statement_id, side, amount_minor, outcome, instruction_id, as_of)
    SELECT tenant, model, statement_id, side, amount_minor, 'instructed', instruction_id, %(as_of)s FROM open_ones
    ON CONFLICT (tenant, model, statement_id, side) DO UPDATE
    SET outcome = excluded.outcome, instruction_id = excluded.instruction_id, as_of = excluded.as_of
"""


def known(connection: Connection, tenant: str, ids: Sequence[UUID]) -> dict[UUID, Known]:
    """The instructions of these ids that are there, locked until the transaction ends. Raises InstructionAltered."""
    # Instructing takes the whole table first; without this it could wait for a row of ours, and we for it.
    connection.execute("LOCK TABLE payments.instruction IN ROW EXCLUSIVE MODE")
    asked = {"tenant": tenant, "ids": sorted(set(ids))}
    rows = connection.execute(_KNOWN, asked).fetchall()
    heard: dict[UUID, set[tuple[str, str]]] = {}
    for key, move, cause in connection.execute(_HEARD, asked):
        heard.setdefault(key, set()).add((move, cause))
    booked: dict[UUID, set[tuple[Move, BankBooking]]] = {}
    for key, move, source, reference in connection.execute(_BOOKED, asked):
        booked.setdefault(key, set()).add((Move(move), BankBooking(source, reference)))
    found = {}
    for row in rows:
        key, model, party, entity, code, direction, amount, channel, state, booking, finding, moves, reason = row[:13]
        proposed, released, sent_on, ended_on, altered = row[13:]
        if altered:
            raise InstructionAltered(key, party)
        standing = Standing(InstructionState(state), Booking(booking), finding, released is not None)
        found[key] = Known(
            key, model, party, entity, code, direction, int(amount), channel, standing, int(moves), reason, proposed,
            released, sent_on, ended_on, frozenset(heard.get(key, ())), frozenset(booked.get(key, ())),
        )  # fmt: skip
    return found


_KEEP_BOOKED = """
    INSERT INTO payments.bank_booking (tenant, model, instruction_id, move, source, reference, recorded_at)
    SELECT %(tenant)s, booked.*, %(now)s
    FROM unnest(%(models)s::text[], %(ids)s::uuid[], %(moves)s::text[], %(sources)s::text[], %(references)s::text[])
        AS booked
"""


def keep_booked(
    connection: Connection, tenant: str, said: Sequence[Said], known: Mapping[UUID, Known], now: datetime
) -> None:
    """Keeps what banks call what they booked of instructions; each is known once."""
    booked = [(one, one.booking) for one in said if one.booking is not None]
    if not booked:
        return
    values = {
        "models": [known[one.key].model for one, _ in booked], "ids": [one.key for one, _ in booked],
        "moves": [one.move.value for one, _ in booked], "sources": [booking.source for _, booking in booked],
        "references": [booking.reference for _, booking in booked],
    }  # fmt: skip
    connection.execute(_KEEP_BOOKED, {**values, "tenant": tenant, "now": now})


def keep(connection: Connection, tenant: str, followed: Followed, now: datetime) -> None:
    """Keeps where instructions stand now, and their history."""
    if not followed.now:
        return
    at = list(followed.now.values())
    changes = {
        "instruction_id": [one.instruction_id for one in at],
        "state": [one.standing.state.value for one in at],
        "booking": [one.standing.booking.value for one in at],
        "finding": [one.standing.finding for one in at],
        "reason": [one.reason for one in at],
        "released_by": [one.released_by for one in at],
        "filed_as_of": [one.sent_on for one in at],
        "ended_as_of": [one.ended_on for one in at],
        "moves": [one.moves for one in at],
    }
    changed = connection.execute(_CHANGE, {**changes, "tenant": tenant}).rowcount
    assert changed == len(at), f"{changed} of {len(at)} instructions changed"
    history = [
        (
            one.model, one.said.key, one.move_no, one.said.move.value, one.came.value, one.before.state.value,
            one.after.state.value, one.after.booking.value, one.after.finding, one.said.cause, one.said.who,
            one.said.why,
        )
        for one in followed.moved
    ]  # fmt: skip
    columns = {name: list(values) for (name, _), values in zip(_MOVES, zip(*history, strict=True), strict=True)}
    connection.execute(_LOG, {**columns, "tenant": tenant, "now": now})


def reopen(connection: Connection, tenant: str, ids: Sequence[UUID], as_of: date) -> int:
    """Opens what these instructions were to pay; how many sides of statements."""
    return connection.execute(_REOPEN, {"tenant": tenant, "ids": list(ids), "as_of": as_of}).rowcount if ids else 0


def cover(connection: Connection, tenant: str, ids: Sequence[UUID], as_of: date) -> None:
    """What these instructions were to pay is paid after all."""
    if ids:
        connection.execute(_COVER, {"tenant": tenant, "ids": list(ids), "as_of": as_of})


_COVERED = """
    SELECT instruction_id, statement_id, side, amount_minor, false FROM payments.instruction_statement
    WHERE tenant = %(tenant)s AND instruction_id = ANY(%(ids)s)
    UNION ALL
    SELECT instruction_id, statement_id, side, amount_minor, true FROM payments.reopened_statement
    WHERE tenant = %(tenant)s AND instruction_id = ANY(%(ids)s)
    ORDER BY 1, 2, 3
"""


def covered(connection: Connection, tenant: str, ids: Sequence[UUID]) -> list[Covered]:
    """The sides of statements that these instructions pay, or were to pay."""
    rows = connection.execute(_COVERED, {"tenant": tenant, "ids": list(ids)})
    return [Covered(key, statement, side, int(amount), opened) for key, statement, side, amount, opened in rows]


def tell(connection: Connection, tenant: str, events: Sequence[Event], now: datetime) -> None:
    """Writes events for source systems. Whoever writes some holds their numbers until the transaction ends, so that no
    reader ever sees a later one first."""
    if not events:
        return
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"everycent payment events {tenant}",))
    connection.execute(
        """INSERT INTO payments.event
            (tenant, model, event_no, event_id, kind, instruction_id, content, recorded_at)
        SELECT %(tenant)s, model, place + coalesce((
                SELECT max(event_no) FROM payments.event WHERE tenant = %(tenant)s), 0),
            event_id, kind, instruction_id, content, %(now)s
        FROM unnest(%(models)s::text[], %(event_ids)s::uuid[], %(kinds)s::text[], %(ids)s::uuid[],
            %(contents)s::jsonb[]) WITH ORDINALITY AS told (model, event_id, kind, instruction_id, content, place)""",
        {
            "tenant": tenant, "now": now, "models": [one.model for one in events],
            "event_ids": [one.event_id for one in events], "kinds": [one.kind for one in events],
            "ids": [one.instruction_id for one in events],
            "contents": [json.dumps(dict(one.content), ensure_ascii=False) for one in events],
        },
    )  # fmt: skip


def directions(connection: Connection, tenant: str, ids: Sequence[UUID]) -> dict[UUID, str]:
    """Pay or collect, of the instructions of these ids that are there."""
    rows = connection.execute(
        "SELECT instruction_id, direction FROM payments.instruction WHERE tenant = %s AND instruction_id = ANY(%s)",
        (tenant, list(ids)),
    )
    return dict(rows.fetchall())


#: A message is named by its file's name (core/iso20022.py, FileHead.message_id), a block by message and currency.
_MEMBERS = """
    WITH message AS (
        SELECT file, substr(encode(sha256(convert_to(file, 'UTF8')), 'hex'), 1, 28) AS id
        FROM (SELECT DISTINCT file FROM payments.instruction WHERE tenant = %(tenant)s AND file IS NOT NULL) AS filed),
    member AS (
        SELECT i.instruction_id, i.direction, i.amount_minor, i.currency, i.booking <> 'back' AS is_open, message.id
        FROM payments.instruction AS i JOIN message USING (file) WHERE tenant = %(tenant)s)
    SELECT named, instruction_id, direction, amount_minor, currency, is_open
    FROM unnest(%(groups)s::text[]) AS named JOIN member ON named IN (id, id || '-' || currency)
    ORDER BY named, instruction_id
"""


def members(connection: Connection, tenant: str, groups: Sequence[str]) -> dict[str, list[Member]]:
    """The instructions of bank files, by the ids of messages or blocks."""
    found: dict[str, list[Member]] = {}
    if groups:
        for group, key, direction, amount, code, is_open in connection.execute(
            _MEMBERS, {"tenant": tenant, "groups": list(groups)}
        ):
            found.setdefault(group, []).append(Member(key, direction, int(amount), code, is_open))
    return found
