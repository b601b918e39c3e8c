"""Generates the demo marketplace's files: any number of orders, in chunks, with bounded memory, the same for one seed.

Written into one workspace: the settlement model and its tables; data/ with item_delivered, item_refunded,
payment_received, payment_refunded (the books); bills/ with channel_bill (the channel's); and what a checker needs to
know about them: faults.csv lists every fault in the bill, data/item_delivered_manual.csv holds the rows that intake
must set aside. CSV, or Parquet from a million orders on. Distributions: see everycent.serve.demo.orders.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.money.currency import Currency
from everycent.base.money.currency import currency as currency_of
from everycent.serve.demo import bill as bills
from everycent.serve.demo import orders as draw
from everycent.serve.demo.files import FileFormat, FileWriter, moment, money, numbered, picked
from everycent.serve.demo.mistakes import EXPECTED_OUTCOMES, write_manual_upload
from everycent.serve.demo.workspace import write_payout_accounts, write_workspace

#: The day on which the demo settles: all facts are in, the last week is still open.
AS_OF = date(2026, 5, 25)
PARQUET_FROM_ORDERS = 1_000_000
_FOLDERS = {
    "item_delivered": "data",
    "item_refunded": "data",
    "payment_received": "data",
    "payment_refunded": "data",
    "channel_bill": "bills",
}
ORDERS_MIN, ORDERS_MAX = 10, 100_000_000

_BRANDS = tuple(f"{name}-brand-{n + 1}" for name in draw.CATEGORIES for n in range(draw.BRANDS_PER_CATEGORY))
_DISTRIBUTORS = tuple(f"distributor-{n + 1:02}" for n in range(draw.DISTRIBUTORS))


@dataclass(frozen=True)
class DemoFiles:
    """What was written. `outcomes` counts the rows that intake must set aside, by outcome."""

    folder: Path
    model: Path
    records: tuple[Path, ...]
    bills: tuple[Path, ...]
    faults: Path
    as_of: date
    orders: int
    seed: int
    currency: str
    outcomes: dict[str, int]


def generate(
    out_dir: Path,
    orders: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    currency: str = "CNY",
    file_format: FileFormat | None = None,
) -> DemoFiles:
    """Writes a marketplace of `orders` orders into `out_dir`, with its model; progress(orders done, all orders).

    Prices keep their minor units in every currency (79.00 CNY, 7900 JPY, 7.900 KWD).
    Raises ValueError where the number of orders is out of range.
    """
    if not ORDERS_MIN <= orders <= ORDERS_MAX:
        raise ValueError(f"{orders} orders: the demo has between {ORDERS_MIN} and {ORDERS_MAX:,} orders")
    money_of = currency_of(currency)
    chosen: FileFormat = file_format or ("parquet" if orders >= PARQUET_FROM_ORDERS else "csv")
    model = write_workspace(out_dir, money_of)
    sellers = draw.sellers_of(orders)
    write_payout_accounts(out_dir, _seller_names(sellers))
    paths = {name: out_dir / folder / f"{name}.{chosen}" for name, folder in _FOLDERS.items()}
    for folder in set(_FOLDERS.values()):
        (out_dir / folder).mkdir(exist_ok=True)
    faults = out_dir / "faults.csv"
    with ExitStack() as stack:
        writers: dict[str, FileWriter] = {}
        for chunk in range(-(-orders // draw.CHUNK_ORDERS)):
            tables = _chunk(chunk, orders, seed, sellers, money_of)
            if chunk == 0:
                manual = write_manual_upload(
                    out_dir / "data" / "item_delivered_manual.csv", tables["item_delivered"], money_of
                )
                for name, table in tables.items():
                    path = paths.get(name, faults)
                    writer = FileWriter(path, table.schema, "csv" if path == faults else chosen)
                    writers[name] = stack.enter_context(writer)
            for name, table in tables.items():
                writers[name].write(table)
            progress(min((chunk + 1) * draw.CHUNK_ORDERS, orders), orders)
    outcomes = dict(EXPECTED_OUTCOMES)
    books = [path for path in paths.values() if path != paths["channel_bill"]]
    records = (books[0], manual, *books[1:])
    return DemoFiles(out_dir, model, records, (paths["channel_bill"],), faults, AS_OF, orders, seed, currency, outcomes)


def _chunk(chunk: int, orders: int, seed: int, sellers: int, currency: Currency) -> dict[str, pa.Table]:
    """One chunk's rows of every file, drawn from a random stream of its own."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, chunk))))
    before = chunk * draw.CHUNK_ORDERS
    items = draw.draw_items(rng, before + 1, min(draw.CHUNK_ORDERS, orders - before), sellers)
    payments = draw.draw_payments(rng, items)
    refunds = draw.draw_refunds(rng, items)
    parts = draw.assign_refunds(items, payments, refunds)
    e = currency.exponent
    item_table = _item_table(items, sellers, e)
    refund_table = _refund_table(items, refunds, e)
    payment_table = _payment_table(payments, e)
    part_table = _payment_refund_table(refund_table["refund_id"], payment_table["payment_id"], refunds, parts, e)
    honest = pa.concat_tables(
        [
            bills.honest(
                payment_table["payment_id"], payment_table["order_id"], "pay", payments.amount, payments.paid_at
            ),
            bills.honest(
                part_table["payment_refund_id"],
                refund_table["order_id"].take(parts.refund),
                "refund",
                parts.amount,
                refunds.refunded_at[parts.refund],
            ),
        ]
    )
    sent, faults = bills.with_faults(rng, honest, chunk)
    return {
        "item_delivered": item_table,
        "item_refunded": refund_table,
        "payment_received": payment_table,
        "payment_refunded": part_table,
        "channel_bill": _bill_table(sent, before, e),
        "faults": _fault_table(faults, e),
    }


def _item_table(items: draw.Items, sellers: int, exponent: int) -> pa.Table:
    return pa.table(
        {
            "order_id": numbered("HM", items.order),
            "line_no": items.line_no,
            "seller_id": picked(_seller_names(sellers), items.seller),
            "category": picked(draw.CATEGORIES, items.category),
            "brand": picked(_BRANDS, items.brand),
            "distributor": picked(_DISTRIBUTORS, items.distributor),
            "price": money(items.price, exponent),
            "coupon": money(items.coupon, exponent),
            "freight": money(items.freight, exponent),
            "paid_at": moment(items.paid_at),
            "delivered_at": moment(items.delivered_at),
        }
    )


def _refund_table(items: draw.Items, refunds: draw.Refunds, exponent: int) -> pa.Table:
    order, line_no = items.order[refunds.item], items.line_no[refunds.item]
    return pa.table(
        {
            "refund_id": numbered("R", order, line_no, refunds.nth),
            "order_id": numbered("HM", order),
            "line_no": line_no,
            "refunded": money(refunds.refunded, exponent),
            "refunded_at": moment(refunds.refunded_at),
        }
    )


def _payment_table(payments: draw.Payments, exponent: int) -> pa.Table:
    return pa.table(
        {
            "payment_id": numbered("P", payments.order, payments.nth),
            "order_id": numbered("HM", payments.order),
            "channel": picked(draw.CHANNELS, payments.channel),
            "amount": money(payments.amount, exponent),
            "status": pa.repeat("success", len(payments.amount)),
            "paid_at": moment(payments.paid_at),
        }
    )


def _payment_refund_table(
    refund_id: pa.ChunkedArray,
    payment_id: pa.ChunkedArray,
    refunds: draw.Refunds,
    parts: draw.PaymentRefunds,
    exponent: int,
) -> pa.Table:
    of = refund_id.take(parts.refund)
    return pa.table(
        {
            "payment_refund_id": pc.binary_join_element_wise(of, pa.array(parts.nth).cast(pa.string()), "-"),
            "refund_id": of,
            "payment_id": payment_id.take(parts.payment),
            "amount": money(parts.amount, exponent),
            "status": pa.repeat("success", len(parts.amount)),
            "refunded_at": moment(refunds.refunded_at[parts.refund]),
        }
    )


def _bill_table(bill: pa.Table, before: int, exponent: int) -> pa.Table:
    # A bill number of its own for every row sent; 4 numbers per order are more than enough.
    return pa.table(
        {
            "bill_no": numbered("B", 4 * before + np.arange(bill.num_rows) + 1),
            "reference": bill["reference"],
            "order_id": bill["order_id"],
            "kind": bill["kind"],
            "amount": money(bill["amount"].to_numpy(), exponent),
            "fee": money(bill["fee"].to_numpy(), exponent),
            "status": bill["status"],
            "at": moment(bill["at"].to_numpy()),
        }
    )


def _fault_table(faults: pa.Table, exponent: int) -> pa.Table:
    for at, side in ((4, "books"), (5, "bill")):
        faults = faults.set_column(at, side, money(faults[side].to_numpy(), exponent))
    return faults


def _seller_names(sellers: int) -> list[str]:
    return [f"seller-{n + 1:06}" for n in range(sellers)]
