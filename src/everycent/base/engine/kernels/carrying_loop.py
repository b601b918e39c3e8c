"""The kernels of `kernels.carrying`, in one file, since Numba keeps machine code by file.

Magnitudes are unsigned 64-bit; where amount times weight does not fit, it is multiplied and divided bit by bit. Most
charges fit under all caps: they are split first, as if there were none (`_split`), and booked in order while they fit
(`_run`); what does not fit goes from room to room (`_share`). Both ways give the same shares.
"""

from typing import NamedTuple

import numpy as np

from everycent.base.engine.kernels.carrying_types import (
    BEYOND_INT64,
    CARRIED,
    ORIGINAL_NOT_CARRIED,
    UNBOUNDED,
    Carried,
    Events,
    Minor,
    Nodes,
    Places,
    Slots,
    Unsigned,
)
from everycent.base.engine.kernels.compiling import uncounted


class Packed(NamedTuple):
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
    lost: Unsigned


def scratch_of(widest: int) -> _Scratch:
    """Room for one thread. widest: the most bearers or leaves of one charge."""
    rooms, taken, leaf_rooms, weights, given = (np.zeros(widest, dtype=np.int64) for _ in range(5))
    return _Scratch(rooms, taken, leaf_rooms, weights, given, np.zeros(widest, dtype=np.uint64))


_FIRST, _END, _LEAF, _LEAF_END, _IN_ORDER, _CUT, _REVERSE, _LARGEST, _LAST, _CAP, _TOTAL, _INVERSE, _QUICK = range(13)
_WEIGHT, _NODE, _MOST, _LEAST = range(
    4
)  # of bearers and leaves: the cap, and the room without which a share is not dealt
_BEGIN, _STOP, _SUM, _INVERTED, _LIMIT, _TURN = range(4, 10)  # of bearers
_ABOVE, _GROUP_MOST, _GROUP_LEAST = range(4, 7)  # of a bearer's last leaf: its group's node, -1 for none; of others 0

#: Amounts and sums of weights below this are shared by the quick way: their products fit 64 bits.
QUICK_MAX = 1 << 31


@uncounted
def deal_out(roots: Places, counts: Places, order: Places, cuts: Places, at: Places) -> None:
    """Pots are dealt out in ranges of about as many events; counts: room for one more than the nodes, and one.
    at: room for each thread."""
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
    for thread in range(threads):
        at[thread] = cuts[thread]
    for event in range(len(roots)):
        mine = counts[roots[event] + 1]
        order[at[mine]] = event
        at[mine] += 1


@uncounted
def carry_in_order(
    packed: Packed,
    nodes: Nodes,
    events: Events,
    slots: Slots,
    out: Carried,
    order: Places,
    careful: bool,
    scratch: _Scratch,
) -> None:
    """Carries the events of `order` (int64[e], their places), one after the other: fills their part of `out`.

    `careful`: totals may pass 64 bits. `scratch`: this thread's own.
    """
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
        if refunds[event]:
            shares, after = all_shares[start : starts[event + 1]], all_after[start : starts[event + 1]]
            out.states[event] = _refund(
                packed, nodes, slots, kept_in[event], how, amount, careful, shares, after, scratch
            )
            continue
        rest = _share(amount, how, charges, bearers, leaves, totals, root, all_shares, start, scratch)
        if rest != 0:
            out.rests[event] = rest
            out.states[event] = -charges[how, _LAST]
            all_shares[start : starts[event + 1]] = 0
        elif careful and _overflows(charges, leaves, nodes, how, root, all_shares[start : starts[event + 1]]):
            out.states[event] = BEYOND_INT64
            all_shares[start : starts[event + 1]] = 0
        _book(charges, bearers, leaves, totals, how, root, all_shares, all_after, start)
        if kept_in[event] >= 0 and out.states[event] == CARRIED:
            _keep(charges, leaves, how, root, slots, kept_in[event], all_shares[start : starts[event + 1]])


@uncounted
def _split(packed: Packed, events: Events, order: Places, shares: Minor, taken: Minor, lost: Unsigned) -> None:
    """Shares by weight of all charges that can be shared quickly, as if there were no caps."""
    charges, bearers, leaves = packed.charges, packed.bearers, packed.leaves
    amounts, terms, starts, refunds = events.amounts, events.terms, events.starts, events.is_refund
    for event in order:
        how, amount, at = terms[event], amounts[event], starts[event]
        if refunds[event] or charges[how, _QUICK] == 0 or amount <= 0 or amount >= QUICK_MAX:
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


@uncounted
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
    return np.int64(share) + _odd_to_first(rest, divisor, largest)


@uncounted
def _odd_to_first(rest: np.uint64, total: np.uint64, largest: bool) -> np.int64:
    """1 where the odd unit that two share goes to the first, who lost rest / total of it."""
    up = rest + rest >= total if largest else rest > np.uint64(0)
    return np.int64(up)


@uncounted
def _deal_small(
    amount: int, table: Minor, first: int, end: int, total: int, largest: bool, given: Minor, at: int, lost: Unsigned
) -> None:
    """What `_deal` does, for amounts and totals below 2**31, from given[at] on."""
    size, divisor, beyond = np.uint64(amount), np.uint64(total), np.uint64(QUICK_MAX)
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


@uncounted
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
        fits = slots[event] < 0 and charges[how, _QUICK] != 0 and 0 < amount < QUICK_MAX and root >= 0
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


@uncounted
def _share(
    amount: int,
    how: int,
    charges: Minor,
    bearers: Minor,
    leaves: Minor,
    totals: Minor,
    root: int,
    shares: Minor,
    at: int,
    scratch: _Scratch,
) -> np.int64:
    """Fills the shares of one charge's leaves, from shares[at] on. Gives the rest that nobody takes, else 0."""
    first, end, last = charges[how, _FIRST], charges[how, _END], charges[how, _LAST]
    base = charges[how, _LEAF] - at
    capped = amount > 0 and root >= 0  # a negative charge is shared as if there were no caps
    cut, largest = charges[how, _CUT] != 0, charges[how, _LARGEST] != 0
    magnitude = np.uint64(-amount) if amount < 0 else np.uint64(amount)
    fits = magnitude
    if capped:
        fits = min(fits, np.uint64(_room(charges[how, _CAP], totals[root])))
    rest = magnitude - fits
    rooms, taken, free = scratch.rooms, scratch.taken, scratch.leaf_rooms
    for bearer in range(first, end):
        rooms[bearer - first] = _bearer_room(bearers, leaves, bearer, totals, root, cut) if capped else UNBOUNDED
    if charges[how, _IN_ORDER] != 0:
        rest += _in_turn(fits, bearers, first, end, rooms, cut, taken)
    else:
        rest += _fill(fits, bearers, first, end, rooms, cut, largest, taken, 0, scratch)
    for bearer in range(first, end):
        begin, stop = bearers[bearer, _BEGIN], bearers[bearer, _STOP]
        if leaves[begin, _NODE] == bearers[bearer, _NODE]:
            shares[begin - base] = taken[bearer - first]
            continue
        for leaf in range(begin, stop):
            free[leaf - begin] = _room(leaves[leaf, _MOST], totals[root + leaves[leaf, _NODE]]) if capped else UNBOUNDED
        part = np.uint64(taken[bearer - first])
        rest += _fill(part, leaves, begin, stop, free, cut, largest, shares, begin - base, scratch)
    if rest > np.uint64(0):
        if last < 0:
            return np.int64(rest)
        begin, stop = bearers[first + last, _BEGIN], bearers[first + last, _STOP]
        for leaf in range(begin, stop):
            scratch.weights[leaf - begin] = leaves[leaf, _WEIGHT]
        _deal(rest, scratch.weights, stop - begin, largest, scratch.given, scratch.lost)
        for leaf in range(begin, stop):
            shares[leaf - base] += scratch.given[leaf - begin]
    if amount < 0:
        for place in range(at, charges[how, _LEAF_END] - base):
            shares[place] = -shares[place]
    return np.int64(0)


@uncounted
def _room(cap: int, total: int) -> np.int64:
    """What a node may still take: never negative, and at most what 64 bits hold."""
    if cap == UNBOUNDED or (total < 0 and cap > UNBOUNDED + total):
        return np.int64(UNBOUNDED)
    return np.int64(0) if total >= cap else np.int64(cap - total)


@uncounted
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


@uncounted
def _in_turn(
    amount: np.uint64, bearers: Minor, first: int, end: int, rooms: Minor, cut: bool, taken: Minor
) -> np.uint64:
    """Each bearer in its turn, up to its limit and its room. Gives what is not taken."""
    left, lost = amount, np.uint64(0)
    for turn in range(end - first):
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


@uncounted
def _fill(
    amount: np.uint64,
    table: Minor,
    first: int,
    end: int,
    rooms: Minor,
    cut: bool,
    largest: bool,
    taken: Minor,
    at: int,
    scratch: _Scratch,
) -> np.uint64:
    """Fills `taken`, from `at` on, by weight up to the rooms, which are used up. What does not fit goes to those that
    have room, by weight, until nothing is left or none has room; with `cut` it goes nowhere. Gives what is not taken.
    """
    active, given, count = scratch.weights, scratch.given, end - first
    for place in range(count):
        taken[at + place] = 0
        active[place] = table[first + place, _WEIGHT] if cut or rooms[place] > 0 else 0
    left = amount
    while left > np.uint64(0) and _deal(left, active, count, largest, given, scratch.lost):
        left = np.uint64(0)
        for place in range(count):
            part, free = given[place], rooms[place]
            if free != UNBOUNDED:
                if part >= free:
                    left += np.uint64(part - free)
                    part = free
                    active[place] = 0
                rooms[place] = free - part
            taken[at + place] += part
        if cut:
            break
    return left


@uncounted
def _refund(
    packed: Packed,
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
    start = slots.starts[slot]
    if careful and _refund_overflows(nodes, slots, slot, shares):
        for place in range(len(shares)):
            slots.left[start + place] += shares[place]
            shares[place] = 0
        return BEYOND_INT64
    for place in range(len(shares)):
        node = slots.nodes[start + place]
        after[place] = 0
        if node >= 0:
            _add(nodes, node, -shares[place])
            after[place] = nodes.totals[node]
    return CARRIED


@uncounted
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
        _deal(magnitude, room.weights, end - start, largest, shares, room.lost)
    for place in range(start, end):
        if delta < 0:
            shares[place - start] = -shares[place - start]
        slots.left[place] -= shares[place - start]


@uncounted
def _book(
    charges: Minor,
    bearers: Minor,
    leaves: Minor,
    totals: Minor,
    how: int,
    root: int,
    shares: Minor,
    after: Minor,
    at: int,
) -> None:
    """Adds the shares, from shares[at] on, to their leaves, their groups and the pot."""
    base = charges[how, _LEAF] - at
    if root < 0:
        after[at : charges[how, _LEAF_END] - base] = 0
        return
    whole = np.int64(0)
    for bearer in range(charges[how, _FIRST], charges[how, _END]):
        begin, stop, group = bearers[bearer, _BEGIN], bearers[bearer, _STOP], np.int64(0)
        for leaf in range(begin, stop):
            node, share = root + leaves[leaf, _NODE], shares[leaf - base]
            total = totals[node] + share
            totals[node] = total
            after[leaf - base] = total
            group += share
        if leaves[begin, _NODE] != bearers[bearer, _NODE]:
            totals[root + bearers[bearer, _NODE]] += group
        whole += group
    totals[root] += whole


@uncounted
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


@uncounted
def _refund_overflows(nodes: Nodes, slots: Slots, slot: int, shares: Minor) -> bool:
    """Whether a total would pass 64 bits by giving these shares back: tried, then undone."""
    start, found = slots.starts[slot], False
    for place in range(len(shares)):
        found = _add(nodes, slots.nodes[start + place], -shares[place]) or found
    for place in range(len(shares)):
        _add(nodes, slots.nodes[start + place], shares[place])
    return found


@uncounted
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


@uncounted
def _keep(charges: Minor, leaves: Minor, how: int, root: int, slots: Slots, slot: int, shares: Minor) -> None:
    """Keeps a charge's shares for its refunds."""
    start, leaf = slots.starts[slot], charges[how, _LEAF]
    for place in range(len(shares)):
        slots.left[start + place] = shares[place]
        slots.nodes[start + place] = -1 if root < 0 else root + leaves[leaf + place, _NODE]
    slots.carried[slot] = True


@uncounted
def _deal(amount: np.uint64, weights: Minor, count: int, largest: bool, shares: Minor, lost: Unsigned) -> bool:
    """Fills shares[k] of the amount by the first `count` weights, odd units by policy. Gives whether there is any
    weight. One alone gets all, and of two the second gets what the first does not: division is what takes time."""
    total, zero, beyond = np.uint64(0), np.uint64(0), np.uint64(QUICK_MAX)
    some, one, other = 0, 0, 0
    for place in range(count):
        shares[place] = 0
        if weights[place] != 0:
            total += np.uint64(weights[place])
            some, one, other = some + 1, other, place
    if some < 2:
        shares[other] += np.int64(amount) if some == 1 else 0
        return some == 1
    small = amount < beyond and total < beyond
    if small and some == 2:
        product = amount * np.uint64(weights[one])
        share = product // total
        shares[one] = np.int64(share) + _odd_to_first(product - share * total, total, largest)
        shares[other] = np.int64(amount) - shares[one]
        return True
    whole = zero if small else amount // total
    part = amount - whole * total
    odd = amount
    for place in range(count):
        weight = np.uint64(weights[place])
        share, rest = _scale(part, weight, total)
        share += whole * weight
        shares[place] = np.int64(share)
        lost[place] = rest
        odd -= share
    while odd > zero:
        at = 0
        if largest:
            for place in range(1, count):
                if lost[place] > lost[at]:
                    at = place
        else:
            while weights[at] == 0 or lost[at] == UNBOUNDED:
                at += 1
        shares[at] += 1
        lost[at] = zero if largest else np.uint64(UNBOUNDED)
        odd -= np.uint64(1)
    return True


@uncounted
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
