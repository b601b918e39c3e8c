"""A model's plan with what parties' own contracts say of their statements, and the periods that events ended."""

from dataclasses import replace

from everycent.flow.parties import store as parties_store
from everycent.flow.pipeline.plan import ModelPlan
from everycent.flow.pipeline.session import Session
from everycent.flow.settlement import service as settlement
from everycent.flow.settlement.stage import under_contracts, with_events


def under_its_contracts(session: Session, plan: ModelPlan) -> ModelPlan:
    """The plan under the contracts that came as messages until now, and after the events that came; the same where no
    role has any."""
    if any(party.onboard is not None for party in plan.model.spec.parties.values()):
        contracts = parties_store.contract_periods(session.connection, session.tenant, plan.model.name)
        plan = replace(plan, settlement=under_contracts(plan.settlement, contracts, session.engine))
    if plan.settlement.events:
        ends = settlement.ended_periods(session.connection, session.tenant, plan.model.name)
        plan = replace(plan, settlement=with_events(plan.settlement, ends))
    return plan
