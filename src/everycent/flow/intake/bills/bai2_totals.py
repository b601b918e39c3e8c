"""What a BAI2 file states of itself: control totals and record counts on three levels, and an account's balances.

Control totals add up the amounts as written, credits and debits alike, summaries among them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from everycent.flow.intake.contract import Control

_INTEGER: Final = re.compile(r"[+-]?\d{1,24}", re.ASCII)
_OPENING_LEDGER: Final = "010"
_CLOSING_LEDGER: Final = "015"
#: How many fields a funds type takes in a summary beside itself.
_FUNDS_FIELDS: Final = {"S": 3, "V": 2}


def _stated(name: str, stated: str, found: int, line: int) -> Iterator[Control]:
    """A figure that the file leaves empty is not checked; one that is no number agrees with nothing."""
    if _INTEGER.fullmatch(stated):
        yield Control(name, str(int(stated)), str(found), line)


@dataclass
class Envelope:
    """The file, or a group: what is in it. `records` counts its lines, its own header and trailer among them."""

    kind: str
    members: str
    total: int = 0
    count: int = 0
    records: int = 0

    def add(self, total: int) -> None:
        """Adds a member's control total."""
        self.total += total
        self.count += 1

    def controls(self, fields: list[str], line: int) -> Iterator[Control]:
        """The trailer's figures: control total, members, records."""
        yield from _stated(f"{self.kind}: control total", fields[0], self.total, line)
        yield from _stated(f"{self.kind}: number of {self.members}", fields[1], self.count, line)
        yield from _stated(f"{self.kind}: number of records", fields[2], self.records, line)


@dataclass
class Account:
    """An account: its figures so far, in minor units. `moved` is signed, `total` is as the amounts are written."""

    number: str
    currency: str
    records: int
    total: int = 0
    moved: int = 0
    details: int = 0
    opening: int | None = None
    closing: int | None = None

    def summaries(self, fields: list[str]) -> None:
        """The statuses and summaries of the account's header: type, amount, item count, funds type, over and over."""
        at = 0
        while at + 1 < len(fields):
            if not fields[at]:  # some banks end a line with a comma more
                at += 1
                continue
            code, figure = fields[at], fields[at + 1]
            if _INTEGER.fullmatch(figure):
                value = int(figure)
                self.total += value
                self.opening = value if code == _OPENING_LEDGER else self.opening
                self.closing = value if code == _CLOSING_LEDGER else self.closing
            funds = fields[at + 3] if at + 3 < len(fields) else ""
            distributed = fields[at + 4] if at + 4 < len(fields) else ""
            extra = 2 * int(distributed) + 1 if funds == "D" and distributed.isdigit() else _FUNDS_FIELDS.get(funds, 0)
            at += 4 + extra

    def controls(self, fields: list[str], line: int) -> Iterator[Control]:
        """The trailer's figures, and the ledger balances where both are there and transactions between them."""
        named = f"account {self.number}"
        yield from _stated(f"{named}: control total", fields[0], self.total, line)
        yield from _stated(f"{named}: number of records", fields[1], self.records, line)
        if self.opening is not None and self.closing is not None and self.details:
            found = str(self.opening + self.moved)
            yield Control(f"{named}: closing ledger balance, in minor units", str(self.closing), found, line)
