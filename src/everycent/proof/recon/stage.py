"""Reconciles two sides: pure, over Arrow tables; every row of both sides ends in exactly one bucket."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import identifier, literal
from everycent.proof.recon.contract import SIDE, TOTALS, Bucket
from everycent.proof.recon.core import placed
from everycent.proof.recon.core.currencies import currencies_told
from everycent.proof.recon.core.differing import ROWS_LEAST, Found, differing, key_hash_sql
from everycent.proof.recon.core.groups import REPEATED, UNIFORM, groups_sql
from everycent.proof.recon.core.joined.joining import Joined, join, worth_it
from everycent.proof.recon.core.placed import NOTHING_PLACED, PLACED
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.reconciled import Reconciled as Reconciled
from everycent.proof.recon.core.reconciled import Total as Total
from everycent.proof.recon.core.reconciled import gathered, totals_told
from everycent.proof.recon.core.repeated import repeated_sql, same_rows_sql
from everycent.proof.recon.core.rereading import NEAR, nearby
from everycent.proof.recon.core.singles import singles_sql
from everycent.proof.recon.core.stated import Stated, stated
from everycent.proof.recon.core.tolerances import parted_by_tolerance
from everycent.proof.recon.core.uniform import ALIKE_SQL, uniform_sql

_AMOUNT = TOTALS.field("left_minor").type


def reconcile(
    plan: ReconPlan, left: pa.Table | str, right: pa.Table | str, engine: LocalEngine, others: Sequence[str] = ()
) -> Reconciled:
    """Compares `left` with `right` (both SIDE) by key, in detail and in total.

    A side given as text is a table or view of the engine's. It may have, instead of a status, other columns that are
    compared: then `others` names them, and a struct of all of them is the status (`core.stated`). Sides with many rows
    are compared in two passes: what differs is found first (`core.differing`), and only the rows of those keys are
    paired and grouped. The details come from keys, the totals from the raw rows: two ways that must meet (asserted).
    Sides that have a status and a `currency` (of ITEM) agree only where that is the same.
    """
    if others:  # a currency is one of them, where there is one
        return _reconcile(plan, left, right, engine, others)
    with parted_by_tolerance(plan, left, right, engine) as parts:
        found = [_in_one_tolerance(*part, engine) for part in parts]
    if len(found) == 1:
        return found[0]
    told = [totals_told(part) for part in found]
    return gathered(told, [part.breaks for part in found], [part.write_offs for part in found], engine)


def _in_one_tolerance(plan: ReconPlan, left: pa.Table | str, right: pa.Table | str, engine: LocalEngine) -> Reconciled:
    with currencies_told(plan, left, right, engine) as told:
        return _reconcile(*told, engine, ())


def _reconcile(
    plan: ReconPlan, left: pa.Table | str, right: pa.Table | str, engine: LocalEngine, others: Sequence[str]
) -> Reconciled:
    witnesses = tuple(_witness(side, engine, others) for side in (left, right))
    status = stated(others, left, right, plan.left_sums or plan.right_sums, engine)
    engine.connection.execute(NOTHING_PLACED.format(status=status.sql_type))
    found = _found(plan, left, right, status, witnesses, engine)
    if found is None:
        sides = {f"recon_{side}": rows for side, rows in zip(_SIDES, (left, right), strict=True)}
        _place(plan, {name: _as_text(name, rows, status, engine) for name, rows in sides.items()}, status, engine)
        listed = placed.listed(engine)
    elif isinstance(found, Joined):
        listed = _place_joined(plan, found, status, witnesses, engine)
    else:
        apart = _apart(found, (str(left), str(right)), status, engine)
        _place_apart(plan, apart, status, engine)
        listed = placed.listed(engine)
        agree = _agreeing(witnesses, apart)
        engine.query(f"INSERT INTO {PLACED} BY NAME {_EQUAL}", recon_equal=_equal(agree))
    totals = placed.totals(engine)
    _drop_apart(engine)
    engine.connection.execute(f"DROP TABLE {PLACED}")
    written_off = pc.equal(listed["bucket"], Bucket.WITHIN_TOLERANCE)
    tolerated = bool(pc.any(written_off).as_py())  # where nothing is, copying all breaks would be for nothing
    result = Reconciled(
        breaks=listed.filter(pc.invert(written_off)) if tolerated else listed,
        write_offs=listed.filter(written_off) if tolerated else listed.slice(0, 0),
        totals=totals,
        left_total=witnesses[0],
        right_total=witnesses[1],
    )
    _assert_adds_up(result)
    return result


def _drop_apart(engine: LocalEngine) -> None:
    engine.connection.execute(f"DROP TABLE IF EXISTS {NEAR}")
    for side in _SIDES:
        for view in (f"{_APART}_{side}_repeated", f"{_APART}_{side}_single", f"recon_{side}_stated"):
            engine.connection.execute(f"DROP VIEW IF EXISTS {view}")
        engine.connection.execute(f"DROP TABLE IF EXISTS {_APART}_{side}")


def _place(plan: ReconPlan, sides: Mapping[str, pa.Table | str], status: Stated, engine: LocalEngine) -> None:
    """Puts every row of recon_left and recon_right into its bucket, in the table recon_placed. Their statuses are texts
    (`status.text`)."""

    def placed_by(sql: str) -> str:
        return f"INSERT INTO {PLACED} BY NAME {status.rows_of_texts(sql)}"

    groups = engine.query(groups_sql(plan), **sides)
    uniform, repeated_keys = (groups.filter(pc.equal(groups["bucket"], kind)) for kind in (UNIFORM, REPEATED))
    groups = groups.filter(pc.invert(pc.is_in(groups["bucket"], pa.array([UNIFORM, REPEATED]))))
    engine.query(placed_by(_GROUPS_PLACED), **sides, recon_groups=groups)
    if uniform.num_rows:
        alike = engine.query(ALIKE_SQL, recon_uniform=uniform)
        engine.query(f"INSERT INTO {PLACED} BY NAME {_EQUAL}", recon_equal=alike)
        uniform = _without(uniform, alike, engine)
        engine.query(placed_by(uniform_sql(plan)), **sides, recon_uniform=uniform)
    if repeated_keys.num_rows:
        repeated_keys = repeated_keys.select(["key"])
        same = engine.query(same_rows_sql(plan), **sides, recon_repeated=repeated_keys)
        engine.query(f"INSERT INTO {PLACED} BY NAME {_EQUAL}", recon_equal=same)
        repeated_keys = _without(repeated_keys, same, engine)
        engine.query(placed_by(_KEYS_OF_REPEATED % repeated_sql(plan)), **sides, recon_repeated=repeated_keys)


def _without(keys: pa.Table, some: pa.Table, engine: LocalEngine) -> pa.Table:
    return engine.query("FROM recon_keys ANTI JOIN recon_some USING (key)", recon_keys=keys, recon_some=some)


def _found(
    plan: ReconPlan,
    left: pa.Table | str,
    right: pa.Table | str,
    status: Stated,
    witnesses: tuple[Total, ...],
    engine: LocalEngine,
) -> Found | Joined | None:
    """The keys that do not agree, or the sides joined where much differs; None where they are compared in one pass."""
    rows = (witnesses[0].rows, witnesses[1].rows)
    if plan.left_sums or plan.right_sums or max(rows) < ROWS_LEAST:
        return None
    if not (isinstance(left, str) and isinstance(right, str)):
        return None
    compared = ["amount_minor", *(status.others or (["status"] if plan.compares_status else []))]
    found = differing(left, right, compared, rows, engine, lambda expected: worth_it(rows, expected, engine))
    if found is not None:
        return found
    joined = join(plan, left, right, rows, status, engine)
    return differing(left, right, compared, rows, engine) if joined is None else joined


def _place_joined(
    plan: ReconPlan, joined: Joined, status: Stated, witnesses: tuple[Total, ...], engine: LocalEngine
) -> pa.Table:
    """Places what is joined, and the rows that are yet to be placed; gives all breaks."""
    odd = tuple(_witness(side, engine) for side in joined.odd)
    if any(side.rows for side in odd):
        _place(plan, {f"recon_{side}": rows for side, rows in zip(_SIDES, joined.odd, strict=True)}, status, engine)
    listed = placed.merged(joined.listed, placed.listed(engine), engine)
    added = [
        Total(
            all_of.rows + (pc.sum(joined.added[f"{side}_rows"]).as_py() or 0),
            all_of.amount_minor + int(pc.sum(joined.added[f"{side}_amount"]).as_py() or 0),
        )
        for side, all_of in zip(_SIDES, odd, strict=True)
    ]
    agree = _agreeing(witnesses, tuple(added))
    assert agree.rows == joined.agree, f"{joined.agree} rows of each side agree, and {agree.rows} are left"
    engine.query(f"INSERT INTO {PLACED} BY NAME FROM recon_added", recon_added=joined.added)
    engine.query(f"INSERT INTO {PLACED} BY NAME {_EQUAL}", recon_equal=_equal(agree))
    return listed


def _apart(found: Found, sides: tuple[str, str], status: Stated, engine: LocalEngine) -> tuple[Total, ...]:
    """Puts the rows of the keys that do not agree into tables of their own, and gives what these hold."""
    keys, at_once = found.keys, engine.memory_mb * _KEYS_PER_MB
    for number, (name, side) in enumerate(zip(_SIDES, sides, strict=True)):
        near = nearby(side, found, number, engine)
        engine.connection.execute(_NONE_APART.format(table=f"{_APART}_{name}", status=status.sql_type))
        for begin in range(0, keys.num_rows, at_once):
            engine.query(
                f"""INSERT INTO {_APART}_{name} SELECT {", ".join(_BUT_STATUS)}, {status.status} AS status, repeated
                FROM recon_rows JOIN recon_keys ON recon_keys.k = {key_hash_sql("key")}""",
                recon_rows=near,
                recon_keys=keys.slice(begin, at_once),
            )
    return tuple(_witness(f"{_APART}_{side}", engine) for side in _SIDES)


def _place_apart(plan: ReconPlan, apart: tuple[Total, ...], status: Stated, engine: LocalEngine) -> None:
    """Places the rows apart, in as many parts, by key, as fit the engine's memory."""
    parts = placed.parts_of(sum(side.rows for side in apart), engine)
    for part in range(parts):
        for side in _SIDES:
            for kind, of_kind in (("repeated", "repeated"), ("single", "NOT repeated")):
                within = "" if parts == 1 else f"AND hash(key) % {parts} = {part}"
                told = status.text_of("status") if kind == "repeated" else "status"
                engine.connection.execute(
                    f"""CREATE OR REPLACE VIEW {_APART}_{side}_{kind} AS
                    SELECT {", ".join(_BUT_STATUS)}, {told} AS status FROM {_APART}_{side} WHERE {of_kind} {within}"""
                )
        _place(plan, {f"recon_{side}": f"{_APART}_{side}_repeated" for side in _SIDES}, status, engine)
        singles = {f"recon_{side}_singles": f"{_APART}_{side}_single" for side in _SIDES}
        engine.query(f"INSERT INTO {PLACED} BY NAME SELECT *, 1 AS keys FROM ({singles_sql(plan, status)})", **singles)


def _as_text(name: str, side: pa.Table | str, status: Stated, engine: LocalEngine) -> pa.Table | str:
    """The side with its other columns as a text for its status, as the view `name`_stated."""
    if not status.others:
        return side
    assert isinstance(side, str), "other columns are compared of a table or view of the engine's"
    engine.connection.execute(
        f"""CREATE OR REPLACE VIEW {name}_stated AS
        SELECT {", ".join(_BUT_STATUS)}, {status.text} AS status FROM {identifier(side)}"""
    )
    return f"{name}_stated"


_BUT_STATUS = [name for name in SIDE.names if name != "status"]
assert SIDE.names[-1] == "status", "a side's columns end with its status"


def _agreeing(whole: tuple[Total, ...], apart: tuple[Total, ...]) -> Total:
    """What is left of both sides without the rows apart; it is the same on both, or a hash has deceived us."""
    left, right = (
        Total(all_of.rows - some.rows, all_of.amount_minor - some.amount_minor)
        for all_of, some in zip(whole, apart, strict=True)
    )
    assert left == right, f"rows that should be equal are {left} on the left and {right} on the right"
    return left


def _equal(agree: Total) -> pa.Table:
    return pa.table({"rows": [agree.rows], "minor": pa.array([agree.amount_minor], _AMOUNT)})


def _assert_adds_up(result: Reconciled) -> None:
    for side, total in (("left", result.left_total), ("right", result.right_total)):
        in_buckets = pc.sum(result.totals[f"{side}_rows"]).as_py()
        assert in_buckets == total.rows, f"{in_buckets} rows of the {side} side are in buckets, {total.rows} came in"
        added = int(pc.sum(result.totals[f"{side}_minor"]).as_py())
        assert added == total.amount_minor, f"the {side} buckets add up to {added}, the rows to {total.amount_minor}"
    assert result.residual_minor == 0, f"{result.residual_minor} minor units of the difference have no name"


def _witness(side: pa.Table | str, engine: LocalEngine, others: Sequence[str] = ()) -> Total:
    columns = engine.query("FROM recon_rows LIMIT 0", recon_rows=side).column_names
    wanted = [*_BUT_STATUS, *(others or ["status"])]
    assert set(wanted) <= set(columns), f"a side has columns {columns}, want {wanted}"
    row = engine.query(_WITNESS, recon_rows=side).to_pylist()[0]
    assert row["nulls"] == 0, "a side's key and amount are never null"
    return Total(rows=row["n"], amount_minor=int(row["total"] or 0))


_WITNESS = """SELECT count(*) AS n, sum(amount_minor)::DECIMAL(38, 0) AS total,
    2 * count(*) - count(key) - count(amount_minor) AS nulls FROM recon_rows"""


#: Tables and views of the engine's that a reconciliation makes, and takes away when it is done. All that it names there
#: begins with recon_, so that a side may have any other name.
_APART = "recon_apart"
_SIDES = ("left", "right")

#: So many keys are looked for at once in a megabyte of the engine's.
_KEYS_PER_MB = 6_000

#: The rows of the keys that differ.
_NONE_APART = """CREATE OR REPLACE TABLE {table} (source_file VARCHAR, source_line BIGINT, key VARCHAR,
    amount_minor BIGINT, status {status}, repeated BOOLEAN)"""

_PLACES = """SELECT key, min({'file': source_file, 'line': source_line}) AS place
    FROM %s SEMI JOIN unequal USING (key) GROUP BY key"""

#: A row per group of rows: its bucket, its sums, and the first row's place on each side; keys: how many are in it.
_GROUPS_PLACED = f"""
    WITH unequal AS (SELECT key FROM recon_groups WHERE bucket <> {literal(Bucket.EQUAL)}),
    left_places AS ({_PLACES % "recon_left"}),
    right_places AS ({_PLACES % "recon_right"})
    SELECT recon_groups.*, left_places.place.file AS left_file, left_places.place.line AS left_line,
        right_places.place.file AS right_file, right_places.place.line AS right_line
    FROM recon_groups LEFT JOIN left_places USING (key) LEFT JOIN right_places USING (key)"""

#: A key whose rows are in a bucket several times counts once.
_KEYS_OF_REPEATED = """SELECT *, (row_number() OVER (PARTITION BY bucket, key) = 1)::INTEGER AS keys FROM (%s)"""

_EQUAL = f"""SELECT {literal(Bucket.EQUAL)} AS bucket, rows AS left_rows, rows AS right_rows, minor AS left_amount,
    minor AS right_amount, rows AS keys FROM recon_equal"""
