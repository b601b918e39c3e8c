"""Two sides of a payment bill, one row a payment: which payments differ, and in what?

--rows counts the rows of a side; --breaks is the part of them that differs (0.0002 by default: amounts, statuses, rows
missing on either side, rows that one side has twice). Sides are Parquet files made by seeded SQL: our own in order of
time, the bill in another order, six columns of which all are compared by payment_id. What was changed is the truth;
each contender must find exactly these payments: its precision and recall are 1, or the run fails. Not timed: making the
files, start-up, and checking the answers. All run in turns, three times up to 10 million rows; the fastest of each
counts. Processor time is told, too: on a machine that others use, it says more than the seconds.

ours                 everycent.proof.recon: the keys that differ by hashes, their rows, in buckets, with causes, places
                     and duplicates, and totals of both sides that must meet; a table of breaks in the order of keys.
bare_scan            reads both files and hashes each row, nothing else: the limit.
duckdb_join          DuckDB's full outer join, filtered to what differs, as a table. It finds no duplicates.
duckdb_join_ordered  the same in the order of keys, as an Arrow table: what a caller of ours gets, without causes,
                     places and duplicates.
duckdb_join_500mb    duckdb_join with the memory that ours is allowed to take.
datacompy_polars     datacompy's comparison of two Polars frames (only with --all).
datacompy_pandas     the same of two pandas frames, up to 2 million rows (only with --all).
"""

import argparse
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from harness import MEMORY_MB, THREADS, alone, in_turns, report, scratch, temporary

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.contract import ROW
from everycent.proof.recon.core.joined.joining import join
from everycent.proof.recon.core.multisets.multisets import Multisets
from everycent.proof.recon.core.plan import ReconPlan
from everycent.proof.recon.core.sketch.sketch import Sketch
from everycent.proof.recon.core.stated import stated
from everycent.proof.recon.stage import reconcile

ROUNDS, MANY_ROWS = 3, 10_000_000
PANDAS_ROWS_MAX = 2_000_000
ALLOWED_MB = 500

#: What ours gives its engine, so that its peak is at most 500 MB up to 10 million rows a side, and 1 GB above.
ENGINE_MB, ENGINE_MB_ABOVE = 200, 500

#: From this part on everycent keeps the hashes of all rows, and takes the memory that a join takes.
JOINED_FROM = Decimal("0.007")
PROCESSOR = "processor seconds"
COMPARED = ("merchant", "amount_minor", "fee_minor", "status", "paid_at")

#: A fault's number by payment, 0 for none. md5, so that no hash of a contender's has anything to do with it.
FAULT = """CASE WHEN md5_number_lower(payment_id) % 1000000 < {per_million}
    THEN 1 + md5_number_upper(payment_id) % 5 ELSE 0 END"""

OURS_SQL = """
    SELECT '4200' || lpad((hash(i) % 1000000000000)::VARCHAR, 12, '0') || '202603' || lpad(i::VARCHAR, 9, '0')
        AS payment_id, 'm-' || hash(i + 3) % 20000 AS merchant, (100 + hash(i + 7) % 500000)::BIGINT AS amount_minor,
        ((100 + hash(i + 7) % 500000) * 6 // 1000)::BIGINT AS fee_minor,
        CASE WHEN hash(i + 9) % 50 = 0 THEN 'REFUND' ELSE 'SUCCESS' END AS status,
        TIMESTAMP '2026-03-01' + to_seconds((i // 200)::BIGINT) AS paid_at
    FROM (SELECT {number} AS i FROM range({rows}) AS numbers(n))
"""

#: The bill's order: a permutation of the numbers, which takes no sorting. A prime, so that it is one of any fewer rows.
BILL_ORDER = "n * 4294967291 % {rows}"

#: Faults 1 to 5: another amount, another status, not on the bill, not on ours, twice on the bill.
FAULTY_SQL = f"SELECT *, {FAULT} AS fault FROM ({OURS_SQL})"
LEFT_SQL = "SELECT * EXCLUDE (fault) FROM faulty_left WHERE fault <> 4"
RIGHT_SQL = """
    SELECT * EXCLUDE (fault) REPLACE (amount_minor + (fault = 1)::BIGINT AS amount_minor,
        CASE WHEN fault = 2 THEN 'CLOSED' ELSE status END AS status)
    FROM faulty_right, range(CASE WHEN fault = 5 THEN 2 ELSE 1 END) WHERE fault <> 3
"""


def connected(folder: str, memory_mb: int) -> duckdb.DuckDBPyConnection:
    """A DuckDB with the threads that all have."""
    settings = {"threads": THREADS, "memory_limit": f"{memory_mb}MB", "temp_directory": f"{folder}/spill"}
    connection = duckdb.connect(config=settings)
    connection.execute("SET enable_progress_bar = false")
    return connection


def made(folder: str, rows: int, breaks: Decimal) -> tuple[float, Any, Mapping[str, Any]]:
    """Both sides as Parquet files, and the payments that differ."""
    connection = connected(folder, MEMORY_MB)
    assert rows < 4_294_967_291, "rows of the bill's order repeat"
    for name, number, sql in (("left", "n", LEFT_SQL), ("right", BILL_ORDER.format(rows=rows), RIGHT_SQL)):
        faulty = FAULTY_SQL.format(rows=rows, number=number, per_million=round(breaks * 1_000_000))
        connection.execute(f"CREATE VIEW faulty_{name} AS {faulty}")
        connection.execute(f"COPY ({sql}) TO '{folder}/{name}.parquet' (FORMAT parquet)")
    connection.execute(f"COPY (SELECT payment_id AS key FROM faulty_left WHERE fault > 0) TO '{folder}/truth.parquet'")
    return 0, None, {}


class Watch:
    """Seconds between `with` and its end, and the processor's."""

    def __enter__(self) -> "Watch":
        self._started, self._used = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._started
        self.used = {PROCESSOR: f"{time.process_time() - self._used:.2f}"}


def answer(folder: str, found: pa.Table, watch: Watch) -> tuple[Any, Mapping[str, Any]]:
    """How many payments were found, how many of them are right, and how many there are; `found` has a column key."""
    connection = connected(folder, MEMORY_MB)
    connection.register("found_keys", found.select(["key"]))
    counted = connection.execute(
        f"""SELECT count(*), count(truth.key), (SELECT count(*) FROM '{folder}/truth.parquet')
        FROM (SELECT DISTINCT key FROM found_keys) LEFT JOIN '{folder}/truth.parquet' AS truth USING (key)"""
    ).fetchone()
    assert counted is not None
    there, right, truth = counted
    told = {"precision": f"{right / max(1, there):.6f}", "recall": f"{right / max(1, truth):.6f}"}
    assert there == right == truth, f"found {there:,}, of them right {right:,}, of {truth:,}: {told}"
    return list(counted), told | watch.used


def ours(folder: str, memory_mb: int) -> tuple[float, Any, Mapping[str, Any]]:
    """Up to the table of breaks."""
    engine = LocalEngine(THREADS, memory_mb, scratch(folder))
    others = [name for name in COMPARED if name != "amount_minor"]
    for side in ("left", "right"):
        engine.connection.execute(
            f"""CREATE VIEW {side}_payments AS SELECT '{side}.parquet' AS source_file,
                file_row_number + 1 AS source_line, file_row_number AS {ROW}, payment_id AS key, amount_minor,
                {", ".join(others)}
            FROM read_parquet('{folder}/{side}.parquet', file_row_number = true)"""
        )
    warm = Sketch.empty(1, 0)
    warm.add(np.zeros(1, dtype=np.uint64), np.zeros(1, dtype=np.uint64))
    warm.differences(warm)
    hashes = Multisets(1)
    hashes.add(0, np.zeros(1, dtype=np.uint64), np.zeros(1, dtype=np.uint64))
    hashes.unequal(THREADS)
    for side in ("left", "right"):
        engine.connection.execute(f"CREATE TABLE {side}_few AS FROM {side}_payments LIMIT 1000")
    few = min(1_000, engine.query("SELECT count(*) AS n FROM left_few")["n"][0].as_py())
    status = stated(others, "left_few", "right_few", False, engine)
    join(ReconPlan("bill", 0, False, False, True), "left_few", "right_few", (few, few), status, engine)
    pa.array(np.zeros(1, dtype=np.uint64))  # Arrow loads pandas at the first of these, where that is installed
    with Watch() as watch:
        found = reconcile(ReconPlan("bill", 0, False, False, True), "left_payments", "right_payments", engine, others)
    return watch.seconds, *answer(folder, found.breaks, watch)


def bare_scan(folder: str) -> tuple[float, Any, Mapping[str, Any]]:
    """Hashes each row of both files."""
    connection = connected(folder, MEMORY_MB)
    with Watch() as watch:
        for side in ("left", "right"):
            sql = f"SELECT bit_xor(hash(payment_id, {', '.join(COMPARED)})) FROM '{folder}/{side}.parquet'"
            connection.execute(sql).fetchall()
    return watch.seconds, None, watch.used


def duckdb_join(folder: str, memory_mb: int, ordered: bool = False) -> tuple[float, Any, Mapping[str, Any]]:
    """One full outer join."""
    connection = connected(folder, memory_mb)
    sides = ", ".join(f"l.{name} AS left_{name}, r.{name} AS right_{name}" for name in COMPARED)
    apart = " OR ".join(f"l.{name} IS DISTINCT FROM r.{name}" for name in COMPARED)
    # A payment that the bill has twice is joined twice with equal rows: it is told by its number of rows
    sql = f"""SELECT payment_id AS key, {sides}
        FROM '{folder}/left.parquet' AS l FULL JOIN '{folder}/right.parquet' AS r USING (payment_id) WHERE {apart}"""
    with Watch() as watch:
        if ordered:
            connection.register("breaks", connection.sql(f"{sql} ORDER BY payment_id").to_arrow_table())
        else:
            connection.execute(f"CREATE TABLE breaks AS {sql}")
    found = connection.sql("SELECT DISTINCT key FROM breaks").to_arrow_table()
    twice = f"SELECT payment_id AS key FROM '{folder}/right.parquet' GROUP BY payment_id HAVING count(*) > 1"
    return watch.seconds, *answer(folder, pa.concat_tables([found, connection.sql(twice).to_arrow_table()]), watch)


def datacompy_polars(folder: str) -> tuple[float, Any, Mapping[str, Any]]:
    """datacompy on Polars."""
    import polars
    from datacompy import PolarsCompare

    with Watch() as watch:
        frames = [polars.read_parquet(f"{folder}/{side}.parquet") for side in ("left", "right")]
        compared = PolarsCompare(*frames, join_columns="payment_id")
        apart = compared.all_mismatch()
    keys = [apart["payment_id"], compared.df1_unq_rows["payment_id"], compared.df2_unq_rows["payment_id"]]
    return watch.seconds, *answer(folder, pa.table({"key": polars.concat(keys).unique().to_arrow()}), watch)


def datacompy_pandas(folder: str) -> tuple[float, Any, Mapping[str, Any]]:
    """datacompy on pandas."""
    import pandas
    from datacompy import PandasCompare

    with Watch() as watch:
        frames = [pandas.read_parquet(f"{folder}/{side}.parquet") for side in ("left", "right")]
        compared = PandasCompare(*frames, join_columns="payment_id")
        apart = compared.all_mismatch()
    keys = [apart["payment_id"], compared.df1_unq_rows["payment_id"], compared.df2_unq_rows["payment_id"]]
    return watch.seconds, *answer(folder, pa.table({"key": pandas.concat(keys).unique()}), watch)


def main() -> None:
    """Runs all contenders."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of a side (default 10,000,000)")
    parser.add_argument("--breaks", type=Decimal, default=Decimal("0.0002"), help="the part that differs")
    parser.add_argument("--all", action="store_true", help="datacompy, too")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    asked = parser.parse_args()
    engine_mb = ENGINE_MB if asked.rows <= MANY_ROWS else ENGINE_MB_ABOVE
    contenders: dict[str, Any] = {
        "ours": (ours, (engine_mb if asked.breaks < JOINED_FROM else MEMORY_MB,)),
        "bare_scan": (bare_scan, ()),
        "duckdb_join": (duckdb_join, (MEMORY_MB,)),
        "duckdb_join_ordered": (duckdb_join, (MEMORY_MB, True)),
        "duckdb_join_500mb": (duckdb_join, (ALLOWED_MB,)),
    }
    if asked.all:
        contenders["datacompy_polars"] = (datacompy_polars, ())
        if asked.rows <= PANDAS_ROWS_MAX:
            contenders["datacompy_pandas"] = (datacompy_pandas, ())
    rounds = ROUNDS if asked.rows <= MANY_ROWS else 1
    with temporary() as folder:
        alone(made, folder, asked.rows, asked.breaks)
        found = in_turns({name: (run, (folder, *more)) for name, (run, more) in contenders.items()}, rounds)
    measured = found.pop("ours")
    answers = {name: other.answer for name, other in found.items() if other.answer is not None}
    assert all(each == measured.answer for each in answers.values()), f"{measured.answer}, but {answers}"
    for name, other in {"ours": measured, **found}.items():
        print(f"{name}: {other.notes[PROCESSOR]} {PROCESSOR}, peak {other.peak_mb:,.0f} MB")
    figures = {"found": measured.answer[0], "right": measured.answer[1], "truth": measured.answer[2]}
    packages = ["duckdb", "numba", "numpy", "pyarrow", *(["datacompy", "pandas", "polars"] if asked.all else [])]
    report("recon", asked.rows, measured, found, packages, asked.json, figures)


if __name__ == "__main__":
    main()
