"""Carrying charges under caps: what a window is cut into, and how many threads work on it, changes no unit."""

import numpy as np
import pytest

from everycent.base.engine.kernels.carrying import HOLD, NO_SLOTS, UNBOUNDED, Carried, Events, Nodes, Terms, carry, pack

#: 60 to 40, the second's part 70 to 30; who has no room passes it on, and what nobody has room for is held.
TERMS = pack(
    Terms(
        bearer_starts=np.array([0, 2]),
        leaf_starts=np.array([0, 1, 3]),
        in_order=np.array([False]),
        cut=np.array([False]),
        reverse=np.array([False]),
        largest=np.array([True]),
        last=np.array([HOLD]),
        weights=np.array([60, 40]),
        limits=np.array([UNBOUNDED, UNBOUNDED]),
        turns=np.array([0, 1]),
        nodes=np.array([2, 1]),
        leaf_weights=np.array([1, 70, 30]),
        leaf_nodes=np.array([2, 3, 4]),
        root_caps=np.array([900_000]),
        caps=np.array([500_000, 450_000]),
        leaf_caps=np.array([500_000, UNBOUNDED, 100_000]),
    )
)
POTS, NODES_PER_POT, LEAVES = 4, 5, 3


def events(amounts: np.ndarray, pots: np.ndarray) -> Events:
    """Charges of these pots, one after the other."""
    count = len(amounts)
    zeros = np.zeros(count, dtype=np.int64)
    starts = np.arange(count + 1) * LEAVES
    return Events(amounts, zeros, pots * NODES_PER_POT, zeros - 1, np.zeros(count, dtype=np.bool_), starts)


def empty_pots() -> Nodes:
    """The totals of all pots at zero."""
    parents = np.array([-1, 0, 0, 1, 1])
    above = np.where(parents < 0, -1, np.arange(POTS)[:, None] * NODES_PER_POT + parents)
    return Nodes(np.zeros(POTS * NODES_PER_POT, dtype=np.int64), above.ravel())


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_long_window_gives_what_its_charges_give_one_by_one(threads: int) -> None:
    random = np.random.default_rng(11)
    amounts, pots = random.integers(-200, 2_000, 5_000), random.integers(0, POTS, 5_000)
    alone = empty_pots()
    each = [carry(TERMS, alone, events(amounts[at : at + 1], pots[at : at + 1]), NO_SLOTS) for at in range(5_000)]
    together = empty_pots()
    found = carry(TERMS, together, events(amounts, pots), NO_SLOTS, threads)
    assert together.totals.tolist() == alone.totals.tolist()
    for name in Carried._fields:
        assert getattr(found, name).tolist() == np.concatenate([getattr(one, name) for one in each]).tolist(), name
    assert {0, 1} == set(found.states.tolist()), "some are carried and some held"
