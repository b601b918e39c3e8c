"""What refunds take back of numbers that their originals added to something: the part refunded so far, cumulatively."""

from collections.abc import Sequence
from datetime import date

import numpy as np
import pyarrow as pa

from everycent.base.engine.local import LocalEngine
from everycent.base.money.currency import Currency
from everycent.base.money.rounding import Rounding
from everycent.flow.clearing.contract import OBLIGATION, REFUNDED, OnRefund, RefundState
from everycent.flow.clearing.core.plan import Clearable, ClearingPlan
from everycent.flow.clearing.core.refunding import give_back
from everycent.flow.rating.contract import CHARGE, HELD


def take_back(
    names: Sequence[str],
    currency: Currency,
    refunds: pa.Table,
    originals: pa.Table,
    added: pa.Table,
    taken: pa.Table,
    engine: LocalEngine,
) -> pa.Table:
    """record_id, refund_of, name, amount of each refund that is given, in their order: negative to what was added.

    `refunds`: RECORD rows in order. `originals`: ORIGINAL rows. `added`: record_id, name, amount of the originals.
    `taken`: refund_of, name, amount (in the original's sign) of what earlier refunds took back. What a refund takes is
    rounded half up so that all of them together take what was added.
    """
    plan = ClearingPlan(
        tuple(Clearable(name, ((date.min, ""),), OnRefund.PRORATE, Rounding.HALF_UP, None) for name in names),
        {},
        currency,
    )
    count = added.num_rows
    day = pa.array(np.zeros(count, dtype=np.int32)).cast(pa.date32())
    text, nothing = pa.array([""] * count, pa.string()), pa.nulls(count, pa.string())
    no_ids = pa.nulls(count, CHARGE.columns.field("refund_of").type)
    ids, name, amount = (added.column(each) for each in ("record_id", "name", "amount"))
    charges = pa.table([ids, name, name, amount, text, text, text, day, no_ids], schema=CHARGE.columns)
    bearer = pa.array(np.zeros(count, dtype=np.int16))
    obligations = pa.table(
        [ids, name, bearer, text, text, amount, text, text, day, no_ids, nothing, nothing], schema=OBLIGATION.columns
    )
    zero = pa.array(np.zeros(taken.num_rows, dtype=np.int16))
    refunded = pa.table(
        [taken.column("refund_of"), taken.column("name"), zero, taken.column("amount")], schema=REFUNDED
    )
    state = RefundState(originals, charges, obligations, refunded, HELD.empty())
    found = give_back(plan, refunds, state, engine).charges
    return found.select(["record_id", "refund_of", "charge", "amount_minor"]).rename_columns(
        ["record_id", "refund_of", "name", "amount"]
    )
