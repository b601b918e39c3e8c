"""Apportioning where nothing is remembered: each amount split into shares, and each share again where it is said."""

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.allotment import allot_rows
from everycent.base.engine.kernels.carrying import CARRIED, NO_NODES, NO_SLOTS, Events, carry
from everycent.flow.clearing.contract import SharedBy
from everycent.flow.clearing.core.plan import Apportionment
from everycent.flow.clearing.core.terms import terms_of

Minor = npt.NDArray[np.int64]


def apportion(amounts: Minor, apportionment: Apportionment) -> Minor:
    """int64[n] amounts → int64[n, bearers], in minor units; each row sums to its amount and has its sign."""
    assert apportionment.budget is None, "charges that draw on a budget are cleared in order"
    shares = (
        _by_ratio(amounts, apportionment) if apportionment.by is SharedBy.RATIO else _in_turn(amounts, apportionment)
    )
    assert shares.shape == (len(amounts), len(apportionment.bearers)), "one share for each bearer"
    assert np.array_equal(shares.sum(axis=1), amounts), "shares add up to their amount"
    return shares


def _by_ratio(amounts: Minor, apportionment: Apportionment) -> Minor:
    first = allot_rows(amounts, np.array(apportionment.weights, dtype=np.int64), apportionment.odd_cent)
    parts = [
        first[:, [at]]
        if among is None
        else allot_rows(first[:, at], np.array(among, dtype=np.int64), apportionment.odd_cent)
        for at, among in enumerate(apportionment.among)
    ]
    return np.concatenate(parts, axis=1)


def _in_turn(amounts: Minor, apportionment: Apportionment) -> Minor:
    """In order, or by fixed amounts: what the ordered kernel does where there is no pot."""
    count, width = len(amounts), len(apportionment.leaves)
    names = {name: at for at, name in enumerate(dict.fromkeys((*apportionment.names, *apportionment.leaves)))}
    nothing = np.full(count, -1, dtype=np.int64)
    events = Events(
        amounts,
        np.zeros(count, dtype=np.int64),
        nothing,
        nothing,
        np.zeros(count, dtype=np.bool_),
        np.arange(count + 1) * width,
    )
    carried = carry(terms_of([apportionment], [names], [{}]), NO_NODES, events, NO_SLOTS)
    assert (carried.states == CARRIED).all(), "without a budget, there is always somebody who takes the rest"
    return carried.shares.reshape(count, width)
