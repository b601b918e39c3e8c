"""Reconciles two sides: pure, over Arrow tables; every row of both sides ends in exactly one bucket."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.proof.recon.contract import BREAK, BY_KEY, SIDE, TOTALS, Bucket
from everycent.proof.recon.core.buckets import CAUSE_SQL, cause_texts_sql
from everycent.proof.recon.core.differing import differing, key_hash_sql
from everycent.proof.recon.core.groups import REPEATED, groups_sql
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.repeated import repeated_sql, same_rows_sql

_AMOUNT = TOTALS.field("left_minor").type


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


def reconcile(
    plan: ReconPlan, left: pa.Table | str, right: pa.Table | str, engine: LocalEngine, others: Sequence[str] = ()
) -> Reconciled:
    """Compares `left` with `right` (both SIDE) by key, in detail and in total.

    A side given as text is a table or view of the engine's. It may have, instead of a status, other columns that are
    compared: then `others` names them, and a JSON object of all of them is the status. Sides with many rows are
    compared in     two passes: what differs is found first (`core.differing`), and only the rows of those keys are
    grouped. The details     come from groups of keys, the totals from the raw rows: two ways that must meet (asserted).
    """
    witnesses = tuple(_witness(side, engine, others) for side in (left, right))
    apart = _apart(plan, left, right, others, witnesses, engine)
    left_rows, right_rows = apart or (_stated(left, others, engine), _stated(right, others, engine))
    groups = engine.query(groups_sql(plan), left_side=left_rows, right_side=right_rows)
    repeated_keys = groups.filter(pc.equal(groups["bucket"], REPEATED)).select(["key"])
    groups = groups.filter(pc.not_equal(groups["bucket"], REPEATED))
    sides = {"left_side": left_rows, "right_side": right_rows}
    same = engine.query(same_rows_sql(plan), **sides, repeated_keys=repeated_keys)
    repeated_keys = engine.query(
        "FROM repeated_keys ANTI JOIN same USING (key)", repeated_keys=repeated_keys, same=same
    )
    repeated = engine.query(_wide(repeated_sql(plan)), **sides, repeated_keys=repeated_keys)
    listed = engine.query(_LISTED, **sides, groups=groups, repeated=repeated).cast(BREAK)
    written_off = pc.equal(listed["bucket"], Bucket.WITHIN_TOLERANCE)
    equal = same.drop_columns(["key"])
    if apart is not None:
        equal = pa.concat_tables([equal, _equal(witnesses, tuple(_witness(side, engine) for side in apart))])
    result = Reconciled(
        breaks=listed.filter(pc.invert(written_off)),
        write_offs=listed.filter(written_off),
        totals=engine.query(_TOTALS, groups=groups, repeated=repeated, equal=equal).cast(TOTALS),
        left_total=witnesses[0],
        right_total=witnesses[1],
    )
    _assert_adds_up(result)
    return result


def _apart(
    plan: ReconPlan,
    left: pa.Table | str,
    right: pa.Table | str,
    others: Sequence[str],
    witnesses: tuple[Total, ...],
    engine: LocalEngine,
) -> tuple[pa.Table, pa.Table] | None:
    """All rows of the keys that do not agree; None where the sides are compared in one pass."""
    if plan.left_sums or plan.right_sums or not (isinstance(left, str) and isinstance(right, str)):
        return None
    compared = others or (["status"] if plan.compares_status else [])
    keys = differing(left, right, ["amount_minor", *compared], (witnesses[0].rows, witnesses[1].rows), engine)
    if keys is None:
        return None
    of_these = f"FROM (FROM side WHERE {key_hash_sql('key')} IN (SELECT k FROM keys))"
    fetched = [
        engine.query(f"{_stated_sql(others)} {of_these}", side=side, keys=keys).cast(SIDE) for side in (left, right)
    ]
    return fetched[0], fetched[1]


def _stated(side: pa.Table | str, others: Sequence[str], engine: LocalEngine) -> pa.Table | str:
    """The side with its other columns as the status."""
    if not others:
        return side
    assert isinstance(side, str), "other columns are compared of a table or view of the engine's"
    name = f"{side}_stated"
    engine.connection.execute(
        f"CREATE OR REPLACE VIEW {identifier(name)} AS {_stated_sql(others)} FROM {identifier(side)}"
    )
    return name


def _stated_sql(others: Sequence[str]) -> str:
    # As texts: JSON's numbers would pass through floats when they are read again
    status = ", ".join(f"{literal(name)}: {identifier(name)}::VARCHAR" for name in others)
    return f"SELECT {', '.join(_BUT_STATUS)}, {f'to_json({{{status}}})::VARCHAR' if others else 'status'} AS status"


_BUT_STATUS = [name for name in SIDE.names if name != "status"]
assert SIDE.names[-1] == "status", "a side's columns end with its status"


def _equal(whole: tuple[Total, ...], apart: tuple[Total, ...]) -> pa.Table:
    """What is left of both sides without the rows apart; it is the same on both, or a hash has deceived us."""
    left, right = (
        Total(all_of.rows - some.rows, all_of.amount_minor - some.amount_minor)
        for all_of, some in zip(whole, apart, strict=True)
    )
    assert left == right, f"rows that should be equal are {left} on the left and {right} on the right"
    return pa.table({"rows": [left.rows], "minor": pa.array([left.amount_minor], _AMOUNT)})


def _assert_adds_up(result: Reconciled) -> None:
    for side, total in (("left", result.left_total), ("right", result.right_total)):
        placed = pc.sum(result.totals[f"{side}_rows"]).as_py()
        assert placed == total.rows, f"{placed} rows of the {side} side are in buckets, {total.rows} came in"
        added = int(pc.sum(result.totals[f"{side}_minor"]).as_py())
        assert added == total.amount_minor, f"the {side} buckets add up to {added}, the rows to {total.amount_minor}"
    assert result.residual_minor == 0, f"{result.residual_minor} minor units of the difference have no name"


def _witness(side: pa.Table | str, engine: LocalEngine, others: Sequence[str] = ()) -> Total:
    columns = engine.query("FROM side LIMIT 0", side=side).column_names
    wanted = [*_BUT_STATUS, *(others or ["status"])]
    assert set(wanted) <= set(columns), f"a side has columns {columns}, want {wanted}"
    row = engine.query(_WITNESS, side=side).to_pylist()[0]
    assert row["nulls"] == 0, "a side's key and amount are never null"
    return Total(rows=row["n"], amount_minor=int(row["total"] or 0))


_WITNESS = """SELECT count(*) AS n, sum(amount_minor)::DECIMAL(38, 0) AS total,
    2 * count(*) - count(key) - count(amount_minor) AS nulls FROM side"""


def _wide(sql: str) -> str:
    """Sums leave DuckDB as decimals of 38 digits."""
    wide = ", ".join(f"{amount}::DECIMAL(38, 0) AS {amount}" for amount in ("left_amount", "right_amount"))
    return f"SELECT * REPLACE ({wide}) FROM ({sql})"


_PLACES = """SELECT key, min({'file': source_file, 'line': source_line}) AS place
    FROM %s SEMI JOIN unequal USING (key) GROUP BY key"""

#: Everything but equal keys, with the first row's place on each side.
_LISTED = f"""
    WITH unequal AS (SELECT * FROM groups WHERE bucket <> {literal(Bucket.EQUAL)}),
    left_places AS ({_PLACES % "left_side"}),
    right_places AS ({_PLACES % "right_side"}),
    listed AS (
        SELECT unequal.* EXCLUDE (keys), left_places.place.file AS left_file, left_places.place.line AS left_line,
            right_places.place.file AS right_file, right_places.place.line AS right_line
        FROM unequal LEFT JOIN left_places USING (key) LEFT JOIN right_places USING (key)
        UNION ALL BY NAME SELECT * FROM repeated WHERE bucket <> {literal(Bucket.EQUAL)}),
    explained AS (SELECT *, {CAUSE_SQL} AS cause FROM listed)
    SELECT key, bucket, cause, left_amount AS left_amount_minor, right_amount AS right_amount_minor,
        (coalesce(left_amount, 0)::HUGEINT - coalesce(right_amount, 0)::HUGEINT)::DECIMAL(38, 0) AS difference_minor,
        left_status, right_status, left_rows, right_rows, left_file, left_line, right_file, right_line,
        cause_en, cause_zh
    FROM explained JOIN {cause_texts_sql()} USING (cause)
    ORDER BY key, bucket, left_file, left_line, right_file, right_line"""

_BUCKETS = ", ".join(f"({place}, {literal(bucket)})" for place, bucket in enumerate(BY_KEY))

_TOTALS = f"""
    WITH placed AS (
        SELECT bucket, keys, left_rows, right_rows, left_amount, right_amount FROM groups
        UNION ALL
        SELECT bucket, (row_number() OVER (PARTITION BY bucket, key) = 1)::INTEGER, left_rows, right_rows, left_amount,
            right_amount
        FROM repeated
        UNION ALL SELECT {literal(Bucket.EQUAL)}, rows, rows, rows, minor, minor FROM equal)
    SELECT b.bucket, coalesce(sum(keys), 0)::BIGINT AS keys,
        coalesce(sum(left_rows), 0)::BIGINT AS left_rows, coalesce(sum(right_rows), 0)::BIGINT AS right_rows,
        coalesce(sum(left_amount), 0)::DECIMAL(38, 0) AS left_minor,
        coalesce(sum(right_amount), 0)::DECIMAL(38, 0) AS right_minor,
        (coalesce(sum(left_amount), 0) - coalesce(sum(right_amount), 0))::DECIMAL(38, 0) AS difference_minor
    FROM (VALUES {_BUCKETS}) AS b(place, bucket) LEFT JOIN placed USING (bucket)
    GROUP BY b.place, b.bucket ORDER BY b.place"""
