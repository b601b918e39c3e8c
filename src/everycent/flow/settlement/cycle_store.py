"""The SQL of events that end periods. Callers own the transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa
from psycopg.rows import dict_row

from everycent.base.engine.sql import literal
from everycent.base.money.cycle import FOREVER, Period
from everycent.base.platform.bulk import copy_out
from everycent.base.platform.database import Connection
from everycent.flow.settlement.contract import CycleEvent, EventAnswer
from everycent.flow.settlement.core.table_of_periods import CalendarRefused
from everycent.flow.settlement.core.turns import OPEN_TURN

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
#: A turn's name in a period's: alone, or between the days that a contract cuts it at.
_OF_TURN = """
    SELECT s.statement_id, s.party_id, CASE WHEN s.state = 'open' THEN max(l.as_of) ELSE s.period_last END
    FROM settlement.statement AS s LEFT JOIN settlement.statement_line AS l
        ON (l.tenant, l.model, l.statement_id) = (s.tenant, s.model, s.statement_id)
    WHERE s.tenant = %s AND s.model = %s AND s.party_id = ANY(%s) AND s.period ~ '^(.*[.][.])?E[0-9]+([.][.]|$)'
        AND s.period_last > %s
    GROUP BY s.statement_id, s.party_id, s.state, s.period_last
    ORDER BY s.statement_id
"""
_END = """
    UPDATE settlement.statement SET period_last = %(last)s, closes_on = %(closes_on)s
    WHERE tenant = %(tenant)s AND model = %(model)s AND party_id = %(party)s AND state = 'open'
        AND period_last > %(last)s AND period ~ ('^(.*[.][.])?' || %(turn)s || '([.][.]|$)')
"""
_KEEP_PERIOD = """
    INSERT INTO settlement.calendar_period (tenant, model, calendar, period, first_on, last_on)
    VALUES (%s, %s, %s, %s, %s, %s)
    ON CONFLICT (tenant, model, period) DO UPDATE
    SET calendar = excluded.calendar, first_on = excluded.first_on, last_on = excluded.last_on
"""
#: Periods that are kept and that statements stand in.
_BEGUN = """
    SELECT period, first_on, last_on FROM settlement.calendar_period AS kept
    WHERE tenant = %(tenant)s AND model = %(model)s AND EXISTS (
        SELECT FROM settlement.statement AS s
        WHERE s.tenant = kept.tenant AND s.model = kept.model AND s.period = kept.period)
    ORDER BY first_on, period
"""
_SHOWN = """
    SELECT model, event_id, kind, party_id, occurred_on, given_by, why, refusal, message, recorded_at
    FROM settlement.cycle_event
    WHERE tenant = %(tenant)s AND (%(model)s::text IS NULL OR model = %(model)s)
        AND (%(party)s::text IS NULL OR party_id = %(party)s)
    ORDER BY recorded_at DESC, model, event_id LIMIT %(limit)s
"""


@dataclass(frozen=True)
class TurnStatement:
    """A statement of a party's turn. `until`: of an open one the last day of its lines that are no obligations, of a
    closed one that of its period."""

    statement_id: str
    party_id: str
    until: date | None


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


def of_turns(
    connection: Connection, tenant: str, model: str, parties: Sequence[str], after: date
) -> list[TurnStatement]:
    """The statements of parties' turns whose periods go on after a day."""
    found = connection.execute(_OF_TURN, (tenant, model, list(parties), after))
    return [TurnStatement(*row) for row in found]


def open_turns(connection: Connection, tenant: str, model: str) -> pa.Table:
    """The statements that no event has ended: OPEN_TURN rows."""
    query = f"""
        SELECT party_id, period_first, agreed::text FROM settlement.statement
        WHERE tenant = {literal(tenant)} AND model = {literal(model)} AND state = 'open' AND closes_on > '{FOREVER}'
        ORDER BY statement_id
    """
    return copy_out(connection, query, OPEN_TURN)


def keep(connection: Connection, tenant: str, model: str, answer: EventAnswer, now: datetime) -> None:
    """Keeps an event, with what became of it."""
    event = answer.event
    about = (event.event_id, event.kind, event.party_id, event.occurred_on, event.by, event.why)
    connection.execute(_KEEP, (tenant, model, *about, answer.refusal, answer.message or None, now))


def end(connection: Connection, tenant: str, model: str, party_id: str, turn: str, last: date, closes_on: date) -> None:
    """Ends a turn: its open statements, in all currencies and of all companies, close from `closes_on` on."""
    about = {"tenant": tenant, "model": model, "party": party_id, "turn": turn, "last": last, "closes_on": closes_on}
    connection.execute(_END, about)


def keep_calendars(connection: Connection, tenant: str, model: str, calendars: Mapping[str, Sequence[Period]]) -> None:
    """Keeps the periods that a model's calendars have, for who proves statements. Raises CalendarRefused where one that
    statements stand in has other days, or is not there any more."""
    if not calendars:
        return
    declared = {period.label: period for periods in calendars.values() for period in periods}
    with connection.transaction(), connection.cursor() as cursor:
        for name, first, last in cursor.execute(_BEGUN, {"tenant": tenant, "model": model}).fetchall():
            if declared.get(name) != Period(name, first, last):
                said = f"statements stand in period '{name}', {first} to {last}, which the calendar's table now has"
                now = declared.get(name)
                other = "no more" if now is None else f"as {now.first} to {now.last}"
                raise CalendarRefused(f"{said} {other}; leave it as it was, and change those that come later")
        rows = [(tenant, model, of, each.label, each.first, each.last) for of, own in calendars.items() for each in own]
        cursor.executemany(_KEEP_PERIOD, rows)


def shown(
    connection: Connection, tenant: str, model: str | None, party: str | None, limit: int
) -> list[dict[str, Any]]:
    """Events, the latest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        about = {"tenant": tenant, "model": model, "party": party, "limit": limit}
        return cursor.execute(_SHOWN, about).fetchall()
