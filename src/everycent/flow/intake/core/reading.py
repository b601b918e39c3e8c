"""First half of taking rows in: cells become typed values. One DuckDB query, from source columns to v0, v1 ..."""

from everycent.base.engine.sql import identifier, literal
from everycent.flow.intake.core.cells import written_sql
from everycent.flow.intake.core.plan import Field, IntakePlan, Lookup


def read_sql(plan: IntakePlan, sources: tuple[str, ...]) -> str:
    """Over `rows` (line, c0, c1 ... in the order of `sources`) and `attached_0` ... (as `plan.lookups`).

    Gives what cells_sql gives; found_<n>, whether lookup n found its row; sought_<n>, the key it was asked for.
    """
    found = "".join(f", found_{n}, sought_{n}" for n in range(len(plan.lookups)))
    return cells_sql(plan.fields, sources, _joined_sql(plan, sources), found)


def cells_sql(fields: tuple[Field, ...], sources: tuple[str, ...], rows_sql: str, also: str = "") -> str:
    """Over the query `rows_sql`, which gives line, c0, c1 ... in the order of `sources`, and the columns `also`.

    Gives line; v<n>, the typed value of each declared column or NULL; `unread`, why the first cell of the row that has
    a text and no value has none; and `also`.
    """
    texts = ", ".join(f"{field.reader.text_sql(_raws(field, sources))} AS t{field.at}" for field in fields)
    values = ", ".join(f"{field.value_sql()} AS v{field.at}" for field in fields)
    unread = " ".join(
        f"WHEN v{field.at} IS NULL AND t{field.at} IS NOT NULL THEN {field.fault_sql()}" for field in fields
    )
    columns = ", ".join(f"v{field.at}" for field in fields)
    return f"""
        SELECT line, {columns}, CASE {unread} END AS unread{also}
        FROM (SELECT *, {values} FROM (SELECT line, {texts}{also} FROM ({rows_sql})))
    """


def _raws(field: Field, sources: tuple[str, ...]) -> list[str]:
    return [
        f"c{sources.index(cell.column)}" if cell.lookup is None else f"x{field.at}_{at}"
        for at, cell in enumerate(field.cells)
    ]


def _joined_sql(plan: IntakePlan, sources: tuple[str, ...]) -> str:
    """The rows with what the attached tables say of them: x<n>_<m> is the text of cell m of column n."""
    if not plan.lookups:
        return "SELECT * FROM rows"
    taken = "".join(
        f", {written_sql(cell.type, f'a{cell.lookup}.{identifier(cell.column)}')} AS x{field.at}_{at}"
        for field in plan.fields
        for at, cell in enumerate(field.cells)
        if cell.type is not None
    )
    found, joins = "", ""
    for n, lookup in enumerate(plan.lookups):
        raws = [f"c{sources.index(key.name)}" for key in lookup.keys]
        sought = " || ', ' || ".join(
            f"{literal(key.name + ' ')} || coalesce({raw}, 'missing')"
            for key, raw in zip(lookup.keys, _texts(raws), strict=True)
        )
        found += f", a{n}.{identifier(lookup.spec.key[0])} IS NOT NULL AS found_{n}, {sought} AS sought_{n}"
        joins += f" LEFT JOIN attached_{n} AS a{n} ON {_match_sql(plan, n, lookup, sources)}"
    return f"SELECT rows.*{taken}{found} FROM rows{joins}"


def _texts(raws: list[str]) -> list[str]:
    return [f"CAST(rows.{raw} AS VARCHAR)" for raw in raws]


def _match_sql(plan: IntakePlan, n: int, lookup: Lookup, sources: tuple[str, ...]) -> str:
    """Where the key agrees and the row is valid when the record occurred: one row at most, as load_table sees to."""
    agrees = []
    for key in lookup.keys:
        value = key.value_sql(key.text_sql([f"rows.c{sources.index(key.name)}"]))
        agrees.append(f"a{n}.{identifier(key.name)} = {value}")
    if lookup.spec.valid is not None:
        occurred = plan.field(plan.spec.occurred_at)
        at = occurred.reader.value_sql(occurred.reader.text_sql([f"rows.{raw}" for raw in _raws(occurred, sources)]))
        since, until = (f"a{n}.{identifier(name)}" for name in lookup.spec.valid)
        agrees.append(f"({since} IS NULL OR {since} <= {at}) AND ({until} IS NULL OR {at} < {until})")
    return " AND ".join(agrees)
