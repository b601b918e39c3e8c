"""Who carries what: charges shared under caps in strict order, on two levels, and refunds of what was carried.

Totals live in *nodes*: each pot is a block of them, its root first (the whole pot), then groups, then leaves. A node's
total is the sum of its children's. A cap bounds the total; what a node may still take is its room.

All arithmetic is exact: magnitudes are unsigned 64-bit, and where amount times weight does not fit, it is multiplied
and divided bit by bit. The odd units of one amount are handed out as `kernels.allotment` does (whose kernels cannot be
called from here: Numba keeps machine code by file).
"""

from concurrent.futures import ThreadPoolExecutor
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
    `nodes`, `leaf_nodes`: where their totals are in a pot's block. `leaf_weights`: int64[l].
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


class Nodes(NamedTuple):
    """m nodes: `totals` and `caps` int64[m], minor units, changed in place; `parents` int64[m], -1 of a root."""

    totals: Minor
    caps: Minor
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


NO_NODES = Nodes(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
NO_SLOTS = Slots(
    np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.bool_)
)


class Carried(NamedTuple):
    """`shares`, `before`, `after`: int64[starts[n]], each leaf's share (of a refund: what it gets back, in the
    original's sign) and its total around it. `states`: int8[n]. `rests`: int64[n], what nobody had room for."""

    shares: Minor
    before: Minor
    after: Minor
    states: States
    rests: Minor


class _Room(NamedTuple):
    """Room to work in, as wide as the most bearers or leaves of one charge."""

    rooms: Minor
    taken: Minor
    leaf_rooms: Minor
    weights: Minor
    given: Minor
    lost: _Unsigned


def carry(terms: Terms, nodes: Nodes, events: Events, slots: Slots, threads: int = 1) -> Carried:
    """Carries each event in its order; those of different pots side by side, which changes no byte.

    Changes `nodes.totals` and `slots` in place. Refunds must not ask for more than their original's leaves have left.
    """
    count, width = len(events.amounts), int(events.starts[-1])
    out = Carried(
        np.zeros(width, dtype=np.int64),
        np.zeros(width, dtype=np.int64),
        np.zeros(width, dtype=np.int64),
        np.zeros(count, dtype=np.int8),
        np.zeros(count, dtype=np.int64),
    )
    careful = _may_overflow(nodes, events)
    parts = _parts(events, len(nodes.totals), threads)
    widest = _widest(terms, slots)
    if parts is None:
        _carry(terms, nodes, events, slots, out, np.zeros(0, dtype=np.int8), 0, careful, widest)
    else:
        with ThreadPoolExecutor(threads) as pool:
            runs = [
                pool.submit(_carry, terms, nodes, events, slots, out, parts, part, careful, widest)
                for part in range(threads)
            ]
        for run in runs:
            run.result()
    return out


def _may_overflow(nodes: Nodes, events: Events) -> bool:
    """Whether a total could pass 64 bits on the way, all amounts taken at the largest."""
    return _largest(nodes.totals) + _largest(events.amounts) * len(events.amounts) > UNBOUNDED


def _largest(values: Minor) -> int:
    return max(abs(int(values.min())), abs(int(values.max()))) if len(values) else 0


def _parts(events: Events, nodes: int, threads: int) -> States | None:
    """Which thread carries each event: pots are dealt out in ranges of about as many events; None for one thread."""
    if threads == 1 or len(events.roots) == 0 or events.roots.min() == events.roots.max():
        return None
    before = np.cumsum(np.bincount(events.roots + 1, minlength=nodes + 1))
    return (((before - 1) * threads) // len(events.roots)).astype(np.int8)[events.roots + 1]


def _widest(terms: Terms, slots: Slots) -> int:
    charges = np.diff(terms.leaf_starts[terms.bearer_starts]) if len(terms.in_order) else np.zeros(1, dtype=np.int64)
    return int(max(charges.max(), np.diff(slots.starts).max(initial=0), np.diff(terms.bearer_starts).max(initial=0)))


@kernel
def _carry(
    terms: Terms,
    nodes: Nodes,
    events: Events,
    slots: Slots,
    out: Carried,
    parts: States,
    part: int,
    careful: bool,
    widest: int,
) -> None:
    room = _Room(
        np.zeros(widest, dtype=np.int64),
        np.zeros(widest, dtype=np.int64),
        np.zeros(widest, dtype=np.int64),
        np.zeros(widest, dtype=np.int64),
        np.zeros(widest, dtype=np.int64),
        np.zeros(widest, dtype=np.uint64),
    )
    for event in range(len(events.amounts)):
        if len(parts) > 0 and parts[event] != part:
            continue
        slot, how = events.slots[event], events.terms[event]
        start, end = events.starts[event], events.starts[event + 1]
        shares = out.shares[start:end]
        if events.is_refund[event]:
            if slots.carried[slot]:
                _give_back(events.amounts[event], terms.reverse[how], terms.largest[how], slots, slot, shares, room)
                if careful and _refund_overflows(nodes, slots, slot, shares):
                    slots.left[slots.starts[slot] : slots.starts[slot + 1]] += shares
                    out.states[event] = BEYOND_INT64
                else:
                    _book_refund(nodes, slots, slot, shares, out.before[start:end], out.after[start:end])
            else:
                out.states[event] = ORIGINAL_NOT_CARRIED
            continue
        root = events.roots[event]
        rest = _share(events.amounts[event], how, terms, nodes, root, shares, room)
        if rest != 0:
            out.rests[event] = rest
            out.states[event] = -terms.last[how]
            _look(terms, how, nodes, root, out.before[start:end])
        elif careful and _overflows(terms, how, nodes, root, shares):
            out.states[event] = BEYOND_INT64
        else:
            _book(terms, how, nodes, root, shares, out.before[start:end], out.after[start:end])
            if slot >= 0:
                _keep(terms, how, root, slots, slot, shares)


@kernel
def _share(amount: int, how: int, terms: Terms, nodes: Nodes, root: int, shares: Minor, room: _Room) -> np.int64:
    """Fills the shares of one charge's leaves. Gives the rest that nobody takes, 0 if there is none."""
    first, end = terms.bearer_starts[how], terms.bearer_starts[how + 1]
    capped = amount > 0 and root >= 0  # a negative charge is shared as if there were no caps
    cut, largest, last = terms.cut[how], terms.largest[how], terms.last[how]
    magnitude = np.uint64(-amount) if amount < 0 else np.uint64(amount)
    fits = magnitude
    if capped:
        fits = min(fits, np.uint64(_room_of(nodes, root)))
    rest = magnitude - fits
    rooms, taken = room.rooms[: end - first], room.taken[: end - first]
    for bearer in range(first, end):
        rooms[bearer - first] = _bearer_room(terms, bearer, nodes, root, cut) if capped else UNBOUNDED
    if terms.in_order[how]:
        rest += _in_turn(fits, terms.limits[first:end], terms.turns[first:end], rooms, cut, taken)
    else:
        rest += _fill(fits, terms.weights[first:end], rooms, cut, largest, taken, room)
    base = terms.leaf_starts[first]
    for bearer in range(first, end):
        leaf, stop = terms.leaf_starts[bearer], terms.leaf_starts[bearer + 1]
        mine, part = shares[leaf - base : stop - base], np.uint64(taken[bearer - first])
        if stop - leaf == 1 and terms.leaf_nodes[leaf] == terms.nodes[bearer]:
            mine[0] = np.int64(part)
        elif part == np.uint64(0):
            mine[:] = 0
        else:
            for place in range(leaf, stop):
                free = _room_of(nodes, root + terms.leaf_nodes[place]) if capped else UNBOUNDED
                room.leaf_rooms[place - leaf] = free
            rest += _fill(part, terms.leaf_weights[leaf:stop], room.leaf_rooms[: stop - leaf], cut, largest, mine, room)
    if rest > np.uint64(0):
        if last < 0:
            return np.int64(rest)
        leaf, stop = terms.leaf_starts[first + last], terms.leaf_starts[first + last + 1]
        _deal(rest, terms.leaf_weights[leaf:stop], largest, room.given, room.lost)
        for place in range(leaf, stop):
            shares[place - base] += room.given[place - leaf]
    if amount < 0:
        for place in range(len(shares)):
            shares[place] = -shares[place]
    return np.int64(0)


@kernel
def _room_of(nodes: Nodes, node: int) -> np.int64:
    """What the node may still take: never negative, and at most what 64 bits hold."""
    cap, total = nodes.caps[node], nodes.totals[node]
    if cap == UNBOUNDED or (total < 0 and cap > UNBOUNDED + total):
        return np.int64(UNBOUNDED)
    return np.int64(0) if total >= cap else np.int64(cap - total)


@kernel
def _bearer_room(terms: Terms, bearer: int, nodes: Nodes, root: int, cut: bool) -> np.int64:
    """The room of a bearer; where shares are passed on, a group has no more than its leaves together."""
    own = _room_of(nodes, root + terms.nodes[bearer])
    leaf, stop = terms.leaf_starts[bearer], terms.leaf_starts[bearer + 1]
    if cut or (stop - leaf == 1 and terms.leaf_nodes[leaf] == terms.nodes[bearer]):
        return own
    together = np.int64(0)
    for place in range(leaf, stop):
        if terms.leaf_weights[place] > 0:
            free = _room_of(nodes, root + terms.leaf_nodes[place])
            if free >= own - together:
                return own
            together += free
    return together


@kernel
def _in_turn(amount: np.uint64, limits: Minor, turns: Places, rooms: Minor, cut: bool, taken: Minor) -> np.uint64:
    """Each bearer in its turn, up to its limit and its room. Gives what is not taken."""
    left, lost = amount, np.uint64(0)
    for turn in range(len(turns)):
        bearer = turns[turn]
        wanted = min(left, np.uint64(limits[bearer])) if limits[bearer] != UNBOUNDED else left
        part = min(wanted, np.uint64(rooms[bearer])) if rooms[bearer] != UNBOUNDED else wanted
        taken[bearer] = np.int64(part)
        left -= part
        if cut:
            left -= wanted - part
            lost += wanted - part
    return left + lost


@kernel
def _fill(
    amount: np.uint64, weights: Minor, rooms: Minor, cut: bool, largest: bool, taken: Minor, room: _Room
) -> np.uint64:
    """Fills `taken` by weight up to the rooms, which are used up. What does not fit goes to those that have room, by
    weight, until nothing is left or none has room; with `cut` it goes nowhere. Gives what is not taken."""
    active, given = room.weights[: len(weights)], room.given
    for place in range(len(weights)):
        taken[place] = 0
        active[place] = weights[place] if cut or rooms[place] > 0 else 0
    left = amount
    while left > np.uint64(0) and _deal(left, active, largest, given, room.lost):
        dealt, left = left, np.uint64(0)
        for place in range(len(weights)):
            part, free = np.uint64(given[place]), np.uint64(rooms[place])
            if rooms[place] != UNBOUNDED and part >= free:
                left += part - free
                part = free
                active[place] = 0
            taken[place] += np.int64(part)
            if rooms[place] != UNBOUNDED:
                rooms[place] -= np.int64(part)
        if cut or left == dealt:
            break
    return left


@kernel
def _give_back(delta: int, reverse: bool, largest: bool, slots: Slots, slot: int, shares: Minor, room: _Room) -> None:
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
def _book(terms: Terms, how: int, nodes: Nodes, root: int, shares: Minor, before: Minor, after: Minor) -> None:
    """Adds the shares to their nodes and all above."""
    if root < 0:
        return
    leaf = terms.leaf_starts[terms.bearer_starts[how]]
    for place in range(len(shares)):
        node = root + terms.leaf_nodes[leaf + place]
        before[place] = nodes.totals[node]
        nodes.totals[node] += shares[place]
        after[place] = nodes.totals[node]
        above = nodes.parents[node]
        while above >= 0:
            nodes.totals[above] += shares[place]
            above = nodes.parents[above]


@kernel
def _look(terms: Terms, how: int, nodes: Nodes, root: int, before: Minor) -> None:
    """The totals of a charge's leaves, which stay as they are."""
    if root >= 0:
        leaf = terms.leaf_starts[terms.bearer_starts[how]]
        for place in range(len(before)):
            before[place] = nodes.totals[root + terms.leaf_nodes[leaf + place]]


@kernel
def _book_refund(nodes: Nodes, slots: Slots, slot: int, shares: Minor, before: Minor, after: Minor) -> None:
    """Takes what was given back from its nodes and all above."""
    start = slots.starts[slot]
    for place in range(len(shares)):
        node = slots.nodes[start + place]
        if node < 0:
            continue
        before[place] = nodes.totals[node]
        nodes.totals[node] -= shares[place]
        after[place] = nodes.totals[node]
        above = nodes.parents[node]
        while above >= 0:
            nodes.totals[above] -= shares[place]
            above = nodes.parents[above]


@kernel
def _overflows(terms: Terms, how: int, nodes: Nodes, root: int, shares: Minor) -> bool:
    """Whether a total would pass 64 bits by shares of one sign: tried on each node and all above, then undone."""
    if root < 0:
        return False
    leaf, found = terms.leaf_starts[terms.bearer_starts[how]], False
    for place in range(len(shares)):
        found = _add(nodes, root + terms.leaf_nodes[leaf + place], shares[place]) or found
    for place in range(len(shares)):
        _add(nodes, root + terms.leaf_nodes[leaf + place], -shares[place])
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
def _keep(terms: Terms, how: int, root: int, slots: Slots, slot: int, shares: Minor) -> None:
    """Keeps a charge's shares for its refunds."""
    start, leaf = slots.starts[slot], terms.leaf_starts[terms.bearer_starts[how]]
    for place in range(len(shares)):
        slots.left[start + place] = shares[place]
        slots.nodes[start + place] = -1 if root < 0 else root + terms.leaf_nodes[leaf + place]
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
