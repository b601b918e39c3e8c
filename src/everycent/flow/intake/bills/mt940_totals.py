"""What an MT940 or MT942 message states of itself: balances, and counts and sums of debits and credits."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from everycent.flow.intake.bills.amounts import EXACT, ZERO, amount, plain
from everycent.flow.intake.bills.mt940_lines import read_date
from everycent.flow.intake.bills.parts import Malformed
from everycent.flow.intake.contract import Control

_BALANCE: Final = re.compile(r"([DC])(\d{6})([A-Z]{3})?([\d,]{1,24})\s*", re.ASCII)
_SUM: Final = re.compile(r"(\d*)([A-Z]{3})([\d,]{1,24})\s*", re.ASCII)
_WORDS: Final = {"C": "credits", "D": "debits"}
_FLOOR: Final = re.compile(r"([A-Z]{3})[DC ]?([\d,]{0,24})\s*", re.ASCII)


@dataclass
class Totals:
    """Figures of one message. `unread` says that a statement line could not be read."""

    opening: Decimal | None = None
    closing: tuple[Decimal, int] | None = None
    currency: str | None = None
    within_day: bool = False
    goes_on: bool = False
    unread: bool = False
    moved: Decimal = ZERO
    count: dict[str, int] = field(default_factory=lambda: {"C": 0, "D": 0})
    sums: dict[str, Decimal] = field(default_factory=lambda: {"C": ZERO, "D": ZERO})
    stated: list[tuple[str, str, Decimal, int]] = field(default_factory=list)  # C or D, count, sum, line

    def take(self, tag: str, text: str, line: int) -> bool:
        """Takes in a field; False where it is a figure that cannot be read. Fields without figures are passed over."""
        match tag:
            case "60F" | "60M" | "62F" | "62M":
                return self._balance(tag, text, line)
            case "90C" | "90D":
                self.within_day = True
                match = _SUM.fullmatch(text)
                value = match and amount(match[3])
                if match is None or value is None:
                    return False
                self.stated.append((tag[2], match[1], value, line))
            case "34F":
                self.within_day = True
                floor = _FLOOR.fullmatch(text)
                self.currency = self.currency or (floor[1] if floor else None)
                return floor is not None
        return True

    def _balance(self, tag: str, text: str, line: int) -> bool:
        match = _BALANCE.fullmatch(text)
        value = match and amount(match[4])
        if match is None or value is None or read_date(match[2]) is None:
            return False
        signed = EXACT.minus(value) if match[1] == "D" else value
        self.currency = self.currency or match[3]
        if tag[:2] == "60":
            self.opening = signed
        else:
            self.closing, self.goes_on = (signed, line), tag == "62M"
        return True

    def add(self, value: Decimal) -> None:
        """Adds a statement line."""
        way = "D" if value.is_signed() else "C"
        self.moved = EXACT.add(self.moved, value)
        self.count[way] += 1
        self.sums[way] = EXACT.add(self.sums[way], abs(value))

    def controls(self, named: str, line: int) -> Iterator[Control | Malformed]:
        """The message's figures; what a whole statement would have and this one has not is malformed at its end."""
        if self.opening is not None and self.closing is not None:
            found = EXACT.add(self.opening, self.moved)
            yield Control(f"{named}: closing balance", plain(self.closing[0]), plain(found), self.closing[1])
        elif not self.within_day:
            lacks = "closing balance (:62F:)" if self.closing is None else "opening balance (:60F:)"
            yield Malformed(line, f"{named} has no {lacks}: it is cut off, and nothing proves its lines", "")
        else:
            yield from self._unstated(named)
        for way, count, value, at in self.stated:
            if count:
                yield Control(f"{named}: number of {_WORDS[way]}", count, str(self.count[way]), at)
            yield Control(f"{named}: sum of {_WORDS[way]}", plain(value), plain(self.sums[way]), at)

    def _unstated(self, named: str) -> Iterator[Control]:
        """A report within the day that states neither sum, or not the one of lines that it has: it could be cut off."""
        told = {way for way, *_ in self.stated}
        for way, count in self.count.items():
            if way not in told and (count or not told):
                told.add(way)
                stated = f"nothing: there is no :90{way}:"
                yield Control(f"{named}: sum of {_WORDS[way]}", stated, plain(self.sums[way]), None)
