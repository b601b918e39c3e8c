"""Cycles by event: a party's period goes on until an event of it comes, and the next begins on the day after.

What was completed on the event's day joins the period that it ends; what was completed later, the next one. Events
count a party's turns: E1 lasts until its first one. Under a contract a period is cut by that, too, and has its days in
its name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.money.cycle import FOREVER, Cycle, Length, turn
from everycent.flow.settlement.contract import BY_HAND, TURNS, CycleEvent, EventRefusal
from everycent.flow.settlement.core.agreed import AGREED_DAY, agreed_days
from everycent.flow.settlement.core.plan import SettlementPlan

_ROLES = pa.schema([("role", pa.string()), ("mode", pa.string()), ("closes_after", pa.int32())])
#: Statements that no event has ended; `agreed` as JSON text.
OPEN_TURN = pa.schema([("party_id", pa.string()), ("period_first", pa.date32()), ("agreed", pa.string())])


def turns_of(ends: Mapping[str, Sequence[date]]) -> pa.Table:
    """TURNS rows: `ends` has the days of the events of each party, ascending."""
    rows: list[tuple[object, ...]] = []
    for party_id, days in ends.items():
        for number, (before, end) in enumerate(zip((None, *days), (*days, None), strict=True), 1):
            period = turn(number, before, end)
            rows.append((party_id, period.first, period.last, period.label))
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in TURNS.names]
    return pa.table(columns, schema=TURNS)


def own_days(plan: SettlementPlan, pairs: pa.Table, engine: LocalEngine) -> pa.Table:
    """AGREED_DAY rows for those of `pairs` (party_id, booked_on; each once) that have periods of their own: by their
    contracts, else by their events. Raises PastTheCalendar."""
    agreed = agreed_days(plan, pairs, engine)
    if plan.turns.num_rows == 0 or pairs.num_rows == 0:
        return agreed
    return engine.query(_OWN_SQL, agreed=agreed, pairs=pairs, turns=plan.turns, roles=_by_event(plan)).cast(AGREED_DAY)


def _by_event(plan: SettlementPlan) -> pa.Table:
    """The roles whose periods events end, by the model."""
    rows = [
        {"role": each.role, "mode": each.mode, "closes_after": each.cycle.closes_after(each.ready_after)}
        for each in plan.roles
        if each.cycle.length is Length.EVENT
    ]
    return pa.Table.from_pylist(rows, schema=_ROLES)


_OWN_SQL = f"""
    SELECT * FROM agreed
    UNION ALL
    SELECT party_id, booked_on, mode, turn AS period, first AS period_first, last AS period_last,
        CAST(last + CASE WHEN last = DATE '{FOREVER}' THEN 1 ELSE closes_after END AS DATE) AS closes_on,
        CAST(NULL AS VARCHAR) AS agreed
    FROM pairs JOIN turns USING (party_id) JOIN roles ON role = split_part(party_id, ':', 1)
        ANTI JOIN agreed USING (party_id, booked_on)
    WHERE booked_on BETWEEN first AND last
"""


@dataclass(frozen=True)
class Terms:
    """How a party is settled on a day: its cycle, None where it has no statements; `said`: who says so."""

    cycle: Cycle | None
    said: str


def terms_on(plan: SettlementPlan, party_id: str, day: date) -> Terms:
    """By its contract, else by the model."""
    for row in plan.agreed.filter(pc.equal(plan.agreed["party_id"], party_id)).to_pylist():
        if row["since"] <= day and (row["until"] is None or day < row["until"]):
            return Terms(Cycle.parse(row["gathers"], plan.calendars), "its contract")
    role = plan.role_of(party_id)
    return Terms(None if role is None else role.cycle, "the model")


def judge(
    event: CycleEvent, terms: Terms, ends: Sequence[date], last_booked: date | None, today: date
) -> tuple[EventRefusal, str] | None:
    """Why an event ends no period; None where it does. `terms`: those of the event's day; `ends`: the days on which its
    party's periods ended so far; `last_booked`: the last day of what stands on those of its turn."""
    cycle = terms.cycle
    if cycle is None or cycle.length is not Length.EVENT:
        said = "has no statements" if cycle is None else f"is settled by the calendar then, says {terms.said}"
        return (
            EventRefusal.NOT_BY_EVENT,
            f"{event.party_id} {said}: events end periods of a cycle such as until {BY_HAND}",
        )
    if event.kind not in (BY_HAND, cycle.event):
        said = f"a {event.kind} ends nothing of {event.party_id} on {event.occurred_on}"
        return EventRefusal.NOT_BY_EVENT, f"{said}; {cycle.event} does, says {terms.said}"
    if event.occurred_on > today:
        return EventRefusal.NOT_YET, f"{event.occurred_on} has not come; today is {today}"
    if ends and event.occurred_on <= ends[-1]:
        said = f"the period of {event.party_id} that holds {event.occurred_on} has ended, the last one on {ends[-1]}"
        return EventRefusal.ENDED_ALREADY, said
    if last_booked is not None and last_booked > event.occurred_on:
        said = f"what was completed up to {last_booked} stands on its statements already"
        right = f"end it on that day, or later: everycent statement close ... --on {last_booked}"
        return EventRefusal.BOOKED_AFTER, f"{said}, which would end on {event.occurred_on}; {right}"
    return None


def with_other_terms(
    plan: SettlementPlan, opened: pa.Table, as_of: date, engine: LocalEngine
) -> Iterable[tuple[str, date]]:
    """The parties of `opened` (OPEN_TURN rows) that have other terms by `as_of`, and the last day before these; in
    order. A revision that is no longer known held on the statement's first day alone."""
    if opened.num_rows == 0:
        return []
    found = engine.query(
        _OTHER_SQL.format(as_of=literal(as_of.isoformat())), opened=opened, agreed=plan.agreed, roles=_by_event(plan)
    )
    return [(row["party_id"], row["last"]) for row in found.to_pylist()]


_OTHER_SQL = """
    WITH own AS (
        SELECT party_id, since, until, agreed ->> '$.contract' AS contract_no, agreed ->> '$.revision' AS revision
        FROM agreed
    ), begun AS (
        SELECT party_id, max(since) AS since FROM own AS first
        WHERE since <= DATE {as_of} AND NOT EXISTS (
            FROM own AS before WHERE before.party_id = first.party_id AND before.until = first.since)
        GROUP BY party_id
    ), told AS (
        SELECT opened.party_id, period_first, opened.agreed IS NOT NULL AS by_contract,
            mine.since IS NOT NULL AS known, mine.until, role IS NOT NULL AS by_event, begun.since AS begins
        FROM opened
            LEFT JOIN own AS mine ON mine.party_id = opened.party_id
                AND mine.contract_no = opened.agreed ->> '$.contract' AND mine.revision = opened.agreed ->> '$.revision'
            LEFT JOIN roles ON role = split_part(opened.party_id, ':', 1)
            LEFT JOIN own AS now ON now.party_id = opened.party_id AND now.since <= DATE {as_of}
                AND (now.until IS NULL OR DATE {as_of} < now.until)
            LEFT JOIN begun ON begun.party_id = now.party_id
    ), ended AS (
        SELECT party_id, greatest(period_first, CASE
            WHEN by_contract AND NOT known THEN period_first
            WHEN by_contract AND until <= DATE {as_of} THEN CAST(until - 1 AS DATE)
            WHEN NOT by_contract AND begins IS NOT NULL THEN CAST(begins - 1 AS DATE)
            WHEN NOT by_contract AND NOT by_event THEN CAST(DATE {as_of} - 1 AS DATE) END) AS last,
            by_contract AND (NOT known OR until <= DATE {as_of})
                OR NOT by_contract AND (begins IS NOT NULL OR NOT by_event) AS is_so
        FROM told
    )
    SELECT party_id, max(last) AS last FROM ended WHERE is_so GROUP BY party_id ORDER BY party_id
"""
