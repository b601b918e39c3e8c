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
from everycent.base.money.amount import format_minor
from everycent.base.money.currency import currency
from everycent.base.platform.database import Connection
from everycent.proof.recon.breaks.messages import Message, NotSent, send
from everycent.proof.recon.breaks.moving import Moving, apply, by_ids
from everycent.proof.recon.breaks.standing import Chosen, StandingBreak, find
from everycent.proof.recon.breaks.words import Words, written
from everycent.proof.recon.contract import CAUSES
from everycent.proof.recon.core.moves import Move
from everycent.proof.recon.handling import AlertSpec, AlertTargetSpec

_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=1)
_GROUPS = {"scenario": "''", "kind": "s.kind", "cause": "f.cause", "none": "s.break_id::text"}


@dataclass(frozen=True)
class Written:
    """Messages that were written down, and breaks that wait for the next hour's."""

    messages: int
    breaks: int
    waiting: int


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
        groups = connection.execute(
            f"""SELECT {_GROUPS[spec.group_by]},
                array_agg(s.break_id ORDER BY s.found_at, s.key COLLATE "C", s.break_id),
                sum(f.difference_minor), md5(string_agg(s.break_id || '/' || s.moves, ',' ORDER BY s.break_id))
            FROM (SELECT * FROM recon.standing_break WHERE tenant = %(tenant)s AND model = %(model)s
                AND scenario = %(scenario)s AND state IN ('confirmed', 'in_doubt') ORDER BY break_id FOR UPDATE) AS s
            JOIN recon.break AS f USING (tenant, model, run_id, finding_no)
            JOIN recon.move AS l ON (l.tenant, l.model, l.break_id, l.move_no)
                = (s.tenant, s.model, s.break_id, s.moves)
            WHERE s.state = 'confirmed' OR l.move = {literal(Move.DOUBT)}
            GROUP BY 1 ORDER BY min(s.found_at), 1""",
            {"tenant": tenant, "model": model, "scenario": words.scenario},
        ).fetchall()
        room = max(0, spec.most_per_hour - _sent_lately(connection, tenant, model, words, now))
        for group, ids, difference, digest in groups[:room]:
            body = _body(connection, tenant, model, words, (group, ids, int(difference)), now)
            alert_ids = [
                _write(connection, tenant, model, words, target, body, digest, now) for target in spec.to
            ]  # fmt: skip
            chosen, values = by_ids(ids)
            detail = json.dumps({"alerts": [str(one) for one in alert_ids]})
            moving = Moving(tenant, model, Move.ALERT, now, values={**values, "detail": detail})
            apply(connection, moving, chosen)
    waiting = sum(len(ids) for _, ids, _, _ in groups[room:])
    return Written(len(groups[:room]), sum(len(ids) for _, ids, _, _ in groups[:room]), waiting)


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


def _body(
    connection: Connection, tenant: str, model: str, words: Words, group: tuple[str, list[UUID], int], now: datetime
) -> dict[str, Any]:
    """What a message says, for programs and for people."""
    name, ids, difference = group
    spec = words.handling.alert
    assert spec is not None, "there is someone to tell"
    shown = find(connection, tenant, Chosen(model=model, ids=[str(one) for one in ids[: spec.shown]]), now)
    money = currency(words.currency)
    title = (
        f"{words.scenario}: {_counted(spec, name, shown)}{len(ids):,} open, {format_minor(difference, money)} {money}"
    )
    lines = [title, ""]
    lines += [_line(found) for found in shown]
    if len(ids) > len(shown):
        lines.append(f"and {len(ids) - len(shown):,} more: everycent breaks list --where scenario={words.scenario}")
    return {
        "model": model,
        "scenario": words.scenario,
        "group": name,
        "count": len(ids),
        "difference_minor": difference,
        "currency": words.currency,
        "title": title,
        "text": "\n".join(lines) + "\n",
        "breaks": [found.as_dict() for found in shown],
    }


def _counted(spec: AlertSpec, name: str, shown: list[StandingBreak]) -> str:
    if spec.group_by == "scenario" or not shown:
        return "breaks, "
    return f"{shown[0].key} ({shown[0].cause}), " if spec.group_by == "none" else f"{name}, "


def _line(found: StandingBreak) -> str:
    money, text = currency(found.currency), CAUSES.get(found.cause)
    meaning = found.cause if text is None else f"{text.en} · {text.zh}"
    amount = f"{format_minor(found.difference_minor, money)} {money}"
    doubt = " (a repair is in doubt)" if found.state == "in_doubt" else ""
    return f"{str(found.break_id)[:8]}  {found.key}  {amount}  {meaning}{doubt}"


def _write(
    connection: Connection,
    tenant: str,
    model: str,
    words: Words,
    target: AlertTargetSpec,
    body: Mapping[str, Any],
    digest: str,
    now: datetime,
) -> UUID:
    to = json.dumps(written(target), sort_keys=True)
    group_id = uuid5(UUID(hex=digest), "\x1f".join((tenant, model, words.scenario)))
    alert_id = uuid5(group_id, to)
    connection.execute(
        """INSERT INTO recon.alert (tenant, model, alert_id, scenario, target, body, tries, recorded_at, due_at)
        VALUES (%s, %s, %s, %s, %s, %s, 0, %s, %s) ON CONFLICT DO NOTHING""",
        (tenant, model, alert_id, words.scenario, to, json.dumps({**body, "group_id": str(group_id)}), now, now),
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
            send(AlertTargetSpec.model_validate(target), message, environ)
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
