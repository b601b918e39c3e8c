"""The originals that refunds refer to, as arrays: charges in order, their obligations in order, what was given back."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.flow.clearing.contract import RefundState
from everycent.flow.clearing.core.columns import minor, places_of_ids, places_of_texts
from everycent.flow.clearing.core.plan import ClearingPlan

Minor = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]

_BEARERS_MAX = 1 << 16


@dataclass(frozen=True)
class Originals:
    """m originals, their c charges and o obligations.

    `charges`: CHARGE rows by original, then as declared. `code`: int64[c], each one's place in the plan.
    `charge_starts`: int64[m + 1], where each original's charges start.
    `obligations`: OBLIGATION rows by charge, then bearer. `obligation_starts`: int64[c + 1].
    `given`: int64[c] and `remaining`: int64[o], what was given back of each charge, and what is left of each
    obligation, in minor units and their own sign.
    """

    charges: pa.Table
    code: Places
    charge_starts: Places
    obligations: pa.Table
    obligation_starts: Places
    given: Minor
    remaining: Minor


def in_order(plan: ClearingPlan, state: RefundState) -> Originals:
    """The originals' charges that the model still has, with their obligations."""
    charges, keys = _sorted_by(_charge_keys(plan, state, state.charges, "record_id"), state.charges)
    assert len(np.unique(keys)) == len(keys), "an original has each of its charges once"
    originals = state.originals.num_rows
    starts = np.searchsorted(keys, np.arange(originals + 1) * len(plan.charges))

    owed = _place_among(keys, _charge_keys(plan, state, state.obligations, "record_id"))
    bearer_keys = np.where(owed < 0, -1, owed * _BEARERS_MAX + _bearers(state.obligations))
    obligations, bearer_keys = _sorted_by(bearer_keys, state.obligations)
    remaining = minor(obligations.column("amount_minor")).copy()

    given = np.zeros(len(keys), dtype=np.int64)
    back = minor(state.refunded.column("refunded_minor"))
    charge = _place_among(keys, _charge_keys(plan, state, state.refunded, "refund_of"))
    np.add.at(given, charge[charge >= 0], back[charge >= 0])
    owed = _place_among(bearer_keys, np.where(charge < 0, -1, charge * _BEARERS_MAX + _bearers(state.refunded)))
    assert ((owed >= 0) == (charge >= 0)).all(), "what was given back belongs to an obligation of the original"
    np.subtract.at(remaining, owed[owed >= 0], back[owed >= 0])
    return Originals(
        charges=charges,
        code=keys % max(len(plan.charges), 1),
        charge_starts=starts,
        obligations=obligations,
        obligation_starts=np.searchsorted(bearer_keys, np.arange(len(keys) + 1) * _BEARERS_MAX),
        given=given,
        remaining=remaining,
    )


def _charge_keys(plan: ClearingPlan, state: RefundState, rows: pa.Table, record: str) -> Places:
    """One number for each (original, charge), in that order; -1 where the model or the state does not have it."""
    original = places_of_ids(rows.column(record), state.originals.column("record_id"))
    code = places_of_texts(rows.column("charge"), plan.names)
    return np.where((original < 0) | (code < 0), -1, original * len(plan.charges) + code)


def _bearers(rows: pa.Table) -> Places:
    bearers: Places = rows.column("bearer").to_numpy().astype(np.int64)
    return bearers


def _sorted_by(keys: Places, rows: pa.Table) -> tuple[pa.Table, Places]:
    """The rows with a key, in its order, and their keys."""
    order = np.argsort(keys, kind="stable")
    order = order[keys[order] >= 0]
    return rows.take(pa.array(order)), keys[order]


def _place_among(keys: Places, wanted: Places) -> Places:
    """Each wanted key's place among sorted keys, -1 where it is not there."""
    place = np.searchsorted(keys, wanted)
    there = np.append(keys, -2)[place] == wanted
    found: Places = np.where(there, place, -1)
    return found
