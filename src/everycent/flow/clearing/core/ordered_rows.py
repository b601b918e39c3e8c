"""The rows of a window that was cleared in order: charges that stand, and who carries them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from everycent.base.engine.arrays import empty, no_uuids, uuid_values, uuids
from everycent.base.engine.kernels.carrying import CARRIED, Carried, Slots
from everycent.base.engine.side_by_side import side_by_side
from everycent.flow.clearing.contract import ORDERED_CHARGE, ORDERED_OBLIGATION
from everycent.flow.clearing.core.columns import (
    dates,
    days,
    encoded,
    taken,
    texts,
    zeros,
)
from everycent.flow.clearing.core.drawing import Drawn
from everycent.flow.clearing.core.legal_entities import settled_by
from everycent.flow.clearing.core.ordered_refunds import Backward
from everycent.flow.clearing.core.plan import ClearingPlan
from everycent.flow.clearing.core.pots import Kept
from everycent.flow.clearing.core.refunding import as_of, spread
from everycent.flow.clearing.core.window import Window
from everycent.flow.rating.contract import CHARGE

Places = npt.NDArray[np.int64]
Minor = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Flow:
    """e events: the window's own charges that can be shared, then its refunds' pairs; the kernel takes them in `order`.

    `own`: int64[k], the charges' places among the drawn. `widths`: int64[e], the leaves of each. `order`: int64[e].
    """

    own: Places
    widths: Places
    order: Places

    @cached_property
    def starts(self) -> Places:
        """int64[e + 1]: where each event's leaves begin, events taken as they stand here."""
        return np.concatenate([[0], np.cumsum(self.widths)])

    def places(self) -> Places:
        """Where the leaves that come one after the other in `order` stand here."""
        return spread(self.starts[self.order], self.widths[self.order])


@dataclass(frozen=True)
class Decided:
    """A window as the kernel decided it. `pot`: int64[n], of each drawn charge, its place in `kept`. `carried`: of the
    events as they stand in `flow`."""

    plan: ClearingPlan
    window: Window
    drawn: Drawn
    kept: Kept
    pot: Places
    flow: Flow
    carried: Carried


def charge_rows(window: Window, drawn: Drawn, back: Backward | None, flow: Flow, carried: Flags) -> pa.Table:
    """ORDERED_CHARGE rows of the events that were carried (bool[e]), in order."""
    numbers = window.sequence.column("sequence_no").to_numpy()
    whole = len(flow.own) == drawn.charges.num_rows
    own = drawn.charges if whole else drawn.charges.take(pa.array(flow.own))
    number = taken(numbers, taken(drawn.place, flow.own))
    rows = own.append_column("sequence_no", pa.array(number))
    if back is not None:
        given = back.originals.charges.select(CHARGE.columns.names).take(pa.array(back.pairs.charge))
        given = given.set_column(3, "amount_minor", pa.array(-back.pairs.delta))
        given = as_of(given, back.refunds.take(pa.array(back.pairs.refund)))
        number = numbers[back.place[back.pairs.refund]]
        rows = stacked(rows, given.append_column("sequence_no", pa.array(number)))
    if back is not None or not carried.all():
        rows = rows.take(pa.array(flow.order[carried[flow.order]]))
    return ORDERED_CHARGE.check(rows)


class _Spread:
    """Lays the values of a flow's own charges out over their leaves, of which there are `size`."""

    def __init__(self, flow: Flow) -> None:
        count = len(flow.own)
        self.counts = flow.widths[:count]
        self.starts = flow.starts[:count]
        self.size = int(self.counts.sum())
        self.width = int(self.counts[0]) if count > 0 and self.counts.min() == self.counts.max() else None

    def each(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A charge's value for each of its leaves. (Equal widths, the usual case, are spread faster.)"""
        if self.width is None:
            return np.repeat(values, self.counts)
        cells = empty((len(values), self.width), values.dtype)
        cells[:] = values[:, np.newaxis]
        return cells.reshape(-1)

    def named(self, codes: npt.NDArray[Any], distinct: Sequence[str] | pa.Array) -> pa.DictionaryArray:
        """A charge's text for each of its leaves. (A single text takes no memory: its codes are zeros.)"""
        return texts(self.each(codes) if len(distinct) != 1 else zeros(self.size), distinct)

    def coded(self, column: pa.ChunkedArray, rows: Places) -> pa.DictionaryArray:
        """The text of these rows for each leaf."""
        whole = encoded(column)
        return self.named(
            taken(whole.indices.to_numpy(), rows) if len(whole.dictionary) != 1 else rows, whole.dictionary
        )

    def within(self) -> npt.NDArray[np.int16]:
        """Each leaf's place in its charge."""
        if self.width is None:
            within: npt.NDArray[np.int16] = (np.arange(self.size) - self.each(self.starts)).astype(np.int16)
            return within
        return np.tile(np.arange(self.width, dtype=np.int16), len(self.counts))


def own_obligations(found: Decided, threads: int = 1) -> pa.Table:
    """ORDERED_OBLIGATION rows of the window's own charges, carried or not, as they stand. `threads`: columns are laid
    out side by side."""
    plan, drawn, flow, carried = found.plan, found.drawn, found.flow, found.carried
    spread_out = _Spread(flow)
    each, named, size = spread_out.each, spread_out.named, spread_out.size
    code, place = taken(drawn.code, flow.own).astype(np.int32), taken(drawn.place, flow.own)
    entity, entities = settled_by(
        plan.settled, code, lambda: taken(days(found.window.plain.column("business_date")), place)
    )
    budgets = list(plan.budgets)
    budget = np.array([budgets.index(charge.budget) if charge.budget else -1 for charge in plan.charges], np.int32)
    within = spread_out.within()
    leaf, leaves = _leaves(plan, code, within, each)
    numbers = found.window.sequence.column("sequence_no").to_numpy()
    charges, pots, mine = drawn.charges, found.kept.pots, found.pot[flow.own]
    shares, after = carried.shares[:size], carried.after[:size]
    nothing = pa.nulls(size, pa.string())
    columns: dict[str, Callable[[], pa.Array]] = {
        "record_id": lambda: uuids(each(taken(uuid_values(charges.column("record_id")), flow.own))),
        "charge": lambda: named(code, plan.names),
        "bearer": lambda: pa.array(np.add(within, np.int16(1), out=empty(size, np.int16))),
        "debtor": lambda: _debtors(plan, drawn, code, place, flow, size),
        "creditor": lambda: spread_out.coded(charges.column("creditor"), flow.own),
        "amount_minor": lambda: pa.array(shares),
        "currency": lambda: spread_out.coded(charges.column("currency"), flow.own),
        "legal_entity": lambda: named(entity, entities),
        "booked_on": lambda: dates(each(taken(days(charges.column("booked_on")), flow.own))),
        "refund_of": lambda: no_uuids(size),
        "debtor_statement": lambda: nothing,
        "creditor_statement": lambda: nothing,
        "sequence_no": lambda: pa.array(each(taken(numbers, place))),
        "total_before_minor": lambda: pa.array(np.subtract(after, shares, out=empty(size, np.int64))),
        "total_after_minor": lambda: pa.array(after),
        "budget": lambda: named(budget[code], budgets),
        "pot": lambda: spread_out.coded(pots.column("pot"), mine),
        "period": lambda: spread_out.coded(pots.column("period"), mine),
        "leaf": lambda: texts(leaf, leaves),
    }
    return pa.table(dict(zip(columns, side_by_side(columns.values(), threads), strict=True)))


def _leaves(
    plan: ClearingPlan,
    code: npt.NDArray[np.int32],
    within: npt.NDArray[np.int16],
    each: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
) -> tuple[npt.NDArray[np.int32], list[str]]:
    """Each obligation's leaf, as a place among the distinct names. `code`: of each charge, `within`: of each leaf."""
    named = [charge.apportionment.leaves if charge.apportionment else () for charge in plan.charges]
    leaves = list(dict.fromkeys(leaf for names in named for leaf in names))
    table = np.full((len(named), max(map(len, named), default=0)), -1, dtype=np.int32)
    for at, names in enumerate(named):
        table[at, : len(names)] = [leaves.index(name) for name in names]
    if len(code) and code.min() == code.max():
        mine = table[int(code[0])]
        return np.tile(mine[: len(within) // len(code)], len(code)), leaves
    return table[each(code), within], leaves


def _debtors(
    plan: ClearingPlan, drawn: Drawn, code: npt.NDArray[np.int32], place: Places, flow: Flow, size: int
) -> pa.DictionaryArray:
    """Each obligation's debtor: the party of its leaf's role in its record."""
    roles = list(drawn.parties)
    together = pa.concat_arrays([pa.array([], pa.string()), *(drawn.parties[role].texts for role in roles)])
    distinct = together.dictionary_encode()  # a party may have several roles
    coded, first = distinct.indices.to_numpy(), 0
    party: dict[str, npt.NDArray[np.int32]] = {}
    for role in roles:
        found = drawn.parties[role]
        known = coded[first : first + len(found.texts)]
        party[role] = np.append(known, np.int32(-1))[taken(found.codes, place)]  # the last one stands for -1
        first += len(found.texts)
    debtor = empty(size, np.int32)
    debtor[:] = -1
    starts = flow.starts[: len(flow.own)]
    for at, charge in enumerate(plan.charges):
        mine = np.flatnonzero(code == at) if charge.budget is not None else ()
        if charge.apportionment is None or len(mine) == 0:
            continue
        for number, role in enumerate(charge.apportionment.bearers):
            if len(mine) == len(code):
                debtor[number :: len(charge.apportionment.bearers)] = party[role]
            else:
                debtor[starts[mine] + number] = party[role][mine]
    assert (debtor >= 0).all(), "each obligation is owed by somebody"
    return texts(debtor, distinct.dictionary)


def refund_obligations(found: Decided, back: Backward, own: pa.Table, slots: Slots) -> pa.Table:
    """ORDERED_OBLIGATION rows of the refunds' pairs that stand, as they stand. `own`: the window's own charges'."""
    flow, carried = found.flow, found.carried
    given = carried.states[len(flow.own) :] == CARRIED
    slot, refund = back.pairs.charge[given], back.pairs.refund[given]
    counts = np.diff(slots.starts)[slot]
    event = np.full(len(back.drawn) and int(back.drawn.max()) + 1, -1, dtype=np.int64)
    inside = flow.own[flow.own < len(event)]
    event[inside] = np.arange(len(inside))
    mine = back.drawn[slot] >= 0
    from_own = spread(flow.starts[event[back.drawn[slot[mine]]]], counts[mine])
    before = back.originals.obligations.select(ORDERED_OBLIGATION.columns.names).cast(ORDERED_OBLIGATION.columns)
    pool = pa.concat_tables([before, own.take(pa.array(from_own)).cast(ORDERED_OBLIGATION.columns)])
    source_starts = back.originals.obligation_starts[slot]
    source_starts[mine] = before.num_rows + np.cumsum(counts[mine]) - counts[mine]
    rows = pool.take(pa.array(spread(source_starts, counts)))
    at = spread(flow.starts[len(flow.own) : -1][given], counts)
    no_node = slots.nodes[spread(slots.starts[slot], counts)] < 0
    nothing = pa.nulls(rows.num_rows, pa.string())
    whose = np.repeat(refund, counts)
    changed = {
        "amount_minor": pa.array(-carried.shares[at]),
        "debtor_statement": nothing,
        "creditor_statement": nothing,
        "sequence_no": pa.array(found.window.sequence.column("sequence_no").to_numpy()[back.place[whose]]),
        "total_before_minor": pa.array(carried.after[at] + carried.shares[at], mask=no_node),
        "total_after_minor": pa.array(carried.after[at], mask=no_node),
    }
    for name, column in changed.items():
        rows = rows.set_column(rows.schema.get_field_index(name), name, column)
    return as_of(rows, back.refunds.take(pa.array(whose)))


def stacked(first: pa.Table, second: pa.Table) -> pa.Table:
    """Both tables' rows; texts are coded where the first table's are."""
    for at, field in enumerate(first.schema):
        if pa.types.is_dictionary(field.type):
            second = second.set_column(at, field.name, second.column(at).dictionary_encode())
    return pa.concat_tables([first, second.cast(first.schema)]).unify_dictionaries()
