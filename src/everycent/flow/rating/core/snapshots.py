"""Snapshots: the factor values that a record's charges were computed from, frozen."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.flow.rating.contract import SNAPSHOT
from everycent.flow.rating.core.plan import Factor, RatingPlan
from everycent.flow.rating.core.sheet import Wide


def snapshot_rows(
    plan: RatingPlan, records: pa.Table, wide: Wide, lookups: Mapping[str, pa.Table], engine: LocalEngine
) -> pa.Table:
    """A SNAPSHOT row for each record, in their order; none where the kind's charges use no factor.

    A factor that was not found is null: it held its charge.
    """
    if not plan.factors:
        return SNAPSHOT.empty(plan.snapshot_type)
    places = {f"x{at}": _places(wide, f"x{at}") for at in range(len(plan.lookups))}
    values = []
    for factor in plan.factors:
        if factor.record_column is not None:
            values.append(pc.struct_field(records.column("body"), factor.record_column).combine_chunks())
        elif factor.lookup is None:
            values.append(pa.repeat(_constant(factor, engine), records.num_rows))
        else:
            column = f"v{plan.lookups[factor.lookup].values.index(str(factor.column))}"
            values.append(
                lookups[f"t{factor.lookup}"].column(column).combine_chunks().take(places[f"x{factor.lookup}"])
            )
    body = pa.StructArray.from_arrays(
        [value.cast(factor.type.arrow) for value, factor in zip(values, plan.factors, strict=True)],
        fields=list(plan.snapshot_type),
    )
    return SNAPSHOT.check(pa.table({"record_id": records.column("record_id"), "body": body}))


def _places(wide: Wide, name: str) -> pa.Array:
    """The place of each record's row in the attached table, null where there is none."""
    found = wide.valid(name)
    return pa.array(wide.values(name), mask=None if found is None else ~found)


def _constant(factor: Factor, engine: LocalEngine) -> pa.Scalar:
    value = engine.query(f"SELECT CAST({factor.constant_sql} AS {factor.type.duckdb}) AS value").column("value")
    return value.combine_chunks().cast(factor.type.arrow)[0]
