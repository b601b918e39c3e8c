"""Second half of taking rows in: is a row of this kind, is it right, and what is it called. One DuckDB query.

A row is of the kind when `when` is true, or where the kind has none. Its first fault sets it aside; faults are looked
for in this order: a cell that cannot be read (columns as declared); for each column as declared, a required value that
is missing, then `in`, `min`, `max`; a part of the id or of the refunded id, or the time of occurrence, that is missing;
a time of occurrence that no calendar reaches; the checks as declared; the amount.
"""

from collections.abc import Sequence

from everycent.base.engine.sql import literal
from everycent.base.engine.types import Column
from everycent.flow.intake.core.cells import written_sql
from everycent.flow.intake.core.formulas import Condition
from everycent.flow.intake.core.identity import content_hash_sql, key_sql, record_id_sql
from everycent.flow.intake.core.plan import Field, IntakePlan

#: The years in which a record can have occurred.
YEAR_MIN, YEAR_MAX = 1900, 2999


def judge_sql(plan: IntakePlan) -> str:
    """Over `typed`, what read_sql gives.

    Gives line; is_kind; fault, or NULL; record_id, key, refund_of, refund_key, amount_minor, content_hash; occurred,
    the wall-clock time; and the columns of the body by their numbers.
    """
    body = ", ".join(column.sql for column in plan.columns.values())
    tags = "".join(f", {sql} AS {column.sql}" for column, sql in plan.tags.values())
    columns = plan.columns
    refund_key = key_sql([columns[name] for name in plan.spec.of]) if plan.spec.of else "CAST(NULL AS VARCHAR)"
    refund_of = "CAST(NULL AS UUID)"
    if plan.spec.refunds is not None:
        refund_of = record_id_sql(plan.tenant, plan.source, plan.spec.refunds, "refund_key")
    declared = {field.reader.name: field.column for field in plan.fields}
    return f"""
        SELECT line, is_kind, fault, {record_id_sql(plan.tenant, plan.source, plan.kind, "key")} AS record_id, key,
            {refund_of} AS refund_of, refund_key, amount_minor, {content_hash_sql(declared)} AS content_hash,
            CAST({columns[plan.spec.occurred_at].sql} AS TIMESTAMP) AS occurred, {body}
        FROM (
            SELECT *, {key_sql([columns[name] for name in plan.spec.id])} AS key, {refund_key} AS refund_key,
                CASE WHEN is_kind THEN {_fault_sql(plan)} END AS fault
            FROM (
                SELECT *, {_amount_sql(plan)} AS amount_minor, {_is_kind_sql(plan)} AS is_kind
                FROM (SELECT *{tags} FROM typed)
            )
        )
    """


def _is_kind_sql(plan: IntakePlan) -> str:
    return "true" if plan.when is None else f"coalesce({plan.when.sql}, false)"


def _amount_sql(plan: IntakePlan) -> str:
    if plan.amount is None:
        return "CAST(NULL AS BIGINT)"
    _, amount = plan.amount
    return (
        f"(CASE WHEN ({amount.fast_sql}) IS NOT NULL THEN ({amount.fast_sql}) "
        f"WHEN ({amount.missing_sql}) IS NULL THEN ({amount.wide_sql}) END)"
    )


def _fault_sql(plan: IntakePlan) -> str:
    cases = ["WHEN unread IS NOT NULL THEN unread"]
    for field in plan.fields:
        cases += _value_cases(plan, field)
    for name in dict.fromkeys((*plan.spec.id, *plan.spec.of, plan.spec.occurred_at)):
        part = (
            "id" if name in plan.spec.id else "refunded record's id" if name in plan.spec.of else "time of occurrence"
        )
        cases.append(f"WHEN {plan.columns[name].sql} IS NULL THEN {literal(f'{name} is missing; the {part} needs it')}")
    cases.append(_time_case(plan.columns[plan.spec.occurred_at]))
    for name, check in plan.checks.items():
        cases += _check_cases(plan, name, check)
    return f"(CASE {' '.join(cases)} {_amount_case(plan)} END)"


def _time_case(occurred: Column) -> str:
    """Business time has a date before and a date behind it; 0001-01-01 and 9999-12-31 mean never, not a day."""
    said = f"{literal(occurred.name + ' is ')} || {written_sql(occurred.type, occurred.sql)}"
    right = literal(f"; business time lies between {YEAR_MIN} and {YEAR_MAX}")
    return f"WHEN year({occurred.sql}) NOT BETWEEN {YEAR_MIN} AND {YEAR_MAX} THEN {said} || {right}"


def _value_cases(plan: IntakePlan, field: Field) -> list[str]:
    reader, value = field.reader, field.column.sql
    cases = []
    if reader.spec.required:
        reason = literal(f"{reader.name} is missing")
        looked_up = [cell.lookup for cell in field.cells if cell.lookup is not None]
        if looked_up:
            table = plan.lookups[looked_up[0]].table
            no_row = f"{literal(f'{reader.name} is missing: {table} has no row of ')} || sought_{looked_up[0]}"
            reason = f"CASE WHEN found_{looked_up[0]} THEN {reason} ELSE {no_row} END"
        cases.append(f"WHEN {value} IS NULL THEN {reason}")
    return cases + field.limit_cases(("records", plan.kind, "columns", reader.name))


def _check_cases(plan: IntakePlan, name: str, check: Condition) -> list[str]:
    columns = [plan.columns[used] for used in check.formula.columns]
    values = _values_sql(plan, columns)
    said = literal(f"{name}: {check.formula.text} is not so; ")
    missing = " ".join(f"WHEN {column.sql} IS NULL THEN {literal(f'{column.name} is missing')}" for column in columns)
    unknown = f"CASE {missing} ELSE 'it divides by zero or is too large; ' || {values} END"
    if not columns:
        unknown = literal("it divides by zero or is too large")
    return [
        f"WHEN ({check.sql}) = false THEN {said} || {values}",
        f"WHEN ({check.sql}) IS NULL THEN {literal(f'{name}: cannot be checked: ')} || {unknown}",
    ]


def _amount_case(plan: IntakePlan) -> str:
    if plan.amount is None:
        return ""
    formula, amount = plan.amount
    said = literal(f"amount: {formula.text} ")
    values = _values_sql(plan, [plan.columns[used] for used in formula.columns])
    return (
        f"WHEN amount_minor IS NULL THEN {said} || CASE "
        f"WHEN ({amount.missing_sql}) IS NOT NULL "
        f"THEN 'cannot be computed: ' || ({amount.missing_sql}) || ' is missing' "
        f"WHEN ({amount.zero_division_sql}) THEN 'divides by zero; ' || {values} "
        f"ELSE 'is too large for 64 bits of minor units; ' || {values} END"
    )


def _values_sql(plan: IntakePlan, columns: Sequence[Column]) -> str:
    """`price = 12.30, coupon is missing`."""
    parts = [
        f"coalesce({literal(f'{column.name} = ')} || {plan.written(column, column.sql, plan.code_at)}, "
        f"{literal(f'{column.name} is missing')})"
        for column in columns
    ]
    return f"concat_ws(', ', {', '.join(parts)})" if parts else "''"
