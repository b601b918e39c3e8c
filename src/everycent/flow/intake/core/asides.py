"""Rows set aside, with their reason and the row as it came."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.flow.intake.contract import QUARANTINE, RawRows


def quarantined(kind: str | None, rows: RawRows, faults: pa.Table, engine: LocalEngine) -> pa.Table:
    """QUARANTINE rows of `faults` (line, fault, key): rows of `rows` that are wrong in themselves."""
    count = faults.num_rows
    if count == 0:
        return QUARANTINE.empty()
    return table(
        rows,
        kind,
        lines=faults.column("line"),
        outcomes=pa.repeat("quarantined", count),
        reasons=faults.column("fault"),
        keys=faults.column("key"),
        record_ids=pa.nulls(count, pa.binary(16)),
        raws=raw_rows(rows, faults.column("line").to_numpy(), engine),
    )


def malformed(kind: str | None, rows: RawRows) -> pa.Table:
    """QUARANTINE rows of the lines that could not be split into cells."""
    count = rows.malformed.num_rows
    return table(
        rows,
        kind,
        lines=rows.malformed.column("line"),
        outcomes=pa.repeat("quarantined", count),
        reasons=rows.malformed.column("reason"),
        keys=pa.nulls(count, pa.string()),
        record_ids=pa.nulls(count, pa.binary(16)),
        raws=rows.malformed.column("raw"),
    )


def table(
    rows: RawRows,
    kind: str | None,
    *,
    lines: pa.Array,
    outcomes: pa.Array,
    reasons: pa.Array,
    keys: pa.Array,
    record_ids: pa.Array,
    raws: pa.Array,
) -> pa.Table:
    """A QUARANTINE table of parallel columns; `record_ids` are binary(16) or UUID."""
    count = len(lines)
    kinds = pa.nulls(count, pa.string()) if kind is None else pa.repeat(kind, count)
    columns: Sequence[pa.Array] = [pa.repeat(rows.file, count), lines, outcomes, reasons, kinds, keys, record_ids, raws]
    return pa.table(list(columns), names=QUARANTINE.columns.names).cast(QUARANTINE.columns)


def raw_rows(
    rows: RawRows, lines: "np.ndarray[tuple[int], np.dtype[np.int64]]", engine: LocalEngine
) -> pa.ChunkedArray:
    """The columns that were read of the rows at `lines`, each as a JSON object, in the order of `lines`."""
    places = np.searchsorted(rows.lines.to_numpy(), lines)
    assert np.array_equal(rows.lines.to_numpy()[places], lines), "a line that was not read"
    names = rows.table.column_names
    numbered = rows.table.rename_columns([f"c{at}" for at in range(len(names))]).take(places)
    numbered = numbered.append_column("place", pa.array(np.arange(len(lines))))
    cells = ", ".join(f"{literal(name)}, c{at}" for at, name in enumerate(names))
    sql = f"SELECT place, CAST(json_object({cells}) AS VARCHAR) AS raw FROM numbered ORDER BY place"
    return engine.query(sql, numbered=numbered).column("raw")
