"""Events end periods: each is judged, kept, and its party's open statements get their last day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.money.cycle import Cycle, Length, turn
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.flow.approvals.contract import HOUSE, person
from everycent.flow.clearing.contract import OBLIGATION
from everycent.flow.parties.asked import known_parties
from everycent.flow.settlement import cycle_store, store
from everycent.flow.settlement.contract import BY_HAND, OTHER_TERMS, CycleEvent, EventAnswer, EventRefusal
from everycent.flow.settlement.core.plan import SettlementPlan
from everycent.flow.settlement.core.turns import judge, terms_on, with_other_terms

_VIEW = "ending_obligation"
_LAST_BOOKED = f"""
    SELECT statement_id, max(booked_on) AS last_booked FROM (
        SELECT creditor_statement AS statement_id, booked_on FROM {_VIEW}
        UNION ALL SELECT debtor_statement, booked_on FROM {_VIEW}) SEMI JOIN standing USING (statement_id)
    GROUP BY statement_id
"""


@dataclass(frozen=True)
class Ending:
    """Where events come in: `today` is the business day, of which and before which they may be."""

    connection: Connection
    details: Details
    engine: LocalEngine
    tenant: str
    plan: SettlementPlan
    today: date
    now: datetime


def end_periods(at: Ending, events: Sequence[CycleEvent], *, keeps_refused: bool = False) -> list[EventAnswer]:
    """Ends the periods that events end, in one transaction; an answer for each, in the order of their days.

    Their statements close at the next day cut that their roles allow. An event that came before changes nothing.
    `keeps_refused`: an event that ended nothing is kept too, with the reason. Nobody may place obligations meanwhile:
    the caller holds the model's run lock.
    """
    model, connection = at.plan.model, at.connection
    ordered = sorted(events, key=lambda each: (each.occurred_on, each.event_id))
    parties = sorted({each.party_id for each in ordered})
    with connection.transaction():
        store.lock_books(connection, at.tenant, model, to_close=True)
        known = cycle_store.known(connection, at.tenant, model, [each.event_id for each in ordered])
        there = known_parties(connection, at.tenant, model, parties)
        ends = {party: list(days) for party, days in cycle_store.ends(connection, at.tenant, model, parties).items()}
        booked = _last_booked(at, parties, after=ordered[0].occurred_on) if ordered else {}
        answers = []
        for event in ordered:
            days = ends.setdefault(event.party_id, [])
            answer = _ended(at, event, known, there, days, booked)
            answers.append(answer)
            if answer.again or (answer.refusal is not None and not keeps_refused):
                continue
            if answer.refusal is not EventRefusal.OTHER_CONTENT:
                cycle_store.keep(connection, at.tenant, model, answer, at.now)
                known[event.event_id] = event
            if answer.refusal is None:
                days.append(event.occurred_on)
                booked.pop(event.party_id, None)
        return answers


def _ended(
    at: Ending,
    event: CycleEvent,
    known: Mapping[str, CycleEvent],
    there: frozenset[str],
    ends: Sequence[date],
    booked: Mapping[str, date],
) -> EventAnswer:
    """Judges one, in a fixed order of rules, and ends the period that it ends."""
    if event.kind == BY_HAND and person(event.by) is None:
        said = f"'{event.by}' is not a person's name; say who you are"
        return EventAnswer(event, refusal=EventRefusal.UNNAMED, message=said)
    before = known.get(event.event_id)
    if before is not None:
        if replace(before, by=event.by, why=event.why) == event:
            return EventAnswer(event, again=True)
        said = f"event {event.event_id} came as {before.kind} of {before.party_id} on {before.occurred_on}"
        return EventAnswer(
            event, refusal=EventRefusal.OTHER_CONTENT, message=f"{said}; another one needs an id of its own"
        )
    if event.party_id not in there:
        said = (
            f"{at.plan.model} has no party {event.party_id}; one is <role>:<key>, as `everycent statement list` shows"
        )
        return EventAnswer(event, refusal=EventRefusal.UNKNOWN_PARTY, message=said)
    terms = terms_on(at.plan, event.party_id, event.occurred_on)
    refused = judge(event, terms, ends, booked.get(event.party_id), at.today)
    if refused is not None:
        return EventAnswer(event, refusal=refused[0], message=refused[1])
    return _turned(at, event, ends)


def _turned(at: Ending, event: CycleEvent, ends: Sequence[date]) -> EventAnswer:
    """Ends the party's turn, and with it each open period of it that is longer."""
    role = at.plan.role_of(event.party_id)
    assert role is not None, "whose periods events end has statements"
    ended = turn(len(ends) + 1, ends[-1] if ends else None, event.occurred_on)
    closes_on = Cycle(Length.EVENT).closes_on(ended, role.ready_after)
    cycle_store.end(at.connection, at.tenant, at.plan.model, event.party_id, ended.label, ended.last, closes_on)
    return EventAnswer(event, ended.label)


def end_where_terms_change(at: Ending, as_of: date) -> list[EventAnswer]:
    """Ends the turns of parties whose open periods go by an event, and that have other terms by a day: by another
    contract or revision, or by the model. They end on the day before, or on the last one of what stands on them."""
    model, connection = at.plan.model, at.connection
    with connection.transaction():
        store.lock_books(connection, at.tenant, model, to_close=True)
        opened = cycle_store.open_turns(connection, at.tenant, model)
        changed = with_other_terms(at.plan, opened, as_of, at.engine)
        if not changed:
            return []
        parties = [party for party, _ in changed]
        ends = cycle_store.ends(connection, at.tenant, model, parties)
        booked = _last_booked(at, parties, after=min(day for _, day in changed))
        answers = []
        for party, last in changed:
            day = max(last, booked.get(party, last))
            event = CycleEvent(f"{party}/{day}/{OTHER_TERMS}", OTHER_TERMS, party, day, HOUSE)
            answers.append(_turned(at, event, ends.get(party, [])))
            cycle_store.keep(connection, at.tenant, model, answers[-1], at.now)
        return answers


def _last_booked(at: Ending, parties: Sequence[str], after: date) -> dict[str, date]:
    """The last day after `after` of what stands on the statements of parties' turns, of closed ones the period's last;
    parties that have none are left out."""
    standing = cycle_store.of_turns(at.connection, at.tenant, at.plan.model, parties, after)
    last = {each.statement_id: each.until for each in standing}
    if standing:
        columns = ["booked_on", "debtor_statement", "creditor_statement"]
        later = f"booked_on > DATE '{after.isoformat()}'"
        at.details.attach(at.engine, _VIEW, OBLIGATION, at.plan.model, columns=columns, only=later)
        ids = pa.table({"statement_id": pa.array(last, pa.string())})
        for row in at.engine.query(_LAST_BOOKED, standing=ids).to_pylist():
            day = row["last_booked"]
            last[row["statement_id"]] = max(day, last[row["statement_id"]] or day)
    found: dict[str, date] = {}
    for each in standing:
        day = last[each.statement_id]
        if day is not None:
            found[each.party_id] = max(day, found.get(each.party_id, day))
    return found
