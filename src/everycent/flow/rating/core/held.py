"""The rows of held charges: what could not be computed, and why."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.flow.rating.contract import HELD, WHOLE_RECORD
from everycent.flow.rating.core.careful import IS_QUARANTINED, NOT_TAKEN
from everycent.flow.rating.core.plan import RatingPlan
from everycent.flow.rating.core.sheet import Codes, Flags, Sheet


def held_rows(plan: RatingPlan, records: pa.Table, sheet: Sheet, careful: pa.Table | None) -> pa.Table:
    """HELD rows of a batch, in record order, then as declared; a record without any charge is held as a whole.

    `careful`: the careful form of the doubtful records; None where there were none.
    """
    if careful is None and len(plan.charges) and bool(sheet.taken.all()):
        return HELD.empty()
    place = np.empty(0, dtype=np.int32) if careful is None else careful.column("pos").to_numpy()
    free: Flags = np.logical_not(sheet.taken.any(axis=1))
    parts = []
    for at, charge in enumerate(plan.charges if careful is not None else ()):
        assert careful is not None
        states = careful.column(f"s{at}").to_numpy()
        held = np.flatnonzero(states > NOT_TAKEN)
        free[place[held]] = False
        names = np.where(states[held] == IS_QUARANTINED, "quarantined", "held").tolist()
        parts.append(_part(place[held], at, charge.name, names, careful.column(f"e{at}").take(pa.array(held))))
    whole = np.flatnonzero(free)
    parts.append(
        _part(whole.astype(np.int32), -1, WHOLE_RECORD, ["held"] * len(whole), pa.repeat(_untaken(plan), len(whole)))
    )
    table = pa.concat_tables(parts).sort_by([("place", "ascending"), ("at", "ascending")])
    ids = records.column("record_id").take(table.column("place"))
    rows = pa.table([ids, *(table.column(name) for name in HELD.columns.names[1:])], names=HELD.columns.names)
    assert rows.column("reason").null_count == 0, "nothing is held without a reason"
    return HELD.check(rows)


def _part(place: Codes, at: int, charge: str, states: list[str], reasons: pa.Array) -> pa.Table:
    count = len(place)
    return pa.table(
        {
            "place": pa.array(place, pa.int32()),
            "at": pa.repeat(pa.scalar(at, pa.int32()), count),
            "charge": pa.repeat(pa.scalar(charge), count),
            "state": pa.array(states, pa.string()),
            "reason": pc.cast(reasons, pa.string()),
        }
    )


def _untaken(plan: RatingPlan) -> str:
    """Why a record is without any charge, in the model's own words."""
    if not plan.charges:
        return f"no charge of the model takes this record: none is for {plan.kind}"
    asked = [f"{charge.name} is for records where {charge.when.text}" for charge in plan.charges if charge.when]
    return f"no charge of the model takes this record: {'; '.join(asked)}"
