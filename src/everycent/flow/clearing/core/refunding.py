"""Refunds: what each gives back of its original's charges, and of each of their obligations."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.kernels.allotment import allot_within
from everycent.base.engine.local import LocalEngine
from everycent.base.money.allotment import RemainderPolicy
from everycent.flow.clearing.contract import OBLIGATION, Cleared, OnRefund, RefundState
from everycent.flow.clearing.core.accept import accept
from everycent.flow.clearing.core.columns import minor, places_of_ids, texts
from everycent.flow.clearing.core.originals import Originals, in_order
from everycent.flow.clearing.core.plan import ClearingPlan
from everycent.flow.clearing.core.refused import refused_rows
from everycent.flow.clearing.core.target import targets
from everycent.flow.rating.contract import CHARGE

Minor = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Each refund with each charge that it gives back, in order of arrival, then as declared.

    `refund`, `charge`: places among the refunds and among the originals' charges. `delta`: what is given back with
    this refund, in minor units and the charge's sign.
    """

    refund: Places
    charge: Places
    delta: Minor


def give_back(plan: ClearingPlan, refunds: pa.Table, state: RefundState, engine: LocalEngine) -> Cleared:
    """CHARGE and OBLIGATION rows of refunds in order of arrival, negative to their originals'; HELD rows of others."""
    original = places_of_ids(refunds.column("refund_of"), state.originals.column("record_id"))
    worth = pc.fill_null(state.originals.column("amount_minor"), -1).to_numpy()
    amounts = pc.fill_null(refunds.column("amount_minor"), -1).to_numpy()
    after, left = accept(original, amounts, worth, minor(state.originals.column("refunded_minor")))
    originals = in_order(plan, state)
    pairs = pairs_of(plan, originals, original, worth, after, engine)
    charges = _charge_rows(refunds, originals, pairs)
    obligations = _obligation_rows(plan, refunds, originals, pairs)
    given, owed = (minor(table.column("amount_minor")).sum() for table in (charges, obligations))
    assert given == owed, "the obligations of refunds add up to their charges"
    return Cleared(charges, obligations, refused_rows(plan, refunds, state, original, after, left))


def pairs_of(
    plan: ClearingPlan, originals: Originals, original: Places, worth: Minor, after: Minor, engine: LocalEngine
) -> Pairs:
    """original: int64[n], each refund's, as a place among the originals. worth: int64[m]. after: int64[n], what was
    refunded of the original with this refund, -1 where it is not given."""
    given = np.flatnonzero(after >= 0)
    starts = originals.charge_starts
    counts = np.diff(starts)[original[given]]
    refund = np.repeat(given, counts)
    charge = spread(starts[original[given]], counts)
    delta = _deltas(plan, originals, charge, worth[original[refund]], after[refund], engine)
    # A charge that is kept has no row; one that is returned has a row with the refund that returns it.
    prorated = np.array([charge.on_refund is OnRefund.PRORATE for charge in plan.charges], dtype=np.bool_)
    stays = prorated[originals.code[charge]] | (delta != 0)
    return Pairs(refund[stays], charge[stays], delta[stays])


def spread(starts: Places, counts: Places) -> Places:
    """start, start + 1 ... for each start, count of them."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    places: Places = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return places


def _deltas(
    plan: ClearingPlan,
    originals: Originals,
    charge: Places,
    worth: Minor,
    after: Minor,
    engine: LocalEngine,
) -> Minor:
    """What each pair gives back: what is to be given back in all with this refund, less what was before it."""
    code = originals.code[charge]
    size = minor(originals.charges.column("amount_minor"))
    pairs = {
        "pos": pa.array(np.arange(len(charge))),
        "charge_minor": pa.array(size[charge]),
        "after": pa.array(after),
        "worth": pa.array(worth),
        "on_refund": texts(code, [charge.on_refund.value for charge in plan.charges]),
        "rounding": texts(code, [charge.rounding.value for charge in plan.charges]),
    }
    before = np.abs(originals.given)
    # Never less than before: where a model changed its mind, nothing is taken back.
    total = np.maximum(targets(pa.table(pairs), engine).to_numpy(), before[charge])
    order = np.argsort(charge, kind="stable")  # by charge, in order of arrival
    first = np.diff(charge[order], prepend=-1) != 0
    earlier = np.empty_like(total)
    earlier[order] = np.where(first, before[charge[order]], np.roll(total[order], 1))
    delta = total - earlier
    assert (delta >= 0).all(), "refunded amounts only grow"
    signed: Minor = np.where(size[charge] < 0, -delta, delta)
    return signed


def _charge_rows(refunds: pa.Table, originals: Originals, pairs: Pairs) -> pa.Table:
    refund, source = pa.array(pairs.refund), originals.charges.take(pa.array(pairs.charge))
    rows = source.set_column(3, "amount_minor", pa.array(-pairs.delta))
    return CHARGE.check(as_of(rows, refunds.take(refund)))


def _obligation_rows(plan: ClearingPlan, refunds: pa.Table, originals: Originals, pairs: Pairs) -> pa.Table:
    starts = originals.obligation_starts
    counts = np.diff(starts)[pairs.charge]
    ends = np.cumsum(counts)
    shares = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.int64)
    for policy in RemainderPolicy:
        mine = np.flatnonzero(_policies(plan, policy)[originals.code[pairs.charge]])
        part, _ = allot_within(pairs.delta[mine], pairs.charge[mine], starts, originals.remaining, policy)
        shares[spread((ends - counts)[mine], counts[mine])] = part
    source = originals.obligations.take(pa.array(spread(starts[pairs.charge], counts)))
    rows = source.set_column(5, "amount_minor", pa.array(-shares))
    nothing = pa.nulls(rows.num_rows, pa.string())
    for at in (10, 11):
        rows = rows.set_column(at, OBLIGATION.columns.names[at], nothing)
    return OBLIGATION.check(as_of(rows, refunds.take(pa.array(np.repeat(pairs.refund, counts)))))


def _policies(plan: ClearingPlan, policy: RemainderPolicy) -> npt.NDArray[np.bool_]:
    """Which charges hand their odd cents out by this policy; one without shares has none to hand out."""
    odd = [charge.apportionment.odd_cent if charge.apportionment else None for charge in plan.charges]
    return np.array([(found or RemainderPolicy.LARGEST_REMAINDER) is policy for found in odd], dtype=np.bool_)


def as_of(rows: pa.Table, refunds: pa.Table) -> pa.Table:
    """The rows as the refunds': with their record, booking day, and the record that they refund."""
    for name in ("record_id", "booked_on", "refund_of"):
        rows = rows.set_column(rows.schema.get_field_index(name), name, refunds.column(name))
    return rows
