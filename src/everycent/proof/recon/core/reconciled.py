"""What comparing two sides gives; and several parts of it as one, where no key is in two of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import BREAK, BY_KEY, TOTALS

#: In the order in which `reconcile` gives them.
_ORDER = "key, bucket, left_file, left_line, right_file, right_line"
_COUNTS = ("keys", "left_rows", "right_rows", "left_minor", "right_minor", "difference_minor")


@dataclass(frozen=True)
class Total:
    """What one side holds, added up from its raw rows."""

    rows: int
    amount_minor: int


@dataclass(frozen=True)
class Reconciled:
    """The outcome. `left_total` and `right_total` are added from the raw sides, `totals` from the buckets.

    `breaks` (BREAK) are the keys and surplus rows that do not agree; `write_offs` (BREAK) those that agree within the
    tolerance only, each with the difference that is written off; `totals` (TOTALS) has a line per bucket.
    """

    breaks: pa.Table
    write_offs: pa.Table
    totals: pa.Table
    left_total: Total
    right_total: Total

    @property
    def difference_minor(self) -> int:
        """left total - right total, from the raw sides."""
        return self.left_total.amount_minor - self.right_total.amount_minor

    @property
    def residual_minor(self) -> int:
        """What no bucket's difference explains: always 0."""
        return self.difference_minor - int(pc.sum(self.totals["difference_minor"]).as_py())


def totals_told(found: Reconciled) -> dict[str, Any]:
    """The totals of a part, as JSON can hold them: [rows, minor units] of the sides, and by bucket the six sums of
    TOTALS."""
    return {
        "left": [found.left_total.rows, found.left_total.amount_minor],
        "right": [found.right_total.rows, found.right_total.amount_minor],
        "buckets": {row["bucket"]: [int(row[name]) for name in _COUNTS] for row in found.totals.to_pylist()},
    }


def gathered(
    totals: Sequence[dict[str, Any]], breaks: Sequence[pa.Table], write_offs: Sequence[pa.Table], engine: LocalEngine
) -> Reconciled:
    """The same as `reconcile` gives of the whole sides, to the byte."""
    sums = {bucket: [sum(each["buckets"][bucket][at] for each in totals) for at in range(len(_COUNTS))]
            for bucket in BY_KEY}  # fmt: skip
    columns = {"bucket": list(BY_KEY)} | {name: [sums[b][at] for b in BY_KEY] for at, name in enumerate(_COUNTS)}
    arrays = [pa.array(columns[field.name], field.type) for field in TOTALS]
    result = Reconciled(
        breaks=_in_order(breaks, engine),
        write_offs=_in_order(write_offs, engine),
        totals=pa.Table.from_arrays(arrays, schema=TOTALS),
        left_total=_total(totals, "left"),
        right_total=_total(totals, "right"),
    )
    assert result.residual_minor == 0, f"{result.residual_minor} minor units of the parts' difference have no name"
    return result


def _total(totals: Sequence[dict[str, Any]], side: str) -> Total:
    return Total(sum(each[side][0] for each in totals), sum(each[side][1] for each in totals))


def _in_order(parts: Sequence[pa.Table], engine: LocalEngine) -> pa.Table:
    every = pa.concat_tables([BREAK.empty_table(), *(part.cast(BREAK) for part in parts)])
    return engine.query(f"FROM every ORDER BY {_ORDER}", every=every).cast(BREAK)
