"""Faults injected at random into real and generated files: exactly those, and what differed before, are found."""

import csv
import random
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest
from pyarrow import parquet
from real_bills import needs, real

from everycent.base.engine.local import LocalEngine
from everycent.proof.recon.core.differing import ROWS_LEAST
from everycent.serve.comparing import Asked, Compared, compare_files


class Payment(NamedTuple):
    payment_id: str
    amount: Decimal
    kind: str
    paid_on: date


Found = set[tuple[str, str, str | None]]
CENT, DAY = Decimal("0.01"), timedelta(days=1)
FAULTS = ("drop", "double", "shift a day", "merge two", "split one", "change a cent", "swap two amounts")


def injected(
    payments: list[Payment], seed: int, faults: int, spared: frozenset[str] = frozenset()
) -> tuple[list[Payment], Found]:
    """The payments with so many faults, in another order, and what is to be found: (key, bucket, what differs). No
    payment has two faults; `spared` ones have none."""
    dice = random.Random(seed)
    rows = {payment.payment_id: [payment] for payment in payments}
    places = [p for p in payments if p.payment_id not in spared and p.amount > 1]
    chosen = iter(dice.sample(places, 2 * faults))
    found: Found = set()
    for number in range(faults):
        one, other = next(chosen), next(chosen)
        key = one.payment_id
        changed, more = fault(FAULTS[number % len(FAULTS)], one, other, dice)
        rows |= changed
        found |= {(name, bucket, differs) for name, bucket, differs in more}
        assert key in {name for name, _, _ in more}
    mixed = [payment for told in rows.values() for payment in told]
    dice.shuffle(mixed)
    return mixed, found


def fault(
    kind: str, one: Payment, other: Payment, dice: random.Random
) -> tuple[dict[str, list[Payment]], list[tuple[str, str, str | None]]]:
    """What becomes of the rows of these payments, and what is to be found."""
    key, second = one.payment_id, other.payment_id
    amount = (key, "amount_differs", "")
    match kind:
        case "drop":
            return {key: []}, [(key, "missing_right", None)]
        case "double":
            return {key: [one, one]}, [(key, "duplicated_right", None)]
        case "shift a day":
            shifted = one._replace(paid_on=one.paid_on + dice.choice([-DAY, DAY]))
            return {key: [shifted]}, [(key, "status_differs", "paid_on")]
        case "merge two":
            merged = one._replace(amount=one.amount + other.amount)
            return {key: [merged], second: []}, [amount, (second, "missing_right", None)]
        case "split one":
            part = dice.randrange(1, int(one.amount / CENT)) * CENT
            parts = [one._replace(amount=one.amount - part), one._replace(payment_id=f"{key}-2", amount=part)]
            return {key: parts}, [amount, (f"{key}-2", "missing_left", None)]
        case "change a cent":
            return {key: [one._replace(amount=one.amount + dice.choice([-CENT, CENT]))]}, [amount]
    if one.amount == other.amount:  # swapped, nothing differs: another amount it is
        return {key: [one._replace(amount=one.amount + 1)]}, [amount]
    swapped = {key: [one._replace(amount=other.amount)], second: [other._replace(amount=one.amount)]}
    return swapped, [amount, (second, "amount_differs", "")]


def found_in(compared: Compared) -> Found:
    breaks = compared.breaks.to_pylist()
    told = {(row["key"], row["bucket"], row["differs"]) for row in breaks}
    assert len(told) == len(breaks), "each break is told once"
    assert compared.reconciled.residual_minor == 0
    return told


def written(path: Path, payments: list[Payment]) -> Path:
    if path.suffix == ".parquet":
        columns = zip(*payments, strict=True)
        parquet.write_table(pa.table(dict(zip(Payment._fields, map(list, columns), strict=True))), path)
        return path
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([Payment._fields, *payments])
    return path


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalEngine]:
    with LocalEngine(threads=2, memory_mb=1024, temp_dir=tmp_path / "spill") as local:
        yield local


def agreeing(engine: LocalEngine, left: Path, right: Path) -> Compared:
    return compare_files(left, right, Asked(key=["payment_id"]), engine)


@needs("olist")
@pytest.mark.parametrize("seed", range(3))
def test_in_the_real_payments_of_a_marketplace(seed: int, tmp_path: Path, engine: LocalEngine) -> None:
    with (real("olist") / "olist_orders_dataset.csv").open() as file:
        bought = {row["order_id"]: row["order_purchase_timestamp"][:10] for row in csv.DictReader(file)}
    with (real("olist") / "olist_order_payments_dataset.csv").open() as file:
        ours = [
            Payment(
                f"{row['order_id']}.{row['payment_sequential']}",
                Decimal(row["payment_value"]),
                row["payment_type"],
                date.fromisoformat(bought[row["order_id"]]),
            )
            for row in csv.DictReader(file)
            if row["order_id"] in bought
        ]
    before, baseline = injected(ours, seed, 30)
    left = written(tmp_path / "ours.csv", ours)
    assert found_in(agreeing(engine, left, written(tmp_path / "before.csv", before))) == baseline
    # A second round, into the file that differs already, spares what is not as it was
    as_they_were = set(ours)
    changed = [p for p in before if p not in as_they_were]
    spared = frozenset(name for name, _, _ in baseline) | {p.payment_id for p in changed}
    after, more = injected([p for p in before if p in as_they_were], seed + 100, 70, spared)
    after += changed
    doubled = [name for name, bucket, _ in baseline if bucket == "duplicated_right"]
    after += [p for p in ours if p.payment_id in doubled]  # its second row: rows are told apart by key above
    assert found_in(agreeing(engine, left, written(tmp_path / "after.csv", after))) == baseline | more


def invoices() -> list[Payment]:
    with next(real("ibm-ar").glob("*.csv")).open() as file:
        return [
            Payment(
                row["invoiceNumber"],
                Decimal(row["InvoiceAmount"]),
                row["PaperlessBill"],
                datetime.strptime(row["InvoiceDate"], "%m/%d/%Y").date(),  # noqa: DTZ007 (a day)
            )
            for row in csv.DictReader(file)
        ]


def items() -> list[Payment]:
    with (real("olist") / "olist_order_items_dataset.csv").open() as file:
        return [
            Payment(
                f"{row['order_id']}.{row['order_item_id']}",
                Decimal(row["price"]) + Decimal(row["freight_value"]),
                row["seller_id"],
                date.fromisoformat(row["shipping_limit_date"][:10]),
            )
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize(
    "read", [pytest.param(invoices, marks=needs("ibm-ar")), pytest.param(items, marks=needs("olist"))]
)
def test_in_real_invoices_and_in_real_orders_items(
    read: Callable[[], list[Payment]], tmp_path: Path, engine: LocalEngine
) -> None:
    ours = read()
    assert len({payment.payment_id for payment in ours}) == len(ours) > 2_000
    theirs, known = injected(ours, seed=7, faults=140)
    left, right = written(tmp_path / "ours.csv", ours), written(tmp_path / "theirs.csv", theirs)
    assert found_in(agreeing(engine, left, right)) == known
    assert found_in(agreeing(engine, left, written(tmp_path / "again.csv", ours[::-1]))) == set()


@pytest.fixture(scope="module")
def generated() -> list[Payment]:
    """As many as are compared in two passes."""
    dice = random.Random(1)
    amounts, days = [n * CENT for n in range(1, 50_000)], [date(2026, 3, 1) + n * DAY for n in range(30)]
    kinds = ("card", "boleto", "voucher")
    return [
        Payment(f"P{n:07d}", dice.choice(amounts), dice.choice(kinds), dice.choice(days)) for n in range(ROWS_LEAST + 1)
    ]


@pytest.mark.parametrize("faults", [70, 14_000])
def test_in_large_generated_files(faults: int, generated: list[Payment], tmp_path: Path, engine: LocalEngine) -> None:
    """Few faults are found by sketches, many by hashes in memory."""
    ours = generated
    bill, known = injected(ours, faults, faults)
    left, right = written(tmp_path / "ours.parquet", ours), written(tmp_path / "bill.parquet", bill)
    assert found_in(agreeing(engine, left, right)) == known
