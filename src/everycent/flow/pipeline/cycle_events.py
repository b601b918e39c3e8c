"""Events that end periods of statements: records of the kinds that a model names, and what people say."""

from collections.abc import Sequence
from datetime import date, datetime

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform.batches import run_lock
from everycent.flow.intake.contract import RECORD
from everycent.flow.model.contract import LoadedModel
from everycent.flow.parties.contract import party_id_sql
from everycent.flow.pipeline.contract_terms import under_its_contracts
from everycent.flow.pipeline.plan import ModelPlan, plan_model
from everycent.flow.pipeline.session import Session
from everycent.flow.settlement import service as settlement
from everycent.flow.settlement.contract import CycleEvent, EventAnswer

_VIEW = "event_record"


def take_recorded(
    session: Session, plan: ModelPlan, kinds: Sequence[str], today: date, now: datetime
) -> list[EventAnswer]:
    """Ends periods by the records of these kinds that have not been looked at yet, in the order of their days. What
    ends nothing is kept with the reason, and answered once."""
    events = [event for kind in kinds for event in _recorded(session, plan, kind)]
    before = settlement.known_events(
        session.connection, session.tenant, plan.model.name, [event.event_id for event in events]
    )
    coming = [event for event in events if event.event_id not in before]
    if not coming:
        return []
    return settlement.end_periods(_at(session, plan, today, now), coming, keeps_refused=True)


def end_where_terms_change(session: Session, plan: ModelPlan, as_of: date, now: datetime) -> ModelPlan:
    """Ends the periods by event of parties that have other terms by a day; the plan as it stands then."""
    answers = settlement.end_where_terms_change(_at(session, plan, as_of, now), as_of)
    return under_its_contracts(session, plan) if answers else plan


def end_by_hand(session: Session, model: LoadedModel, events: Sequence[CycleEvent], now: datetime) -> list[EventAnswer]:
    """Ends periods as people say. Raises ModelRefused."""
    plan = plan_model(model, session.tenant, model.files)
    with run_lock(session.details, model.name, lambda _: None):
        plan = under_its_contracts(session, plan)
        return settlement.end_periods(_at(session, plan, model.calendar.today(now), now), events)


def _at(session: Session, plan: ModelPlan, today: date, now: datetime) -> settlement.Ending:
    return settlement.Ending(
        session.connection, session.details, session.engine, session.tenant, plan.settlement, today, now
    )


def _recorded(session: Session, plan: ModelPlan, kind: str) -> list[CycleEvent]:
    """Each record of a kind, as an event of each role whose periods it ends; one that names nobody ends nothing."""
    columns = ["record_id", "business_date", "source_file", str(RECORD.body)]
    body = plan.intake[kind].body_type
    session.details.attach(session.engine, _VIEW, RECORD, plan.model.name, kind=kind, body_type=body, columns=columns)
    events: list[CycleEvent] = []
    for role in plan.settlement.events[kind]:
        if any(column not in plan.model.spec.records[kind].columns for column in plan.model.spec.parties[role].key):
            continue  # a contract's event, in an earlier version of the model
        party = party_id_sql(role, plan.model.spec.parties[role], lambda column: f"body.{identifier(column)}")
        query = f"""SELECT CAST(record_id AS VARCHAR) || {literal("/" + role)} AS event_id, {party} AS party_id,
            business_date, source_file FROM {_VIEW} WHERE {party} IS NOT NULL ORDER BY event_id"""
        events += [
            CycleEvent(row["event_id"], kind, row["party_id"], row["business_date"], f"record of {row['source_file']}")
            for row in session.engine.query(query).to_pylist()
        ]
    return events
