"""Rating: the charges of orders, ours against the same arithmetic as bare DuckDB SQL and against zen-engine.

Charges: goods = price - coupon; commission = greatest(price * rate, 0.30), the rate from a table of 20 categories with
three periods of validity each; payment_fee = (price - coupon) * 0.006; each rounded half up to the cent. With --prices
an order has a charge of each kind of price instead: flat, percentage between a minimum and a maximum, per unit beyond
free ones, by the package, graduated, by volume, and from the table as a dated rate card.

Orders are made batch by batch by seeded SQL, the same for all. Timed is the work on each batch of records in Arrow, up
to its charges in Arrow. Not timed: making the batch, start-up, and the check that all gave the same rows. All run in
turns, three times; the fastest of each counts.

ours        rate(): rules, factor look-up, exact and overflow-safe amounts, held rows, snapshots, parties, fixed order.
bare_sql    one hand-written statement for those numbers alone: no NULLs, overflows, escapes, snapshots or order looked
            after; constant texts as ENUM, which was the fastest of five forms tried (UNION ALL over a CTE, the CTE
            materialized or not, unnest of a list of structs, with and without ENUM).
zen_engine  GoRules zen-engine, compiled expressions and a decision through evaluate_batch; the faster counts. It takes
            one order at a time from Python, the rate already looked up for it; amounts only, no rows built. Its time is
            EXTRAPOLATED to all rows from a sample of the first 20,000.
"""

import time
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import zen
from harness import MEMORY_MB, THREADS, alone, arguments, in_turns, report, scratch, temporary
from rating_cases import COLUMNS, FEES, PRICES, RATED_SQL, RATES, Case, bare_sql_of

from everycent.base.engine.local import LocalEngine
from everycent.base.engine.types import ColumnType
from everycent.base.money.currency import currency
from everycent.flow.clearing.contract import ChargeSpec
from everycent.flow.intake.contract import TableSpec
from everycent.flow.parties.contract import PartySpec
from everycent.flow.rating.contract import FactorSpec
from everycent.flow.rating.stage import RatingPlan, plan_rating, rate

BATCH_ROWS = 1_000_000
SAMPLE_ROWS = 20_000
ROUNDS = 3

ORDERS_SQL = """
    SELECT CAST(md5(CAST(i AS VARCHAR)) AS UUID) AS record_id, 'order' AS kind, 'o-' || i AS key,
        TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_seconds(CAST(hash(i + 7) % 7776000 AS BIGINT)) AS occurred_at,
        DATE '2026-01-01' + CAST(hash(i + 7) % 90 AS INTEGER) AS business_date, business_date AS booked_on,
        CAST(NULL AS UUID) AS refund_of, price AS amount_minor, CAST(md5('c' || i) AS UUID) AS content_hash,
        'orders.parquet' AS source_file, i + 1 AS source_line,
        struct_pack(order_id := 'o-' || i, merchant := 'm-' || hash(i + 3) % 20000, store := 's-' || hash(i + 4) % 3,
            category := 'category-' || hash(i) % 20, price := price, coupon := coupon,
            qty := CAST(1 + hash(i + 5) % 40 AS BIGINT)) AS body
    FROM (
        SELECT i, CAST(500 + hash(i + 1) % 20000 AS BIGINT) AS price, CAST(hash(i + 2) % 500 AS BIGINT) AS coupon
        FROM range({first}, {last}) AS numbers(i)
    )
"""
RATES_SQL = """
    SELECT 'category-' || c AS category, DATE '2026-01-01' + CAST(v * 30 AS INTEGER) AS valid_from,
        CASE WHEN v < 2 THEN DATE '2026-01-01' + CAST((v + 1) * 30 AS INTEGER) END AS valid_to,
        CAST(0.01 + 0.002 * c + 0.0025 * v AS DECIMAL(18, 4)) AS rate
    FROM range(20) AS categories(c), range(3) AS periods(v)
"""
CHECK_SQL = """
    SELECT charge::VARCHAR AS charge, count(*)::BIGINT AS count, sum(amount_minor)::BIGINT AS total,
        sum(hash(record_id, amount_minor, debtor, creditor, booked_on) % 1000000007)::BIGINT AS rows
    FROM charges GROUP BY ALL ORDER BY ALL
"""

Answer = dict[str, tuple[int, ...]]


class Contest:
    """The batches of a benchmark, one after the other, and what was found in them."""

    def __init__(self, rows: int, folder: str) -> None:
        self.engine = LocalEngine(THREADS, MEMORY_MB, scratch(folder))
        self.rates = self.engine.query(RATES_SQL)
        self.rows = rows
        self.seconds = 0.0
        self.answer: Answer = {}

    def warm_up(self) -> pa.Table:
        """RECORD rows for a first, untimed run: libraries are loaded at their first use."""
        return self.engine.query(ORDERS_SQL.format(first=0, last=1000))

    def batches(self) -> Any:
        """RECORD rows, BATCH_ROWS at a time."""
        for first in range(0, self.rows, BATCH_ROWS):
            yield self.engine.query(ORDERS_SQL.format(first=first, last=min(self.rows, first + BATCH_ROWS)))

    def check(self, charges: pa.Table) -> None:
        """Adds a batch's charges to the answer."""
        for row in self.engine.query(CHECK_SQL, charges=charges).to_pylist():
            found = (row["count"], row["total"], row["rows"])
            known = self.answer.get(row["charge"], (0, 0, 0))
            self.answer[row["charge"]] = tuple(a + b for a, b in zip(known, found, strict=True))


def the_plan(case: Case) -> RatingPlan:
    """The charges as a model declares them."""
    charges = {name: ChargeSpec.model_validate({"for": "order", **words}) for name, words in case.charges.items()}
    factors = {"rate": FactorSpec(table="rates.csv", key=("category",))}
    columns = {name: ColumnType.parse(text) for name, text in COLUMNS.items()}
    parties = {"platform": PartySpec(operator="shop"), "merchant": PartySpec(key=("merchant", "store"))}
    tables = {"rates.csv": TableSpec.model_validate(RATES)}
    return plan_rating(charges, factors, "order", columns, parties, tables, currency("CNY"))


def ours(rows: int, folder: str, case: Case) -> tuple[float, Answer, Mapping[str, Any]]:
    """rate(), batch by batch."""
    contest, plan = Contest(rows, folder), the_plan(case)
    rate(plan, contest.warm_up(), {"rates.csv": contest.rates}, contest.engine)
    for records in contest.batches():
        start = time.perf_counter()
        rated = rate(plan, records, {"rates.csv": contest.rates}, contest.engine)
        contest.seconds += time.perf_counter() - start
        assert rated.held.num_rows == 0, "nothing is missing in these orders"
        assert rated.snapshots.num_rows == records.num_rows, "each order's rate is frozen"
        contest.check(rated.charges)
    return (
        contest.seconds,
        contest.answer,
        {"charges per second, ours": f"{len(case.charges) * rows / contest.seconds:,.0f}"},
    )


def bare_sql(rows: int, folder: str, case: Case) -> tuple[float, Answer, Mapping[str, Any]]:
    """One statement, batch by batch."""
    contest = Contest(rows, folder)
    contest.engine.connection.execute(f"CREATE TYPE name AS ENUM {tuple(case.charges)}")
    contest.engine.connection.execute("CREATE TYPE code AS ENUM ('CNY')")
    sql = bare_sql_of(case)
    contest.engine.query(sql, records=contest.warm_up(), rates=contest.rates)
    for records in contest.batches():
        start = time.perf_counter()
        charges = contest.engine.query(sql, records=records, rates=contest.rates)
        contest.seconds += time.perf_counter() - start
        contest.check(charges)
    return contest.seconds, contest.answer, {}


def zen_engine(rows: int, folder: str, case: Case) -> tuple[float, Answer, Mapping[str, Any]]:
    """A sample, one order at a time; seconds for all rows, sums for the sample."""
    contest = Contest(min(rows, SAMPLE_ROWS), folder)
    sample = next(contest.batches())
    orders = contest.engine.query(
        f"""
        SELECT r.body.price AS price, r.body.coupon AS coupon, r.body.qty AS qty, CAST(rate AS DOUBLE) AS rate
        {RATED_SQL}
        """,
        records=sample,
        rates=contest.rates,
    ).to_pylist()
    seconds, answer = min(_expressions(orders, case.zen), _decision(orders, case.zen), key=lambda found: found[0])
    return seconds * rows / len(orders), answer, {}


def _expressions(orders: list[dict[str, Any]], texts: Mapping[str, str]) -> tuple[float, Answer]:
    compiled = [zen.compile_expression(text) for text in texts.values()]
    start = time.perf_counter()
    found = [[expression.evaluate(order) for expression in compiled] for order in orders]
    return time.perf_counter() - start, _sums(found, texts)


def _decision(orders: list[dict[str, Any]], texts: Mapping[str, str]) -> tuple[float, Answer]:
    expressions = [{"id": key, "key": key, "value": value} for key, value in texts.items()]
    content = {
        "nodes": [
            {"id": "in", "name": "in", "type": "inputNode"},
            {"id": "charges", "name": "charges", "type": "expressionNode", "content": {"expressions": expressions}},
            {"id": "out", "name": "out", "type": "outputNode"},
        ],
        "edges": [
            {"id": "a", "sourceId": "in", "targetId": "charges", "type": "edge"},
            {"id": "b", "sourceId": "charges", "targetId": "out", "type": "edge"},
        ],
    }
    engine = zen.ZenEngine({"loader": {"type": "static", "content": {"charges": content}}})
    start = time.perf_counter()
    results = engine.evaluate_batch([{"key": "charges", "context": order} for order in orders])
    seconds = time.perf_counter() - start
    return seconds, _sums([[result["data"]["result"][name] for name in texts] for result in results], texts)


def _sums(found: list[list[float]], texts: Mapping[str, str]) -> Answer:
    totals = [round(sum(row[at] for row in found)) for at in range(len(texts))]
    return {name: (len(found), total) for name, total in zip(texts, totals, strict=True)}


def main() -> None:
    """Runs all contenders and compares what they found."""
    asked = arguments(__doc__, 1_000_000, prices="rate a charge of each kind of price, not the three fees")
    case = PRICES if asked.prices else FEES
    with temporary() as folder:
        contenders = {
            contender.__name__: (contender, (asked.rows, folder, case)) for contender in (ours, bare_sql, zen_engine)
        }
        mine, bare, zen_ = in_turns(contenders, ROUNDS).values()
        sample = alone(ours, min(asked.rows, SAMPLE_ROWS), folder, case)
    assert mine.answer == bare.answer, f"ours and bare SQL differ: {mine.answer}, {bare.answer}"
    sums = {name: found[:2] for name, found in sample.answer.items()}
    assert sums == zen_.answer, f"ours and zen-engine differ: {sums}, {zen_.answer}"
    report(
        "rating of all kinds of prices" if asked.prices else "rating",
        asked.rows,
        mine,
        {"bare_sql": bare, "zen_engine": zen_},
        ["duckdb", "pyarrow", "zen-engine"],
        asked.json,
    )


if __name__ == "__main__":
    main()
