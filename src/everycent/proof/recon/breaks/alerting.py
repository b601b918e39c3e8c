"""Alerts: what is confirmed and nothing repairs is told to people, grouped and limited, at least once.

A message is written down in the transaction that moves its breaks, and sent afterwards until its receiver has it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from everycent.base.engine.sql import literal
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.amounts import amounts_said, difference_said
from everycent.proof.recon.breaks.messages import Message, NotSent, send
from everycent.proof.recon.breaks.moving import Moving, move_all
from everycent.proof.recon.breaks.standing import CAUSE, CURRENCY, DIFFERENCE, FROM, StandingBreak, find_in
from everycent.proof.recon.breaks.words import Words, written
from everycent.proof.recon.contract import CAUSES
from everycent.proof.recon.core.moves import Move
from everycent.proof.recon.handling import AlertSpec, AlertTargetSpec

_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
_GROUP_IDS = UUID("6d0c2a3e-52f5-5d0b-9b0e-3f6a4c1d7e85")
_GROUPS = {"scenario": "''", "kind": "s.kind", "cause": CAUSE, "none": "s.break_id::text"}


@dataclass(frozen=True)
class Written:
    """Messages that were written down, and breaks that wait for the next hour's."""

    messages: int
    breaks: int
    waiting: int


@dataclass(frozen=True)
class _Group:
    """Breaks that share a message. Its id comes from its first break and how far that had come: one is told of that
    once only. `differences`: by currency, of those that are in one, minor units."""

    name: str
    number: int
    count: int
    differences: Mapping[str, int]
    in_several: int
    group_id: UUID


@dataclass(frozen=True)
class Delivered:
    """What became of one message. `failure` None: it has arrived."""

    alert_id: UUID
    scenario: str
    failure: str | None


def write_alerts(connection: Connection, tenant: str, model: str, words: Words, now: datetime) -> Written:
    """Writes messages about all that is confirmed, or in doubt, and that nobody was told of. One transaction."""
    spec = words.handling.alert
    if spec is None:
        return Written(0, 0, 0)
    with connection.transaction():
        _gather(connection, tenant, model, words, spec)
        room = max(0, spec.most_per_hour - _sent_lately(connection, tenant, model, words, now))
        groups = connection.execute(
            """SELECT group_no, min(group_name), sum(breaks)::bigint, min(first),
                coalesce(jsonb_object_agg(currency, difference_minor::text) FILTER (WHERE currency IS NOT NULL), '{}'),
                coalesce(sum(breaks) FILTER (WHERE currency IS NULL), 0)::bigint
            FROM (SELECT group_no, currency, min(group_name) AS group_name, count(*) AS breaks,
                    sum(difference_minor) AS difference_minor,
                    min(break_id || '/' || moves) FILTER (WHERE place = 1) AS first
                FROM pg_temp.to_tell WHERE group_no <= %s GROUP BY 1, 2) AS of_currency
            GROUP BY 1 ORDER BY 1""",
            (room,),
        ).fetchall()
        for group_no, name, count, first, differences, in_several in groups:
            summed = {code: int(differences[code]) for code in sorted(differences)}
            group_id = uuid5(_GROUP_IDS, f"{tenant}\x1f{model}\x1f{first}")
            group = _Group(name, group_no, count, summed, in_several, group_id)
            body = _body(connection, tenant, model, words, group)
            receivers = [one for target in spec.to for one in _each_receiver(target)]
            alert_ids = [_write(connection, tenant, model, words, one, body, group, now) for one in receivers]
            detail = json.dumps({"alerts": [str(one) for one in alert_ids]})
            moving = Moving(tenant, model, Move.ALERT, now, values={"detail": detail, "group_no": group_no})
            told = move_all(
                connection,
                moving,
                """SELECT break_id, %(detail)s::jsonb AS detail FROM pg_temp.to_tell
                WHERE group_no = %(group_no)s::bigint""",
            )
            assert told == count, "what a message counts is what is told"
        row = connection.execute(
            "SELECT count(*) FILTER (WHERE group_no <= %s), count(*) FROM pg_temp.to_tell", (room,)
        ).fetchone()
    assert row is not None, "count gives a row"
    return Written(len(groups), row[0], row[1] - row[0])


def _gather(connection: Connection, tenant: str, model: str, words: Words, spec: AlertSpec) -> None:
    """pg_temp.to_tell: the breaks that nobody was told of, in their groups, the group of the oldest break first."""
    given = {"tenant": tenant, "model": model, "scenario": words.scenario}
    connection.execute("DROP TABLE IF EXISTS pg_temp.to_tell")
    connection.execute(
        f"""CREATE TEMP TABLE to_tell ON COMMIT DROP AS
        WITH open AS (SELECT * FROM recon.standing_break WHERE tenant = %(tenant)s AND model = %(model)s
            AND scenario = %(scenario)s AND state IN ('confirmed', 'in_doubt') ORDER BY break_id FOR UPDATE),
        grouped AS (
            SELECT s.break_id, s.moves, s.found_at, s.key, {_GROUPS[spec.group_by]} AS group_name,
                {CURRENCY} AS currency, {DIFFERENCE} AS difference_minor
            {FROM.replace("recon.standing_break", "open", 1)}
            JOIN recon.move AS l ON (l.tenant, l.model, l.break_id, l.move_no)
                = (s.tenant, s.model, s.break_id, s.moves)
            WHERE s.state = 'confirmed' OR l.move = {literal(Move.DOUBT)}),
        begun AS (SELECT *, min(found_at) OVER (PARTITION BY group_name) AS began FROM grouped)
        SELECT break_id, moves, group_name, currency, difference_minor,
            row_number() OVER (PARTITION BY group_name ORDER BY found_at, key COLLATE "C", break_id) AS place,
            dense_rank() OVER (ORDER BY began, group_name COLLATE "C") AS group_no
        FROM begun""",
        given,
    )
    connection.execute("ANALYZE pg_temp.to_tell")


def deliver(
    connection: Connection, tenant: str, model: str, environ: Mapping[str, str], now: datetime
) -> list[Delivered]:
    """Sends what is due, each message once in a call; what does not arrive is tried again later, by the same id."""
    due = connection.execute(
        """SELECT alert_id FROM recon.alert WHERE tenant = %s AND model = %s AND delivered_at IS NULL AND due_at <= %s
        ORDER BY due_at, alert_id""",
        (tenant, model, now),
    ).fetchall()
    told = [_delivered(connection, (tenant, model, alert_id), environ, now) for (alert_id,) in due]
    return [one for one in told if one is not None]


def _sent_lately(connection: Connection, tenant: str, model: str, words: Words, now: datetime) -> int:
    row = connection.execute(
        """SELECT count(DISTINCT body ->> 'group_id') FROM recon.alert
        WHERE tenant = %s AND model = %s AND scenario = %s AND recorded_at > %s""",
        (tenant, model, words.scenario, now - timedelta(hours=1)),
    ).fetchone()
    assert row is not None, "count gives a row"
    return int(row[0])


def _body(connection: Connection, tenant: str, model: str, words: Words, group: _Group) -> dict[str, Any]:
    """What a message says, for programs and for people."""
    spec = words.handling.alert
    assert spec is not None, "there is someone to tell"
    first = f"(SELECT break_id FROM pg_temp.to_tell WHERE group_no = {group.number} AND place <= {spec.shown}) AS t"
    shown = find_in(connection, tenant, model, first, spec.shown)
    several = f"{group.in_several:,} in several currencies" if group.in_several else ""
    open_now = ", ".join(filter(None, (f"{group.count:,} open", amounts_said(group.differences), several)))
    alone = next(iter(group.differences)) if len(group.differences) == 1 and not several else None
    title = f"{words.scenario}: {_counted(spec, group.name, shown)}{open_now}"
    lines = [title, ""]
    lines += [_line(found) for found in shown]
    if group.count > len(shown):
        lines.append(f"and {group.count - len(shown):,} more: everycent breaks list --where scenario={words.scenario}")
    return {
        "model": model,
        "scenario": words.scenario,
        "group": group.name,
        "count": group.count,
        "difference_minor": None if alone is None else group.differences[alone],
        "currency": alone,
        "differences_minor": dict(group.differences),
        "title": title,
        "text": "\n".join(lines) + "\n",
        "breaks": [found.as_dict() for found in shown],
    }


def _each_receiver(target: AlertTargetSpec) -> list[AlertTargetSpec]:
    """A letter of its own for each receiver: where one of them is refused, the others do not get theirs again."""
    letter = target.mail
    if letter is None:
        return [target]
    return [target.model_copy(update={"mail": letter.model_copy(update={"to": (one,)})}) for one in letter.to]


def _counted(spec: AlertSpec, name: str, shown: list[StandingBreak]) -> str:
    if spec.group_by == "scenario":
        return "breaks, "
    return f"{shown[0].key} ({shown[0].cause}), " if spec.group_by == "none" else f"{name}, "


def _line(found: StandingBreak) -> str:
    text = CAUSES.get(found.cause)
    meaning = found.cause if text is None else f"{text.en} · {text.zh}"
    meaning = f"{meaning}: {found.said}" if found.said else meaning
    doubt = " (a repair is in doubt)" if found.state == "in_doubt" else ""
    return f"{str(found.break_id)[:8]}  {found.key}  {difference_said(found)}  {meaning}{doubt}"


def _write(
    connection: Connection,
    tenant: str,
    model: str,
    words: Words,
    target: AlertTargetSpec,
    body: Mapping[str, Any],
    group: _Group,
    now: datetime,
) -> UUID:
    to = json.dumps(written(target), sort_keys=True)
    alert_id = uuid5(group.group_id, to)
    connection.execute(
        """INSERT INTO recon.alert (tenant, model, alert_id, scenario, target, body, tries, recorded_at, due_at)
        VALUES (%s, %s, %s, %s, %s, %s, 0, %s, %s) ON CONFLICT DO NOTHING""",
        (tenant, model, alert_id, words.scenario, to, json.dumps({**body, "group_id": str(group.group_id)}), now, now),
    )
    return alert_id


def _delivered(
    connection: Connection, key: tuple[str, str, UUID], environ: Mapping[str, str], now: datetime
) -> Delivered | None:
    """Sends one, unless another does; None then. Sent and not committed: it is sent again, by the same id."""
    with connection.transaction():
        row = connection.execute(
            """SELECT scenario, target, body, tries FROM recon.alert WHERE (tenant, model, alert_id) = (%s, %s, %s)
            AND delivered_at IS NULL FOR UPDATE SKIP LOCKED""",
            key,
        ).fetchone()
        if row is None:
            return None
        scenario, target, body, tries = row
        message = Message(key[2], body.pop("title"), body.pop("text"), body)
        failure = None
        try:
            send(AlertTargetSpec.model_validate(target), message, environ, now)
        except NotSent as error:
            failure = str(error)
        waits = min(_FIRST_WAIT * 2 ** min(tries, 10), _LONGEST_WAIT)
        connection.execute(
            """UPDATE recon.alert SET tries = tries + 1, failure = %s, due_at = %s,
                delivered_at = CASE WHEN %s THEN %s::timestamptz END
            WHERE (tenant, model, alert_id) = (%s, %s, %s)""",
            (failure, now + waits, failure is None, now, *key),
        )
    return Delivered(key[2], scenario, failure)
