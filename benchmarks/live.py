"""Events through the queue to verdicts: --rows events of two sides, JSON lines, one key in a thousand with a break.

Timed is taking all of them in (`everycent recon put`: read, typed, kept with their columns, each id once) and checking
all keys (`everycent recon watch`), by one process on an embedded PostgreSQL. Not timed: making the events, the server's
start.

bare_sql    the same lines, decoded by json.loads, put by COPY into a table with the ids as its key, 5,000 in a
            transaction; then one INSERT ... SELECT with a full join by key gives the verdicts. No types, no delay, no
            queue, no limit.

Then --rows / 200 questions, at most 1,000, are asked one by one (`everycent recon check`): how long the answers take.
"""

import io
import json
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import alone, arguments, report, temporary
from path import settings_in

from everycent.flow.model.service import load_model
from everycent.flow.pipeline.service import open_session, plan_model
from everycent.serve.event_lines import LineSource
from everycent.serve.gating import checkpoint
from everycent.serve.reconciling import plan_scenarios
from everycent.serve.watch_loop import Until, watch
from everycent.serve.watching import live_of, put
from everycent.serve.wiring import SECTIONS, migrations

MODEL = """
model: events
version: 1
currency: CNY
calendar: {time_zone: Asia/Shanghai}
parties: {platform: {operator: shanghai}, merchant: {key: [merchant]}}
records:
  sale: {id: [sale], occurred_at: at, columns: {sale: text, merchant: text, price: money, at: timestamp}}
charges:
  goods: {for: sale, amount: price, debtor: platform, creditor: merchant}
statements: {merchant: {cycle: monthly}}
recon:
  paid:
    left: {columns: {order: text, price: money, state: text}, key: order, amount: price, status: state}
    right: {columns: {order: text, paid: money, state: text}, key: order, amount: paid, status: state}
    live: {left: orders, right: payments}
    inline: {within: 200 ms, otherwise: hold}
"""
_AT_ONCE = 5_000


def events(rows: int) -> tuple[bytes, int]:
    """The lines, in a random order, and how many keys are a break."""
    draw = random.Random(1)
    lines, broken = [], 0
    for number in range(rows // 2):
        amount, wrong = draw.randrange(1, 100_000), draw.randrange(1_000) == 0
        broken += wrong
        for topic, column, cents in (("orders", "price", amount), ("payments", "paid", amount + wrong)):
            columns = {"order": f"S{number:08}", column: f"{cents // 100}.{cents % 100:02}", "state": "ok"}
            event = {"id": f"{topic}-{number}", "topic": topic, "occurred_at": "2026-03-01T10:00:00Z"}
            lines.append(json.dumps(event | {"columns": columns}).encode() + b"\n")
    draw.shuffle(lines)
    return b"".join(lines), broken


def ours(folder: Path, rows: int) -> tuple[float, int, Mapping[str, Any]]:
    """Taken in and checked; the answer is how many keys are a break."""
    content, _ = events(rows)
    (folder / "model.yaml").write_text(MODEL)
    model = load_model(folder / "model.yaml", SECTIONS)
    with open_session(settings_in(folder), migrations()) as session:
        plan = plan_model(model, session.tenant, model.files)
        live = live_of(model, plan, plan_scenarios(model, plan))
        start = time.perf_counter()
        put(session, live, LineSource(io.BytesIO(content)), _tell, _full, lambda: datetime.now(UTC))
        taken = time.perf_counter() - start
        stands = watch(session, live, Until.EMPTY, _report, print)["paid"]
        seconds = time.perf_counter() - start
        with checkpoint(session, live) as asked:
            took, told = [], 0
            for number in range(min(1_000, rows // 200)):
                begun = time.perf_counter()
                told += asked.may_go_on("paid", [f"S{number:08}"]).told
                took.append(time.perf_counter() - begun)
    took.sort()
    notes = {
        "events a second": f"{rows / seconds:,.0f}",
        "taken in a second": f"{rows / taken:,.0f}",
        "checked a second": f"{rows / (seconds - taken):,.0f}",
        "answers": f"{len(took):,}, told {told:,}, {sum(each <= 0.2 for each in took):,} within 200 ms;"
        f" median {took[len(took) // 2] * 1e3:.1f} ms,"
        f" p99 {took[len(took) * 99 // 100] * 1e3:.1f} ms, longest {took[-1] * 1e3:.1f} ms",
    }
    return seconds, stands.verdicts.get("break", 0), notes


def bare_sql(folder: Path, rows: int) -> tuple[float, int, Mapping[str, Any]]:
    """What PostgreSQL takes by itself."""
    content, _ = events(rows)
    with open_session(settings_in(folder), migrations()) as session:
        connection = session.connection
        connection.execute("CREATE SCHEMA bare")
        connection.execute(
            "CREATE TABLE bare.event (side text, id text, at timestamptz, key text, amount numeric, state text,"
            " columns jsonb, PRIMARY KEY (side, id))"
        )
        connection.execute("CREATE TABLE bare.verdict (key text PRIMARY KEY, agrees boolean)")
        start = time.perf_counter()
        lines = content.splitlines()
        for at in range(0, len(lines), _AT_ONCE):
            with connection.cursor().copy("COPY bare.event FROM STDIN") as copy:
                for line in lines[at : at + _AT_ONCE]:
                    row = json.loads(line)
                    said = row["columns"]
                    amount = said.get("price") or said["paid"]
                    copy.write_row(
                        (
                            row["topic"],
                            row["id"],
                            row["occurred_at"],
                            said["order"],
                            amount,
                            said["state"],
                            json.dumps(said),
                        )
                    )
        connection.execute(
            """INSERT INTO bare.verdict SELECT coalesce(l.key, r.key), l.amount IS NOT DISTINCT FROM r.amount
                AND l.state IS NOT DISTINCT FROM r.state
            FROM (SELECT * FROM bare.event WHERE side = 'orders') AS l
            FULL JOIN (SELECT * FROM bare.event WHERE side = 'payments') AS r ON l.key = r.key"""
        )
        seconds = time.perf_counter() - start
        row = connection.execute("SELECT count(*) FROM bare.verdict WHERE NOT agrees").fetchone()
        assert row is not None
        return seconds, int(row[0]), {}


def _tell(line: int, outcome: str, reason: str) -> None:
    raise AssertionError(f"line {line}: {outcome}: {reason}")


def _full(full: Exception) -> None:
    raise full


def _report(stage: str, done: int, total: int | None) -> None:
    """Progress is nobody's business here."""


def main() -> None:
    """Runs both and prints the table."""
    asked = arguments(__doc__ or "", rows=200_000)
    found = {}
    for name, contender in (("ours", ours), ("bare_sql", bare_sql)):
        with temporary() as folder:
            found[name] = alone(contender, Path(folder), asked.rows)
    broken = events(asked.rows)[1]
    assert [each.answer for each in found.values()] == [broken, broken], f"{found}, not {broken} breaks"
    report("live", asked.rows, found["ours"], {"bare_sql": found["bare_sql"]}, ["duckdb", "psycopg"], asked.json)


if __name__ == "__main__":
    main()
