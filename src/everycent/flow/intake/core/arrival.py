"""Who came first: duplicates, conflicts and refunds, decided row by row in the order of arrival.

A row that is refused leaves nothing behind: neither its id nor its amount counts for the rows after it. So any way of
cutting the same rows into batches gives the same outcome for each.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.compiling import kernel

ACCEPTED: Final = 0
DUPLICATE: Final = 1
CONFLICT: Final = 2
NOT_A_REFUND_AMOUNT: Final = 3
ORIGINAL_UNKNOWN: Final = 4
ORIGINAL_WITHOUT_AMOUNT: Final = 5
ABOVE_ORIGINAL: Final = 6
OTHER_CURRENCY: Final = 7

#: No such row, code or amount.
NONE: Final = -1

Codes = npt.NDArray[np.int64]


@kernel
def decide_arrivals(
    record: Codes,
    content: Codes,
    known_content: Codes,
    is_refund: bool,
    original: Codes,
    same_currency: npt.NDArray[np.bool_],
    amount_minor: Codes,
    has_worth: npt.NDArray[np.bool_],
    worth_minor: Codes,
    refunded_minor: Codes,
    outcome: npt.NDArray[np.uint8],
    first: Codes,
    refunded_before: Codes,
) -> None:
    """Decides int64[n] rows in arrival order.

    `record` and `content` are dense codes of ids and content hashes; `known_content` the stored content of each record
    code, or NONE. `original` is each row's place among the originals, or NONE; `same_currency`: whether it is in the
    currency of that; `has_worth`, `worth_minor` and
    `refunded_minor` are theirs, the last is carried on in place. Fills `outcome`; `first`, the row that has the id
    already (NONE: a stored one); and `refunded_before` in minor units, for refunds.
    """
    taken = np.full(known_content.size, NONE, np.int64)
    for row in range(record.size):
        code = record[row]
        stored = known_content[code]
        if stored != NONE or taken[code] != NONE:
            first[row] = NONE if stored != NONE else taken[code]
            same = stored if stored != NONE else content[taken[code]]
            outcome[row] = DUPLICATE if same == content[row] else CONFLICT
            continue
        if is_refund:
            place = original[row]
            if amount_minor[row] <= 0:
                outcome[row] = NOT_A_REFUND_AMOUNT
                continue
            if place == NONE:
                outcome[row] = ORIGINAL_UNKNOWN
                continue
            if not same_currency[row]:
                outcome[row] = OTHER_CURRENCY
                continue
            if not has_worth[place]:
                outcome[row] = ORIGINAL_WITHOUT_AMOUNT
                continue
            refunded_before[row] = refunded_minor[place]
            if (
                worth_minor[place] < refunded_minor[place]
                or amount_minor[row] > worth_minor[place] - refunded_minor[place]
            ):
                outcome[row] = ABOVE_ORIGINAL
                continue
            refunded_minor[place] += amount_minor[row]
        outcome[row] = ACCEPTED
        taken[code] = row
