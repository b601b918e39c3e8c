"""Cycles by event: a party's period goes on until an event of it comes, and the next begins on the day after.

What was completed on the event's day joins the period that it ends; what was completed later, the next one.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.money.cycle import Length, turn
from everycent.flow.settlement.contract import BY_HAND, TURNS, CycleEvent, EventRefusal
from everycent.flow.settlement.core.agreed import AGREED_DAY, agreed_days
from everycent.flow.settlement.core.plan import SettlementPlan, StatementRole


def by_event(role: StatementRole | None) -> bool:
    """Whether events end the role's periods."""
    return role is not None and role.cycle.length is Length.EVENT


def turns_of(roles: Sequence[StatementRole], ends: Mapping[str, Sequence[date]]) -> pa.Table:
    """TURNS rows: `ends` has the days of the events of each party, ascending."""
    known = {role.role: role for role in roles}
    rows: list[tuple[object, ...]] = []
    for party_id, days in ends.items():
        role = known.get(party_id.partition(":")[0])
        if role is None or not by_event(role):
            continue
        for number, (before, end) in enumerate(zip((None, *days), (*days, None), strict=True), 1):
            period = turn(number, before, end)
            closes_on = role.cycle.closes_on(period, role.ready_after)
            rows.append((party_id, period.first, period.last, role.mode, period.label, closes_on))
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in TURNS.names]
    return pa.table(columns, schema=TURNS)


def own_days(plan: SettlementPlan, pairs: pa.Table, engine: LocalEngine) -> pa.Table:
    """AGREED_DAY rows for those of `pairs` (party_id, booked_on; each once) that have periods of their own: by their
    contracts, else by their events."""
    agreed = agreed_days(plan.agreed, pairs, engine)
    if plan.turns.num_rows == 0 or pairs.num_rows == 0:
        return agreed
    return engine.query(_OWN_SQL, agreed=agreed, pairs=pairs, turns=plan.turns).cast(AGREED_DAY)


_OWN_SQL = """
    SELECT * FROM agreed
    UNION ALL
    SELECT party_id, booked_on, mode, period, first AS period_first, last AS period_last, closes_on,
        CAST(NULL AS VARCHAR) AS agreed
    FROM pairs JOIN turns USING (party_id) ANTI JOIN agreed USING (party_id, booked_on)
    WHERE booked_on BETWEEN first AND last
"""


def judge(
    event: CycleEvent, role: StatementRole | None, ends: Sequence[date], last_booked: date | None, today: date
) -> tuple[EventRefusal, str] | None:
    """Why an event ends no period; None where it does. `ends`: the days on which its party's periods ended so far;
    `last_booked`: the last day of what stands on its open one."""
    if role is None or not by_event(role):
        said = "is settled by the calendar" if role is not None else "has no statements"
        return (
            EventRefusal.NOT_BY_EVENT,
            f"{event.party_id} {said}: events end periods of a cycle such as until {BY_HAND}",
        )
    if event.kind not in (BY_HAND, role.cycle.event):
        return EventRefusal.NOT_BY_EVENT, f"a {event.kind} ends nothing of {event.party_id}; {role.cycle.event} does"
    if event.occurred_on > today:
        return EventRefusal.NOT_YET, f"{event.occurred_on} has not come; today is {today}"
    if ends and event.occurred_on <= ends[-1]:
        said = f"the period of {event.party_id} that holds {event.occurred_on} has ended, the last one on {ends[-1]}"
        return EventRefusal.ENDED_ALREADY, said
    if last_booked is not None and last_booked > event.occurred_on:
        said = f"what was completed up to {last_booked} stands on the open statement already"
        right = f"end it on that day, or later: everycent statement close ... --on {last_booked}"
        return EventRefusal.BOOKED_AFTER, f"{said}, which would end on {event.occurred_on}; {right}"
    return None
