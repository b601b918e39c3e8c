"""The SQL of events that end periods. Callers own the transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from psycopg.rows import dict_row

from everycent.base.platform.database import Connection
from everycent.flow.settlement.contract import CycleEvent, EventAnswer

_ENDS = """
    SELECT party_id, array_agg(occurred_on ORDER BY occurred_on) FROM settlement.cycle_event
    WHERE tenant = %s AND model = %s AND refusal IS NULL AND (%s::text[] IS NULL OR party_id = ANY(%s))
    GROUP BY party_id ORDER BY party_id COLLATE "C"
"""
_KNOWN = """
    SELECT event_id, kind, party_id, occurred_on, given_by, why FROM settlement.cycle_event
    WHERE tenant = %s AND model = %s AND event_id = ANY(%s)
"""
_KEEP = """
    INSERT INTO settlement.cycle_event (tenant, model, event_id, kind, party_id, occurred_on, given_by, why, refusal,
        message, recorded_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_OPEN = """
    SELECT s.statement_id, s.party_id, max(l.as_of)
    FROM settlement.statement AS s LEFT JOIN settlement.statement_line AS l
        ON (l.tenant, l.model, l.statement_id) = (s.tenant, s.model, s.statement_id)
    WHERE s.tenant = %s AND s.model = %s AND s.party_id = ANY(%s) AND s.state = 'open' AND s.period_last = %s
    GROUP BY s.statement_id, s.party_id
    ORDER BY s.statement_id
"""
_END = """
    UPDATE settlement.statement SET period_last = %s, closes_on = %s
    WHERE tenant = %s AND model = %s AND party_id = %s AND period = %s AND state = 'open'
"""
_SHOWN = """
    SELECT model, event_id, kind, party_id, occurred_on, given_by, why, refusal, message, recorded_at
    FROM settlement.cycle_event
    WHERE tenant = %(tenant)s AND (%(model)s::text IS NULL OR model = %(model)s)
        AND (%(party)s::text IS NULL OR party_id = %(party)s)
    ORDER BY recorded_at DESC, model, event_id LIMIT %(limit)s
"""


@dataclass(frozen=True)
class OpenStatement:
    """A statement that no event has ended. `lines_until`: the last day of its lines that are no obligations."""

    statement_id: str
    party_id: str
    lines_until: date | None


def ends(
    connection: Connection, tenant: str, model: str, parties: Sequence[str] | None = None
) -> dict[str, list[date]]:
    """The days on which events ended periods, ascending, by party; of these parties alone where some are named."""
    named = None if parties is None else list(parties)
    return dict(connection.execute(_ENDS, (tenant, model, named, named)).fetchall())


def known(connection: Connection, tenant: str, model: str, event_ids: Sequence[str]) -> dict[str, CycleEvent]:
    """Those of these events that came before, by id."""
    found = connection.execute(_KNOWN, (tenant, model, list(event_ids)))
    return {row[0]: CycleEvent(*row) for row in found}


def open_statements(
    connection: Connection, tenant: str, model: str, parties: Sequence[str], last: date
) -> list[OpenStatement]:
    """The statements of parties whose period ends on `last`, which no event has said yet."""
    found = connection.execute(_OPEN, (tenant, model, list(parties), last))
    return [OpenStatement(*row) for row in found]


def keep(connection: Connection, tenant: str, model: str, answer: EventAnswer, now: datetime) -> None:
    """Keeps an event, with what became of it."""
    event = answer.event
    about = (event.event_id, event.kind, event.party_id, event.occurred_on, event.by, event.why)
    connection.execute(_KEEP, (tenant, model, *about, answer.refusal, answer.message or None, now))


def end(
    connection: Connection, tenant: str, model: str, party_id: str, period: str, last: date, closes_on: date
) -> None:
    """Ends a period: its statements, in all currencies and of all companies, close from `closes_on` on."""
    connection.execute(_END, (last, closes_on, tenant, model, party_id, period))


def shown(
    connection: Connection, tenant: str, model: str | None, party: str | None, limit: int
) -> list[dict[str, Any]]:
    """Events, the latest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        about = {"tenant": tenant, "model": model, "party": party, "limit": limit}
        return cursor.execute(_SHOWN, about).fetchall()
