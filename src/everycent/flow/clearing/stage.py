"""Clearing as a stage: charges → obligations; refunds → the charges and obligations that they give back."""

from collections.abc import Mapping

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.flow.clearing.contract import (
    ACCUMULATOR,
    OBLIGATION,
    ORIGINAL,
    REFUNDED,
    Cleared,
    OrderedCleared,
    RefundState,
)
from everycent.flow.clearing.core.bearers import Bearers
from everycent.flow.clearing.core.bearing import bear
from everycent.flow.clearing.core.correcting import CORRECTING, taken_back
from everycent.flow.clearing.core.legal_entities import Settled, read_legal_entities
from everycent.flow.clearing.core.ordered import clear_window, reach
from everycent.flow.clearing.core.parallel import Component, components, told_apart
from everycent.flow.clearing.core.plan import ClearingPlan, plan_clearing
from everycent.flow.clearing.core.prorating import take_back
from everycent.flow.clearing.core.refunding import give_back
from everycent.flow.clearing.core.sharing import owed_by_share
from everycent.flow.clearing.core.window import Window
from everycent.flow.intake.contract import RECORD
from everycent.flow.rating.contract import CHARGE, HELD

__all__ = [
    "CORRECTING",
    "Cleared",
    "ClearingPlan",
    "Component",
    "OrderedCleared",
    "Settled",
    "clear",
    "clear_in_order",
    "clear_shares",
    "components",
    "plan_clearing",
    "pots_in_reach",
    "read_legal_entities",
    "refund",
    "take_back",
    "taken_back",
    "told_apart",
]


def clear(plan: ClearingPlan, records: pa.Table, charges: pa.Table, engine: LocalEngine) -> Cleared:
    """Obligations of the charges that `records` cause: in the charges' order, then by bearer.

    `records`: RECORD rows with their body; `charges`: CHARGE rows of some of them. The obligations of each charge add
    up to it. The charges that come back are those that stand: one with an unknown bearer is held instead.
    """
    RECORD.check(records)
    CHARGE.check(charges)
    return bear(plan, records, charges, Bearers(records, engine))


def clear_shares(
    plan: ClearingPlan,
    records: pa.Table,
    charges: pa.Table,
    parts: pa.Table,
    shares: pa.Table,
    engine: LocalEngine,
) -> pa.Table:
    """OBLIGATION rows of charges per share: in the charges' order, then by bearer.

    `records`: RECORD rows of those that cause them. `charges`: CHARGE rows of one name, one of their ends null.
    `parts`: record_id, bearer, amount_minor, which add up to them. `shares`: OBLIGATION rows of the charge whose
    bearers these are: who bears a share there is an end here.
    """
    return owed_by_share(plan, records, CHARGE.check(charges), parts, OBLIGATION.check(shares), engine)


def clear_in_order(
    plan: ClearingPlan,
    sequence: pa.Table,
    records: Mapping[str, pa.Table],
    charges: pa.Table,
    refund_state: RefundState,
    accumulators: pa.Table,
    engine: LocalEngine,
    threads: int = 1,
) -> OrderedCleared:
    """Charges that draw on budgets (`plan.drawing`) and their refunds, one after the other; any cut of a sequence into
    windows gives the same rows.

    `sequence`: SEQUENCE rows of the window's records, originals and refunds mixed. `records`: by kind, the RECORD rows
    of these, of refunds too, with their bodies. `charges`: CHARGE rows of ordered charges of the window's originals.
    `refund_state`: what is known, from records with lower numbers only, of the originals that the window's refunds
    refer to and that are not in the window; its obligations are ORDERED_OBLIGATION rows. Its `held` may also have rows
    of originals in the window (held by rating). `accumulators`: ACCUMULATOR rows before the window of all pots that it
    reaches; missing ones are at zero, others do no harm. `threads`: pots are cleared side by side.
    """
    window = Window(sequence, records, engine)
    return clear_window(plan, window, charges, refund_state, ACCUMULATOR.check(accumulators), engine, threads)


def pots_in_reach(
    plan: ClearingPlan,
    sequence: pa.Table,
    records: Mapping[str, pa.Table],
    charges: pa.Table,
    refund_state: RefundState,
    engine: LocalEngine,
) -> pa.Table:
    """The pots (budget, pot, period; each once) whose accumulators `clear_in_order` asks for, given the same window."""
    return reach(plan, Window(sequence, records, engine), charges, refund_state, engine)


def refund(
    plan: ClearingPlan,
    refunds: pa.Table,
    originals: pa.Table,
    original_charges: pa.Table,
    original_obligations: pa.Table,
    refunded: pa.Table,
    engine: LocalEngine,
    *,
    original_held: pa.Table,
) -> Cleared:
    """Charges and obligations that refunds give back: in order of arrival, then as declared, then by bearer.

    `refunds`: RECORD rows of refund kinds, in order of arrival. The others tell what was before the batch:
    `originals`: ORIGINAL rows of the records that are refunded, as far as they are known; `original_charges`,
    `original_obligations`, `original_held`: their own CHARGE, OBLIGATION and HELD rows; `refunded`: REFUNDED rows.
    Refunds of one record in one batch give what they would give in batches of their own.
    """
    RECORD.check(refunds)
    state = RefundState(
        originals.select(ORIGINAL.names),
        CHARGE.check(original_charges),
        OBLIGATION.check(original_obligations),
        refunded.select(REFUNDED.names),
        HELD.check(original_held),
    )
    return give_back(plan, refunds, state, engine)
