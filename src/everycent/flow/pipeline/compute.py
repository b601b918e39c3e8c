"""One batch through all pure stages: rows and state in, tables out. No database; the golden cases use it too."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing.contract import OBLIGATION, WAITING_CHARGE, RefundState
from everycent.flow.intake import stage as intake
from everycent.flow.ledger import stage as ledger
from everycent.flow.parties import stage as parties
from everycent.flow.pipeline.plan import ModelPlan, rating_terms
from everycent.flow.pipeline.sharing import Standing, awaiting, flat, with_per_share
from everycent.flow.rating import stage as rating
from everycent.flow.rating.contract import CHARGE, HELD, SNAPSHOT
from everycent.flow.settlement import stage as settlement

_NO_SNAPSHOTS = SNAPSHOT.empty(pa.struct([]))


@dataclass(frozen=True)
class Batch:
    """The tables of one batch, ready to be written in one transaction. `waiting`: charges that are cleared in order."""

    intake: intake.Intake
    snapshots: pa.Table
    charges: pa.Table
    held: pa.Table
    obligations: pa.Table
    accruals: pa.Table
    parties: pa.Table
    transfers: pa.Table
    waiting: pa.Table = field(default_factory=WAITING_CHARGE.empty)


def rate_and_clear(
    plan: ModelPlan,
    kind: str,
    taken: intake.Intake,
    state: RefundState | None,
    tables: Mapping[str, pa.Table],
    engine: LocalEngine,
    given: pa.Table | None = None,
) -> Batch:
    """Charges, obligations, statements' accruals and ledger transfers of the records that intake accepted.

    `state`: what is known of the originals, where the kind refunds. `given`: factor values that are known already, as
    `rate_given` takes them.
    """
    records, waiting = taken.records, WAITING_CHARGE.empty()
    if plan.model.spec.records[kind].refunds is not None:
        assert state is not None, f"{kind} refunds: what is known of its originals is an input"
        snapshots, rated_held = _NO_SNAPSHOTS, HELD.empty()
        cleared = clearing.refund(
            plan.clearing,
            records,
            state.originals,
            state.charges,
            state.obligations,
            state.refunded,
            engine,
            original_held=state.held,
        )
    elif kind in plan.rating and not plan.only_moves(kind):
        if given is None:
            rated = rating.rate(plan.rating[kind], records, tables, engine)
        else:
            rated = rating.rate_given(rating_terms(plan, kind), records, given, tables, engine)
        snapshots, rated_held = rated.snapshots, rated.held
        charges, waiting = apart(rated.charges, plan.clearing)
        cleared = clearing.clear(plan.clearing, records, charges, engine)
        cleared = with_per_share(plan, kind, records, cleared, rated_held, snapshots, engine)
        waiting, cleared = _with_awaiting(plan, kind, records, waiting, cleared, rated_held, snapshots, engine)
    else:
        snapshots, rated_held = _NO_SNAPSHOTS, HELD.empty()
        cleared = clearing.Cleared(CHARGE.empty(), OBLIGATION.empty(), HELD.empty())
    accrued = settlement.accrue(plan.settlement, cleared.obligations, engine)
    return Batch(
        intake=taken,
        snapshots=snapshots,
        charges=cleared.charges,
        held=pa.concat_tables([table.cast(HELD.columns) for table in (rated_held, cleared.held)]),
        obligations=accrued.obligations,
        accruals=accrued.accruals,
        parties=parties.identify(plan.model.spec.parties, records, engine),
        transfers=ledger.post(accrued.obligations, plan.operators, engine),
        waiting=waiting,
    )


def _with_awaiting(
    plan: ModelPlan,
    kind: str,
    records: pa.Table,
    waiting: pa.Table,
    cleared: clearing.Cleared,
    held: pa.Table,
    snapshots: pa.Table,
    engine: LocalEngine,
) -> tuple[pa.Table, clearing.Cleared]:
    """What waits for its turn, and what was cleared, with charges per share that have to wait too."""
    if not plan.shares_in_order:
        return waiting, cleared
    standing = Standing(cleared.charges, cleared.obligations, held.cast(HELD.columns), flat(snapshots))
    more, lacking = awaiting(plan, kind, records, waiting, standing, engine)
    return pa.concat_tables([waiting, more]), replace(
        cleared, held=pa.concat_tables([cleared.held.cast(HELD.columns), lacking])
    )


def apart(charges: pa.Table, plan: clearing.ClearingPlan) -> tuple[pa.Table, pa.Table]:
    """The charges that arrival can decide, and those that wait for their turn (WAITING_CHARGE rows)."""
    if not plan.ordered:
        return charges, WAITING_CHARGE.empty()
    names = charges.column("charge").cast(pa.string())
    waits = pc.is_in(names, value_set=pa.array(plan.ordered, pa.string()))
    waiting = charges.filter(waits).cast(WAITING_CHARGE.columns)
    unknown = pc.is_in(waiting.column("charge"), value_set=pa.array(plan.in_turn, pa.string()))
    amounts = pc.if_else(unknown, pa.scalar(None, pa.int64()), waiting.column("amount_minor"))
    return charges.filter(pc.invert(waits)), waiting.set_column(3, WAITING_CHARGE.columns.field(3), amounts)
