"""The slow way: a charge is shared from room to room, where a node has not enough, or by turns."""

import numpy as np

from everycent.base.engine.kernels.carrying_deal import deal
from everycent.base.engine.kernels.carrying_packed import (
    BEGIN,
    CAP,
    CUT,
    END,
    FIRST,
    IN_ORDER,
    LARGEST,
    LAST,
    LEAF,
    LEAF_END,
    LIMIT,
    MOST,
    NODE,
    STOP,
    TURN,
    WEIGHT,
    Scratch,
)
from everycent.base.engine.kernels.carrying_types import UNBOUNDED, Minor
from everycent.base.engine.kernels.compiling import uncounted


@uncounted
def share_out(
    amount: int,
    how: int,
    charges: Minor,
    bearers: Minor,
    leaves: Minor,
    totals: Minor,
    root: int,
    shares: Minor,
    at: int,
    scratch: Scratch,
) -> np.int64:
    """Fills the shares of one charge's leaves, from shares[at] on. Gives the rest that nobody takes, else 0."""
    first, end, last = charges[how, FIRST], charges[how, END], charges[how, LAST]
    base = charges[how, LEAF] - at
    capped = amount > 0 and root >= 0  # a negative charge is shared as if there were no caps
    cut, largest = charges[how, CUT] != 0, charges[how, LARGEST] != 0
    magnitude = np.uint64(-amount) if amount < 0 else np.uint64(amount)
    fits = magnitude
    if capped:
        fits = min(fits, np.uint64(room_of(charges[how, CAP], totals[root])))
    rest = magnitude - fits
    rooms, taken, free = scratch.rooms, scratch.taken, scratch.leaf_rooms
    for bearer in range(first, end):
        rooms[bearer - first] = bearer_room(bearers, leaves, bearer, totals, root, cut) if capped else UNBOUNDED
    if charges[how, IN_ORDER] != 0:
        rest += in_turn(fits, bearers, first, end, rooms, cut, taken)
    else:
        rest += fill(fits, bearers, first, end, rooms, cut, largest, taken, 0, scratch)
    for bearer in range(first, end):
        begin, stop = bearers[bearer, BEGIN], bearers[bearer, STOP]
        if leaves[begin, NODE] == bearers[bearer, NODE]:
            shares[begin - base] = taken[bearer - first]
            continue
        for leaf in range(begin, stop):
            free[leaf - begin] = room_of(leaves[leaf, MOST], totals[root + leaves[leaf, NODE]]) if capped else UNBOUNDED
        part = np.uint64(taken[bearer - first])
        rest += fill(part, leaves, begin, stop, free, cut, largest, shares, begin - base, scratch)
    if rest > np.uint64(0):
        if last < 0:
            return np.int64(rest)
        begin, stop = bearers[first + last, BEGIN], bearers[first + last, STOP]
        for leaf in range(begin, stop):
            scratch.weights[leaf - begin] = leaves[leaf, WEIGHT]
        deal(rest, scratch.weights, stop - begin, largest, scratch.given, scratch.lost)
        for leaf in range(begin, stop):
            shares[leaf - base] += scratch.given[leaf - begin]
    if amount < 0:
        for place in range(at, charges[how, LEAF_END] - base):
            shares[place] = -shares[place]
    return np.int64(0)


@uncounted
def room_of(cap: int, total: int) -> np.int64:
    """What a node may still take: never negative, and at most what 64 bits hold."""
    if cap == UNBOUNDED or (total < 0 and cap > UNBOUNDED + total):
        return np.int64(UNBOUNDED)
    return np.int64(0) if total >= cap else np.int64(cap - total)


@uncounted
def bearer_room(bearers: Minor, leaves: Minor, bearer: int, totals: Minor, root: int, cut: bool) -> np.int64:
    """The room of a bearer; where shares are passed on, a group has no more than its leaves together."""
    own = room_of(bearers[bearer, MOST], totals[root + bearers[bearer, NODE]])
    begin, stop = bearers[bearer, BEGIN], bearers[bearer, STOP]
    if cut or leaves[begin, NODE] == bearers[bearer, NODE]:
        return own
    together = np.int64(0)
    for leaf in range(begin, stop):
        if leaves[leaf, WEIGHT] > 0:
            free = room_of(leaves[leaf, MOST], totals[root + leaves[leaf, NODE]])
            if free >= own - together:
                return own
            together += free
    return together


@uncounted
def in_turn(
    amount: np.uint64, bearers: Minor, first: int, end: int, rooms: Minor, cut: bool, taken: Minor
) -> np.uint64:
    """Each bearer in its turn, up to its limit and its room. Gives what is not taken."""
    left, lost = amount, np.uint64(0)
    for turn in range(end - first):
        bearer = bearers[first + turn, TURN]
        limit = bearers[first + bearer, LIMIT]
        wanted = min(left, np.uint64(limit)) if limit != UNBOUNDED else left
        part = min(wanted, np.uint64(rooms[bearer])) if rooms[bearer] != UNBOUNDED else wanted
        taken[bearer] = np.int64(part)
        left -= part
        if cut:
            left -= wanted - part
            lost += wanted - part
    return left + lost


@uncounted
def fill(
    amount: np.uint64,
    table: Minor,
    first: int,
    end: int,
    rooms: Minor,
    cut: bool,
    largest: bool,
    taken: Minor,
    at: int,
    scratch: Scratch,
) -> np.uint64:
    """Fills `taken`, from `at` on, by weight up to the rooms, which are used up. What does not fit goes to those that
    have room, by weight, until nothing is left or none has room; with `cut` it goes nowhere. Gives what is not taken.
    """
    active, given, count = scratch.weights, scratch.given, end - first
    for place in range(count):
        taken[at + place] = 0
        active[place] = table[first + place, WEIGHT] if cut or rooms[place] > 0 else 0
    left = amount
    while left > np.uint64(0) and deal(left, active, count, largest, given, scratch.lost):
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
