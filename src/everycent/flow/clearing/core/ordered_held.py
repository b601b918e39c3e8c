"""What a window could not carry, and why."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.kernels.carrying import BEYOND_INT64, CARRIED, REFUSED
from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import RefundState
from everycent.flow.clearing.core.columns import places_of_ids
from everycent.flow.clearing.core.no_room import why_no_room
from everycent.flow.clearing.core.ordered_refunds import Backward
from everycent.flow.clearing.core.ordered_rows import Decided
from everycent.flow.clearing.core.plan import ClearingPlan
from everycent.flow.clearing.core.refused import refused_rows
from everycent.flow.rating.contract import HELD

Places = npt.NDArray[np.int64]


def held_rows(decided: Decided, back: Backward | None, engine: LocalEngine) -> pa.Table:
    """HELD rows in the window's order, then as declared."""
    plan = decided.plan
    own = _own(decided, engine)
    if back is None:
        return own
    state = RefundState(
        back.state.originals,
        back.state.charges,
        back.state.obligations,
        back.state.refunded,
        pa.concat_tables([back.state.held, own]),
    )
    given = refused_rows(plan, back.refunds, state, back.original, back.after, back.left).cast(HELD.columns)
    beyond = _beyond(plan, back, decided.carried.states[len(decided.flow.own) :])
    rows = pa.concat_tables([own, given, beyond])
    place = places_of_ids(rows.column("record_id"), decided.window.sequence.column("record_id"))
    return HELD.check(rows.take(pa.array(np.argsort(place, kind="stable"))))


def _own(decided: Decided, engine: LocalEngine) -> pa.Table:
    """HELD rows of the window's own charges."""
    plan, drawn, flow = decided.plan, decided.drawn, decided.flow
    states = decided.carried.states[: len(flow.own)]
    unnamed = drawn.unnamed
    tables = [
        _rows([each.place for each in unnamed], [each.code for each in unnamed], [each.reason for each in unnamed])
    ]
    for code in np.unique(drawn.code[flow.own[states != CARRIED]]).tolist():
        mine = np.flatnonzero((states != CARRIED) & (drawn.code[flow.own] == code))
        tables.append(_without_room(decided, int(code), mine, engine))
    found = pa.concat_tables(tables)
    order = np.argsort(found.column("place").to_numpy() * len(plan.charges) + found.column("code").to_numpy())
    found = found.take(pa.array(order))
    held = pa.table(
        {
            "record_id": decided.window.sequence.column("record_id").take(found.column("place")),
            "charge": pa.array(plan.names, pa.string()).take(found.column("code").combine_chunks()),
            "state": found.column("state"),
            "reason": found.column("reason"),
        }
    )
    return HELD.check(held.cast(HELD.columns))


def _rows(places: list[int], codes: list[int], reasons: list[str]) -> pa.Table:
    columns = [pa.array(places, pa.int64()), pa.array(codes, pa.int64())]
    return pa.table([*columns, pa.array(["held"] * len(places), pa.string()), pa.array(reasons, pa.string())], _NAMES)


_NAMES = ["place", "code", "state", "reason"]


def _without_room(decided: Decided, code: int, mine: Places, engine: LocalEngine) -> pa.Table:
    """Why charges of one name were not carried, with the figures: the rest, and each leaf's total then."""
    plan, drawn, kept, flow, carried = decided.plan, decided.drawn, decided.kept, decided.flow, decided.carried
    charge = plan.charges[code]
    assert charge.apportionment is not None and charge.budget is not None
    budget = plan.budgets[charge.budget]
    rows = flow.own[mine]
    figures = {
        "pos": pa.array(np.arange(len(mine))),
        "beyond": pa.array(carried.states[mine] == BEYOND_INT64),
        "rest": pa.array(carried.rests[mine]),
        "amount": drawn.charges.column("amount_minor").take(pa.array(rows)),
        "pot": kept.pots.column("pot").take(pa.array(decided.pot[rows])),
        "period": kept.pots.column("period").take(pa.array(decided.pot[rows])),
    } | {f"t{at}": pa.array(carried.after[flow.starts[mine] + at]) for at in range(len(charge.apportionment.leaves))}
    layout = kept.leaves[list(plan.budgets).index(budget.name)]
    reasons = why_no_room(charge.apportionment, budget, layout, pa.table(figures), engine)
    states = np.array(["held", "refused", "quarantined"], dtype=object)
    kind = np.select([carried.states[mine] == REFUSED, carried.states[mine] == BEYOND_INT64], [1, 2], 0)
    columns = [pa.array(drawn.place[rows]), pa.array(np.full(len(mine), code)), pa.array(states[kind], pa.string())]
    return pa.table([*columns, reasons.combine_chunks()], _NAMES)


def _beyond(plan: ClearingPlan, back: Backward, states: npt.NDArray[np.int8]) -> pa.Table:
    """Refunds whose totals would pass 64 bits."""
    mine = np.flatnonzero(states == BEYOND_INT64)
    names = pa.array(plan.names, pa.string())
    held = pa.table(
        {
            "record_id": back.refunds.column("record_id").take(pa.array(back.pairs.refund[mine])),
            "charge": names.take(pa.array(back.originals.code[back.pairs.charge[mine]])),
            "state": pa.array(["quarantined"] * len(mine), pa.string()),
            "reason": pa.array(["the totals that it gives back to would pass 64 bits"] * len(mine), pa.string()),
        }
    )
    return HELD.check(held.cast(HELD.columns))
