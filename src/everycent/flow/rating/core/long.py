"""From the wide form (a row for each record) to the long one (a row for each charge): in record order, then declared.

Amounts and ids are laid out by array arithmetic; texts are indices into a few distinct values, never copied per row.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.arrays import empty, no_uuids, uuid_values, uuids
from everycent.flow.rating.contract import CHARGE
from everycent.flow.rating.core.adding import labels
from everycent.flow.rating.core.plan import RatingPlan
from everycent.flow.rating.core.sheet import Codes, Sheet


def charge_rows(
    plan: RatingPlan, records: pa.Table, sheet: Sheet, parties: Mapping[str, pa.DictionaryArray]
) -> pa.Table:
    """CHARGE rows of what the sheet takes. `parties`: each role's party ids, one for each record."""
    lay = _Layout(sheet.taken)
    codes = list(dict.fromkeys(charge.currency.code for charge in plan.charges))
    currencies = np.array([codes.index(charge.currency.code) for charge in plan.charges], dtype=np.int32)
    with ThreadPoolExecutor(max_workers=1) as beside:  # numpy lets go of the interpreter while it copies
        ids = beside.submit(lambda: uuids(lay.per_record(uuid_values(records.column("record_id")))))
        charges = lay.per_charge(np.arange(len(plan.charges), dtype=np.int32))
        columns = {
            "charge": _texts(charges, [charge.name for charge in plan.charges]),
            "rule": _rules(plan, sheet, lay, charges),
            "amount_minor": pa.array(lay.per_cell(sheet.amounts)),
            "currency": _texts(currencies[charges] if len(codes) > 1 else np.zeros(lay.rows, dtype=np.int32), codes),
            "debtor": _party(lay, [charge.debtor for charge in plan.charges], parties),
            "creditor": _party(lay, [charge.creditor for charge in plan.charges], parties),
            "booked_on": _dates(lay.per_record(_days(records))),
            "refund_of": no_uuids(lay.rows),
        }
    rows = pa.table({"record_id": ids.result(), **columns})
    assert rows.num_rows == lay.rows, "a row for each charge taken"
    assert columns["creditor"].null_count == 0, "each charge is owed to somebody"
    return CHARGE.check(rows)


class _Layout:
    """Lays arrays of n records, k charges or n x k cells out as long rows: cell by cell, but for what is not taken."""

    def __init__(self, taken: npt.NDArray[np.bool_]) -> None:
        self.shape: tuple[int, int] = (taken.shape[0], taken.shape[1])
        self.rows = int(np.count_nonzero(taken))
        self.places = None if self.rows == taken.size else np.nonzero(taken)

    def per_record(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return self._over_cells(values[:, np.newaxis]) if self.places is None else self._taken(values, self.places[0])

    def per_charge(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return self._over_cells(values) if self.places is None else self._taken(values, self.places[1])

    def per_cell(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values.reshape(-1) if self.places is None else values[self.places]

    def _over_cells(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        cells = empty(self.shape, values.dtype)
        cells[:] = values
        return cells.reshape(-1)

    def _taken(self, values: npt.NDArray[Any], places: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        return np.take(values, places, out=empty(self.rows, values.dtype), mode="clip")  # none is outside


def _rules(plan: RatingPlan, sheet: Sheet, lay: _Layout, charges: Codes) -> pa.DictionaryArray:
    if sheet.rules is None:
        return _texts(charges, [rule.label for charge in plan.charges for rule in charge.rules])
    codes, texts = sheet.rules.copy(), list[str]()
    for at, charge in enumerate(plan.charges):
        start = len(texts)
        if charge.adds and len(charge.rules) > 1:  # each set of rules that hold together is a label of its own
            sets, codes[:, at] = np.unique(sheet.rules[:, at], return_inverse=True)
            texts += [labels(charge, int(holding)) for holding in sets]
        else:
            texts += [rule.label for rule in charge.rules]
        codes[:, at] += start
    return _texts(lay.per_cell(codes), texts)


def _party(lay: _Layout, roles: Sequence[str | None], parties: Mapping[str, pa.DictionaryArray]) -> pa.DictionaryArray:
    """The party that each charge's role names, -1 and so null where it has none (its bearers stand for it)."""
    dictionaries: list[pa.Array] = [pa.array([], pa.string())]
    start: dict[str, int] = {}
    for known in dict.fromkeys(role for role in roles if role is not None):
        start[known] = sum(map(len, dictionaries))
        dictionaries.append(parties[known].dictionary)
    codes = empty(lay.shape, np.int32)
    for at, role in enumerate(roles):
        if role is None:
            codes[:, at] = -1
            continue
        indices = parties[role].indices
        own = (pc.fill_null(indices, -1) if indices.null_count else indices).to_numpy()
        codes[:, at] = own if start[role] == 0 else np.where(own < 0, -1, own + start[role])
    named = lay.per_cell(codes)
    indices = pa.array(named, mask=named < 0) if None in roles else pa.array(named)
    return pa.DictionaryArray.from_arrays(indices, pa.concat_arrays(dictionaries))


def _texts(codes: Codes, texts: Sequence[str] | pa.Array) -> pa.DictionaryArray:
    """Texts by their place."""
    distinct = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(codes), distinct)


def _days(records: pa.Table) -> Codes:
    days: Codes = records.column("booked_on").cast(pa.int32()).to_numpy()
    return days


def _dates(days: npt.NDArray[Any]) -> pa.Array:
    return pa.array(days).view(pa.date32())
