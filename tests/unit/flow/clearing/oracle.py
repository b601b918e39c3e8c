"""An independent settlement of a small model: plain Python, row by row, in fractions. It shares no code with the flow.

A model is a list of charges: how each is computed is given as text for the flow and as a function of fractions here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

Amounts = Mapping[str, Fraction]


@dataclass(frozen=True)
class OracleCharge:
    """One charge: `value` in minor units from the item's columns and the charges before, not rounded yet."""

    name: str
    text: str
    value: Callable[[Amounts], Fraction]
    rounding: str = "half_up"
    on_refund: str = "prorate"
    shares: tuple[tuple[int, tuple[int, ...] | None], ...] = ()
    odd_cent: str = "largest_remainder"


def rounded(value: Fraction, rounding: str) -> int:
    """To a whole number; -x is rounded as x is."""
    size = abs(value)
    low = floor(size)
    rest = size - low
    half = Fraction(1, 2)
    up = {
        "half_up": rest >= half,
        "half_even": rest > half or (rest == half and low % 2 == 1),
        "down": False,
        "up": rest > 0,
    }[rounding]
    return (low + up) * (-1 if value < 0 else 1)


def split(amount: int, weights: list[int], odd_cent: str) -> list[int]:
    """Shares by weight; the odd units to those that lost most, or to the first that have a weight."""
    total = sum(weights)
    if total == 0:
        assert amount == 0
        return [0] * len(weights)
    exact = [Fraction(abs(amount) * weight, total) for weight in weights]
    shares = [floor(share) for share in exact]
    places = [place for place in range(len(weights)) if weights[place]]
    if odd_cent == "largest_remainder":
        places.sort(key=lambda place: shares[place] - exact[place])
    for place in places[: abs(amount) - sum(shares)]:
        shares[place] += 1
    return [share if amount > 0 else -share for share in shares]


def two_levels(charge: OracleCharge, amount: int) -> list[int]:
    """The shares of an apportioned charge, flattened; the amount itself where nobody shares it."""
    if not charge.shares:
        return [amount]
    flat: list[int] = []
    first = split(amount, [weight for weight, _ in charge.shares], charge.odd_cent)
    for share, (_, among) in zip(first, charge.shares, strict=True):
        flat += [share] if among is None else split(share, list(among), charge.odd_cent)
    return flat


@dataclass
class OracleSale:
    """One item's life: what it was charged, and what refunds gave back so far."""

    charges: list[OracleCharge]
    columns: dict[str, int]
    worth: int
    refunded: int = 0
    amounts: dict[str, int] = field(default_factory=dict)
    remaining: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = {name: Fraction(value) for name, value in self.columns.items()}
        for charge in self.charges:
            self.amounts[charge.name] = rounded(charge.value(known), charge.rounding)
            known[charge.name] = Fraction(self.amounts[charge.name])
            self.remaining[charge.name] = two_levels(charge, self.amounts[charge.name])

    def give_back(self, amount: int) -> list[tuple[str, list[int]]] | None:
        """(charge, what each bearer gets back), negative to the charge; None where the refund cannot be given."""
        if not 0 <= amount <= self.worth - self.refunded:
            return None
        before, self.refunded = self.refunded, self.refunded + amount
        found = []
        for charge in self.charges:
            delta = self._in_all(charge, self.refunded) - self._in_all(charge, before)
            if charge.on_refund == "keep" or (charge.on_refund == "return" and delta == 0):
                continue
            remaining = self.remaining[charge.name]
            parts = split(delta, [abs(left) for left in remaining], charge.odd_cent)
            self.remaining[charge.name] = [left - part for left, part in zip(remaining, parts, strict=True)]
            found.append((charge.name, [-part for part in parts]))
        return found

    def _in_all(self, charge: OracleCharge, refunded: int) -> int:
        if refunded == 0 or charge.on_refund == "keep":
            return 0
        if charge.on_refund == "return":
            return self.amounts[charge.name]
        return rounded(Fraction(self.amounts[charge.name] * refunded, self.worth), charge.rounding)
