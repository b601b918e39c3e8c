"""What `matching.py` matches: leftovers of two sides that are hard to match, made from a seed, with the truth.

Each case has counterparties, keys, references or groups of its own. Rows are numbered in a random order, so that their
order says nothing of the truth. Amounts are up to 10,000.00: that rows which have nothing to do with each other add up
by chance is rare, but not excluded.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pyarrow as pa

from everycent.proof.recon.contract import ITEM

Rows = frozenset[tuple[str, int]]

#: The rules, for all contenders: how a person would order them, the most telling first.
RULES = """
- key: {}
- tolerance: {absolute: 0.05}
- reference: {similar: 70, clear_by: 2}
- group: {}
- net_of_fees: {by: counterparty, within: 3 days, formula: {rate: 0.006}}
- dates: {by: counterparty, within: 3 days}
- subset: {by: counterparty, within: 5 days, shapes: [one_to_many, many_to_one, many_to_many]}
"""

#: The same, of one who knows that the right side's row is never the earlier of a pair.
RULES_LATER = RULES.replace("within: 3 days", "within: 3 days, later: right")
SEED = 20260301
AMOUNT_MAX = 1_000_000
FIRST_DAY = date(2026, 1, 1)


@dataclass(frozen=True)
class Cases:
    """Two sides (ITEM), which rows belong together, and the kind of case that each row is from."""

    left: pa.Table
    right: pa.Table
    truth: dict[Rows, str]
    kinds: dict[tuple[str, int], str]


@dataclass
class _Maker:
    """Collects rows; `pick` is seeded. A row is known by its place until all are numbered."""

    pick: random.Random
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"left": [], "right": []})
    truth: list[tuple[str, list[tuple[str, int]]]] = field(default_factory=list)
    kinds: dict[str, list[str]] = field(default_factory=lambda: {"left": [], "right": []})
    kind: str = ""
    cases: int = 0

    def party(self) -> str:
        return f"{self.kind} {self.cases}"

    def amount(self, least: int = 100) -> int:
        return self.pick.randint(least, AMOUNT_MAX)

    def day(self) -> date:
        return FIRST_DAY + timedelta(days=self.pick.randrange(300))

    def put(self, side: str, amount: int, day: date, **columns: Any) -> tuple[str, int]:
        given = {"amount_minor": amount, "occurred_on": day, "counterparty": self.party()} | columns
        self.rows[side].append(dict.fromkeys(ITEM.names) | given)
        self.kinds[side].append(self.kind)
        return side, len(self.rows[side]) - 1

    def belong(self, *rows: tuple[str, int]) -> None:
        self.truth.append((self.kind, list(rows)))


def _neighbours(make: _Maker) -> None:
    """One amount, several times, days apart; the other side later, one of it sometimes missing."""
    amount, day = make.amount(), make.day()
    count = make.pick.randint(2, 5)
    missing = make.pick.randrange(count) if make.pick.random() < 0.3 else -1
    for place in range(count):
        one = make.put("left", amount, day)
        if place != missing:
            make.belong(one, make.put("right", amount, _later(make, day, 2)))
        day += timedelta(days=make.pick.randint(1, 6))


def _duplicates(make: _Maker) -> None:
    """A key that comes twice on one side; the second row is the same, or has another amount."""
    amount, day, key = make.amount(), make.day(), make.party()
    side, other = make.pick.sample(["left", "right"], 2)
    rows = [make.put(side, amount, day, key=key), make.put(other, amount, day, key=key)]
    make.belong(*rows)
    make.put(side, amount if make.pick.random() < 0.5 else make.amount(), day, key=key)


def _little(make: _Maker) -> None:
    """The same key, some cents apart: up to 5 belong together, more is a difference to report."""
    amount, day, key = make.amount(), make.day(), make.party()
    apart = make.pick.choice([-12, -5, -2, -1, 1, 3, 5, 12])
    rows = [make.put("left", amount, day, key=key), make.put("right", amount + apart, day, key=key)]
    if abs(apart) <= 5:
        make.belong(*rows)


def _shifted(make: _Maker) -> None:
    """Amounts that differ, up to three days apart, among rows that have no partner."""
    for _ in range(make.pick.randint(3, 6)):
        amount, day = make.amount(), make.day()
        make.belong(make.put("left", amount, day), make.put("right", amount, _later(make, day, 3)))
    for _ in range(make.pick.randint(0, 2)):
        make.put(make.pick.choice(["left", "right"]), make.amount(), make.day())


def _one_to_many(make: _Maker, one: str = "left", many: str = "right") -> None:
    """Rows that add up to one, among others; sometimes two of the others would do for two of them."""
    for _ in range(make.pick.randint(1, 2)):
        day = make.day()
        parts = [make.amount() // 4 + 1 for _ in range(make.pick.randint(2, 5))]
        others = [make.amount() // 4 + 1 for _ in range(make.pick.randint(2, 5))]
        if make.pick.random() < 0.25:
            instead = parts[0] + parts[1] - others[0]
            others += [instead] if instead > 0 else []
        if sum(parts) in others:
            continue  # a row that explains it alone would do better than the truth
        total = make.put(one, sum(parts), day)
        make.belong(total, *[make.put(many, part, _later(make, day, 4)) for part in parts])
        for amount in others:
            make.put(many, amount, _later(make, day, 4))


def _many_to_one(make: _Maker) -> None:
    """The other way round."""
    _one_to_many(make, "right", "left")


def _many_to_many(make: _Maker) -> None:
    """Two rows against two or three, and one that belongs to none."""
    day = make.day()
    lefts = [make.amount(50_000), make.amount(50_000)]
    cuts = sorted(make.pick.sample(range(1, sum(lefts)), make.pick.randint(1, 2)))
    rights = [high - low for low, high in zip([0, *cuts], [*cuts, sum(lefts)], strict=True)]
    rows = [make.put("left", amount, day) for amount in lefts]
    make.belong(*rows, *[make.put("right", amount, _later(make, day, 4)) for amount in rights])
    make.put(make.pick.choice(["left", "right"]), make.amount(), day)


def _ties(make: _Maker) -> None:
    """Rows that nothing tells apart, as many on both sides or one less."""
    amount, day = make.amount(), make.day()
    count = make.pick.randint(2, 3)
    for place in range(count):
        one = make.put("left", amount, day)
        if place or make.pick.random() < 0.5:
            make.belong(one, make.put("right", amount, day))


def _net(make: _Maker) -> None:
    """Gross against net of a fee of 0.6 %; amounts are near each other, and one gross is another's net."""
    day = make.day()
    amount = make.amount(10_000)
    for _ in range(make.pick.randint(2, 4)):
        net = amount - (amount * 6 + 500) // 1000
        make.belong(make.put("left", amount, day), make.put("right", net, _later(make, day, 2)))
        amount = net if make.pick.random() < 0.3 else amount + make.pick.choice([-2, -1, 1, 2, 40])
    make.put("right", make.amount(), day)


def _references(make: _Maker) -> None:
    """One amount, references of one series; the other side writes more around them, or forgets a letter."""
    amount, day = make.amount(), make.day()
    for number in make.pick.sample(range(100), make.pick.randint(2, 5)):
        reference = f"INV-2026-{make.cases:06d}{number:02d}"
        forgets = make.pick.randrange(len(reference))
        written = make.pick.choice([
            f"payment {reference.lower()}", reference.replace("-", " "), reference[:forgets] + reference[forgets + 1 :]
        ])  # fmt: skip
        one = make.put("left", amount, day, reference=reference)
        make.belong(one, make.put("right", amount, _later(make, day, 9), reference=written, counterparty=None))


def _groups(make: _Maker) -> None:
    """A payout and its orders by the payout's name; sometimes the sums do not agree, then they do not match."""
    day, group = make.day(), make.party()
    parts = [make.amount() // 4 for _ in range(make.pick.randint(2, 6))]
    wrong = make.pick.random() < 0.2
    total = make.put("left", sum(parts) + 777 * wrong, day, group=group, counterparty=None)
    rows = [make.put("right", part, day, group=group, counterparty=None) for part in parts]
    if not wrong:
        make.belong(total, *rows)


def _strangers(make: _Maker) -> None:
    """Rows that do not belong together."""
    day = make.day()
    for _ in range(2):
        make.put("left", make.amount(), day)
    for _ in range(5):
        make.put("right", make.amount(), _later(make, day, 4))


KINDS: dict[str, Callable[[_Maker], None]] = {
    "same-amount neighbours": _neighbours,
    "duplicates": _duplicates,
    "little differences": _little,
    "date shifts": _shifted,
    "one-to-many, decoys": _one_to_many,
    "many-to-one, decoys": _many_to_one,
    "many-to-many": _many_to_many,
    "ties": _ties,
    "net against gross": _net,
    "references": _references,
    "groups": _groups,
    "strangers": _strangers,
}


def make_cases(rows: int, seed: int = SEED) -> Cases:
    """At least so many rows on both sides together, the kinds in turn."""
    make = _Maker(random.Random(seed))
    while sum(map(len, make.rows.values())) < rows:
        make.kind = list(KINDS)[make.cases % len(KINDS)]
        KINDS[make.kind](make)
        make.cases += 1
    numbers = {side: make.pick.sample(range(1, len(found) + 1), len(found)) for side, found in make.rows.items()}
    for side, found in make.rows.items():
        for row, number in zip(found, numbers[side], strict=True):
            row["row_no"] = number
    left, right = (pa.Table.from_pylist(make.rows[side], ITEM).sort_by("row_no") for side in ("left", "right"))
    return Cases(
        left,
        right,
        {frozenset((side, numbers[side][place]) for side, place in found): kind for kind, found in make.truth},
        {(side, numbers[side][place]): kind for side, all_ in make.kinds.items() for place, kind in enumerate(all_)},
    )


def _later(make: _Maker, day: date, most: int) -> date:
    return day + timedelta(days=make.pick.randint(0, most))
