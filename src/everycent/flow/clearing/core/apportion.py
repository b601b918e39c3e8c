"""Apportioning by ratio: each amount split into shares, each share split again where its bearers say so."""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.allotment import allot_rows
from everycent.flow.clearing.core.plan import Apportionment

Minor = npt.NDArray[np.int64]


def apportion(amounts: Minor, apportionment: Apportionment) -> Minor:
    """int64[n] amounts → int64[n, bearers], in minor units; each row sums to its amount and has its sign."""
    first = allot_rows(amounts, np.array(apportionment.weights, dtype=np.int64), apportionment.odd_cent)
    parts = [
        first[:, [at]]
        if among is None
        else allot_rows(first[:, at], np.array(among, dtype=np.int64), apportionment.odd_cent)
        for at, among in enumerate(apportionment.among)
    ]
    shares = np.concatenate(parts, axis=1)
    assert shares.shape == (len(amounts), len(apportionment.bearers)), "one share for each bearer"
    assert np.array_equal(shares.sum(axis=1), amounts), "shares add up to their amount"
    return shares
