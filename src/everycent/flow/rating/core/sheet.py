"""The charges of a batch in wide form, as arrays: what the SQL found, brought into the records' order."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.arrays import empty
from everycent.flow.rating.core.careful import COMPUTED
from everycent.flow.rating.core.plan import RatingPlan

Codes = npt.NDArray[np.int32]
Flags = npt.NDArray[np.bool_]


@dataclass
class Sheet:
    """The charges of n records and k charges, wide, by the records' place in the batch.

    `amounts`: int64[n, k] minor units. `taken`: bool[n, k], which of them are charges. `rules`: int32[n, k], the place
    of the rule that each was computed by; None where no charge has a choice.
    """

    amounts: npt.NDArray[np.int64]
    taken: Flags
    rules: Codes | None


class Wide:
    """A query's columns, one value for each record, in the records' order whatever order the query gave them in."""

    def __init__(self, table: pa.Table, rows: int) -> None:
        assert table.num_rows == rows, (
            f"{rows} records went in, {table.num_rows} rows came out: a join lost or made rows"
        )
        self.table = table
        place = table.column("pos").to_numpy()
        self.place = None if np.array_equal(place, np.arange(rows, dtype=place.dtype)) else place

    def values(self, name: str) -> npt.NDArray[Any]:
        """The column, 0 where it is NULL."""
        column = self.table.column(name)
        return self._ordered((pc.fill_null(column, 0) if column.null_count else column).to_numpy())

    def valid(self, name: str) -> Flags | None:
        """Where the column is not NULL; None where it never is."""
        column = self.table.column(name)
        return self._ordered(pc.is_valid(column).to_numpy()) if column.null_count else None

    def _ordered(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.place is None:
            return values
        ordered = empty(values.shape, values.dtype)
        ordered[self.place] = values
        return ordered


def read_sheet(plan: RatingPlan, wide: Wide, rows: int, parties: Iterable[pa.DictionaryArray]) -> tuple[Sheet, Codes]:
    """The sheet, and the places of records that need the careful form: an amount or a party is missing.

    Their cells are not taken yet.
    """
    shape = (rows, len(plan.charges))
    several = any(len(charge.rules) > 1 for charge in plan.charges)
    sheet = Sheet(empty(shape, np.int64), np.ones(shape, dtype=np.bool_), None)
    if several:
        sheet.rules = np.zeros(shape, dtype=np.int32)
    doubtful = np.zeros(rows, dtype=np.bool_)
    for at, charge in enumerate(plan.charges):
        sheet.amounts[:, at] = wide.values(f"a{at}")
        if sheet.rules is not None and len(charge.rules) > 1:
            sheet.rules[:, at] = wide.values(f"g{at}")
        there = wide.valid(f"a{at}")
        if there is None:
            continue
        sheet.taken[:, at] = there
        doubtful |= ~there if charge.when is None else ~there & (wide.values(f"n{at}") == 0)
    for party in parties:
        if party.indices.null_count:
            doubtful |= party.indices.is_null().to_numpy(zero_copy_only=False)
    return sheet, np.flatnonzero(doubtful).astype(np.int32)


def correct(plan: RatingPlan, sheet: Sheet, careful: pa.Table) -> None:
    """Puts what the careful form found in the place of what the wide form did not."""
    place = careful.column("pos").to_numpy()
    for at, charge in enumerate(plan.charges):
        sheet.taken[place, at] = careful.column(f"s{at}").to_numpy() == COMPUTED
        sheet.amounts[place, at] = pc.fill_null(careful.column(f"a{at}"), 0).to_numpy()
        if sheet.rules is not None and len(charge.rules) > 1:
            sheet.rules[place, at] = pc.fill_null(careful.column(f"g{at}"), 0).to_numpy()
