"""Ordered apportionment with caps, on two levels: a coupon is carried 60 to 40 by the platform and by suppliers, whose
share is split 70 to 30 between brand and distributor; the platform, the suppliers and the distributor have caps in each
of 2,000 pots (a merchant's month), which half of the pots reach; what is above goes to those with room, then to the
platform. --rows counts charges; each makes three obligations.

Charges are made by seeded SQL, the same for all, and taken in windows of 100,000, which is what `order.window` is where
a model does not say; totals are carried over. (Windows also keep memory warm: on a virtual machine, memory that is
touched for the first time takes longer than the work.) Not timed: making them, ten ahead for each contender, so that
their making does not stand between two windows; start-up, first windows that are done again, and the check that all
gave the same shares and totals. All run in turns, five times up to 10 million rows; the
fastest of each counts. Processor seconds are told beside: where others share the machine, only they can be compared.

ours            the compiled kernel, arrays in and out: shares, totals before and after of each obligation; two threads.
python_loop     the same as a plain Python loop over lists of integers, one charge after the other. Its time is
                EXTRAPOLATED to all rows from a sample of the first 200,000.
memory_read     reading the kernel's input once (a sum over each array).
table_to_table  clear_in_order() around the kernel: from the window's records and charges in Arrow to rows of charges,
                obligations and accumulators in Arrow; two threads for the kernel.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from harness import MEMORY_MB, THREADS, arguments, in_turns, report, scratch, temporary

from everycent.base.engine.kernels.carrying import NO_SLOTS, Carried, Events, Nodes, carry
from everycent.base.engine.local import LocalEngine
from everycent.base.engine.tables import UUID
from everycent.base.money.currency import currency
from everycent.flow.clearing.contract import (
    ACCUMULATOR,
    ORDERED_CHARGE,
    ORDERED_OBLIGATION,
    ORIGINAL,
    REFUNDED,
    SEQUENCE,
    BudgetSpec,
    ChargeSpec,
    RefundState,
)
from everycent.flow.clearing.core.terms import terms_of
from everycent.flow.clearing.stage import ClearingPlan, clear_in_order, plan_clearing
from everycent.flow.parties.contract import PartySpec
from everycent.flow.rating.contract import HELD

BATCH_ROWS = 100_000
WARM_BATCHES = 3
BATCHES_AHEAD = 10
SAMPLE_ROWS = 200_000
ROUNDS, ROUNDS_ROWS_MAX = 5, 10_000_000
POTS = 2_000

ORDERS_SQL = """
    SELECT CAST(md5(CAST(i AS VARCHAR)) AS UUID) AS record_id, 'order' AS kind, 'o-' || i AS key,
        TIMESTAMPTZ '2026-03-01 00:00:00+00' + to_seconds(CAST(i // 1000 AS BIGINT)) AS occurred_at,
        DATE '2026-03-01' AS business_date, business_date AS booked_on, CAST(NULL AS UUID) AS refund_of,
        amount AS amount_minor, CAST(md5('c' || i) AS UUID) AS content_hash, 'orders.parquet' AS source_file,
        i + 1 AS source_line, struct_pack(merchant := 'm-' || pot, brand := 'b-' || hash(i + 3) % 300,
            distributor := 'd-' || hash(i + 4) % 100, coupon := amount) AS body, pot, i + 1 AS sequence_no
    FROM (
        SELECT i, CAST(100 + hash(i + 1) % 5000 AS BIGINT) AS amount, CAST(hash(i + 2) % {pots} AS BIGINT) AS pot
        FROM range({first}, {last}) AS numbers(i)
    ) ORDER BY i
"""


def caps(rows: int) -> dict[str, int]:
    """About what a pot's bearers carry in all, so that half of the pots reach their caps near the end."""
    carried = rows * 2_600 // POTS
    return {
        "platform": carried * 60 // 100,
        "suppliers": carried * 40 // 100,
        "suppliers/distributor": carried * 12 // 100,
    }


def the_plan(rows: int) -> ClearingPlan:
    """The charge as a model declares it."""
    text = {name: f"{cap // 100}.{cap % 100:02}" for name, cap in caps(rows).items()}
    among = {"brand": {"weight": "70"}, "distributor": {"weight": "30", "cap": text["suppliers/distributor"]}}
    bearers = {
        "platform": {"weight": "60", "cap": text["platform"]},
        "suppliers": {"weight": "40", "cap": text["suppliers"], "among": among},
    }
    apportion = {"budget": "spring", "bearers": bearers, "when_all_capped": "platform"}
    coupon = ChargeSpec.model_validate(
        {"for": "order", "amount": "coupon", "creditor": "merchant", "apportion": apportion}
    )
    roles = {"platform": PartySpec(operator="shop")} | {
        role: PartySpec(key=(role,)) for role in ("merchant", "brand", "distributor")
    }
    budgets = {"spring": BudgetSpec.model_validate({"per": "merchant", "period": "month"})}
    return plan_clearing({"coupon": coupon}, roles, currency("CNY"), "shop", budgets)


class Clock:
    """Adds up what passes inside of `with`: seconds on the wall, and of all processors."""

    def __init__(self) -> None:
        self.seconds = self.cpu_s = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._started[0]
        self.cpu_s += time.process_time() - self._started[1]

    def notes(self, what: str, obligations: int) -> dict[str, str]:
        """What is told of it beside the table."""
        found = {"second": self.seconds, "processor second": self.cpu_s}
        return {f"obligations per {of}, {what}": f"{obligations / taken:,.0f}" for of, taken in found.items()}


class Contest:
    """The batches of a benchmark, and what was found in them."""

    def __init__(self, rows: int, folder: str) -> None:
        self.engine = LocalEngine(THREADS, MEMORY_MB, scratch(folder))
        self.rows = rows

    def batches(self) -> Iterator[pa.Table]:
        """RECORD rows with their pot and number, BATCH_ROWS at a time."""
        for first in range(0, self.rows, BATCH_ROWS):
            last = min(self.rows, first + BATCH_ROWS)
            yield self.engine.query(ORDERS_SQL.format(first=first, last=last, pots=POTS))


Made = TypeVar("Made")


def made_ahead(inputs: Iterable[Made]) -> Iterator[Made]:
    """The same, BATCHES_AHEAD at a time: what comes between two of them is the work alone."""
    waiting = iter(inputs)
    while some := list(islice(waiting, BATCHES_AHEAD)):
        yield from some


#: A pot's nodes: the root, the suppliers, then the leaves.
NODES = {"suppliers": 1, "platform": 2, "suppliers/brand": 3, "suppliers/distributor": 4}
WIDTH, LEAVES = 5, 3


def arrays(batch: pa.Table) -> Events:
    """A batch as the kernel takes it."""
    count = batch.num_rows
    roots = batch.column("pot").to_numpy() * WIDTH
    none = np.full(count, -1, dtype=np.int64)
    amounts = batch.column("amount_minor").to_numpy()
    return Events(
        amounts,
        np.zeros(count, dtype=np.int64),
        roots,
        none,
        np.zeros(count, dtype=np.bool_),
        np.arange(count + 1) * LEAVES,
    )


def nodes_of() -> Nodes:
    """The totals of all pots at zero."""
    parents = np.array([-1, 0, 0, 1, 1])
    above = np.where(parents < 0, -1, np.arange(POTS)[:, None] * WIDTH + parents)
    return Nodes(np.zeros(POTS * WIDTH, dtype=np.int64), above.ravel())


def answer_of(shares: Any, totals: Any) -> list[int]:
    """A fingerprint of shares in their order, and of totals in theirs."""
    weights = np.arange(len(shares), dtype=np.int64) % 1_000_003
    return [int((shares * weights).sum()), int((totals * np.arange(len(totals))).sum())]


def ours(rows: int, folder: str, sample: int) -> tuple[float, Any, Mapping[str, Any]]:
    """The kernel alone, for the first `sample` of `rows`."""
    contest, nodes, clock = Contest(sample, folder), nodes_of(), Clock()
    charge = the_plan(rows).charges[0].apportionment
    assert charge is not None
    terms = terms_of([charge], [NODES], [caps(rows)])
    for batch in islice(contest.batches(), WARM_BATCHES):
        carry(terms, nodes_of(), arrays(batch), NO_SLOTS, THREADS)
    answers = [0, 0]
    for events in made_ahead(map(arrays, contest.batches())):
        with clock:
            found: Carried = carry(terms, nodes, events, NO_SLOTS, THREADS)
        assert not found.states.any(), "the platform takes what nobody has room for"
        answers[0] += answer_of(found.shares, np.zeros(0, dtype=np.int64))[0]
    leaves = nodes.totals.reshape(POTS, WIDTH)[:, 2:].ravel()
    answers[1] = answer_of(np.zeros(0, dtype=np.int64), leaves)[1]
    return clock.seconds, answers, clock.notes("kernel", LEAVES * sample)


def memory_read(rows: int, folder: str) -> tuple[float, Any, Mapping[str, Any]]:
    """Reads what the kernel reads."""
    clock = Clock()
    for events in made_ahead(map(arrays, Contest(rows, folder).batches())):
        with clock:
            for column in events:
                column.sum()
    return clock.seconds, None, {}


def table_to_table(rows: int, folder: str) -> tuple[float, Any, Mapping[str, Any]]:
    """From records and charges to obligations and accumulators, batch by batch."""
    contest, plan = Contest(rows, folder), the_plan(rows)
    nothing = RefundState(
        ORIGINAL.empty_table(), ORDERED_CHARGE.empty(), ORDERED_OBLIGATION.empty(), REFUNDED.empty_table(), HELD.empty()
    )
    clock, answers = Clock(), [0, 0]
    accumulators = ACCUMULATOR.empty()
    for warm_up, (sequence, records, charges) in _warm_first(contest):
        with Clock() if warm_up else clock:
            found = clear_in_order(plan, sequence, records, charges, nothing, accumulators, contest.engine, THREADS)
        if warm_up:
            continue
        answers[0] += answer_of(found.obligations["amount_minor"].to_numpy(), np.zeros(0, dtype=np.int64))[0]
        accumulators = contest.engine.query(_TOTAL, touched=found.accumulators, totals=accumulators)
        accumulators = accumulators.cast(ACCUMULATOR.columns)
    leaves = list(NODES)[1:]
    totals = np.zeros(POTS * LEAVES, dtype=np.int64)
    for row in accumulators.to_pylist():
        totals[int(row["pot"][2:]) * LEAVES + leaves.index(row["bearer"])] = row["total_minor"]
    answers[1] = answer_of(np.zeros(0, dtype=np.int64), totals)[1]
    return clock.seconds, answers, clock.notes("table to table", LEAVES * rows)


#: Totals brought up to after a window.
_TOTAL = """
    SELECT * FROM touched UNION ALL
    SELECT * FROM totals ANTI JOIN touched USING (budget, pot, period, bearer) ORDER BY ALL
"""


Window = tuple[pa.Table, dict[str, pa.Table], pa.Table]


def _warm_first(contest: Contest) -> Iterator[tuple[bool, Window]]:
    """The windows, and before them some of them that do not count."""
    yield from ((True, _window(batch)) for batch in islice(contest.batches(), WARM_BATCHES))
    yield from ((False, window) for window in made_ahead(map(_window, contest.batches())))


def _window(batch: pa.Table) -> Window:
    """SEQUENCE, RECORD and CHARGE rows of a batch."""
    return batch.select(SEQUENCE.names), {"order": batch.drop_columns(["pot", "sequence_no"])}, _charges(batch)


def _charges(batch: pa.Table) -> pa.Table:
    """CHARGE rows, texts coded as rating codes them."""
    count = batch.num_rows

    def coded(text: str) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int32)), pa.array([text]))

    merchant = batch.column("body").combine_chunks().field("merchant").dictionary_encode()
    return pa.table(
        {
            "record_id": batch.column("record_id"),
            "charge": coded("coupon"),
            "rule": coded("coupon"),
            "amount_minor": batch.column("amount_minor"),
            "currency": coded("CNY"),
            "debtor": pa.nulls(count, pa.string()),
            "creditor": merchant,
            "booked_on": batch.column("booked_on"),
            "refund_of": UUID.wrap_array(pa.nulls(count, UUID.storage_type)),
        }
    )


def python_loop(rows: int, folder: str, sample: int) -> tuple[float, Any, Mapping[str, Any]]:
    """A sample of charges, one at a time; seconds for all rows."""
    bounds = caps(rows)
    clock, answers = Clock(), [0, 0]
    pots = [[0, 0, 0] for _ in range(POTS)]
    for amounts, places in made_ahead(map(_lists, Contest(sample, folder).batches())):
        with clock:
            rows_out = loop(amounts, places, pots, bounds)
        answers[0] += answer_of(np.array([row[0] for row in rows_out]), np.zeros(0, dtype=np.int64))[0]
    answers[1] = answer_of(np.zeros(0, dtype=np.int64), np.array(pots).ravel())[1]
    notes = clock.notes("plain loop", LEAVES * sample)
    return clock.seconds * rows / sample, answers, notes


def _lists(batch: pa.Table) -> tuple[list[int], list[int]]:
    """A batch as the plain loop takes it: amounts and pots."""
    return batch.column("amount_minor").to_pylist(), batch.column("pot").to_pylist()


def loop(
    amounts: list[int], places: list[int], pots: list[list[int]], bounds: dict[str, int]
) -> list[tuple[int, int, int]]:
    """(share, total before, total after) of each obligation; changes the totals of the pots."""
    platform_cap, suppliers_cap, distributor_cap = (
        bounds["platform"],
        bounds["suppliers"],
        bounds["suppliers/distributor"],
    )
    out = []
    for amount, place in zip(amounts, places, strict=True):
        totals = pots[place]
        platform_room = max(0, platform_cap - totals[0])
        suppliers_room = max(0, suppliers_cap - totals[1] - totals[2])
        distributor_room = max(0, distributor_cap - totals[2])
        (platform, suppliers), rest = fill(amount, (60, 40), (platform_room, suppliers_room))
        (brand, distributor), _ = fill(suppliers, (70, 30), (amount, distributor_room))
        for leaf, share in enumerate((platform + rest, brand, distributor)):
            before = totals[leaf]
            totals[leaf] = before + share
            out.append((share, before, before + share))
    return out


def fill(amount: int, weights: tuple[int, int], rooms: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """By weight up to the rooms, what does not fit to the other; and what fits nowhere."""
    (one, other), (one_room, other_room) = weights, rooms
    if one_room == 0:
        one = 0
    if other_room == 0:
        other = 0
    total = one + other
    if total == 0:
        return (0, 0), amount
    first, lost = divmod(amount * one, total)
    second, lost_second = divmod(amount * other, total)
    if first + second < amount:
        if lost >= lost_second:
            first += 1
        else:
            second += 1
    if first > one_room:
        second += first - one_room
        first = one_room
    elif second > other_room:
        first += second - other_room
        second = other_room
    over_first, over_second = max(0, first - one_room), max(0, second - other_room)
    return (first - over_first, second - over_second), over_first + over_second


def main() -> None:
    """Runs all contenders and compares what they found."""
    asked = arguments(__doc__, 10_000_000)
    rows, sample = asked.rows, min(asked.rows, SAMPLE_ROWS)
    with temporary() as folder:
        full, some = (rows, folder), (rows, folder, sample)
        contenders = {
            "ours": (ours, (*full, rows)),
            "memory_read": (memory_read, full),
            "table_to_table": (table_to_table, full),
            "ours_sample": (ours, some),
            "python_loop": (python_loop, some),
        }
        rounds = ROUNDS if rows <= ROUNDS_ROWS_MAX else 1
        mine, read, table, few, plain = in_turns(contenders, rounds).values()
    assert mine.answer == table.answer, f"kernel and tables differ: {mine.answer}, {table.answer}"
    assert few.answer == plain.answer, f"kernel and plain Python differ: {few.answer}, {plain.answer}"
    references = {"python_loop": plain, "memory_read": read, "table_to_table": table}
    mine = replace(mine, notes={**mine.notes, **table.notes, **plain.notes})
    report("clearing", rows, mine, references, ["numba", "numpy", "pyarrow", "duckdb"], asked.json)


if __name__ == "__main__":
    main()
