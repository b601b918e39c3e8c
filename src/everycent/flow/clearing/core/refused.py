"""Refunds that cannot be given, or not wholly, and why."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.money.amount import grouped_minor
from everycent.base.money.currency import currency
from everycent.flow.clearing.contract import RefundState
from everycent.flow.clearing.core.columns import places_of_ids
from everycent.flow.clearing.core.plan import ClearingPlan
from everycent.flow.rating.contract import HELD, WHOLE_RECORD

Minor = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]

Row = tuple[int, str, str, str]  # the refund's place, charge, state, reason


def refused_rows(
    plan: ClearingPlan, refunds: pa.Table, state: RefundState, original: Places, after: Minor, left: Minor
) -> pa.Table:
    """HELD rows in order of arrival, then as declared: refunds passed over (`after` < 0) as a whole, and parts of the
    others whose original's charge is itself held. These are few: they are gone through one by one.
    """
    rows = _passed_over(plan, refunds, state, original, after, left) + _held_parts(plan, state, original, after)
    declared = {name: at for at, name in enumerate(plan.names)}
    rows.sort(key=lambda row: (row[0], declared.get(row[1], -1), row[1]))
    places, charges, states, reasons = ([row[at] for row in rows] for at in range(4))
    held = pa.table(
        {
            "record_id": refunds.column("record_id").take(pa.array(places, pa.int64())),
            "charge": pa.array(charges, pa.string()),
            "state": pa.array(states, pa.string()),
            "reason": pa.array(reasons, pa.string()),
        }
    )
    assert held.num_rows >= int((after < 0).sum()), "what is not given back is held"
    return HELD.check(held)


def _passed_over(
    plan: ClearingPlan, refunds: pa.Table, state: RefundState, original: Places, after: Minor, left: Minor
) -> list[Row]:
    places = np.flatnonzero(after < 0)
    told = [name for name in ("amount_minor", "kind", "body") if name in refunds.column_names]
    passed_over = refunds.select(told).take(pa.array(places)).to_pylist()
    worths = state.originals.column("amount_minor").to_pylist() if len(places) else []
    rows = []
    for place, refund in zip(places.tolist(), passed_over, strict=True):
        if original[place] < 0:
            rows.append((place, WHOLE_RECORD, "held", "the record that it refunds is not known"))
            continue
        worth = worths[original[place]]
        rows.append((place, WHOLE_RECORD, *_why(refund["amount_minor"], worth, int(left[place]), _shown(plan, refund))))
    return rows


def _shown(plan: ClearingPlan, refund: Mapping[str, Any]) -> Callable[[int], str]:
    """How amounts of the refund's record are written."""
    if not plan.record_currency:
        return lambda minor: grouped_minor(minor, plan.currency)
    column = plan.record_currency.get(refund.get("kind", ""))
    code = plan.currency.code if column is None else refund.get("body", {}).get(column)
    return lambda minor: f"{minor} minor units" if code is None else f"{grouped_minor(minor, currency(code))} {code}"


def _why(amount: int | None, worth: int | None, left: int, shown: Callable[[int], str]) -> tuple[str, str]:
    if worth is None:
        return "held", "the record that it refunds has no amount that a refund could be measured against"
    if amount is None:
        return "quarantined", "the refund has no amount"
    if amount < 0:
        return "quarantined", f"a refund's amount is 0 or more, this one's is {shown(amount)}"
    return "quarantined", f"the refund of {shown(amount)} is more than the {shown(left)} that is left of {shown(worth)}"


def _held_parts(plan: ClearingPlan, state: RefundState, original: Places, after: Minor) -> list[Row]:
    reasons: dict[int, list[tuple[str, str]]] = {}
    for table, why in (
        (state.held, "is held in the record that it refunds"),
        (state.charges, "is not in the model any more"),
    ):
        places = places_of_ids(table.column("record_id"), state.originals.column("record_id"))
        names = table.column("charge").to_pylist() if table is state.held else _undeclared(plan, table)
        for place, name in zip(places.tolist(), names, strict=True):
            if name is not None and place >= 0:
                subject = "every charge" if name == WHOLE_RECORD else f"charge {name}"
                reasons.setdefault(place, []).append((name, f"{subject} {why}"))
    given = np.flatnonzero(after >= 0) if reasons else np.empty(0, dtype=np.int64)
    return [
        (place, name, "held", reason)
        for place in given.tolist()
        for name, reason in reasons.get(int(original[place]), [])
    ]


def _undeclared(plan: ClearingPlan, charges: pa.Table) -> list[str | None]:
    """The names of charges that the model does not have, None for the others, and for those that are nothing."""
    known = set(plan.names)
    if set(charges.column("charge").unique().to_pylist()) <= known:
        return [None] * charges.num_rows
    found = charges.select(["charge", "amount_minor"]).to_pydict()
    return [
        None if name in known or amount == 0 else name
        for name, amount in zip(found["charge"], found["amount_minor"], strict=True)
    ]
