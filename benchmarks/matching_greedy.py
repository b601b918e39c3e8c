"""The greedy matcher that `matching.py` compares with: the same rules in the same order, each row takes what looks best
to it at that moment and keeps it."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from matching_cases import Rows
from rapidfuzz.distance import Indel

Item = dict[str, Any]
Score = Callable[[Item, Item], Any]


def greedy(left: list[Item], right: list[Item], later: bool = False) -> set[Rows]:
    """Sets of rows, (side, row_no). `later`: as in RULES_LATER."""
    found: set[Rows] = set()
    one_by_one: list[tuple[Callable[[Item], Any], Score]] = [
        (lambda item: item["key"] and (item["key"], item["amount_minor"]), _any),
        (lambda item: item["key"], _little),
        (lambda item: item["reference"] and item["amount_minor"], _unlike),
    ]
    for block, score in one_by_one:
        left, right = _pairs(left, right, block, score, found)
    left, right = _groups(left, right, found)
    left, right = _pairs(left, right, lambda item: item["counterparty"], _in_order(_net, later), found)
    left, right = _pairs(left, right, lambda item: item["counterparty"], _in_order(_same, later), found)
    right, left = _sums(left, right, "left", "right", found)[::-1]
    _sums(right, left, "right", "left", found)
    return found


def _pairs(
    left: list[Item], right: list[Item], block: Callable[[Item], Any], score: Score, found: set[Rows]
) -> tuple[list[Item], list[Item]]:
    """Each left row takes the free right row with the lowest score, the first of equals; None: does not fit."""
    blocks: dict[Any, list[Item]] = defaultdict(list)
    for other in right:
        if block(other) is not None:
            blocks[block(other)].append(other)
    taken: set[int] = set()
    rest = []
    for one in left:
        fits = [
            (score(one, other), other["row_no"])
            for other in blocks.get(block(one), ())
            if other["row_no"] not in taken and score(one, other) is not None
        ]
        if block(one) is None or not fits:
            rest.append(one)
            continue
        _, row = min(fits)
        taken.add(row)
        found.add(frozenset({("left", one["row_no"]), ("right", row)}))
    return rest, [other for other in right if other["row_no"] not in taken]


def _in_order(score: Score, later: bool) -> Score:
    """The score, of pairs alone of which the right one is not the earlier, where that is known."""
    if not later:
        return score
    return lambda one, other: score(one, other) if one["occurred_on"] <= other["occurred_on"] else None


def _any(_one: Item, _other: Item) -> int:
    return 0


def _days(one: Item, other: Item) -> int:
    return abs((one["occurred_on"] - other["occurred_on"]).days)


def _little(one: Item, other: Item) -> int | None:
    apart = abs(one["amount_minor"] - other["amount_minor"])
    return apart if apart <= 5 else None


def _unlike(one: Item, other: Item) -> int | None:
    texts = ["".join(filter(str.isalnum, item["reference"].lower())) for item in (one, other)]
    both = sum(map(len, texts))
    similar = 100 * (both - Indel.distance(*texts)) // both
    return 100 - similar if similar >= 70 else None


def _net(one: Item, other: Item) -> int | None:
    fee = (one["amount_minor"] * 6 + 500) // 1000
    fits = one["amount_minor"] - fee == other["amount_minor"] and _days(one, other) <= 3
    return _days(one, other) if fits else None


def _same(one: Item, other: Item) -> int | None:
    fits = one["amount_minor"] == other["amount_minor"] and _days(one, other) <= 3
    return _days(one, other) if fits else None


def _groups(left: list[Item], right: list[Item], found: set[Rows]) -> tuple[list[Item], list[Item]]:
    sides = {"left": _by_group(left), "right": _by_group(right)}
    agree = {
        group
        for group in sides["left"].keys() & sides["right"].keys()
        if len({sum(item["amount_minor"] for item in side[group]) for side in sides.values()}) == 1
    }
    for group in agree:
        found.add(frozenset((name, item["row_no"]) for name, side in sides.items() for item in side[group]))
    return [one for one in left if one["group"] not in agree], [one for one in right if one["group"] not in agree]


def _by_group(items: Iterable[Item]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item["group"] is not None:
            groups[item["group"]].append(item)
    return groups


def _sums(
    ones: list[Item], many: list[Item], one_side: str, many_side: str, found: set[Rows]
) -> tuple[list[Item], list[Item]]:
    """The largest row that still fits, until nothing is missing."""
    blocks: dict[str, list[Item]] = defaultdict(list)
    for item in sorted(many, key=lambda item: (-item["amount_minor"], item["row_no"])):
        if item["counterparty"] is not None:
            blocks[item["counterparty"]].append(item)
    taken: set[int] = set()
    rest = []
    for one in ones:
        missing, parts = one["amount_minor"], []
        for item in blocks.get(one["counterparty"], ()):
            if item["row_no"] not in taken and item["amount_minor"] <= missing and _days(one, item) <= 5:
                missing -= item["amount_minor"]
                parts.append(item["row_no"])
        if missing or not parts:
            rest.append(one)
            continue
        taken.update(parts)
        found.add(frozenset({(one_side, one["row_no"]), *((many_side, row) for row in parts)}))
    return rest, [item for item in many if item["row_no"] not in taken]
