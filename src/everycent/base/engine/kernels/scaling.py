"""One exact step of arithmetic that sharing, refunding and valuing have in common."""

import numpy as np

from everycent.base.engine.kernels.compiling import uncounted


@uncounted
def scale(part: np.uint64, weight: np.uint64, total: np.uint64) -> tuple[np.uint64, np.uint64]:
    """(part * weight // total, part * weight % total), exactly; part < total, weight <= total < 2**63."""
    zero, one = np.uint64(0), np.uint64(1)
    if total <= np.uint64(4294967296):  # part < 2**32 and weight <= 2**32: their product fits
        product = part * weight
        quotient = product // total
        return quotient, product - quotient * total
    quotient, rest = zero, zero
    for bit in range(63):  # schoolbook: rest stays below total, so twice it stays below 2**64
        quotient, rest = quotient + quotient, rest + rest
        if rest >= total:
            quotient, rest = quotient + one, rest - total
        if (weight >> np.uint64(62 - bit)) & one:
            rest = rest + part
            if rest >= total:
                quotient, rest = quotient + one, rest - total
    return quotient, rest
