"""A business's own steps between adjusting and checking. What they must keep is held here."""

import pyarrow as pa

from everycent.flow.intake.contract import StepContext
from everycent.flow.intake.core.plan import IntakePlan


class StepBroke(Exception):
    """A business's own step did not keep its promise; nothing of the batch is stored."""


def take_steps(plan: IntakePlan, typed: pa.Table, context: StepContext) -> pa.Table:
    """`typed` (what read_sql gives) with the values that the steps give. Raises StepBroke."""
    names = [field.reader.name for field in plan.fields]
    places = [field.column.sql for field in plan.fields]
    body = typed.select(["line", *places]).rename_columns(["source_line", *names])
    schema = pa.schema(
        [("source_line", pa.int64()), *((field.reader.name, field.reader.type.arrow) for field in plan.fields)]
    )
    body = body.cast(schema)
    for name, step in zip(plan.spec.steps, plan.steps, strict=True):
        given = step(body, context)
        _check(name, body, given, schema)
        body = given
    rest = typed.drop_columns(places)
    for place, name in zip(places, names, strict=True):
        rest = rest.append_column(place, body.column(name))
    return rest


def _check(name: str, before: pa.Table, after: object, schema: pa.Schema) -> None:
    if not isinstance(after, pa.Table):
        raise StepBroke(f"step '{name}' gave back a {type(after).__name__}; it must give a pyarrow.Table")
    if not after.schema.equals(schema):
        raise StepBroke(
            f"step '{name}' changed the columns to {after.schema.names}; it must keep {schema.names} and their types"
        )
    if not after.column("source_line").equals(before.column("source_line")):
        raise StepBroke(f"step '{name}' gave back other rows or another order; it may only change values")
