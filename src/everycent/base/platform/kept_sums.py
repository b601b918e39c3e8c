"""Sums of the rows that stand, by key, kept in PostgreSQL so that history is not added up again.

What is kept says up to which batch and generation it adds up (`platform.kept_sum`). Whoever asks adds what came since:
rows of later batches, and, where a later generation became effective, what it ended and what it made. So nothing has to
keep up with commits, rewinds and corrections, and sums that are not there are made from the beginning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import among, identifier, literal
from everycent.base.engine.tables import TableSchema
from everycent.base.platform.bulk import copy_in, copy_out
from everycent.base.platform.database import Connection
from everycent.base.platform.details import Details
from everycent.base.platform.generations import Generation, effective_sql, generations

#: Sums are kept where few moved, or where each stands for some rows: else reading the rows again costs less.
_MOVED_FEW = 20_000
_ROWS_PER_SUM = 4


@dataclass(frozen=True)
class KeptSums:
    """What is summed and where it is kept.

    `columns`: of the sums, as `table` (`<context>.<table>`) has them behind tenant and model: the keys, among them
    `period`, then the sums. `rows`: the schema of what is added up, made in generations. `source`: each column's name
    there. `only`: which rows count, as SQL over these.
    """

    table: str
    columns: pa.Schema
    keys: tuple[str, ...]
    rows: TableSchema
    source: Mapping[str, str]
    only: str = "true"

    @property
    def sums(self) -> list[str]:
        """The columns that are sums."""
        return [name for name in self.columns.names if name not in self.keys]


@dataclass(frozen=True)
class _Through:
    """Kept sums are of batches up to `batch`, as they stood when `generation` was the last that was effective.
    `passed_over`: when so many rows had come since, the sums that they move were too many to keep; 0: not yet."""

    batch: int
    generation: int
    passed_over: int = 0


def sums_before(
    kept: KeptSums,
    details: Details,
    engine: LocalEngine,
    model: str,
    first_no: int,
    periods: Sequence[str],
    asked: pa.Table,
) -> pa.Table:
    """The sums of these periods as they were before the number `first_no`, ordered by key.

    Before it comes all that stands; but where `details` sees a generation that is being built, only what that leaves
    and what it made so far. `asked` has some of the keys: sums of others are not given. Inside the run lock.
    """
    made = generations(details.connection, details.tenant, model)
    since = _moved_since(kept, details, engine, model, made, periods)
    parts = [_kept(kept, details, model, periods, asked), since]
    if details.seeing is not None:
        parts.append(_seen(kept, details, engine, model, made, first_no))
    given = ", ".join(map(identifier, kept.columns.names))
    joined = ", ".join(map(identifier, asked.column_names))
    return _summed(
        kept,
        engine,
        f"(SELECT {given} FROM known SEMI JOIN asked USING ({joined}) WHERE {among('period', periods)})",
        known=pa.concat_tables(parts),
        asked=asked,
    )


def _moved_since(
    kept: KeptSums,
    details: Details,
    engine: LocalEngine,
    model: str,
    made: Sequence[Generation],
    periods: Sequence[str],
) -> pa.Table:
    """What moved since the sums were kept, in these periods at least; kept from now on, and then nothing, where that
    is worth it. Where it was not, it is asked again when twice as many rows have come, and until then the rows of
    other periods are not read."""
    through = _through(kept, details, model)
    last_batch, rows = _come_since(kept, details, model, through)
    standing = max((each.number for each in made if each.state == "effective"), default=0)
    if not rows and standing == through.generation:
        return kept.columns.empty_table()
    if rows < 2 * through.passed_over:
        return _moved(kept, details, engine, model, made, through, among("period", periods))
    moved = _moved(kept, details, engine, model, made, through)
    if moved.num_rows > _MOVED_FEW and rows < _ROWS_PER_SUM * moved.num_rows:
        _say(details.connection, details.tenant, model, kept.table, replace(through, passed_over=rows))
        return moved
    _keep(kept, details, model, moved, _Through(last_batch, standing))
    return kept.columns.empty_table()


def _moved(
    kept: KeptSums,
    details: Details,
    engine: LocalEngine,
    model: str,
    made: Sequence[Generation],
    through: _Through,
    only: str = "true",
) -> pa.Table:
    """What moved since, by rows that came and by generations that became effective."""
    now = effective_sql(made)
    since = _attach(kept, details, engine, model, "since", through.batch, only)
    weighed = f"SELECT *, CASE WHEN {now} THEN 1 ELSE 0 END AS weight FROM {since}"
    newer = [each.starts_at for each in made if each.state == "effective" and each.number > through.generation]
    if newer and through.batch:
        then = effective_sql([each for each in made if each.number <= through.generation])
        before = _attach(kept, details, engine, model, "before", 0, f"{only} AND sequence_no >= {min(newer)}")
        weighed += (
            f" UNION ALL SELECT *, CASE WHEN {now} THEN 1 ELSE 0 END - CASE WHEN {then} THEN 1 ELSE 0 END AS weight"
            f" FROM {before} WHERE batch_no <= {through.batch}"
        )
    return _weighed(kept, engine, weighed)


def _seen(
    kept: KeptSums,
    details: Details,
    engine: LocalEngine,
    model: str,
    made: Sequence[Generation],
    first_no: int,
) -> pa.Table:
    """What the generation that is being built takes away of what stands, and what it made before the number."""
    [starts_at] = [each.starts_at for each in made if each.number == details.seeing]
    anew = _attach(kept, details, engine, model, "anew", 0, f"sequence_no >= {starts_at}")
    seen, stands = effective_sql(made, details.seeing), effective_sql(made)
    return _weighed(
        kept,
        engine,
        f"SELECT *, CASE WHEN {seen} THEN CASE WHEN sequence_no < {first_no} THEN 1 ELSE 0 END"
        f" WHEN {stands} THEN -1 ELSE 0 END AS weight FROM {anew}",
    )


def _attach(
    kept: KeptSums, details: Details, engine: LocalEngine, model: str, which: str, after_batch: int, only: str = "true"
) -> str:
    """A view of the rows that count, and its quoted name."""
    columns = [*kept.source.values(), "sequence_no", "generation"]
    view, only = f"{kept.table} {which}", f"({kept.only}) AND {only}"
    details.attach(engine, view, kept.rows, model, columns=columns, after_batch=after_batch, only=only)
    return identifier(view)


def _weighed(kept: KeptSums, engine: LocalEngine, rows: str) -> pa.Table:
    """The sums of rows that each count `weight` times."""
    keys = [f"{identifier(kept.source[name])} AS {identifier(name)}" for name in kept.keys]
    sums = [f"weight * {identifier(kept.source[name])} AS {identifier(name)}" for name in kept.sums]
    return _summed(kept, engine, f"(SELECT {', '.join([*keys, *sums])} FROM ({rows}) WHERE weight <> 0)")


def _summed(kept: KeptSums, engine: LocalEngine, rows: str, **tables: pa.Table) -> pa.Table:
    keys = ", ".join(map(identifier, kept.keys))
    sums = ", ".join(f"CAST(sum({identifier(name)}) AS BIGINT) AS {identifier(name)}" for name in kept.sums)
    found = engine.query(f"SELECT {keys}, {sums} FROM {rows} GROUP BY {keys} ORDER BY {keys}", **tables)
    return found.select(kept.columns.names).cast(kept.columns)


def _through(kept: KeptSums, details: Details, model: str) -> _Through:
    row = details.connection.execute(
        "SELECT through_batch, generation, passed_over FROM platform.kept_sum"
        " WHERE tenant = %s AND model = %s AND table_name = %s",
        (details.tenant, model, kept.table),
    ).fetchone()
    return _Through(0, 0) if row is None else _Through(*row)


def _come_since(kept: KeptSums, details: Details, model: str, through: _Through) -> tuple[int, int]:
    """The last batch that brought rows, of this table or its corrections, and how many came."""
    tables = [kept.rows.name, *([kept.rows.corrected.name] if kept.rows.corrections is not None else [])]
    row = details.connection.execute(
        "SELECT coalesce(max(p.batch_no), %s), coalesce(sum(p.rows), 0) FROM platform.batch_part AS p"
        " JOIN platform.batch AS b USING (batch_no)"
        " WHERE p.table_name = ANY (%s) AND b.tenant = %s AND b.model = %s AND p.batch_no > %s",
        (through.batch, tables, details.tenant, model, through.batch),
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _kept(kept: KeptSums, details: Details, model: str, periods: Sequence[str], asked: pa.Table) -> pa.Table:
    """The kept sums of these periods whose keys are asked for."""
    connection, columns = details.connection, ", ".join(map(identifier, kept.columns.names))
    if asked.num_rows == 0 or not periods or _through(kept, details, model).batch == 0:
        return kept.columns.empty_table()
    names = ", ".join(map(identifier, asked.column_names))
    with connection.transaction():
        connection.execute(
            f"CREATE TEMP TABLE asked_sum ON COMMIT DROP AS SELECT {names} FROM {_quoted(kept)} WITH NO DATA"
        )
        copy_in(connection, "pg_temp.asked_sum", asked)
        connection.execute("ANALYZE pg_temp.asked_sum")  # few are looked up by the key, many are joined
        found = copy_out(
            connection,
            f"SELECT {columns} FROM {_quoted(kept)}"
            f" WHERE tenant = {literal(details.tenant)} AND model = {literal(model)} AND {among('period', periods)}"
            f" AND ({names}) IN (SELECT {names} FROM pg_temp.asked_sum)",
            kept.columns,
        )
        connection.execute("DROP TABLE pg_temp.asked_sum")
    return found


def _keep(kept: KeptSums, details: Details, model: str, moved: pa.Table, through: _Through) -> None:
    """Moves the kept sums, and says how far they go: one transaction."""
    connection, table = details.connection, _quoted(kept)
    keys = ", ".join(map(identifier, kept.keys))
    columns = ", ".join(map(identifier, kept.columns.names))
    added = ", ".join(
        f"{name} = coalesce(old.{name} + excluded.{name}, old.{name}, excluded.{name})"
        for name in map(identifier, kept.sums)
    )
    with connection.transaction():
        _say(connection, details.tenant, model, kept.table, through)
        connection.execute(f"CREATE TEMP TABLE moved_sum ON COMMIT DROP AS SELECT {columns} FROM {table} WITH NO DATA")
        copy_in(connection, "pg_temp.moved_sum", moved)
        connection.execute(
            f"INSERT INTO {table} AS old (tenant, model, {columns}) SELECT %s, %s, {columns} FROM pg_temp.moved_sum"
            f" ON CONFLICT (tenant, model, {keys}) DO UPDATE SET {added}",
            (details.tenant, model),
        )
        connection.execute("DROP TABLE pg_temp.moved_sum")


def _say(connection: Connection, tenant: str, model: str, table: str, through: _Through) -> None:
    connection.execute(
        "INSERT INTO platform.kept_sum (tenant, model, table_name, through_batch, generation, passed_over)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (tenant, model, table_name) DO UPDATE"
        " SET through_batch = excluded.through_batch, generation = excluded.generation,"
        " passed_over = excluded.passed_over",
        (tenant, model, table, through.batch, through.generation, through.passed_over),
    )


def _quoted(kept: KeptSums) -> str:
    return ".".join(map(identifier, kept.table.split(".")))
