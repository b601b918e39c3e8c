"""Ordered clearing done again: one record at a time, in plain Python and fractions. It shares no code with the flow.

It reads a model as its author writes it (dictionaries of text), and keeps each total by its name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from oracle import rounded, split

Words = Mapping[str, Any]
Pot = tuple[str, str, str]


@dataclass
class Sold:
    """A sale: its worth, what was refunded of it, and of each charge who still carries what, in which pot."""

    worth: int
    refunded: int = 0
    amounts: dict[str, int] = field(default_factory=dict)
    left: dict[str, tuple[Pot, dict[str, int]]] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)


@dataclass
class OrderedOracle:
    """`charges`: name → the words of the charge. `budgets`: name → the words of the budget. Money in minor units."""

    charges: Mapping[str, Words]
    budgets: Mapping[str, Words]
    exponent: int
    totals: dict[Pot, dict[str, int]] = field(default_factory=dict)
    sold: dict[str, Sold] = field(default_factory=dict)

    def clear(self, fact: Words) -> tuple[list[tuple[Any, ...]], list[tuple[str, str]]]:
        """(charge, leaf, amount, total before, total after) rows, and (charge, state) of what is held."""
        return self._refund(fact) if "refund_of" in fact else self._sale(fact)

    def _sale(self, fact: Words) -> tuple[list[tuple[Any, ...]], list[tuple[str, str]]]:
        sale = self.sold[fact["key"]] = Sold(fact["amount"])
        rows: list[tuple[Any, ...]] = []
        held = []
        for name in self.charges:
            if name not in fact["charges"]:
                continue
            terms, amount = self.charges[name]["apportion"], fact["charges"][name]
            pot = self._pot(terms["budget"], fact)
            roles = [role for bearer, words in terms["bearers"].items() for role in words.get("among", [bearer])]
            unknown = any(fact.get(role, "somebody") is None for role in roles) or pot is None
            shares = None if unknown else self._shares(terms, amount, self.totals.get(pot, {}))
            if shares is None:
                held.append((name, "refused" if not unknown and terms.get("when_all_capped") == "refuse" else "held"))
                sale.held.append(name)
                continue
            sale.amounts[name] = amount
            sale.left[name] = (pot, dict(shares))
            rows += [(name, leaf, share, *self._move(pot, leaf, share)) for leaf, share in shares.items()]
        return rows, held

    def _refund(self, fact: Words) -> tuple[list[tuple[Any, ...]], list[tuple[str, str]]]:
        sale, amount = self.sold.get(fact["refund_of"]), fact["amount"]
        if sale is None:
            return [], [("*", "held")]
        if not 0 <= amount <= sale.worth - sale.refunded:
            return [], [("*", "quarantined")]
        before, sale.refunded = sale.refunded, sale.refunded + amount
        rows: list[tuple[Any, ...]] = []
        for name, (pot, left) in sale.left.items():
            words = self.charges[name]
            delta = self._in_all(words, sale, name, sale.refunded) - self._in_all(words, sale, name, before)
            on_refund = words.get("on_refund", "prorate")
            if on_refund == "keep" or (on_refund == "return" and delta == 0):
                continue
            parts = self._given_back(words["apportion"], left, delta)
            for leaf, part in parts.items():
                left[leaf] -= part
                rows.append((name, leaf, -part, *self._move(pot, leaf, -part)))
        return rows, [(name, "held") for name in self.charges if name in sale.held]

    def _in_all(self, words: Words, sale: Sold, name: str, refunded: int) -> int:
        on_refund = words.get("on_refund", "prorate")
        if refunded == 0 or on_refund == "keep":
            return 0
        if on_refund == "return":
            return sale.amounts[name]
        return rounded(Fraction(sale.amounts[name] * refunded, sale.worth), words.get("round", "half_up"))

    def _given_back(self, terms: Words, left: dict[str, int], delta: int) -> dict[str, int]:
        if terms.get("refund", "proportional") == "proportional":
            weights = [abs(amount) for amount in left.values()]
            return dict(zip(left, split(delta, weights, terms["odd_cent"]), strict=True))
        parts = dict.fromkeys(left, 0)
        for leaf in reversed(left):
            part = min(abs(delta), abs(left[leaf]))
            parts[leaf] = part if delta > 0 else -part
            delta -= parts[leaf]
        return parts

    def _move(self, pot: Pot, leaf: str, amount: int) -> tuple[int, int]:
        totals = self.totals.setdefault(pot, {})
        before = totals.get(leaf, 0)
        totals[leaf] = before + amount
        return before, before + amount

    def _pot(self, budget: str, fact: Words) -> Pot | None:
        values = [fact[column] for column in self.budgets[budget].get("per", [])]
        if None in values:
            return None
        escaped = "/".join(value.replace("\\", "\\\\").replace("/", "\\/") for value in values)
        day = date.fromisoformat(fact["on"])
        year, week, _ = day.isocalendar()
        period = {
            "day": fact["on"],
            "week": f"{year}-W{week:02}",
            "month": fact["on"][:7],
            "quarter": f"{day.year}-Q{(day.month - 1) // 3 + 1}",
            "year": fact["on"][:4],
            "none": "",
        }[self.budgets[budget].get("period", "none")]
        return budget, escaped, period

    def _shares(self, terms: Words, amount: int, totals: dict[str, int]) -> dict[str, int] | None:
        """Each leaf's share; None where nobody takes the rest."""
        size, bearers, odd = abs(amount), terms["bearers"], terms["odd_cent"]
        capped, cut = amount > 0, terms.get("over_cap") == "cut"

        def room(cap: str | None, names: list[str]) -> Fraction | None:
            if cap is None or not capped:
                return None
            return max(Fraction(0), Fraction(cap) * 10**self.exponent - sum(totals.get(name, 0) for name in names))

        whole = room(self.budgets[terms["budget"]].get("cap"), list(totals))
        fits = size if whole is None else min(size, int(whole))
        rooms = {}
        for name, words in bearers.items():
            mine = [leaf for leaf in totals if leaf == name or leaf.startswith(name + "/")]
            rooms[name] = room(words.get("cap"), mine)
            if "among" in words and not cut:
                inner = [
                    room(leaf.get("cap"), [f"{name}/{role}"])
                    for role, leaf in words["among"].items()
                    if int(leaf["weight"])
                ]
                if None not in inner:
                    together = sum(inner)
                    rooms[name] = together if rooms[name] is None else min(rooms[name], together)
        first, rest = self._first_level(terms, fits, rooms, cut)
        rest += size - fits
        shares: dict[str, int] = {}
        for name, words in bearers.items():
            if "among" not in words:
                shares[name] = first[name]
                continue
            weights = {f"{name}/{role}": int(leaf["weight"]) for role, leaf in words["among"].items()}
            inner_rooms = {
                f"{name}/{role}": room(leaf.get("cap"), [f"{name}/{role}"]) for role, leaf in words["among"].items()
            }
            parts, lost = fill(first[name], weights, inner_rooms, cut, odd)
            shares |= parts
            rest += lost
        if rest:
            last = terms.get("when_all_capped")
            if last in ("hold", "refuse"):
                return None
            assert last is not None, "somebody always has room where nobody is named"
            if "among" in bearers[last]:
                leaves = [f"{last}/{role}" for role in bearers[last]["among"]]
                weights_ = [int(leaf["weight"]) for leaf in bearers[last]["among"].values()]
                for leaf_, part in zip(leaves, split(rest, weights_, odd), strict=True):
                    shares[leaf_] += part
            else:
                shares[last] += rest
        return {name: share if amount > 0 else -share for name, share in shares.items()}

    def _first_level(
        self, terms: Words, size: int, rooms: dict[str, Fraction | None], cut: bool
    ) -> tuple[dict[str, int], int]:
        bearers, by = terms["bearers"], terms.get("by", "ratio")
        if by == "ratio":
            weights = {name: int(words["weight"]) for name, words in bearers.items()}
            return fill(size, weights, rooms, cut, terms["odd_cent"])
        word = "up_to" if by == "in_order" else "fixed"
        names = list(bearers)
        if by == "fixed":  # the one without an amount carries what the others leave
            names = [name for name in names if "fixed" in bearers[name]] + [
                name for name in names if "fixed" not in bearers[name]
            ]
        taken, left, lost = dict.fromkeys(bearers, 0), size, 0
        for name in names:
            limit = bearers[name].get(word)
            wanted = left if limit is None else min(left, int(Fraction(limit) * 10**self.exponent))
            free = rooms[name]
            taken[name] = wanted if free is None else min(wanted, int(free))
            left -= wanted if cut else taken[name]
            lost += wanted - taken[name] if cut else 0
        return taken, left + lost


def fill(
    size: int, weights: dict[str, int], rooms: dict[str, Fraction | None], cut: bool, odd: str
) -> tuple[dict[str, int], int]:
    """By weight up to the rooms; what does not fit goes by weight to those with room, round by round. (shares, rest)"""
    taken = dict.fromkeys(weights, 0)
    left = size
    while left:
        free = {name: None if rooms[name] is None else int(rooms[name]) - taken[name] for name in weights}
        active = {name: weight for name, weight in weights.items() if cut or free[name] is None or free[name] > 0}
        if sum(active.values()) == 0:
            break
        over = 0
        for name, part in zip(active, split(left, list(active.values()), odd), strict=True):
            fits = part if free[name] is None else min(part, free[name])
            taken[name] += fits
            over += part - fits
        left = over
        if cut:
            break
    return taken, left
