"""Pots: which one a record's charge draws on, and the totals that each keeps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from everycent.base.engine.distinct import combinations, over_combinations
from everycent.base.engine.kernels.carrying import Nodes
from everycent.base.engine.local import LocalEngine
from everycent.base.money.span import span_labels
from everycent.flow.clearing.contract import ACCUMULATOR
from everycent.flow.clearing.core.budgets import Budget
from everycent.flow.clearing.core.columns import places_of_texts
from everycent.flow.clearing.core.window import Coded, Window
from everycent.flow.parties.contract import party_key_sql

Places = npt.NDArray[np.int64]
Minor = npt.NDArray[np.int64]

POT = ["budget", "pot", "period"]


def pot_texts(window: Window, budget: Budget, kinds: set[str], engine: LocalEngine) -> Coded:
    """The pot of each record of these kinds: the values of the budget's `per`; none where one is empty."""
    if not budget.per:
        return Coded(np.zeros(window.size, dtype=np.int32), pa.array([""]))
    names = tuple(budget.per)
    sql = party_key_sql(tuple(f"c{at}" for at in range(len(names))))
    found = {kind: over_combinations(engine, window.distinct(kind, names), sql) for kind in sorted(kinds)}
    return window.gather(found)


def periods(window: Window, budget: Budget) -> Coded:
    """The period of each record, by its business date."""
    days = window.plain.column("business_date").to_numpy()
    codes, labels = span_labels(budget.period, days)
    return Coded(codes, pa.array(labels, pa.string()))


@dataclass(frozen=True)
class Kept:
    """p pots and the m nodes of their totals. `pots`: budget, pot, period of each.

    `starts`: int64[p + 1], each pot's block of nodes, its root first. `leaves`: by budget, the names of leaves, whose
    nodes stand at the end of the block in this order.
    """

    pots: pa.Table
    budget_of: Places
    starts: Places
    nodes: Nodes
    leaves: Sequence[Sequence[str]]

    def node(self, pots: Places, leaves: pa.ChunkedArray) -> Places:
        """The node of a leaf, by name, in a pot; each has it."""
        found = np.full(len(pots), -1, dtype=np.int64)
        for budget, names in enumerate(self.leaves):
            mine = np.flatnonzero(self.budget_of[pots] == budget)
            at = places_of_texts(pa.chunked_array([leaves.take(pa.array(mine)).combine_chunks()]), names)
            assert (at >= 0).all(), "each leaf that something was carried by has its node"
            found[mine] = self.starts[pots[mine] + 1] - len(names) + at
        return found

    def totals(self, touched: npt.NDArray[np.bool_]) -> pa.Table:
        """ACCUMULATOR rows of the pots touched, by key."""
        sizes = np.array([len(names) for names in self.leaves], dtype=np.int64)
        pots = np.flatnonzero(touched)
        counts = sizes[self.budget_of[pots]]
        rows = np.repeat(pots, counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        names = pa.array([name for leaves in self.leaves for name in leaves], pa.string())
        first = np.cumsum(sizes) - sizes
        table = self.pots.take(pa.array(rows))
        table = table.append_column("bearer", names.take(pa.array(first[self.budget_of[rows]] + within)))
        node = self.starts[rows + 1] - sizes[self.budget_of[rows]] + within
        table = table.append_column("total_minor", pa.array(self.nodes.totals[node]))
        return ACCUMULATOR.check(table.sort_by([(name, "ascending") for name in ACCUMULATOR.key]))


def keep(
    budgets: Mapping[str, Budget], drawn: pa.Table, carried: pa.Table, accumulators: pa.Table
) -> tuple[Kept, Places, Places]:
    """The pots of a window with their totals before it.

    drawn: the pots that charges draw on. carried: budget, pot, period, leaf that originals were carried by before.
    accumulators: ACCUMULATOR rows. Gives each row's pot, of the first two.
    """
    keys = pa.concat_tables([part.select(POT).cast(_POT_SCHEMA) for part in (drawn, carried, accumulators)])
    found = combinations(keys)
    place = found.places.to_numpy(zero_copy_only=False).astype(np.int64)
    names = [*budgets, *sorted(set(found.values.column("budget").unique().to_pylist()) - budgets.keys())]
    budget_of = places_of_texts(pa.chunked_array(found.values.column("budget").chunks, pa.string()), names)
    more = pa.concat_tables(
        [
            carried.select(["budget", "leaf"]).cast(_LEAF_SCHEMA),
            accumulators.select(["budget", "bearer"]).rename_columns(["budget", "leaf"]).cast(_LEAF_SCHEMA),
        ]
    )
    layouts = [_Layout.of(budgets.get(name), _others(name, budgets.get(name), more)) for name in names]
    kept = _laid_out(found.values, budget_of, layouts)
    ends = np.cumsum([drawn.num_rows, carried.num_rows, accumulators.num_rows])
    pots = place[ends[1] :]
    _fill_in(kept, kept.node(pots, accumulators.column("bearer")), accumulators.column("total_minor").to_numpy())
    return kept, place[: ends[0]], place[ends[0] : ends[1]]


_POT_SCHEMA = pa.schema([(name, pa.string()) for name in POT])
_LEAF_SCHEMA = pa.schema([("budget", pa.string()), ("leaf", pa.string())])


@dataclass(frozen=True)
class _Layout:
    """A budget's block of nodes: parents within the block; the root, then groups, then leaves."""

    parents: tuple[int, ...]
    leaves: tuple[str, ...]

    @classmethod
    def of(cls, budget: Budget | None, others: Sequence[str]) -> "_Layout":
        """`others`: leaves that carried before, under another version of the model."""
        groups = {} if budget is None else budget.groups
        leaves = {} if budget is None else budget.leaves
        place = {name: at + 1 for at, name in enumerate(groups)}
        names = (*leaves, *others)
        above = [place.get(name.partition("/")[0], 0) if "/" in name else 0 for name in names]
        return cls((-1, *(0 for _ in groups), *above), names)


def _others(name: str, budget: Budget | None, more: pa.Table) -> list[str]:
    """The leaves of a budget that the model does not have, by name."""
    known = set() if budget is None else set(budget.leaves)
    mine = more.column("leaf").filter(pc.equal(more.column("budget"), name))
    return sorted(set(mine.unique().to_pylist()) - known)


def _laid_out(pots: pa.Table, budget_of: Places, layouts: Sequence[_Layout]) -> Kept:
    sizes = np.array([len(layout.parents) for layout in layouts], dtype=np.int64)
    starts = np.zeros(len(budget_of) + 1, dtype=np.int64)
    np.cumsum(sizes[budget_of], out=starts[1:])
    pot = np.repeat(np.arange(len(budget_of)), sizes[budget_of])
    first = np.cumsum(sizes) - sizes
    at = first[budget_of[pot]] + np.arange(len(pot)) - starts[pot]
    above = np.array([parent for layout in layouts for parent in layout.parents], dtype=np.int64)[at]
    parents = np.where(above < 0, -1, starts[pot] + above)
    nodes = Nodes(np.zeros(len(pot), dtype=np.int64), parents)
    return Kept(pots, budget_of, starts, nodes, [layout.leaves for layout in layouts])


def _fill_in(kept: Kept, leaves: Places, totals: Minor) -> None:
    """Sets the totals of leaves, and of all nodes above them."""
    nodes = kept.nodes
    at = leaves
    assert len(np.unique(leaves)) == len(leaves), "each accumulator comes once"
    while len(at):
        np.add.at(nodes.totals, at, totals)
        above = nodes.parents[at]
        at, totals = above[above >= 0], totals[above >= 0]
