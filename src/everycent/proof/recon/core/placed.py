"""Where rows are: the table in which all of them are placed, and the breaks and totals that are made of it."""

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.proof.recon.contract import BY_KEY, CAUSES, TOTALS, Bucket
from everycent.proof.recon.core.buckets import CAUSE_SQL
from everycent.proof.recon.core.stated import breaks_schema

#: The table's name in the engine.
PLACED = "recon_placed"

#: So many rows are placed, or ordered, at once in a megabyte of the engine's.
ROWS_PER_MB = 3_000

#: SQL for a new table, for statuses of a type: a line for each key or surplus row, or for many keys that are equal.
NOTHING_PLACED = f"""CREATE OR REPLACE TABLE {PLACED} (bucket VARCHAR, key VARCHAR, keys BIGINT,
    left_rows BIGINT, right_rows BIGINT, left_amount DECIMAL(38, 0), right_amount DECIMAL(38, 0),
    left_status {{status}}, right_status {{status}}, status_agrees BOOLEAN,
    left_file VARCHAR, left_line BIGINT, right_file VARCHAR, right_line BIGINT)"""


def totals(engine: LocalEngine) -> pa.Table:
    """A line per bucket (TOTALS)."""
    return engine.query(_TOTALS).cast(TOTALS)


def parts_of(rows: int, engine: LocalEngine) -> int:
    """In how many parts so many rows fit the engine's memory."""
    return -(-rows // (engine.memory_mb * ROWS_PER_MB)) or 1


def listed(engine: LocalEngine) -> pa.Table:
    """Everything but equal keys (BREAK), ordered in as many parts, by key, as fit the engine's memory."""
    counted = engine.query(f"SELECT count(*) AS rows FROM {PLACED}")["rows"][0].as_py()
    parts = parts_of(counted, engine)
    if parts == 1:
        return _explained(engine.query(_LISTED % "true"))
    sample = engine.query(f"SELECT key FROM {PLACED} WHERE key IS NOT NULL USING SAMPLE 10000 ROWS (reservoir, 1)")
    keys = sorted(sample["key"].to_pylist(), key=str.encode)
    cuts = [literal(keys[len(keys) * part // parts]) for part in range(1, parts)]
    within = [f"key < {cuts[0]}", *(f"key >= {a} AND key < {b}" for a, b in pairwise(cuts)), f"key >= {cuts[-1]}"]
    return pa.concat_tables([_explained(engine.query(_LISTED % condition)) for condition in within])


def merged(listed: pa.Table, more: pa.Table, engine: LocalEngine) -> pa.Table:
    """Two tables of breaks in order, as one."""
    if not more.num_rows:
        return listed
    both = pa.concat_tables([listed, more])
    places = ["key", "bucket", "left_file", "left_line", "right_file", "right_line"]
    numbered = both.select(places).append_column("n", pa.array(np.arange(both.num_rows)))
    order = engine.query(f"SELECT n FROM numbered ORDER BY {', '.join(places)}", numbered=numbered)
    return both.take(order["n"])


def _explained(found: pa.Table) -> pa.Table:
    """BREAK, with the texts of causes."""
    causes = pc.cast(found["cause"], pa.string())
    place = pc.index_in(causes, pa.array(CAUSES))
    for column, texts in (("cause_en", [c.en for c in CAUSES.values()]), ("cause_zh", [c.zh for c in CAUSES.values()])):
        found = found.append_column(column, pc.take(pa.array(texts), place))
    return found.cast(breaks_schema(found.schema))


def _one_of(words: Iterable[str]) -> str:
    """A type of the engine's: one of these words, as a number that orders as they do here."""
    return f"ENUM({', '.join(map(literal, words))})"


#: Everything but equal keys, of those for which a condition holds. Buckets and causes are numbers while rows are
#: ordered; the texts of causes come after.
_LISTED = f"""
    WITH explained AS (SELECT *, {CAUSE_SQL} AS cause FROM {PLACED} WHERE bucket <> {literal(Bucket.EQUAL)} AND %s)
    SELECT key, bucket::{_one_of(sorted(Bucket))} AS bucket, cause::{_one_of(CAUSES)} AS cause,
        left_amount AS left_amount_minor, right_amount AS right_amount_minor,
        (coalesce(left_amount, 0)::HUGEINT - coalesce(right_amount, 0)::HUGEINT)::DECIMAL(38, 0) AS difference_minor,
        left_status, right_status, left_rows, right_rows, left_file, left_line, right_file, right_line
    FROM explained ORDER BY key, bucket, left_file, left_line, right_file, right_line"""

_BUCKETS = ", ".join(f"({place}, {literal(bucket)})" for place, bucket in enumerate(BY_KEY))

_TOTALS = f"""
    SELECT b.bucket, coalesce(sum(keys), 0)::BIGINT AS keys,
        coalesce(sum(left_rows), 0)::BIGINT AS left_rows, coalesce(sum(right_rows), 0)::BIGINT AS right_rows,
        coalesce(sum(left_amount), 0)::DECIMAL(38, 0) AS left_minor,
        coalesce(sum(right_amount), 0)::DECIMAL(38, 0) AS right_minor,
        (coalesce(sum(left_amount), 0) - coalesce(sum(right_amount), 0))::DECIMAL(38, 0) AS difference_minor
    FROM (VALUES {_BUCKETS}) AS b(place, bucket) LEFT JOIN {PLACED} USING (bucket)
    GROUP BY b.place, b.bucket ORDER BY b.place"""
