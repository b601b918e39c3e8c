"""The payment channel's bill of a chunk, with faults put in on purpose; what was put in is written down beside it.

A bill is an Arrow table of `reference`, `order_id`, `kind` (pay, refund), `amount` and `fee` (int64 minor units, never
negative), `status` and `at` (seconds since 1970 in business time).
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.serve.demo.orders import Ints

FEE_PER_MILLE = 6
#: The faults by the bucket in which the reconciliation must find them.
FAULTS = ("missing_right", "missing_left", "duplicated_right", "amount_differs", "status_differs")


def fee_of(amount: Ints) -> Ints:
    """0.60 %, half up, minor units."""
    fee: Ints = (amount * FEE_PER_MILLE + 500) // 1000
    return fee


def honest(reference: pa.Array, order_id: pa.Array, kind: str, amount: Ints, at: Ints) -> pa.Table:
    """The bill's rows as they would be if the channel made no mistake; it keeps its fee on refunds."""
    fee = fee_of(amount) if kind == "pay" else np.zeros_like(amount)
    rows = len(amount)
    return pa.table(
        {
            "reference": reference,
            "order_id": order_id,
            "kind": pa.repeat(kind, rows),
            "amount": amount,
            "fee": fee,
            "status": pa.repeat("SUCCESS", rows),
            "at": at,
        }
    )


def with_faults(rng: np.random.Generator, bill: pa.Table, chunk: int) -> tuple[pa.Table, pa.Table]:
    """The bill as the channel sends it, by time, and the list of its faults.

    The list has `bucket`, `reference`, `order_id`, `kind` and both sides' amounts, `books` and `bill` (0: not there).
    """
    rows = bill.num_rows
    each = min(3 + rows // 20_000, rows // 8)
    picked = rng.choice(rows, 4 * each, replace=False).reshape(4, each)
    missing, doubled, changed, unfinished = picked
    strangers = _strangers(bill.take(rng.choice(rows, each, replace=False)), chunk)
    amount = bill["amount"].to_numpy().copy()
    before = amount[changed]
    step = rng.choice([-100, -1, 1, 10, 250], each)
    amount[changed] = np.where(before + step > 0, before + step, before + 1)
    closed = np.zeros(rows, dtype=bool)
    closed[unfinished] = True
    sent = bill.set_column(3, "amount", pa.array(amount))
    sent = sent.set_column(5, "status", pc.if_else(pa.array(closed), "CLOSED", bill["status"]))
    copies = np.ones(rows, dtype=np.int64)
    copies[missing], copies[doubled] = 0, 2
    sent = pa.concat_tables([sent.take(np.repeat(np.arange(rows), copies)), strangers])
    nothing = np.zeros(each, dtype=np.int64)
    in_bill = (nothing, strangers["amount"].to_numpy(), 2 * amount[doubled], amount[changed], amount[unfinished])
    sources = [bill.take(missing), strangers, *(bill.take(at) for at in (doubled, changed, unfinished))]
    faults = pa.concat_tables([source.select(["reference", "order_id", "kind"]) for source in sources])
    books = [source["amount"].to_numpy() for source in sources]
    books[FAULTS.index("missing_left")] = nothing
    faults = faults.add_column(0, "bucket", pa.array(np.repeat(FAULTS, each)))
    faults = faults.append_column("books", pa.array(np.concatenate(books)))
    faults = faults.append_column("bill", pa.array(np.concatenate(in_bill)))
    assert sent.num_rows == rows + each and faults.num_rows == len(FAULTS) * each
    return sent.take(_by_time(sent)), faults


def _by_time(bill: pa.Table) -> npt.NDArray[np.int64]:
    order: npt.NDArray[np.int64] = np.argsort(bill["at"].to_numpy(), kind="stable")
    return order


def _strangers(twins: pa.Table, chunk: int) -> pa.Table:
    """Payments that the books have never heard of, in the likeness of some that they have."""
    numbers = [f"{chunk:05}{n:05}" for n in range(twins.num_rows)]
    return honest(
        pa.array([f"PX{number}-1" for number in numbers], pa.string()),
        pa.array([f"HX{number}" for number in numbers], pa.string()),
        "pay",
        twins["amount"].to_numpy() + 7,
        twins["at"].to_numpy(),
    )
