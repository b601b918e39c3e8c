"""Which refunds can be given: in order of arrival, as long as what the original was worth is not used up."""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.compiling import kernel

Minor = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]


def accept(original: Places, amounts: Minor, worth: Minor, refunded: Minor) -> tuple[Minor, Minor]:
    """Goes through refunds in order of arrival; a refund of more than what is left is passed over and changes nothing.

    original: int64[n], each refund's original as a place in worth, -1 to pass it over. amounts: int64[n], minor units.
    worth, refunded: int64[m], what each original was worth and what of it was refunded before.
    Gives (after, left): what was refunded of the original with this refund, -1 where it was passed over; and what was
    left of the original when it came.
    """
    assert len(original) == len(amounts) and len(worth) == len(refunded), "columns of two tables"
    after, left = np.full(len(amounts), -1, dtype=np.int64), np.zeros(len(amounts), dtype=np.int64)
    _accept(original, amounts, worth, refunded.copy(), after, left)
    assert (after[original < 0] == -1).all(), "what has no original is not refunded"
    return after, left


@kernel
def _accept(original: Places, amounts: Minor, worth: Minor, refunded: Minor, after: Minor, left: Minor) -> None:
    for refund in range(len(amounts)):
        at = original[refund]
        if at < 0:
            continue
        left[refund] = worth[at] - refunded[at]
        if 0 <= amounts[refund] <= left[refund]:
            refunded[at] += amounts[refund]
            after[refund] = refunded[at]
