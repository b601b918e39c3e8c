"""Who carries what: charges shared under caps in strict order, on two levels, and refunds of what was carried.

Totals live in *nodes*: each pot is a block of them, its root first (the whole pot), then groups, then leaves. A node's
total is the sum of its children's. A cap bounds the total; what a node may still take is its room. Most charges fit
under all caps: they are shared at once (`_quick`), which gives what going from room to room (`_share`) would give.

All arithmetic is exact: magnitudes are unsigned 64-bit, and where amount times weight does not fit, it is multiplied
and divided bit by bit. The odd units of one amount are handed out as `kernels.allotment` does (whose kernels cannot be
called from here: Numba keeps machine code by file).
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from everycent.base.engine.kernels.compiling import kernel

Minor = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
States = npt.NDArray[np.int8]
_Unsigned = npt.NDArray[np.uint64]

#: No cap, no limit.
UNBOUNDED = np.iinfo(np.int64).max

#: What `Terms.last` says where nobody takes the rest, and how an event ends: carried, or not and why not.
CARRIED, HELD, REFUSED, BEYOND_INT64, ORIGINAL_NOT_CARRIED = range(5)
HOLD, REFUSE = -HELD, -REFUSED


class Terms(NamedTuple):
    """How c kinds of charges are shared: b bearers in all on the first level, l leaves in all, in declared order.

    `bearer_starts`: int64[c + 1]; `leaf_starts`: int64[b + 1], one leaf for a bearer that is not split again.
    `in_order`: bool[c], in order rather than by weight. `cut`: bool[c], what does not fit goes to the last, not to the
    others. `reverse`: bool[c], refunds go to the last leaf first. `largest`: bool[c], odd units by largest remainder.
    `last`: int64[c], the bearer (its place in the charge) that takes the rest; HOLD or REFUSE where none does.
    `weights`, `limits`, `turns`: int64[b], share by weight, or up to the limit in these turns (places in the charge).
    `nodes`, `leaf_nodes`: where their totals are in a pot's block. `leaf_weights`: int64[l]. `root_caps`: int64[c],
    `caps`: int64[b], `leaf_caps`: int64[l]: the caps of these totals, UNBOUNDED for none.
    """

    bearer_starts: Places
    leaf_starts: Places
    in_order: Flags
    cut: Flags
    reverse: Flags
    largest: Flags
    last: Places
    weights: Minor
    limits: Minor
    turns: Places
    nodes: Places
    leaf_weights: Minor
    leaf_nodes: Places
    root_caps: Minor
    caps: Minor
    leaf_caps: Minor


class Nodes(NamedTuple):
    """m nodes: `totals` int64[m], minor units, changed in place; `parents` int64[m], -1 of a root."""

    totals: Minor
    parents: Places


class Events(NamedTuple):
    """n charges and refunds in strict order.

    `amounts`: int64[n]; of a refund what it gives back, in its original's sign. `terms`: int64[n], places in Terms.
    `roots`: int64[n], the pot's block, as its first node; -1 where there is none. `slots`: int64[n], the original whose
    shares a refund gives back; of a charge, the slot where its shares are kept for refunds to come, -1 for none.
    `is_refund`: bool[n]. `starts`: int64[n + 1], where the shares of each begin.
    """

    amounts: Minor
    terms: Places
    roots: Places
    slots: Places
    is_refund: Flags
    starts: Places


class Slots(NamedTuple):
    """s originals: `left` int64[k], what each of their leaves still carries, between starts[j] and starts[j + 1].

    `nodes`: int64[k], each leaf's node, -1 where it has none. `carried`: bool[s], false until the charge is.
    `left`, `nodes` and `carried` of a charge among the events are filled in when it is carried.
    """

    starts: Places
    left: Minor
    nodes: Places
    carried: Flags


NO_NODES = Nodes(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
NO_SLOTS = Slots(
    np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
)


class Carried(NamedTuple):
    """`shares`, `after`: int64[starts[n]], each leaf's share (of a refund: what it gets back, in the original's sign)
    and its total after it. `states`: int8[n]. `rests`: int64[n], what nobody had room for."""

    shares: Minor
    after: Minor
    states: States
    rests: Minor


class _Packed(NamedTuple):
    """Terms as three tables, one row for each charge, bearer, leaf: what is used together lies together."""

    charges: Minor
    bearers: Minor
    leaves: Minor


class _Scratch(NamedTuple):
    """Room to work in, as wide as the most bearers or leaves of one charge."""

    rooms: Minor
    taken: Minor
    leaf_rooms: Minor
    weights: Minor
    given: Minor
    lost: _Unsigned


_FIRST, _END, _LEAF, _LEAF_END, _IN_ORDER, _CUT, _REVERSE, _LARGEST, _LAST, _CAP, _TOTAL, _INVERSE, _QUICK = range(13)
_WEIGHT, _NODE, _MOST, _LEAST = range(
    4
)  # of bearers and leaves: the cap, and the room without which a share is not dealt
_BEGIN, _STOP, _SUM, _INVERTED, _LIMIT, _TURN = range(4, 10)  # of bearers
_ABOVE, _GROUP_MOST, _GROUP_LEAST = range(4, 7)  # of a bearer's last leaf: its group's node, -1 for none; of others 0

#: Amounts and sums of weights below this are shared by the quick way: their products fit 64 bits.
_QUICK_MAX = 1 << 31


def carry(terms: Terms, nodes: Nodes, events: Events, slots: Slots, threads: int = 1) -> Carried:
    """Carries each event in its order; those of different pots side by side, which changes no byte.

    Changes `nodes.totals` and `slots` in place. Refunds must not ask for more than their original's leaves have left.
    """
    count, width = len(events.amounts), int(events.starts[-1])
    out = Carried(
        np.empty(width, dtype=np.int64),
        np.empty(width, dtype=np.int64),
        np.zeros(count, dtype=np.int8),
        np.zeros(count, dtype=np.int64),
    )
    packed, careful, widest = _pack(terms), _may_overflow(nodes, events), _widest(terms, slots)
    order, cuts = _dealt_out(events.roots, len(nodes.totals), threads)
    if len(cuts) == 2:
        _carry(packed, nodes, events, slots, out, order, careful, widest)
        return out
    with ThreadPoolExecutor(threads) as pool:
        parts = [order[start:end] for start, end in pairwise(cuts)]
        runs = [pool.submit(_carry, packed, nodes, events, slots, out, part, careful, widest) for part in parts]
    for run in runs:
        run.result()
    return out


def _pack(terms: Terms) -> _Packed:
    first, end = terms.bearer_starts[:-1], terms.bearer_starts[1:]
    begin, stop = terms.leaf_starts[:-1], terms.leaf_starts[1:]
    among = np.concatenate([[0], np.cumsum(terms.leaf_weights)])
    sums = among[stop] - among[begin]
    so_far = np.concatenate([[0], np.cumsum(terms.weights)])
    totals = so_far[end] - so_far[first]
    quick = ~terms.in_order & (totals > 0) & (totals < _QUICK_MAX)
    for charge in range(len(first)):
        quick[charge] &= (sums[first[charge] : end[charge]] < _QUICK_MAX).all()
    flags = [flag.astype(np.int64) for flag in (terms.in_order, terms.cut, terms.reverse, terms.largest)]
    whole, cut = 1 << 32, np.repeat(terms.cut, end - first)
    least = (terms.weights > 0) & ~cut
    leaf_least = (terms.leaf_weights > 0) & ~np.repeat(cut, stop - begin)
    above = np.zeros((3, len(terms.leaf_weights)), dtype=np.int64)
    is_group = terms.leaf_nodes[begin] != terms.nodes
    above[:, stop - 1] = np.where(is_group, terms.nodes, -1), terms.caps, least
    leaf_least[begin[~is_group]] = least[~is_group]
    charges = [
        first,
        end,
        terms.leaf_starts[first],
        terms.leaf_starts[end],
        *flags,
        terms.last,
        terms.root_caps,
        totals,
    ]
    bearers = [terms.weights, terms.nodes, terms.caps, least.astype(np.int64), begin, stop, sums]
    return _Packed(
        np.column_stack([*charges, whole // np.maximum(totals, 1), quick.astype(np.int64)]),
        np.column_stack([*bearers, whole // np.maximum(sums, 1), terms.limits, terms.turns]),
        np.column_stack([terms.leaf_weights, terms.leaf_nodes, terms.leaf_caps, leaf_least.astype(np.int64), *above]),
    )


def _may_overflow(nodes: Nodes, events: Events) -> bool:
    """Whether a total could pass 64 bits on the way, all amounts taken at the largest."""
    return _largest(nodes.totals) + _largest(events.amounts) * len(events.amounts) > UNBOUNDED


def _largest(values: Minor) -> int:
    return max(abs(int(values.min())), abs(int(values.max()))) if len(values) else 0


def _dealt_out(roots: Places, nodes: int, threads: int) -> tuple[Places, list[int]]:
    """The events in order, one thread's after the other's, and where each thread's begin. A pot is one thread's."""
    if threads == 1 or len(roots) == 0:
        return np.arange(len(roots)), [0, len(roots)]
    order, cuts = np.empty(len(roots), dtype=np.int64), np.zeros(threads + 1, dtype=np.int64)
    _deal_out(roots, np.zeros(nodes + 2, dtype=np.int64), order, cuts)
    return order, cuts.tolist()


def _widest(terms: Terms, slots: Slots) -> int:
    charges = np.diff(terms.leaf_starts[terms.bearer_starts]) if len(terms.in_order) else np.zeros(1, dtype=np.int64)
    return int(max(charges.max(), np.diff(slots.starts).max(initial=0), np.diff(terms.bearer_starts).max(initial=0)))


@kernel
def _deal_out(roots: Places, counts: Places, order: Places, cuts: Places) -> None:
    """Pots are dealt out in ranges of about as many events; counts: room for one more than the nodes, and one."""
    threads = len(cuts) - 1
    for root in roots:
        counts[root + 1] += 1
    seen = 0
    for pot in range(len(counts)):  # from counts to threads
        mine, mean = counts[pot], seen * threads // max(len(roots), 1)
        counts[pot] = mean if mean < threads else threads - 1
        cuts[counts[pot] + 1] += mine
        seen += mine
    for thread in range(threads):
        cuts[thread + 1] += cuts[thread]
    at = cuts.copy()
    for event in range(len(roots)):
        mine = counts[roots[event] + 1]
        order[at[mine]] = event
        at[mine] += 1


@kernel
def _carry(
    packed: _Packed,
    nodes: Nodes,
    events: Events,
    slots: Slots,
    out: Carried,
    order: Places,
    careful: bool,
    widest: int,
) -> None:
    scratch = _Scratch(
        np.zeros(widest, dtype=np.int64),
        np.zeros(widest, dtype=np.int64),
        np.zeros(widest, dtype=np.int64),
        np.zeros(widest, dtype=np.int64),
        np.zeros(widest, dtype=np.int64),
        np.zeros(widest, dtype=np.uint64),
    )
    charges, bearers, leaves, totals = packed.charges, packed.bearers, packed.leaves, nodes.totals
    amounts, terms, roots, starts, refunds = events.amounts, events.terms, events.roots, events.starts, events.is_refund
    all_shares, all_after, kept_in = out.shares, out.after, events.slots
    if not careful:
        _split(packed, events, order, all_shares, scratch.taken, scratch.lost)
    at = np.int64(0)
    while at < len(order):
        if not careful:
            at = _run(at, order, events, charges, leaves, totals, all_shares, all_after)
            if at == len(order):
                break
        event = order[at]
        at += 1
        start, how, amount, root = starts[event], terms[event], amounts[event], roots[event]
        shares, after = all_shares[start : starts[event + 1]], all_after[start : starts[event + 1]]
        if refunds[event]:
            out.states[event] = _refund(
                packed, nodes, slots, kept_in[event], how, amount, careful, shares, after, scratch
            )
            continue
        rest = _share(amount, how, charges, bearers, leaves, totals, root, shares, scratch)
        if rest != 0:
            out.rests[event] = rest
            out.states[event] = -charges[how, _LAST]
            shares[:] = 0
        elif careful and _overflows(charges, leaves, nodes, how, root, shares):
            out.states[event] = BEYOND_INT64
            shares[:] = 0
        _book(charges, bearers, leaves, totals, how, root, shares, after)
        if kept_in[event] >= 0 and out.states[event] == CARRIED:
            _keep(charges, leaves, how, root, slots, kept_in[event], shares)


@kernel
def _split(packed: _Packed, events: Events, order: Places, shares: Minor, taken: Minor, lost: _Unsigned) -> None:
    """Shares by weight of all charges that can be shared quickly, as if there were no caps."""
    charges, bearers, leaves = packed.charges, packed.bearers, packed.leaves
    amounts, terms, starts, refunds = events.amounts, events.terms, events.starts, events.is_refund
    for event in order:
        how, amount, at = terms[event], amounts[event], starts[event]
        if refunds[event] or charges[how, _QUICK] == 0 or amount <= 0 or amount >= _QUICK_MAX:
            continue
        first, end, largest = charges[how, _FIRST], charges[how, _END], charges[how, _LARGEST] != 0
        total, inverse = charges[how, _TOTAL], charges[how, _INVERSE]
        if end - first == 2:
            taken[0] = _first_of_two(amount, bearers[first, _WEIGHT], total, inverse, largest)
            taken[1] = amount - taken[0]
        else:
            _deal_small(amount, bearers, first, end, total, largest, taken, 0, lost)
        for bearer in range(first, end):
            begin, stop, share = bearers[bearer, _BEGIN], bearers[bearer, _STOP], taken[bearer - first]
            total, inverse = bearers[bearer, _SUM], bearers[bearer, _INVERTED]
            if stop - begin == 1:
                shares[at] = share
            elif stop - begin == 2:
                part = _first_of_two(share, leaves[begin, _WEIGHT], total, inverse, largest)
                shares[at] = part
                shares[at + 1] = share - part
            else:
                _deal_small(share, leaves, begin, stop, total, largest, shares, at, lost)
            at += stop - begin


@kernel
def _first_of_two(amount: int, weight: int, total: int, inverse: int, largest: bool) -> np.int64:
    """What `_deal` gives the first of two, for amounts and totals below 2**31. One division tells both: what the first
    lost the second did not. inverse: 2**32 // total, which divides by multiplying; it was rounded down, so that the
    quotient is one less at most."""
    divisor, product = np.uint64(total), np.uint64(amount) * np.uint64(weight)
    share = (product * np.uint64(inverse)) >> np.uint64(32) if product < np.uint64(1 << 32) else product // divisor
    rest = product - share * divisor
    if rest >= divisor:
        share += np.uint64(1)
        rest -= divisor
    up = rest + rest >= divisor if largest else rest > np.uint64(0)
    return np.int64(share) + np.int64(up)


@kernel
def _deal_small(
    amount: int, table: Minor, first: int, end: int, total: int, largest: bool, given: Minor, at: int, lost: _Unsigned
) -> None:
    """What `_deal` does, for amounts and totals below 2**31, from given[at] on."""
    size, divisor, beyond = np.uint64(amount), np.uint64(total), np.uint64(_QUICK_MAX)
    odd = size
    for place in range(first, end):
        product = size * np.uint64(table[place, _WEIGHT])
        share = product // divisor
        given[at + place - first] = np.int64(share)
        lost[place - first] = product - share * divisor
        odd -= share
    while odd > np.uint64(0):
        to = 0
        if largest:
            for place in range(1, end - first):
                if lost[place] > lost[to]:
                    to = place
            lost[to] = np.uint64(0)
        else:
            while table[first + to, _WEIGHT] == 0 or lost[to] == beyond:
                to += 1
            lost[to] = beyond
        given[at + to] += 1
        odd -= np.uint64(1)


@kernel
def _run(
    at: np.int64,
    order: Places,
    events: Events,
    charges: Minor,
    leaves: Minor,
    totals: Minor,
    shares: Minor,
    after: Minor,
) -> np.int64:
    """Books charges that were split, from order[at] on, while all their nodes have room for them, and those with a
    weight some room before. Gives where it ends: at a refund, at a charge that is refunded later, or at a cap."""
    amounts, terms, roots, starts, slots = events.amounts, events.terms, events.roots, events.starts, events.slots
    while at < len(order):
        event = order[at]
        how, amount, root, start = terms[event], amounts[event], roots[event], starts[event]
        fits = slots[event] < 0 and charges[how, _QUICK] != 0 and 0 < amount < _QUICK_MAX and root >= 0
        if not fits or totals[root] > charges[how, _CAP] - amount:
            return at
        first, stop = charges[how, _LEAF], charges[how, _LEAF_END]
        group = np.int64(0)
        for leaf in range(first, stop):
            share = shares[start + leaf - first]
            fits &= totals[root + leaves[leaf, _NODE]] <= leaves[leaf, _MOST] - max(share, leaves[leaf, _LEAST])
            group += share
            above = leaves[leaf, _ABOVE]
            if above != 0:
                most, least = leaves[leaf, _GROUP_MOST], leaves[leaf, _GROUP_LEAST]
                fits &= above < 0 or totals[root + above] <= most - max(group, least)
                group = np.int64(0)
        if not fits:
            return at
        totals[root] += amount
        for leaf in range(first, stop):
            share, node = shares[start + leaf - first], root + leaves[leaf, _NODE]
            group += share
            total = totals[node] + share
            totals[node] = total
            after[start + leaf - first] = total
            above = leaves[leaf, _ABOVE]
            if above != 0:
                if above > 0:
                    totals[root + above] += group
                group = np.int64(0)
        at += 1
    return at


@kernel
def _share(
    amount: int,
    how: int,
    charges: Minor,
    bearers: Minor,
    leaves: Minor,
    totals: Minor,
    root: int,
    shares: Minor,
    scratch: _Scratch,
) -> np.int64:
    """Fills the shares of one charge's leaves. Gives the rest that nobody takes, 0 if there is none."""
    first, end, base, last = charges[how, _FIRST], charges[how, _END], charges[how, _LEAF], charges[how, _LAST]
    capped = amount > 0 and root >= 0  # a negative charge is shared as if there were no caps
    cut, largest = charges[how, _CUT] != 0, charges[how, _LARGEST] != 0
    magnitude = np.uint64(-amount) if amount < 0 else np.uint64(amount)
    fits = magnitude
    if capped:
        fits = min(fits, np.uint64(_room(charges[how, _CAP], totals[root])))
    rest = magnitude - fits
    rooms, taken = scratch.rooms[: end - first], scratch.taken[: end - first]
    for bearer in range(first, end):
        rooms[bearer - first] = _bearer_room(bearers, leaves, bearer, totals, root, cut) if capped else UNBOUNDED
    if charges[how, _IN_ORDER] != 0:
        rest += _in_turn(fits, bearers, first, rooms, cut, taken)
    else:
        rest += _fill(fits, bearers, first, rooms, cut, largest, taken, scratch)
    for bearer in range(first, end):
        begin, stop = bearers[bearer, _BEGIN], bearers[bearer, _STOP]
        mine, part = shares[begin - base : stop - base], np.uint64(taken[bearer - first])
        if leaves[begin, _NODE] == bearers[bearer, _NODE]:
            mine[0] = np.int64(part)
            continue
        free = scratch.leaf_rooms[: stop - begin]
        for leaf in range(begin, stop):
            free[leaf - begin] = _room(leaves[leaf, _MOST], totals[root + leaves[leaf, _NODE]]) if capped else UNBOUNDED
        rest += _fill(part, leaves, begin, free, cut, largest, mine, scratch)
    if rest > np.uint64(0):
        if last < 0:
            return np.int64(rest)
        begin, stop = bearers[first + last, _BEGIN], bearers[first + last, _STOP]
        for leaf in range(begin, stop):
            scratch.weights[leaf - begin] = leaves[leaf, _WEIGHT]
        _deal(rest, scratch.weights[: stop - begin], largest, scratch.given, scratch.lost)
        for leaf in range(begin, stop):
            shares[leaf - base] += scratch.given[leaf - begin]
    if amount < 0:
        for place in range(len(shares)):
            shares[place] = -shares[place]
    return np.int64(0)


@kernel
def _room(cap: int, total: int) -> np.int64:
    """What a node may still take: never negative, and at most what 64 bits hold."""
    if cap == UNBOUNDED or (total < 0 and cap > UNBOUNDED + total):
        return np.int64(UNBOUNDED)
    return np.int64(0) if total >= cap else np.int64(cap - total)


@kernel
def _bearer_room(bearers: Minor, leaves: Minor, bearer: int, totals: Minor, root: int, cut: bool) -> np.int64:
    """The room of a bearer; where shares are passed on, a group has no more than its leaves together."""
    own = _room(bearers[bearer, _MOST], totals[root + bearers[bearer, _NODE]])
    begin, stop = bearers[bearer, _BEGIN], bearers[bearer, _STOP]
    if cut or leaves[begin, _NODE] == bearers[bearer, _NODE]:
        return own
    together = np.int64(0)
    for leaf in range(begin, stop):
        if leaves[leaf, _WEIGHT] > 0:
            free = _room(leaves[leaf, _MOST], totals[root + leaves[leaf, _NODE]])
            if free >= own - together:
                return own
            together += free
    return together


@kernel
def _in_turn(amount: np.uint64, bearers: Minor, first: int, rooms: Minor, cut: bool, taken: Minor) -> np.uint64:
    """Each bearer in its turn, up to its limit and its room. Gives what is not taken."""
    left, lost = amount, np.uint64(0)
    for turn in range(len(rooms)):
        bearer = bearers[first + turn, _TURN]
        limit = bearers[first + bearer, _LIMIT]
        wanted = min(left, np.uint64(limit)) if limit != UNBOUNDED else left
        part = min(wanted, np.uint64(rooms[bearer])) if rooms[bearer] != UNBOUNDED else wanted
        taken[bearer] = np.int64(part)
        left -= part
        if cut:
            left -= wanted - part
            lost += wanted - part
    return left + lost


@kernel
def _fill(
    amount: np.uint64, table: Minor, first: int, rooms: Minor, cut: bool, largest: bool, taken: Minor, scratch: _Scratch
) -> np.uint64:
    """Fills `taken` by weight up to the rooms, which are used up. What does not fit goes to those that have room, by
    weight, until nothing is left or none has room; with `cut` it goes nowhere. Gives what is not taken."""
    active, given = scratch.weights[: len(rooms)], scratch.given
    for place in range(len(rooms)):
        taken[place] = 0
        active[place] = table[first + place, _WEIGHT] if cut or rooms[place] > 0 else 0
    left = amount
    while left > np.uint64(0) and _deal(left, active, largest, given, scratch.lost):
        left = np.uint64(0)
        for place in range(len(rooms)):
            part, free = np.uint64(given[place]), np.uint64(rooms[place])
            if rooms[place] != UNBOUNDED and part >= free:
                left += part - free
                part = free
                active[place] = 0
            taken[place] += np.int64(part)
            if rooms[place] != UNBOUNDED:
                rooms[place] -= np.int64(part)
        if cut:
            break
    return left


@kernel
def _refund(
    packed: _Packed,
    nodes: Nodes,
    slots: Slots,
    slot: int,
    how: int,
    delta: int,
    careful: bool,
    shares: Minor,
    after: Minor,
    scratch: _Scratch,
) -> int:
    """Gives back what an original's leaves carried, and gives how that ended."""
    if not slots.carried[slot]:
        shares[:] = 0
        after[:] = 0
        return ORIGINAL_NOT_CARRIED
    reverse, largest = packed.charges[how, _REVERSE] != 0, packed.charges[how, _LARGEST] != 0
    _give_back(delta, reverse, largest, slots, slot, shares, scratch)
    if careful and _refund_overflows(nodes, slots, slot, shares):
        slots.left[slots.starts[slot] : slots.starts[slot + 1]] += shares
        shares[:] = 0
        return BEYOND_INT64
    start = slots.starts[slot]
    for place in range(len(shares)):
        node = slots.nodes[start + place]
        after[place] = 0
        if node >= 0:
            _add(nodes, node, -shares[place])
            after[place] = nodes.totals[node]
    return CARRIED


@kernel
def _give_back(
    delta: int, reverse: bool, largest: bool, slots: Slots, slot: int, shares: Minor, room: _Scratch
) -> None:
    """Fills what each leaf gets back of the delta, and takes it from what it has left."""
    start, end = slots.starts[slot], slots.starts[slot + 1]
    magnitude = np.uint64(-delta) if delta < 0 else np.uint64(delta)
    if reverse:
        for place in range(end - 1, start - 1, -1):
            still = slots.left[place]
            part = min(magnitude, np.uint64(-still) if still < 0 else np.uint64(still))
            magnitude -= part
            shares[place - start] = np.int64(part)
    else:
        for place in range(start, end):
            room.weights[place - start] = abs(slots.left[place])
        _deal(magnitude, room.weights[: end - start], largest, shares, room.lost)
    for place in range(start, end):
        if delta < 0:
            shares[place - start] = -shares[place - start]
        slots.left[place] -= shares[place - start]


@kernel
def _book(
    charges: Minor, bearers: Minor, leaves: Minor, totals: Minor, how: int, root: int, shares: Minor, after: Minor
) -> None:
    """Adds the shares to their leaves, their groups and the pot."""
    if root < 0:
        after[:] = 0
        return
    base = charges[how, _LEAF]
    for bearer in range(charges[how, _FIRST], charges[how, _END]):
        group = leaves[bearers[bearer, _BEGIN], _NODE] != bearers[bearer, _NODE]
        for leaf in range(bearers[bearer, _BEGIN], bearers[bearer, _STOP]):
            node, share = root + leaves[leaf, _NODE], shares[leaf - base]
            totals[node] += share
            after[leaf - base] = totals[node]
            totals[root] += share
            if group:
                totals[root + bearers[bearer, _NODE]] += share


@kernel
def _overflows(charges: Minor, leaves: Minor, nodes: Nodes, how: int, root: int, shares: Minor) -> bool:
    """Whether a total would pass 64 bits by shares of one sign: tried on each node and all above, then undone."""
    if root < 0:
        return False
    base, found = charges[how, _LEAF], False
    for place in range(len(shares)):
        found = _add(nodes, root + leaves[base + place, _NODE], shares[place]) or found
    for place in range(len(shares)):
        _add(nodes, root + leaves[base + place, _NODE], -shares[place])
    return found


@kernel
def _refund_overflows(nodes: Nodes, slots: Slots, slot: int, shares: Minor) -> bool:
    """Whether a total would pass 64 bits by giving these shares back: tried, then undone."""
    start, found = slots.starts[slot], False
    for place in range(len(shares)):
        found = _add(nodes, slots.nodes[start + place], -shares[place]) or found
    for place in range(len(shares)):
        _add(nodes, slots.nodes[start + place], shares[place])
    return found


@kernel
def _add(nodes: Nodes, node: int, more: int) -> bool:
    """Adds to a node and all above, wrapping around. Gives whether a total passed 64 bits."""
    passed = False
    while node >= 0:
        old = nodes.totals[node]
        new = old + more
        nodes.totals[node] = new
        passed = passed or (old ^ new) & (more ^ new) < 0
        node = nodes.parents[node]
    return passed


@kernel
def _keep(charges: Minor, leaves: Minor, how: int, root: int, slots: Slots, slot: int, shares: Minor) -> None:
    """Keeps a charge's shares for its refunds."""
    start, leaf = slots.starts[slot], charges[how, _LEAF]
    for place in range(len(shares)):
        slots.left[start + place] = shares[place]
        slots.nodes[start + place] = -1 if root < 0 else root + leaves[leaf + place, _NODE]
    slots.carried[slot] = True


@kernel
def _deal(amount: np.uint64, weights: Minor, largest: bool, shares: Minor, lost: _Unsigned) -> bool:
    """Fills shares[k] of the amount by weight, odd units by policy. Gives whether there is any weight."""
    total = np.uint64(0)
    for place in range(len(weights)):
        total += np.uint64(weights[place])
    if total == np.uint64(0):
        for place in range(len(weights)):
            shares[place] = 0
        return False
    whole = amount // total
    part = amount - whole * total
    odd = amount
    for place in range(len(weights)):
        weight = np.uint64(weights[place])
        share, rest = _scale(part, weight, total)
        share += whole * weight
        shares[place] = np.int64(share)
        lost[place] = rest
        odd -= share
    while odd > np.uint64(0):
        at = 0
        if largest:
            for place in range(1, len(weights)):
                if lost[place] > lost[at]:
                    at = place
        else:
            while weights[at] == 0 or lost[at] == UNBOUNDED:
                at += 1
        shares[at] += 1
        lost[at] = np.uint64(0) if largest else np.uint64(UNBOUNDED)
        odd -= np.uint64(1)
    return True


@kernel
def _scale(part: np.uint64, weight: np.uint64, total: np.uint64) -> tuple[np.uint64, np.uint64]:
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
