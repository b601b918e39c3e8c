"""Which pots records can reach by what stands in them: totals of others need not be known."""

from collections.abc import Mapping

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.flow.intake.contract import RECORD
from everycent.flow.parties.contract import party_key_sql
from everycent.flow.pipeline.plan import ModelPlan


def budget_pots(plan: ModelPlan, records: Mapping[str, pa.Table | str], engine: LocalEngine) -> pa.Table:
    """budget, pot: each once. `records`: by kind, RECORD rows with their bodies, or the engine's table of them."""
    found = [_none("budget")]
    for kind, rows in records.items():
        known = set(_columns(plan, kind))
        for name, budget in plan.clearing.budgets.items():
            if known.issuperset(budget.per):
                pot = party_key_sql(tuple(_of_body(column) for column in budget.per)) if budget.per else "''"
                found.append(_pots("budget", name, pot, rows, engine))
    return pa.concat_tables(found)


def running_pots(plan: ModelPlan, records: Mapping[str, pa.Table | str], engine: LocalEngine) -> pa.Table:
    """factor, pot, as budget_pots gives them, of running totals and stocks."""
    found = [_none("factor")]
    for kind, rows in records.items():
        for running in plan.running:
            if kind in running.kinds:
                moving = running.kinds[kind]
                named = ", ".join(f"{_of_body(column.name)} AS {column.sql}" for column in moving.columns)
                table = f"(SELECT {named} FROM records)"
                found.append(_pots("factor", running.name, moving.pot_sql, rows, engine, table))
    return pa.concat_tables(found)


def _pots(
    what: str, name: str, pot: str, rows: pa.Table | str, engine: LocalEngine, table: str = "records"
) -> pa.Table:
    found = engine.query(
        f"SELECT DISTINCT {literal(name)} AS {what}, {pot} AS pot FROM {table} ORDER BY pot", records=rows
    )
    return found.filter(found.column("pot").is_valid()).cast(_none(what).schema)


def _none(what: str) -> pa.Table:
    return pa.table({name: pa.nulls(0, pa.string()) for name in (what, "pot")})


def _columns(plan: ModelPlan, kind: str) -> list[str]:
    return [field.name for field in plan.intake[kind].body_type]


def _of_body(column: str) -> str:
    return f"{identifier(str(RECORD.body))}.{identifier(column)}"
