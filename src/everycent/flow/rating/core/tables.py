"""Attached tables and records as the rating SQL reads them: short column names, plain columns, no NULL dates."""

from collections.abc import Mapping
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.flow.rating.contract import AmbiguousFactor
from everycent.flow.rating.core.careful import shown_sql
from everycent.flow.rating.core.fetched import WHY
from everycent.flow.rating.core.plan import Lookup, RatingPlan

_ALWAYS, _FOREVER = date(1, 1, 1), date(9999, 12, 31)


def lookup_tables(plan: RatingPlan, tables: Mapping[str, pa.Table], engine: LocalEngine) -> dict[str, pa.Table]:
    """The plan's lookups as tables t0, t1 ...; see core/wide.py for their columns.

    `tables`: the attached tables by name, in the types the plan was made with. Raises AmbiguousFactor where two rows of
    one key are valid at one time, so that a join with a table never multiplies records.
    """
    found = {}
    for place, lookup in enumerate(plan.lookups):
        assert lookup.table in tables, f"attached table {lookup.table} was not given"
        table = _narrowed(lookup, tables[lookup.table])
        _refuse_ambiguous(lookup, table, engine)
        found[f"t{place}"] = table
    return found


def plain_records(plan: RatingPlan, records: pa.Table) -> pa.Table:
    """pos, d and c<n> of each record. The body's columns are taken apart without being copied."""
    body = records.column("body")
    names = [field.name for field in body.type]
    missing = [column.name for column in plan.columns if column.name not in names]
    assert not missing, f"records of {plan.kind} come without the columns {missing}"
    parts = dict(zip(names, body.flatten(), strict=True))
    place = pa.array(np.arange(records.num_rows, dtype=np.int32))
    columns = {column.sql: parts[column.name] for column in plan.columns}
    return pa.table({"pos": place, "d": records.column("business_date"), **columns})


def _narrowed(lookup: Lookup, table: pa.Table) -> pa.Table:
    keys = {f"k{place}": table.column(theirs) for place, (_, theirs) in enumerate(lookup.keys)}
    values = {f"v{place}": table.column(name) for place, name in enumerate(lookup.values)}
    dates = {}
    if lookup.dated is not None:
        day = table.column(lookup.dated).cast(pa.date32())
        following = pc.add(day.cast(pa.int32()), pa.scalar(1, pa.int32())).cast(pa.date32())
        dates = {"lo": day, "hi": following}
    if lookup.valid is not None:
        starts, ends = (table.column(bound).cast(pa.date32()) for bound in lookup.valid)
        dates = {"lo": pc.fill_null(starts, _ALWAYS), "hi": pc.fill_null(ends, _FOREVER)}
    places = pa.array(np.arange(table.num_rows, dtype=np.int32))
    why = {WHY: table.column(WHY)} if lookup.is_fetched else {}
    return pa.table({**keys, **dates, "place": places, **why, **values})


def _refuse_ambiguous(lookup: Lookup, table: pa.Table, engine: LocalEngine) -> None:
    keys = [f"k{place}" for place in range(len(lookup.keys))]
    named = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    shown = " || ' and ' || ".join(shown_sql(key, ours.type) for key, (ours, _) in zip(keys, lookup.keys, strict=True))
    since, overlap = ("lo", "next_since < hi") if lookup.changes else ("place", "next_since IS NOT NULL")
    rows = engine.query(
        f"SELECT {shown} AS shown, CAST(next_since AS VARCHAR) AS since FROM ("
        f" SELECT *, lead({since}) OVER (PARTITION BY {', '.join(keys)} ORDER BY {since}, place) AS next_since"
        f" FROM t WHERE {named}{' AND lo < hi' if lookup.changes else ''}) WHERE {overlap} ORDER BY ALL LIMIT 1",
        t=table,
    )
    if rows.num_rows == 0:
        return
    key, since = (rows.column(name)[0].as_py() for name in ("shown", "since"))
    named_key = f"table {lookup.table} has two rows for {', '.join(theirs for _, theirs in lookup.keys)} {key}"
    if not lookup.changes:
        raise AmbiguousFactor(f"{named_key}; keep one of them, or give them validity dates")
    if lookup.dated is not None:
        raise AmbiguousFactor(f"{named_key} on {since}; keep one of them")
    raise AmbiguousFactor(f"{named_key} that are both valid on {since}; end the first before the next begins")
